"""Estimators of roughness on graphs whose roughness is known."""

import numpy as np
import pytest
import reference

from anodiff.errors import ConfigError
from anodiff.simulation.processes import fractional_brownian
from anodiff.simulation.surfaces import bowl, fractional_surface
from anodiff.simulation.surfaces.fractal import METHODS, boxes, differences, roughness_of


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.9])
def test_intervals_hold_the_hurst_exponent_of_profiles(method, hurst):
    found = [roughness_of(fractional_brownian(500, 1, seed, hurst=hurst)[:, 0], method) for seed in range(40)]
    # Of 40 intervals that cover with probability 0.95, fewer than 33 do once in 1,000 times.
    assert sum(one.hurst.low <= hurst <= one.hurst.high for one in found) >= 33
    assert np.median([one.hurst.high - one.hurst.low for one in found]) < 0.35
    assert all(one.dimension.low <= one.dimension.high for one in found)


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_intervals_hold_the_hurst_exponent_of_surfaces(method):
    found = [roughness_of(fractional_surface(33, seed, hurst=0.6).heights, method) for seed in range(20)]
    assert sum(one.hurst.low <= 0.6 <= one.hurst.high for one in found) >= 15
    if method != "box_counting":
        assert np.mean([one.hurst.value for one in found]) == pytest.approx(0.6, abs=0.05)
        assert np.mean([one.dimension.value for one in found]) == pytest.approx(2.4, abs=0.05)


@pytest.mark.long
def test_smooth_graphs_have_a_hurst_exponent_near_one():
    x = np.linspace(-1, 1, 1001)
    for method in METHODS:
        assert roughness_of(x**2, method).hurst.value == pytest.approx(1, abs=0.03)
        assert roughness_of(bowl(65).heights, method).hurst.high > 0.98


def test_differences_equal_those_of_a_plain_loop():
    graph = np.random.default_rng(0).normal(size=(40, 37))
    lags, means = differences(graph, 1.5)
    assert lags.tolist() == [1, 2]
    for lag, mean in zip(lags, means, strict=True):
        rows = [abs(graph[i + lag, j] - graph[i, j]) ** 1.5 for i in range(40 - lag) for j in range(37)]
        columns = [abs(graph[i, j + lag] - graph[i, j]) ** 1.5 for i in range(40) for j in range(37 - lag)]
        assert mean == pytest.approx((np.mean(rows) + np.mean(columns)) / 2)


def test_a_straight_line_meets_as_many_boxes_as_it_is_long():
    sides, counts = boxes(np.linspace(0, 1, 129))
    np.testing.assert_allclose(counts, 2 * 128 / sides, rtol=0.01)  # it passes through corners: two boxes per column


def test_the_count_of_boxes_equals_that_of_a_plain_loop():
    profile = fractional_brownian(128, 1, 3, hurst=0.4)[:, 0]
    sides, counts = boxes(profile)
    for side, count in zip(sides, counts, strict=True):
        assert count == pytest.approx(reference.boxes_met(profile, int(side)))


@pytest.mark.parametrize(
    ("heights", "reason"),
    [(np.zeros(100), "the same"), (np.arange(5.0), "fewer than 16"), (np.full((20, 20), np.nan), "not finite")],
)
def test_without_an_estimate_there_is_a_reason(heights, reason):
    found = roughness_of(heights)
    assert np.isnan(found.hurst.value)
    assert reason in found.reason


def test_invalid_arguments_are_refused():
    with pytest.raises(ConfigError, match="variogram"):
        roughness_of(np.arange(100.0), "variogam")
    with pytest.raises(ConfigError, match=r"shape \(3, 3, 3\)"):
        roughness_of(np.zeros((3, 3, 3)))
