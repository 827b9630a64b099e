"""Does the loss move in avalanches? Runs of steps at which it changes by more than usual.

An avalanche is a run of consecutive steps with |ΔL| above ``threshold`` standard deviations of ΔL
over the window, where ΔL_k = L_(k+1) − L_k. Its duration is the number of steps, its size Σ |ΔL|
over them. If avalanches had no scale of their own, sizes and durations would follow power laws, and
the mean size would grow with the duration D as D^γ (as for crackling noise: Sethna, Dahmen & Myers,
Nature 410 (2001) 242).

The null: if the ΔL are independent and a fraction p of them is above the threshold, durations are
geometric, P(D) = (1 − p) p^(D − 1), with mean 1 / (1 − p), and γ = 1. Independent losses L, such as
those of mini-batches with the weights at rest, are not this null. Their ΔL have correlation −½ from
one step to the next, so durations are not geometric although nothing moves.

The pitfalls: a power law can be fitted to any avalanches. Read the comparison with other laws next
to each exponent; for durations, the one with the geometric law matters most. ΔL is not centred, so
a loss that falls faster than it scatters is one avalanche. Runs cut short by an end of the window
or by a missing loss count as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from anodiff.diffusion.intervals import UNKNOWN, UPPER, Interval
from anodiff.errors import ConfigError
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

#: The smallest number of avalanches of one duration whose mean size is used.
MIN_OF_A_DURATION = 10


@dataclass(frozen=True)
class Avalanches:
    """The n avalanches of one window.

    Attributes
    ----------
    starts
        First step of each, shape (n,).
    durations
        Number of steps, shape (n,).
    sizes
        Σ |ΔL| over the steps, in units of the loss, shape (n,).
    threshold_value
        |ΔL| above which a step belongs to an avalanche; NaN if there is no ΔL.
    fraction
        Fraction p of the known ΔL that are above the threshold; NaN if there is no ΔL.
    """

    starts: NDArray[np.int64]
    durations: NDArray[np.int64]
    sizes: FloatArray
    threshold_value: float
    fraction: float

    @property
    def independent_duration(self) -> float:
        """Mean duration if as many ΔL were above the threshold independently, 1 / (1 − p)."""
        return 1 / (1 - self.fraction) if self.fraction < 1 else math.nan


def loss_avalanches(losses: ArrayLike, threshold: float = 1.0) -> Avalanches:
    """Return the avalanches of a window's losses.

    Parameters
    ----------
    losses
        Loss at each point of the window, shape (T+1,). A loss that is not finite ends a run, and ΔL
        to and from it is left out of the deviation.
    threshold
        Threshold of |ΔL| in standard deviations of ΔL.

    Raises
    ------
    ConfigError
        If ``losses`` is not one-dimensional, or ``threshold`` is negative or not finite.

    Examples
    --------
    >>> found = loss_avalanches([0, 0, 0, 5, 1, 1, 1, 1, 1, 1])
    >>> found.starts, found.durations, found.sizes
    (array([2]), array([2]), array([9.]))
    """
    points = real_numbers(losses, "losses", "(T+1,)", finite=False)
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ConfigError(f"threshold: got {threshold}, expected a finite number of standard deviations, 0 or more")
    points[~np.isfinite(points)] = np.nan
    changes = np.diff(points)
    known = changes[np.isfinite(changes)]
    if len(known) < 2:  # one change has no deviation
        return Avalanches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), math.nan, math.nan)
    limit = threshold * float(known.std())
    large = np.abs(changes) > limit  # False for a missing loss
    edges = np.diff(large.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    within = np.append(np.where(large, np.abs(changes), 0), 0)  # the last avalanche may end with the window
    sizes = np.add.reduceat(within, np.ravel((starts, ends), "F"))[::2] if len(starts) else np.empty(0)
    return Avalanches(starts, ends - starts, sizes, limit, float(large.sum() / len(known)))


def size_growth(avalanches: Avalanches) -> Interval:
    """Return γ of mean size ~ duration^γ, by least squares of the logarithms, weighted by numbers.

    Durations with fewer than 10 avalanches are left out; NaN if fewer than two durations are left.
    The interval follows from the scatter of sizes at each duration, and treats avalanches as
    independent.

    Examples
    --------
    >>> durations = np.repeat([1, 2, 4], 10)
    >>> found = Avalanches(np.arange(30), durations, 3.0 * durations**1.5, 1.0, 0.5)
    >>> round(size_growth(found).value, 6)
    1.5
    """
    counts = np.bincount(avalanches.durations, minlength=1)
    kept = np.flatnonzero(counts >= MIN_OF_A_DURATION)
    if len(kept) < 2:
        return UNKNOWN
    counts = counts[kept]
    means = np.bincount(avalanches.durations, avalanches.sizes)[kept] / counts
    squares = np.array([np.var(avalanches.sizes[avalanches.durations == duration], ddof=1) for duration in kept])
    x = np.log(kept)
    x -= np.average(x, weights=counts)
    leverage = counts * x / (counts * x * x).sum()
    value = float(leverage @ np.log(means))
    error = float(scipy.special.ndtri(UPPER)) * math.sqrt((leverage**2 * squares / (counts * means**2)).sum())
    return Interval(value, value - error, value + error)
