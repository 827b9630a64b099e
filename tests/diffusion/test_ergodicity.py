"""Ensembles of paths whose ergodicity is known."""

import math

import numpy as np
import pytest

from anodiff.diffusion.ergodicity import ageing_ratio, ensemble_mean, ergodicity_breaking
from anodiff.simulation.processes import brownian, continuous_time_random_walk, scaled_brownian


def ensemble(simulate, lag, paths=300):
    """Time averages, and displacements from the first point, of many paths at a lag."""
    averages, firsts = np.empty(paths), np.empty(paths)
    for seed in range(paths):
        points = simulate(seed)
        averages[seed] = ((points[lag:] - points[:-lag]) ** 2).sum(axis=1).mean()
        firsts[seed] = ((points[lag] - points[0]) ** 2).sum()
    return averages, firsts


def test_brownian_motion_has_the_ergodicity_breaking_of_its_formula():
    lag, steps = 20, 400
    averages, firsts = ensemble(lambda seed: brownian(steps, 1, seed), lag)
    exact = (lag * (4 * (steps - lag) - lag) + (steps - lag) / lag) / (
        3 * (steps - lag + 1) ** 2
    )  # Deng & Barkai 2009, discrete
    found = ergodicity_breaking(averages)
    assert found.low < exact < found.high
    assert exact == pytest.approx(4 * lag / (3 * steps), rel=0.05)
    ratio = ageing_ratio(firsts, averages)
    assert ratio.low < 1 < ratio.high


def test_random_waiting_times_break_ergodicity_at_any_length():
    # He, Burov, Metzler & Barkai: EB → 2 Γ(1+α)² / Γ(1+2α) − 1 for a continuous-time random walk.
    alpha = 0.5
    limit = 2 * math.gamma(1 + alpha) ** 2 / math.gamma(1 + 2 * alpha) - 1
    averages, _ = ensemble(lambda seed: continuous_time_random_walk(3000, 20, seed, exponent=alpha), 5, paths=400)
    assert ergodicity_breaking(averages).value == pytest.approx(limit, rel=0.25)


def test_motion_that_slows_down_has_an_ageing_ratio_above_one():
    lag, steps, alpha = 10, 400, 0.5
    averages, firsts = ensemble(lambda seed: scaled_brownian(steps, 3, seed, exponent=alpha), lag, paths=200)
    times = np.arange(steps + 1.0) ** alpha
    exact = times[lag] / (times[lag:] - times[:-lag]).mean()
    ratio = ageing_ratio(firsts, averages)
    assert ratio.low < exact < ratio.high
    assert ratio.low > 2


def test_intervals_of_means_over_seeds_cover():
    generator = np.random.default_rng(0)
    intervals = [ensemble_mean(generator.normal(1.3, 0.2, 3)) for _ in range(400)]
    covered = np.mean([found.low < 1.3 < found.high for found in intervals])
    assert 0.92 < covered < 0.98  # 95 % ± 2.7 standard errors


def test_one_path_has_no_interval_and_no_path_has_no_value():
    assert ensemble_mean([1.5, np.nan]).value == 1.5
    assert math.isnan(ensemble_mean([1.5, np.nan]).low)
    assert math.isnan(ensemble_mean([]).value)
    assert math.isnan(ergodicity_breaking([2.0]).value)
    assert math.isnan(ergodicity_breaking([0.0, 0.0]).value)
    assert math.isnan(ageing_ratio([1.0], [2.0]).low)
    assert math.isnan(ageing_ratio([0.0, 0.0], [1.0, 1.0]).value)
