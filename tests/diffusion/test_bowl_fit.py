"""Power laws against relaxation, on curves and paths of which the law is known."""

import math

import numpy as np
import pytest

from anodiff.diffusion.bowl_fit import bowl_against_power_law, fit_relaxations
from anodiff.diffusion.regimes import NOTHING_FITTED, fit_regimes
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian, ornstein_uhlenbeck, quadratic_bowl

STEPS = 400
LAGS = logarithmic_lags(STEPS, 15, 0.9)


def compared(points, dimension):
    msd = path_geometry(points).mean_squared_displacement(LAGS)
    return bowl_against_power_law(LAGS, msd, fit_regimes(LAGS, msd), np.full(len(LAGS), float(dimension)), STEPS)


@pytest.mark.parametrize("relaxations", [[(3.0, 0.05)], [(3.0, 0.3), (40.0, 0.01)]])
def test_exact_relaxations_are_found_with_their_number(relaxations):
    tau = LAGS.astype(float)
    exact = np.log(sum(amplitude * (1 - np.exp(-rate * tau)) for amplitude, rate in relaxations))
    fitted, size = fit_relaxations(tau, exact, np.eye(len(tau)) / 0.02)
    assert size == 2 * len(relaxations)
    np.testing.assert_allclose(fitted, exact, atol=1e-3)


@pytest.mark.parametrize(("hurst", "dimensions"), [(0.25, 100), (0.35, 20)])
def test_subdiffusion_without_a_bowl_is_a_power_law(hurst, dimensions):
    found = [compared(fractional_brownian(STEPS, dimensions, seed, hurst=hurst), dimensions) for seed in range(4)]
    assert min(each.value for each in found) > 2
    assert all(each.low < each.value < each.high for each in found)


@pytest.mark.parametrize("relaxation", [5.0, 20.0, 80.0])
def test_an_ornstein_uhlenbeck_walk_relaxes(relaxation):
    found = [compared(ornstein_uhlenbeck(STEPS, 20, seed, relaxation=relaxation), 20) for seed in range(4)]
    assert max(each.value for each in found) < 0


def test_a_stationary_bowl_of_many_curvatures_relaxes():
    curvatures = np.geomspace(0.005, 1, 100)
    points = [
        quadratic_bowl(STEPS, 100, seed, curvatures=curvatures, learning_rate=0.3, noise=0.3, start="stationary")
        for seed in range(4)
    ]
    assert max(compared(each, 50).value for each in points) < 0


def test_brownian_motion_is_both_and_neither_wins():
    values = [compared(brownian(STEPS, 20, seed), 20).value for seed in range(6)]
    assert abs(np.median(values)) < 2


def test_what_has_no_law_or_too_few_lags_is_unknown():
    lags, few = np.arange(1, 6), np.arange(1.0, 6.0)
    assert math.isnan(bowl_against_power_law(lags, few, NOTHING_FITTED, few, 20).value)
    assert math.isnan(bowl_against_power_law(lags, few, fit_regimes(lags, few), few, 20).value)
