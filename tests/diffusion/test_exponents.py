import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anodiff.diffusion.exponents import local_exponents, local_slopes, slope
from anodiff.diffusion.regimes import NOTHING_FITTED, RESOLUTION, SHORTEST_REGIME, Regimes, fit_law, fit_regimes
from anodiff.geometry import PathGeometry
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.simulation.processes import brownian
from anodiff.trajectory import Window

LAGS = logarithmic_lags(1000, 20, 0.9)
exponents = st.floats(0.0, 2.0)
prefactors = st.floats(1e-12, 1e12)
widths = st.floats(0.01, 2)


@given(exponents, prefactors, widths, st.integers(2, 300))
def test_a_power_law_has_its_exponent_at_all_lags_including_the_ends(exponent, prefactor, width, updates):
    msd = prefactor * np.arange(updates + 1.0) ** exponent
    np.testing.assert_allclose(local_exponents(msd, np.arange(1, updates + 1), width), exponent, atol=1e-7)


@pytest.mark.parametrize("ratio", [0.01, 0.1, 1.0], ids="v²/2dD={}".format)
def test_drift_and_noise_have_their_exponent_in_closed_form(ratio):
    lags = np.arange(10, 800)
    tau = np.arange(1001.0)
    measured = local_exponents(ratio * tau**2 + tau, lags, 0.05)
    np.testing.assert_allclose(measured, 1 + ratio * lags / (ratio * lags + 1), atol=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_drifting_brownian_path_crosses_over_as_its_closed_form(seed):
    msd = brownian_msd(seed, dimensions=1000, drift=3.0)
    lags = LAGS[LAGS <= 500]
    expected = 1 + 9 * lags / (9 * lags + 1000)
    np.testing.assert_allclose(local_exponents(msd, lags, 0.25), expected, atol=0.05)


def test_the_local_exponent_depends_only_on_nearby_lags():
    tau = np.arange(1001.0)
    msd = np.where(tau < 100, tau, tau**2 / 100)
    low, high = local_exponents(msd, np.array([50, 200]), 0.25)
    assert low == pytest.approx(1, abs=1e-9)
    assert high == pytest.approx(2, abs=1e-9)


@given(exponents, prefactors, widths)
def test_the_matrix_of_local_slopes_finds_the_exponent_of_a_power_law(exponent, prefactor, width):
    msd = prefactor * LAGS.astype(float) ** exponent
    np.testing.assert_allclose(local_slopes(LAGS, width) @ np.log(msd), exponent, atol=1e-7)


def test_the_matrix_of_local_slopes_agrees_with_the_local_exponents():
    msd = brownian_msd(0, dimensions=1000, drift=3.0)
    np.testing.assert_allclose(local_slopes(LAGS, 0.25) @ np.log(msd[LAGS]), local_exponents(msd, LAGS, 0.25), atol=0.02)


def test_all_octaves_of_lags_have_the_same_weight_in_a_slope():
    tau = np.arange(100, 10_001)
    # The slope of the parabola (ln τ)², averaged over ln τ, is ln 100 + ln 10,000; averaged over τ it is near 2 ln 10,000.
    assert slope(tau, np.exp(np.log(tau) ** 2)) == pytest.approx(6 * math.log(10), rel=0.01)


@pytest.mark.parametrize("msd", [[0, 0, 0], [1, 0, 0], [np.nan, 1, np.nan], [np.inf, 1, -1]], ids=str)
def test_a_slope_of_fewer_than_two_displacements_is_nan(msd):
    assert math.isnan(slope([1, 2, 3], msd))


def test_one_lag_twice_has_no_slope_and_no_warning():
    assert math.isnan(slope([3, 3], [1, 2]))


@given(exponents, prefactors)
def test_a_pure_power_law_is_one_regime(exponent, prefactor):
    fit = fit_regimes(LAGS, prefactor * LAGS.astype(float) ** exponent)
    assert fit.exponents == pytest.approx((exponent,), abs=1e-9)
    assert fit.crossovers == ()
    assert (fit.fit_from, fit.fit_to) == (1, 900)


@given(exponents, st.floats(0.1, 1), st.booleans(), st.sampled_from(LAGS[(LAGS >= 5) & (LAGS <= 200)].tolist()), prefactors)
def test_two_power_laws_are_recovered_with_their_crossover(first, change, rising, crossover, prefactor):
    second = first + change if rising else first - change
    lags = LAGS.astype(float)
    fit = fit_regimes(
        lags, prefactor * np.where(lags < crossover, lags**first, crossover**first * (lags / crossover) ** second)
    )
    assert fit.exponents == pytest.approx((first, second), abs=1e-7)
    assert fit.crossovers == pytest.approx((crossover,))


@given(exponents, st.floats(0.15, 1), st.floats(0.15, 1), st.booleans(), st.booleans(), prefactors)
def test_three_power_laws_are_recovered_with_their_crossovers(first, change, further, rising, again, prefactor):
    early, late = 10.0, 93.0  # two of the lags
    second = first + (change if rising else -change)
    law = Regimes((first, second, second + (further if again else -further)), (early, late), 1, 900, prefactor)
    fit = fit_regimes(LAGS, law.msd(LAGS), 1e-4 * np.eye(len(LAGS)))
    assert fit.exponents == pytest.approx(law.exponents, abs=1e-7)
    assert fit.crossovers == pytest.approx(law.crossovers)


def test_a_third_regime_needs_crossovers_inside_of_the_range_searched():
    """The first knee is below the range searched: a fit that puts it at the end of the range has not found it."""
    law = Regimes((1.9, 1.0, 0.4), (2.5, 60.0), 1, 900, 1.0)
    fit = fit_regimes(LAGS, law.msd(LAGS), 1e-4 * np.eye(len(LAGS)))
    assert fit.count == 2
    assert fit.crossovers == pytest.approx((60,), rel=0.3)


@pytest.mark.parametrize("regimes", [2, 3])
def test_no_other_crossovers_fit_better(regimes):
    """Against least squares at every place of the knots, one by one."""
    lags, random = LAGS.astype(float), np.random.default_rng(0)
    curves = random.normal(size=(len(LAGS), 4)).cumsum(axis=0) * 0.1 + np.log(lags)[:, None]
    factor = random.normal(size=(len(LAGS), len(LAGS))) * 0.02
    covariance = factor @ factor.T + 0.01 * np.eye(len(LAGS))
    fit = fit_law(lags, curves, regimes, covariance)
    weights = np.linalg.inv(covariance + RESOLUTION**2 * np.eye(len(LAGS)))
    x = np.log(lags)
    knots = x[(x >= x[0] + SHORTEST_REGIME) & (x <= x[-1] - SHORTEST_REGIME)]
    lowest = np.full(4, np.inf)
    for chosen in itertools.combinations(knots, regimes - 1):
        if (np.diff(chosen) < SHORTEST_REGIME - 1e-9).any():
            continue
        design = np.stack([np.ones_like(x), x, *(np.maximum(0, x - knot) for knot in chosen)], axis=1)
        residual = curves - design @ np.linalg.solve(design.T @ weights @ design, design.T @ weights @ curves)
        lowest = np.minimum(lowest, np.einsum("lc,lk,kc->c", residual, weights, residual))
    assert (fit.misfit <= lowest * (1 + 1e-9)).all()
    assert (fit.misfit > 0.9 * lowest).all()


def test_a_crossover_between_two_lags_is_found_there():
    lags = LAGS.astype(float)
    fit = fit_regimes(lags, np.where(lags < 57, lags, 57 * (lags / 57) ** 0.4))
    assert fit.crossovers == pytest.approx((57,), rel=0.01)
    assert fit.exponents == pytest.approx((1, 0.4), abs=0.002)


@pytest.mark.parametrize("largest", [5, 9, 10, 11])
def test_lags_too_few_for_two_regimes_are_one(largest):
    lags = np.arange(1.0, largest + 1)
    fit = fit_regimes(lags, lags**1.5)
    assert fit.exponents == pytest.approx((1.5,))


@pytest.mark.parametrize("stride", [1, 10, 250])
def test_the_crossover_is_in_the_unit_of_the_lags(stride):
    lags = LAGS.astype(float)
    fit = fit_regimes(stride * lags, np.where(lags < 59, lags, 59))
    assert (*fit.crossovers, fit.fit_to) == pytest.approx((stride * 59, stride * 900))


@pytest.mark.parametrize("msd", [np.zeros(30), np.full(30, np.nan), [1, 2, 3, 4, *[0] * 26]], ids=["zero", "NaN", "four"])
def test_too_few_displacements_are_not_fitted(msd):
    assert fit_regimes(np.arange(1, 31), msd) == NOTHING_FITTED


def brownian_msd(seed, *, dimensions, drift=0.0):
    steps = np.diff(brownian(1000, dimensions, seed, drift=drift), axis=0)
    return time_averaged_msd(PathGeometry(steps @ steps.T, Window(0, 1000)).squared_displacements)


def test_brownian_motion_in_a_thousand_dimensions_is_one_regime_of_exponent_one():
    fits = [fit_regimes(LAGS, brownian_msd(seed, dimensions=1000)[LAGS]) for seed in range(12)]
    assert sum(fit.count == 1 for fit in fits) >= 11  # 96 of 100 seeds
    assert np.mean([fit.exponents[0] for fit in fits]) == pytest.approx(1, abs=0.01)
    assert all(abs(fit.exponents[-1] - 1) < 0.1 for fit in fits)
