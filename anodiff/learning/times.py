"""When does a learning curve cross a level for good?

Curves are known at some steps only. Between two of them a curve is taken as linear in the logarithm
of the step; from step 0 on, as linear in the step. A value that is missing (NaN) is above no level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anodiff.learning.columns import TRANSITION
from anodiff.storage.types import FloatArray

#: The level whose lasting crossing is the learning time.
LEARNED = 0.5

#: Shares of the bootstrap draws below both ends of an interval, 95 %.
TAILS = (0.025, 0.975)


def lasting_crossings(steps: NDArray[np.int64], curves: NDArray[np.floating], level: float) -> FloatArray:
    """Return the first time at which each curve reaches a level and then stays there.

    To stay is to be at or above the level at the next point, and at all points up to twice the time
    of the crossing. So a crossing before the last point alone does not count: nothing confirms it.

    Parameters
    ----------
    steps
        Optimiser steps of the points, rising, shape (S,).
    curves
        Shape (S, ...).

    Returns
    -------
    FloatArray
        Shape (...), optimiser steps; NaN where there is no such time. A curve that begins at or above
        the level crosses it at the first point.
    """
    curves = np.asarray(curves, dtype=np.float64)
    above = curves >= level
    times = _crossings(steps, curves, level)
    # The first point from each on at which a curve is below the level; behind the last one, no curve is.
    numbers = np.arange(len(steps)).reshape(-1, *(1,) * (curves.ndim - 1))
    below = np.minimum.accumulate(np.where(above, len(steps), numbers)[::-1])[::-1]
    until = np.append(np.asarray(steps, dtype=np.float64), np.inf)[below]
    confirmed = np.zeros_like(above)
    confirmed[:-1] = above[:-1] & above[1:] & (until[:-1] > 2 * times[:-1])  # a time is NaN where nothing is crossed
    return _first(times, confirmed)


def final_crossings(steps: NDArray[np.int64], curves: NDArray[np.floating], level: float) -> FloatArray:
    """Return the time from which on each curve is above a level, up to the last point.

    Parameters and return value are those of `lasting_crossings`, but the level itself does not
    count as above it. It takes two points.
    """
    curves = np.asarray(curves, dtype=np.float64)
    above = curves > level
    kept = np.logical_and.accumulate(above[::-1])[::-1]
    kept[-1] = False
    return _first(_crossings(steps, curves, level), kept)


def learning_times(steps: NDArray[np.int64], curves: NDArray[np.floating]) -> FloatArray:
    """Return the first lasting crossing of a half of each curve (S, ...), shape (...); NaN: not learned."""
    return lasting_crossings(steps, curves, LEARNED)


def transitions(steps: NDArray[np.int64], curves: NDArray[np.floating]) -> FloatArray:
    """Return when each curve (S, ...) lastingly crosses 10 % and 90 %, shape (2, ...); NaN: never."""
    return np.stack([lasting_crossings(steps, curves, level) for level in TRANSITION])


def widths(steps: NDArray[np.int64], curves: NDArray[np.floating]) -> FloatArray:
    """Return the steps from 10 % to 90 % of each curve (S, ...), both lasting, shape (...)."""
    begin, end = transitions(steps, curves)
    return np.asarray(end - begin)


def in_transition(crossings: FloatArray, start: float, stop: float) -> NDArray[np.bool_]:
    """Return which curves are between 10 % and 90 % at some time within [start, stop].

    ``crossings`` is that of `transitions`, (2, ...). One that never reaches 90 % stays in transition.
    """
    begin, end = crossings
    return np.asarray((begin <= stop) & ~(end < start))


def values_at(steps: NDArray[np.int64], curves: NDArray[np.floating], step: float) -> FloatArray:
    """Return the curves (S, ...) at a step between the first point and the last, shape (...)."""
    after = min(int(np.searchsorted(steps, step, side="right")), len(steps) - 1)
    first, second = float(steps[after - 1]), float(steps[after])
    share = np.log(step / first) / np.log(second / first) if first > 0 else step / second
    return np.asarray(curves[after - 1] if share == 0 else (1 - share) * curves[after - 1] + share * curves[after])


def forgetting_events(margins: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return how often each sample goes from right to wrong between two points, (S, N) -> (N,).

    Toneva et al., "An Empirical Study of Example Forgetting during Deep Neural Network Learning",
    ICLR 2019, there between presentations of the sample. A sample is right if its margin is above
    0. A margin that is missing is neither right nor wrong.
    """
    return np.asarray(((margins[:-1] > 0) & (margins[1:] <= 0)).sum(axis=0), dtype=np.int64)


def time_intervals(times: FloatArray, draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both ends of the 95 % percentile interval of learning times.

    Parameters
    ----------
    times
        Shape (...), NaN where not learned.
    draws
        Those of bootstrap draws, shape (D, ...). One that does not learn is later than all others.

    Returns
    -------
    low, high
        Shape (...). An end is NaN where so many draws do not learn that it is one of them, and where
        the time itself is missing.
    """
    late = np.where(np.isnan(draws), np.inf, draws)
    ends = np.quantile(late, TAILS, axis=0, method="inverted_cdf")  # a draw itself: nothing is between a time and never
    ends[~np.isfinite(ends) | np.isnan(times)] = np.nan
    return ends[0], ends[1]


def _crossings(steps: NDArray[np.int64], curves: NDArray[np.floating], level: float) -> FloatArray:
    """Return when each curve reaches a level from below before each point, (S, ...).

    It is the first step at the first point, and NaN where the level is not crossed.
    """
    before, after = curves[:-1], curves[1:]
    times = np.full(curves.shape, np.nan)
    times[0] = steps[0]
    crossed = ~(before > level) & (after >= level) & (after > before)  # False where a value is missing
    rise = np.where(crossed, after - before, 1.0)
    fraction = np.where(crossed, (level - before) / rise, np.nan)
    shape = (-1, *(1,) * (curves.ndim - 1))
    first, second = (np.asarray(part, dtype=np.float64).reshape(shape) for part in (steps[:-1], steps[1:]))
    with np.errstate(divide="ignore"):
        ratio = np.log(second / np.where(first > 0, first, second))
    times[1:] = np.where(first > 0, first * np.exp(fraction * ratio), first + fraction * (second - first))
    return times


def _first(times: FloatArray, chosen: NDArray[np.bool_]) -> FloatArray:
    """Return each curve's time at its first chosen point, (S, ...) -> (...); NaN where none is."""
    number = np.argmax(chosen, axis=0)
    time = np.take_along_axis(times, number[None], axis=0)[0]
    return np.where(chosen.any(axis=0), time, np.nan)
