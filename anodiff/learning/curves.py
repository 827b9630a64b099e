"""How far is a part learned, step by step, and how sure is that from a sample of the data?

A curve is a mean over samples at each point: of the probability of the right class, or of what a
sample contributes to a mode. It is 0 at the first point and 1 where that mean is what it would be if
all were learned. The interval is that of a bootstrap over the samples; the same draws serve all
curves of a split, so that they can be compared.

The pitfall: the interval says what another sample of the data would give along this path. Another
seed has another path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.learning.times import TAILS, learning_times, time_intervals, transitions
from anodiff.storage.types import FloatArray


@dataclass(frozen=True)
class Curve:
    """A normalised learning curve at the points.

    Attributes
    ----------
    values, low, high, error
        The curve, both ends of its 95 % interval, and its standard error, shape (S,).
    learning_time, learning_time_low, learning_time_high
        First lasting crossing of a half, optimiser steps, and its interval.
    crossings
        Lasting crossings of 10 % and 90 %, shape (2,).
    """

    values: FloatArray
    low: FloatArray
    high: FloatArray
    error: FloatArray
    learning_time: float
    learning_time_low: float
    learning_time_high: float
    crossings: FloatArray

    @property
    def width(self) -> float:
        """Steps from 10 % to 90 %."""
        return float(self.crossings[1] - self.crossings[0])


def bootstrap_weights(samples: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Return how often each sample is in each bootstrap draw, shape (D, N)."""
    uniform = np.full(samples, 1 / samples)
    return np.random.default_rng(seed).multinomial(samples, uniform, size=draws).astype(np.float64)


def learning_curve(steps: NDArray[np.int64], values: FloatArray, target: FloatArray | float, weights: FloatArray) -> Curve:
    """Return the normalised curve of the mean over samples, with bootstrap intervals.

    Parameters
    ----------
    steps
        Optimiser steps of the points, shape (S,).
    values
        What each sample has at each point, shape (S, N).
    target
        What it would have if all were learned, one number or shape (N,).
    weights
        How often each sample is in each draw, shape (D, N). A draw without any is left out.
    """
    target = np.broadcast_to(np.asarray(target, dtype=np.float64), values.shape[1:])
    curve = normalised(values.mean(axis=1), target.mean())
    weights = weights[weights.sum(axis=1) > 0]
    total = weights.sum(axis=1)
    drawn = normalised((values @ weights.T) / total, (weights @ target) / total)  # (S, D)
    time = learning_times(steps, curve)
    early, late = time_intervals(time, learning_times(steps, drawn))
    low, high, error = _band(drawn)
    return Curve(curve, low, high, error, float(time), float(early), float(late), transitions(steps, curve))


def normalised(values: FloatArray, target: FloatArray | float) -> FloatArray:
    """Return (value − first) / (target − first) of means (S, ...); NaN where nothing is left to learn."""
    left = np.asarray(target - values[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((values - values[0]) / np.where(left == 0, np.nan, left))


def _band(drawn: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the interval and standard deviation over draws (S, D) that have a value; NaN where fewer than two have."""
    low, high, error = np.full((3, len(drawn)), np.nan)
    missing = np.isnan(drawn)
    whole = ~missing.any(axis=1)
    low[whole], high[whole] = np.quantile(drawn[whole], TAILS, axis=1)
    error[whole] = drawn[whole].std(axis=1, ddof=1)
    for point in np.flatnonzero(~whole):
        values = drawn[point, ~missing[point]]
        if len(values) > 1:
            low[point], high[point] = np.quantile(values, TAILS)
            error[point] = values.std(ddof=1)
    return low, high, error
