"""Learning times of known curves, and against versions that go from point to point."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anodiff.learning.times import (
    final_crossings,
    forgetting_events,
    in_transition,
    lasting_crossings,
    learning_times,
    time_intervals,
    transitions,
    widths,
)

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64])


def slow_crossing(steps, curve, level):
    """Return the first lasting crossing, by its definition."""
    for number, (step, value) in enumerate(zip(steps, curve, strict=True)):
        if number == 0:
            if not value >= level:
                continue
            time = step
        else:
            before, first = curve[number - 1], steps[number - 1]
            if not (before < level <= value):
                continue
            share = (level - before) / (value - before)
            time = first * (step / first) ** share if first else share * step
        later = range(number + 1, len(steps))
        if later and all(curve[i] >= level for i in later if i == number + 1 or steps[i] <= 2 * time):
            return time
    return math.nan


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("start", [0, 3])
def test_lasting_crossings_equal_their_definition(level, start):
    random = np.random.default_rng(1)
    steps = np.unique(np.round(np.geomspace(1, 3000, 23)).astype(int)) - 1 + start
    curves = np.cumsum(random.normal(0.05, 0.2, (len(steps), 50, 4)), axis=0)
    curves[random.random(curves.shape) < 0.02] = np.nan
    found = lasting_crossings(steps, curves, level)
    expected = np.array([[slow_crossing(steps, curves[:, i, j], level) for j in range(4)] for i in range(50)])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isfinite(found).any()
    assert np.isnan(found).any()


def test_a_crossing_is_linear_in_the_logarithm_of_the_step_and_from_step_0_in_the_step():
    curve = np.array([0, 0, 0, 0.25, 0.75, 1, 1, 1])
    assert learning_times(STEPS, curve) == pytest.approx(4 * math.sqrt(2))
    early = np.array([0, 0.8, 1, 1, 1, 1, 1, 1])
    assert learning_times(STEPS, early) == pytest.approx(0.5 / 0.8)


def test_a_curve_that_falls_again_before_twice_the_time_is_not_learned_then():
    brief = np.array([0, 0, 0.5, 0.4, 0.5, 0.5, 0.5, 0.5])
    assert learning_times(STEPS, brief) == pytest.approx(8)
    long = np.array([0, 0, 0.5, 0.5, 0.4, 0.5, 0.3, 0.3])
    assert learning_times(STEPS, long) == pytest.approx(2)


def test_what_the_last_point_alone_reaches_is_not_confirmed():
    curve = np.array([0, 0, 0, 0, 0, 0, 0, 1.0])
    assert np.isnan(learning_times(STEPS, curve))
    assert np.isnan(final_crossings(STEPS, curve, 0.0))
    assert np.isfinite(learning_times(STEPS, np.append(curve[1:], 1.0)))


def test_a_curve_that_starts_above_a_level_crosses_it_at_the_first_point():
    curve = np.full(len(STEPS), 0.6)
    assert learning_times(STEPS + 3, curve) == 3
    assert np.isnan(lasting_crossings(STEPS, curve, 0.9))


def test_a_level_is_crossed_no_later_than_a_higher_one():
    curves = np.cumsum(np.random.default_rng(2).normal(0.1, 0.2, (len(STEPS), 300)), axis=0)
    times = np.stack([lasting_crossings(STEPS, curves, level) for level in (0.1, 0.3, 0.5, 0.9)])
    later, learned = times[1:], np.isfinite(times[1:])
    assert learned.sum() > 300
    assert (times[:-1][learned] <= later[learned]).all()


def test_the_width_of_a_straight_line_is_eight_tenths_of_its_length():
    steps = np.arange(101)
    assert widths(steps, steps / 100) == pytest.approx(80)
    np.testing.assert_allclose(transitions(steps, np.stack([steps / 100, steps / 500], axis=1)), [[10, 50], [90, np.nan]])


def test_a_curve_is_in_transition_while_it_is_between_a_tenth_and_nine_tenths():
    crossings = np.array([[10, 10, np.nan], [20, np.nan, np.nan]])  # learned, never finished, never begun
    assert in_transition(crossings, 0, 9).tolist() == [False, False, False]
    assert in_transition(crossings, 0, 10).tolist() == [True, True, False]
    assert in_transition(crossings, 12, 15).tolist() == [True, True, False]
    assert in_transition(crossings, 20, 30).tolist() == [True, True, False]
    assert in_transition(crossings, 21, 30).tolist() == [False, True, False]


def test_a_sample_is_learned_where_its_margin_is_above_0_from_then_on():
    margins = np.array(
        [[-1, 1, 1, -1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, -1, 1], [0, 0, 0, 0, 0, 0, 1, 1]]
    )
    np.testing.assert_allclose(final_crossings(STEPS, margins.T, 0.0), [4 * math.sqrt(2), 0, np.nan, 16])
    assert forgetting_events(margins.T).tolist() == [1, 0, 1, 0]


def test_a_missing_margin_is_neither_right_nor_wrong():
    margins = np.array([[1, np.nan, -1, 1, 0.0], [1, np.nan, np.nan, np.nan, np.nan]])
    assert forgetting_events(margins.T).tolist() == [1, 0]
    assert np.isnan(final_crossings(STEPS[:5], margins.T, 0.0)).all()


def test_an_end_of_an_interval_is_missing_where_more_than_a_fortieth_of_the_draws_do_not_learn():
    draws = np.stack([np.arange(1.0, 201.0)] * 4, axis=1)
    draws[195:, 1] = np.nan  # 5 of 200 are a fortieth
    draws[194:, 2] = np.nan
    draws[4:, 3] = np.nan
    low, high = time_intervals(np.array([100.0, 100, 100, 100]), draws)
    np.testing.assert_array_equal(low, [5, 5, 5, np.nan])
    np.testing.assert_array_equal(high, [195, 195, np.nan, np.nan])


def test_what_is_not_learned_has_no_interval():
    assert np.isnan(time_intervals(np.array(np.nan), np.arange(1.0, 101.0))).all()


def test_the_interval_of_draws_of_known_law_has_its_quantiles():
    draws = np.random.default_rng(3).exponential(size=(100_000, 2))
    low, high = time_intervals(np.ones(2), draws)
    np.testing.assert_allclose(low, -np.log(0.975), rtol=0.05)
    np.testing.assert_allclose(high, -np.log(0.025), rtol=0.05)
