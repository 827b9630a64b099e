"""Stationary Gaussian paths with a window's own update autocorrelation."""

import numpy as np
import pytest

from anodiff.diffusion.exponents import local_slopes
from anodiff.diffusion.ideal_gas import ideal_gas_msd, stationary_spectrum
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian, ornstein_uhlenbeck, quadratic_bowl

STEPS = 400
LAGS = logarithmic_lags(STEPS, 12, 0.25)


def mean_of_draws(points, dimension=50, draws=60):
    path = path_geometry(points)
    drawn = ideal_gas_msd(path.gram, LAGS, np.full(len(LAGS), float(dimension)), draws, np.random.default_rng(0))
    return path.mean_squared_displacement(LAGS), drawn


@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.75])
def test_a_stationary_gaussian_path_is_one_draw_of_its_own_ideal_gas(hurst):
    msd, drawn = mean_of_draws(fractional_brownian(STEPS, 200, 0, hurst=hurst), 200)
    np.testing.assert_allclose(drawn.mean(axis=0), msd, rtol=0.12)


def test_a_drift_stays_ballistic():
    msd, drawn = mean_of_draws(brownian(STEPS, 50, 0, drift=3.0))
    np.testing.assert_allclose(drawn.mean(axis=0)[-1], msd[-1], rtol=0.5)  # a random slope: its square scatters
    slopes = local_slopes(LAGS, 0.25) @ np.log(drawn.T)
    assert slopes[-1].mean() > 1.9


def test_a_bounded_path_keeps_only_a_little_diffusion():
    msd, drawn = mean_of_draws(ornstein_uhlenbeck(STEPS, 50, 0, relaxation=5.0))
    np.testing.assert_allclose(drawn.mean(axis=0), msd, rtol=0.35)


def test_no_stationary_path_has_an_exponent_above_two_but_a_relaxing_one_has():
    curvatures = np.geomspace(0.005, 1, 100)
    points = quadratic_bowl(STEPS, 100, 0, curvatures=curvatures, learning_rate=0.3, noise=0.3, start=100.0)
    path = path_geometry(points)
    lags = logarithmic_lags(STEPS, 12, 0.9)
    slopes = local_slopes(lags, 0.25)
    drawn = ideal_gas_msd(path.gram, lags, np.full(len(lags), 50.0), 20, np.random.default_rng(0))
    assert (slopes @ np.log(path.mean_squared_displacement(lags))).max() > 2.2
    assert (slopes @ np.log(drawn.mean(axis=0))).max() < 2


@pytest.mark.parametrize("points", [brownian(100, 3, 0), fractional_brownian(100, 3, 0, hurst=0.25)])
def test_the_spectrum_is_not_negative_and_holds_the_mean_squared_step(points):
    gram = path_geometry(points).gram
    spectrum = stationary_spectrum(gram)
    assert spectrum.min() >= 0
    assert spectrum.mean() == pytest.approx(np.trace(gram) / len(gram), rel=1e-9)


@pytest.mark.parametrize("dimension", [2, 10, 80])
def test_draws_scatter_as_in_their_effective_dimension(dimension):
    lags = np.array([1])
    gram = path_geometry(brownian(STEPS, 100, 0)).gram
    drawn = ideal_gas_msd(gram, lags, np.array([float(dimension)]), 400, np.random.default_rng(0))[:, 0]
    assert drawn.std() / drawn.mean() == pytest.approx(np.sqrt(2 / (dimension * STEPS)), rel=0.15)
