"""Laws with a smooth local exponent, compared with exact curves and with other ways to compute them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anodiff.diffusion.sampling import relative_covariance
from anodiff.diffusion.smooth_law import LARGEST, SMALLEST, SmoothLaw, fit_smooth_law
from anodiff.geometry.msd import logarithmic_lags

T = 1000
LAGS = logarithmic_lags(T, 20, 0.9)
BROWNIAN = SmoothLaw(np.zeros(1), np.ones(1), 0.0)
ERRORS = relative_covariance(LAGS, BROWNIAN, T)


def fitted(msd, dimension=1000.0):
    return fit_smooth_law(LAGS.astype(float), np.log(msd), ERRORS / dimension, T)


@given(st.floats(0.05, 1.95), st.floats(1e-12, 1e12))
def test_a_power_law_is_itself_at_all_lags_beyond_the_largest_too(exponent, prefactor):
    law = fitted(prefactor * LAGS.astype(float) ** exponent).law
    every = np.arange(T + 1)
    np.testing.assert_allclose(law.msd(every), prefactor * every.astype(float) ** exponent, rtol=1e-6)


@pytest.mark.parametrize("relaxation", [20.0, 60.0, 200.0])
def test_a_curve_that_bends_is_followed_to_a_fraction_of_its_error(relaxation):
    msd = relaxation * -np.expm1(-LAGS / relaxation) + 0.1 * LAGS
    away = np.log(fitted(msd).law.msd(LAGS) / msd)
    assert (np.abs(away) < np.sqrt(np.diagonal(ERRORS) / 1000)).all()
    assert np.abs(away).max() < 0.04


def test_a_noisy_power_law_is_most_probably_a_power_law():
    noise = np.linalg.cholesky(ERRORS + 1e-12 * np.eye(len(LAGS))) / np.sqrt(300)
    random = np.random.default_rng(0)
    fits = [fitted(LAGS * np.exp(noise @ random.normal(size=len(LAGS))), 300.0) for _ in range(50)]
    assert np.mean([fit.probabilities[0] for fit in fits]) > 0.5
    assert np.mean([fit.law.exponents.mean() for fit in fits]) == pytest.approx(1, abs=0.01)


def test_drawn_laws_scatter_about_the_mean_law_by_what_the_errors_leave_open():
    fit = fitted(100 * -np.expm1(-LAGS / 100.0))
    away = fit.draw_deviations(4000, np.random.default_rng(0))
    np.testing.assert_allclose(away.mean(axis=1), 0, atol=0.005)
    spread = np.sqrt(np.diagonal(ERRORS) / 1000)
    assert (away.std(axis=1) < 1.2 * spread + 1e-3).all()
    assert away.std(axis=1)[-1] > 0.3 * spread[-1]


def test_a_tilted_law_has_its_exponent_changed_and_kept_within_bounds():
    law = SmoothLaw(np.array([0.0, 0.05, 0.1]), np.array([0.5, 1.0, 1.5]), 0.0)
    np.testing.assert_allclose(law.tilted(0.2).exponents, [0.7, 1.2, 1.7])
    np.testing.assert_allclose(law.tilted(0.9).exponents, [1.4, 1.9, LARGEST])
    np.testing.assert_allclose(law.tilted(-0.9).exponents, [SMALLEST, 0.1, 0.6])


def test_a_moved_law_has_its_bend_at_other_lags():
    law = fitted(np.where(LAGS < 50, LAGS, 50 * (LAGS / 50.0) ** 0.3)).law
    moved = law.shifted(np.log(2))
    np.testing.assert_allclose(moved.msd(2 * LAGS) / moved.msd(2), law.msd(LAGS) / law.msd(1), rtol=0.02)


def test_the_msd_at_lag_zero_is_zero():
    assert BROWNIAN.msd([0, 1, 7]).tolist() == pytest.approx([0, 1, 7])
