"""Nulls of paths with known order."""

import numpy as np
import pytest

from anodiff.diffusion.nulls import NULLS, null_curves
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian

LAGS = logarithmic_lags(300, 20, 0.5)


def drawn(points, **keywords):
    generator = np.random.default_rng(0)
    return null_curves(path_geometry(points), LAGS, draws=5, generator=generator, **({"steps_per_epoch": 50} | keywords))


def exponents(curves, name):
    return curves[name].local_exponents(LAGS, 0.25).mean(axis=0)


@pytest.mark.parametrize("hurst", [0.25, 0.75])
def test_fractional_brownian_motion_with_random_signs_is_brownian(hurst):
    curves = drawn(fractional_brownian(300, 1000, 0, hurst=hurst))
    np.testing.assert_allclose(exponents(curves, "sign_randomised")[LAGS <= 20], 1, atol=0.06)


@pytest.mark.parametrize("hurst", [0.25, 0.75])
def test_shuffled_updates_have_the_msd_that_follows_from_mean_products(hurst):
    path = path_geometry(fractional_brownian(300, 1000, 0, hurst=hurst))
    same = np.diagonal(path.gram).mean()
    different = (path.gram.sum() - np.trace(path.gram)) / (300 * 299)  # in the mean over draws, all pairs are alike
    curves = null_curves(path, LAGS, draws=40, steps_per_epoch=None, generator=np.random.default_rng(0))
    expected = LAGS * same + LAGS * (LAGS - 1) * different
    np.testing.assert_allclose(np.exp(curves["shuffled"].log_msd).mean(axis=0), expected, rtol=0.02)


def test_shuffling_keeps_a_drift_but_random_signs_and_detrending_do_not():
    curves = drawn(brownian(300, 1000, 0, drift=3.0))
    tau = LAGS[LAGS <= 60]
    expected = 1 + 9 * tau / (9 * tau + 1000)
    np.testing.assert_allclose(exponents(curves, "shuffled")[LAGS <= 60], expected, atol=0.05)
    np.testing.assert_allclose(exponents(curves, "sign_randomised")[LAGS <= 60], 1, atol=0.05)
    assert exponents(curves, "detrended")[LAGS == 60] < 1  # a bridge, which returns to its start


def test_shuffling_within_epochs_keeps_slower_changes():
    bends = np.repeat(np.random.default_rng(0).normal(size=(30, 500)), 10, axis=0)  # a straight line in each epoch of 10
    noise = np.random.default_rng(1).normal(size=(300, 500))
    points = np.vstack([np.zeros(500), np.cumsum(bends + noise, axis=0)])
    curves = drawn(points, steps_per_epoch=10)
    lag = LAGS == 5
    assert exponents(curves, "permuted_within_epoch")[lag] > 1.4
    assert exponents(curves, "shuffled")[lag] < 1.15


def test_every_possible_null_is_drawn():
    points = brownian(300, 5, 0)
    assert set(drawn(points)) == set(NULLS)
    assert set(drawn(points, steps_per_epoch=None)) == set(NULLS) - {"permuted_within_epoch"}
    assert drawn(points)["shuffled"].log_msd.shape == (5, len(LAGS))
