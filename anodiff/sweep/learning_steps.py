"""Are a run's steps longer, and does its loss jump, while a mode is learned?

Step lengths change slowly while a network trains, and so do the times at which modes are learned. So
the mean of the logarithm around the learning times is compared with the same around other times: all
learning times of the run multiplied by one factor, from 1/4 to 4. What is smooth over that range, a
parabola in the logarithm of time, is taken out first. A shift of all times together keeps their
distances, so modes that are learned at the same moment count once.

The pitfall: what happens once to every run at one step, such as a fall of the learning rate, is a
jump at which modes may be learned. It is then the same moment for another reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult

#: Steps within this factor of a time are around it.
AROUND = 1.25

#: Times are shifted by at most this factor; modes that leave room for less than the smallest are left out.
LARGEST, SMALLEST = 4.0, 2.0

#: Number of shifts, the times themselves in the middle.
SHIFTS = 41


@dataclass(frozen=True)
class StepsAround:
    """Steps around learning times, against those around shifted ones.

    Attributes
    ----------
    ratio
        Geometric mean around the learning times, over what a smooth trend gives there; NaN if
        unknown.
    excess
        Logarithm of the ratio, less its median over all shifts.
    p
        Two-sided: the share of shifts, none included, with a ratio as far from 1.
    modes
        Number of learning times that could be used.
    """

    ratio: float
    excess: float
    p: float
    modes: int


UNMEASURED = StepsAround(math.nan, math.nan, math.nan, 0)


def steps_around(values: ArrayLike, times: ArrayLike) -> StepsAround:
    """Compare a series over optimiser steps around learning times with itself around shifted ones.

    Parameters
    ----------
    values
        A positive quantity of each step from 0 on, (steps,); NaN where it is unknown.
    times
        Learning times in optimiser steps; NaNs are left out.
    """
    series, moments = np.asarray(values, np.float64), np.asarray(times, np.float64)
    moments = moments[np.isfinite(moments)]
    room = np.minimum(moments / AROUND, (len(series) - 1) / np.maximum(moments * AROUND, 1))
    moments, room = moments[room >= SMALLEST], room[room >= SMALLEST]
    if not len(moments):
        return UNMEASURED
    offsets = np.linspace(-1, 1, SHIFTS) * math.log(min(LARGEST, float(room.min())))
    profiles = _profiles(series, moments[:, None] * np.exp(offsets))
    profiles = profiles[np.isfinite(profiles).all(axis=1)]
    if not len(profiles):
        return UNMEASURED
    profile = profiles.mean(axis=0)
    left = profile - np.polyval(np.polyfit(offsets, profile, 2), offsets)
    if not np.abs(left).max() > 1e-9 * max(1.0, np.abs(profile).max()):  # nothing but the parabola
        return StepsAround(1.0, 0.0, 1.0, len(profiles))
    own = left[SHIFTS // 2]
    p = float((np.abs(left) >= abs(own) * (1 - 1e-9)).mean())
    return StepsAround(math.exp(own), float(own - np.median(left)), p, len(profiles))


def step_series(run: RunResult) -> dict[str, FloatArray]:
    """Return length and |ΔL| of each step of a run, (steps,) each; NaN outside windows of every step."""
    steps = int(run.curves.attrs["steps_completed"])
    series = {"step_length": np.full(steps, np.nan), "loss_change": np.full(steps, np.nan)}
    for number, window in enumerate(run.geometries.windows):
        if window.stride > 1 or not run.geometries.reached(window) or run.geometries.problem(number):
            continue
        own = slice(window.start, window.start + window.updates)
        series["step_length"][own] = run.step_lengths(number)
        series["loss_change"][own] = np.abs(np.diff(run.geometries.point_series("loss", number)))
    return series


def _profiles(series: FloatArray, moments: FloatArray) -> FloatArray:
    """Return the mean logarithm of a series within the factor `AROUND` of each moment; NaN where no step is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(series)
    known = np.isfinite(logs)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, logs, 0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    first = np.clip(np.ceil(moments / AROUND).astype(int), 0, len(series))
    last = np.clip(np.floor(moments * AROUND).astype(int) + 1, 0, len(series))
    number = counts[last] - counts[first]
    return np.divide(sums[last] - sums[first], number, out=np.full(moments.shape, np.nan), where=number > 0)
