"""The coverage of nominal 95 % intervals over fractional Brownian paths of known exponent."""

import math

import numpy as np
import pytest

from anodiff.diffusion.exponents import local_exponents
from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.procedure import NAMES, Procedure, within_search
from anodiff.diffusion.regimes import search_range
from anodiff.diffusion.window_exponents import measure_exponents
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.simulation.processes import PROCESSES, brownian, fractional_brownian

LAGS = logarithmic_lags(1000, 20, 0.9)


def measured(points, seed=0, lags=LAGS, long=(200, 900)):
    path = path_geometry(points)
    msd = time_averaged_msd(path.squared_displacements)
    return measure_exponents(path, msd, lags, local_exponents(msd, lags, 0.25), 0.25, long, seed)


def covers(interval, truth):
    return interval.low <= truth <= interval.high


@pytest.mark.long
@pytest.mark.parametrize(("hurst", "dimensions"), [(0.25, 1000), (0.5, 1000), (0.75, 1000), (0.5, 1), (0.75, 3)])
def test_intervals_of_fractional_brownian_exponents_cover_the_truth(hurst, dimensions):
    seeds = 20
    results = [measured(fractional_brownian(1000, dimensions, seed, hurst=hurst), seed) for seed in range(seeds)]
    # Of 20 intervals that cover with probability 0.95, fewer than 16 do three times in 10,000.
    single = [result.first for result in results if result.regimes.count == 1]
    assert len(single) >= 0.8 * seeds
    assert sum(covers(interval, 2 * hurst) for interval in single) >= len(single) - 4
    bands = np.array([(result.beta_low[9] <= 2 * hurst) & (2 * hurst <= result.beta_high[9]) for result in results])
    assert bands.sum() >= seeds - 4
    assert np.ptp([interval.value for interval in single]) < 0.35  # the intervals do not cover by being wide


def test_more_dimensions_make_narrower_intervals():
    widths = []
    for dimensions in (1, 10, 100):
        interval = measured(brownian(1000, dimensions, 0)).first
        widths.append(interval.high - interval.low)
    np.testing.assert_allclose(np.array(widths[:-1]) / widths[1:], math.sqrt(10), rtol=0.5)


def test_the_largest_local_exponent_has_no_bias_and_lies_within_its_interval():
    results = [measured(brownian(1000, 20, seed), seed) for seed in range(20)]
    found = np.array([[result.largest.value, result.largest.low, result.largest.high] for result in results])
    assert (found[:, 1] <= found[:, 0]).all()
    assert (found[:, 0] <= found[:, 2]).all()
    assert np.median(found[:, 0]) == pytest.approx(1, abs=0.05)  # the largest of the measured ones is 1.1


@pytest.mark.long
@pytest.mark.parametrize("name", ["drift", "trapped-60", "bowl-power-law", "student", "slowing"])
def test_intervals_hold_where_curves_bend_or_steps_differ(name):
    process, dimensions = PROCESSES[name], 50
    expected = process.expected_time_average(np.arange(1001), dimensions, 1000)
    held = []
    for seed in range(20):
        result = measured(process.simulate(1000, dimensions, seed), seed)
        true = result.procedure.of_curve(expected)
        exact = dict(zip(NAMES, true, strict=False))
        held.append([covers(getattr(result, name), exact[name]) for name in ("first", "second", "long", "overall", "largest")])
    assert (np.sum(held, axis=0) >= 16).all()  # of 20 that cover with probability 0.95, fewer do three times in 10,000


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((259.0, 200.0, 400.0), ("above", 259.0)),
        ((4.0, 3.0, 9.0), ("below", 4.0)),
        ((50.0, 3.0, 400.0), ("undetermined", math.nan)),
        ((50.0, 3.0, 90.0), (50.0, 4.0, 90.0)),
    ],
    ids=str,
)
def test_a_crossover_is_a_measurement_only_within_the_range_searched(found, expected):
    fitted = LAGS <= 900
    taken = Procedure(LAGS, 1000, 0.25, (200.0, 900.0), fitted, np.eye(len(LAGS)), 2)
    smallest, largest = search_range(LAGS[fitted])
    assert (smallest, largest) == (4, 259)
    crossover, censored = within_search(taken, Interval(*np.log(found)))
    if censored is None:
        assert (crossover.value, crossover.low, crossover.high) == pytest.approx(expected)
    else:
        assert (censored[0], str(censored[1])) == (expected[0], str(expected[1]))
        assert math.isnan(crossover.value)


def test_a_crossover_is_found_within_its_interval():
    rates = np.random.default_rng(0).normal(size=2000) * 0.12
    points = brownian(1000, 2000, 1) + np.arange(1001)[:, None] * rates  # the crossover is at drift² τ² = 2 d D τ
    result = measured(points)
    assert result.regimes.count >= 2
    assert covers(result.crossover, result.crossover.value)
    assert 10 < result.crossover.value < 200
    last = result.second if result.regimes.count == 2 else result.third
    assert result.first.high < 1.4 < last.low


def test_a_fit_ends_where_few_independent_samples_are_left():
    one, many = (measured(brownian(1000, dimensions, 3)) for dimensions in (1, 1000))
    assert one.regimes.fit_to < 200
    assert many.regimes.fit_to == 900
    assert many.samples[0] > 100 * one.samples[0]
    assert one.beta_high[-1] - one.beta_low[-1] > 1 > many.beta_high[-1] - many.beta_low[-1]


def test_the_same_path_has_the_same_intervals():
    points = brownian(300, 3, 0)
    lags = logarithmic_lags(300, 20, 0.9)
    one, two = (measured(points, lags=lags, long=(20, 200)) for _ in range(2))
    assert one.first == two.first
    np.testing.assert_array_equal(one.beta_low, two.beta_low)
