"""Ageing within a window: the ratio of its halves, and how often its interval holds 1."""

import math

import numpy as np
import pytest

from anodiff.diffusion.regimes import NOTHING_FITTED, fit_regimes
from anodiff.diffusion.stationarity import window_ageing
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian, ornstein_uhlenbeck, quadratic_bowl, student_walk

STEPS = 300
LAGS = logarithmic_lags(STEPS, 10, 0.3)


def ageing(points, dimension):
    path = path_geometry(points)
    return window_ageing(path, fit_regimes(LAGS, path.mean_squared_displacement(LAGS)), LAGS, np.full(len(LAGS), dimension))


def falling(seed, dimensions=20):
    steps = np.exp(-2 * np.arange(STEPS) / STEPS)[:, None] * np.random.default_rng(seed).normal(size=(STEPS, dimensions))
    return np.vstack([np.zeros(dimensions), np.cumsum(steps, axis=0)])


@pytest.mark.parametrize(
    "simulate",
    [
        lambda seed: brownian(STEPS, 5, seed),
        lambda seed: fractional_brownian(STEPS, 5, seed, hurst=0.7),
        lambda seed: fractional_brownian(STEPS, 5, seed, hurst=0.3),
        lambda seed: ornstein_uhlenbeck(STEPS, 5, seed, relaxation=10.0),
    ],
    ids=["Brownian", "persistent", "antipersistent", "bounded"],
)
def test_stationary_paths_do_not_age_in_nineteen_windows_of_twenty(simulate):
    held = sum(found.low < 1 < found.high for _, found in (ageing(simulate(seed), 5.0) for seed in range(150)))
    assert 0.88 < held / 150 <= 1  # three standard deviations below 95 %, with the error of the law


def test_a_ratio_is_the_msd_of_the_first_half_over_that_of_the_second():
    points = falling(0)
    lag, found = ageing(points, 20.0)
    assert lag == STEPS // 50
    parts = points[: STEPS // 2 + 1], points[STEPS // 2 :]
    halves = [path_geometry(part).mean_squared_displacement([lag])[0] for part in parts]
    assert found.value == pytest.approx(halves[0] / halves[1], rel=1e-6)
    assert found.value == pytest.approx(math.e**2, rel=0.3)  # the scale falls by e in half a window
    assert found.low > 1


def test_single_long_steps_are_no_ageing():
    """The variance of these steps' energies is infinite, so the interval still holds 1 in fewer than 95 % of paths."""
    held = sum(
        found.low < 1 < found.high
        for _, found in (ageing(student_walk(STEPS, 50, seed, freedom=3.0), 50.0) for seed in range(60))
    )
    assert held > 0.65 * 60


def test_relaxation_from_afar_ages():
    points = quadratic_bowl(STEPS, 50, 0, curvatures=0.05, learning_rate=0.3, noise=0.3, start=10.0)
    assert ageing(points, 20.0)[1].low > 1


def test_nothing_is_known_of_a_window_without_a_law():
    path = path_geometry(brownian(20, 2, 0))
    assert math.isnan(window_ageing(path, NOTHING_FITTED, LAGS, np.ones(len(LAGS)))[1].value)
