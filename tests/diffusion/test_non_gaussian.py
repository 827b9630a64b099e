"""The non-Gaussian parameter: 0 for Gaussian paths, exact for mixtures of scales."""

import numpy as np
import pytest

from anodiff.diffusion.non_gaussian import non_gaussian_parameter
from anodiff.geometry import path_geometry
from anodiff.simulation.processes import brownian, fractional_brownian

STEPS = 1500
LAGS = np.array([1, 2, 5, 20])


def measured(points, lags=LAGS):
    return non_gaussian_parameter(path_geometry(points).squared_displacements, lags)


@pytest.mark.parametrize("dimensions", [3, 30])
@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.75])
def test_gaussian_paths_have_none(hurst, dimensions):
    np.testing.assert_allclose(measured(fractional_brownian(STEPS, dimensions, 0, hurst=hurst)), 0, atol=0.12)


def test_directions_of_different_variances_do_not_matter():
    points = brownian(STEPS, 40, 0) / np.sqrt(np.arange(1, 41))
    np.testing.assert_allclose(measured(points)[:3], 0, atol=0.08)


def test_a_scale_that_all_directions_share_shows_with_its_fourth_moment():
    random = np.random.default_rng(0)
    scale = np.where(random.random(STEPS) < 0.5, 1.0, 2.0)  # <s^4> / <s^2>^2 = 8.5 / 6.25
    points = np.vstack([np.zeros(100), np.cumsum(scale[:, None] * random.normal(size=(STEPS, 100)), axis=0)])
    found = measured(points)
    assert found[0] == pytest.approx(8.5 / 6.25 - 1, abs=0.03)
    assert found[2] == pytest.approx((8.5 / 6.25 - 1) / 5, abs=0.04)  # five independent steps


def test_tails_of_their_own_in_every_direction_average_out():
    steps = np.random.default_rng(0).laplace(size=(STEPS, 100))  # kurtosis 6 = 3 + 3
    found = measured(np.vstack([np.zeros(100), np.cumsum(steps, axis=0)]))
    assert found[0] == pytest.approx(3 / 100, abs=0.02)


def test_long_lags_and_paths_that_rest_have_none():
    assert np.isnan(measured(brownian(100, 3, 0), np.array([11, 50]))).all()
    assert np.isnan(measured(np.zeros((50, 2)), np.array([1]))).all()
