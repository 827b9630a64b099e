"""Does the loss move in avalanches? Runs of steps at each of which it changes by more than its usual change.

An avalanche is a run of consecutive steps with |ΔL| above ``threshold`` standard deviations of ΔL over the window, where
ΔL_k = L_(k+1) − L_k; its duration is the number of steps, its size Σ |ΔL| over them. If avalanches had no scale of their own,
sizes and durations would follow power laws, and the mean size would grow with the duration D as D^γ (as for crackling noise:
Sethna, Dahmen & Myers, Nature 410 (2001) 242).

The null: where the ΔL are independent and a share p of them is above the threshold, durations are geometric, P(D) = (1 − p)
p^(D − 1), with mean 1 / (1 − p), and γ = 1. Independent losses L, such as those of mini-batches with the weights at rest, are
not that: ΔL has correlation −½ from one step to the next, and durations differ from the geometric law with nothing moving.

The pitfalls: a power law can be fitted to any avalanches; read the comparison with other laws beside each exponent, and for
durations that with the geometric law above all. ΔL is not centred, so that a loss which falls faster than it scatters is one
avalanche. Runs that the window's ends or a missing loss cut short count as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from anodiff.diffusion.intervals import COVERAGE, UNKNOWN, Interval
from anodiff.diffusion.power_law import Comparison, PowerLaw, compare_tails, fit_power_law
from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: No law is fitted to fewer avalanches, and a mean size is taken over no fewer of one duration.
FEWEST_AVALANCHES, FEWEST_OF_A_DURATION = 30, 10


@dataclass(frozen=True)
class Avalanches:
    """The avalanches of one window, n of them.

    Attributes
    ----------
    starts
        First step of each, shape (n,).
    durations
        Number of steps, shape (n,).
    sizes
        Σ |ΔL| over the steps, in units of the loss, shape (n,).
    threshold_value
        |ΔL| above which a step belongs to an avalanche; NaN where there is no ΔL.
    share
        Share p of the known ΔL that are above it; NaN where there is no ΔL.
    """

    starts: NDArray[np.int64]
    durations: NDArray[np.int64]
    sizes: FloatArray
    threshold_value: float
    share: float

    @property
    def independent_duration(self) -> float:
        """Mean duration if as many ΔL were above the threshold independently of each other, 1 / (1 − p)."""
        return 1 / (1 - self.share) if self.share < 1 else math.nan


@dataclass(frozen=True)
class AvalancheLaws:
    """Laws fitted to avalanches.

    Attributes
    ----------
    sizes, durations
        Power laws, for real and for whole numbers.
    sizes_against, durations_against
        Their comparison with an exponential (durations: geometric) and a log-normal law.
    growth
        γ of mean size ~ duration^γ, with its interval.
    """

    sizes: PowerLaw
    durations: PowerLaw
    sizes_against: Comparison
    durations_against: Comparison
    growth: Interval


def loss_avalanches(losses: ArrayLike, threshold: float = 1.0) -> Avalanches:
    """Return the avalanches of a window's losses.

    Parameters
    ----------
    losses
        At each point of the window, shape (T+1,). One that is not finite ends a run, and ΔL to and from it is left out of the
        deviation.
    threshold
        In standard deviations of ΔL.

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
    points = np.array(losses, np.float64)
    if points.ndim != 1:
        raise ConfigError(f"losses: got shape {points.shape}, expected one loss a point, (T+1,)")
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ConfigError(f"threshold: got {threshold}, expected standard deviations, 0 or more")
    points[~np.isfinite(points)] = np.nan
    changes = np.diff(points)
    known = changes[np.isfinite(changes)]
    if not len(known):
        return Avalanches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), math.nan, math.nan)
    limit = threshold * float(known.std())
    large = np.abs(changes) > limit  # False where a loss is missing
    edges = np.diff(large.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    within = np.append(np.where(large, np.abs(changes), 0), 0)  # the last avalanche may end with the window
    sizes = np.add.reduceat(within, np.ravel((starts, ends), "F"))[::2] if len(starts) else np.empty(0)
    return Avalanches(starts, ends - starts, sizes, limit, float(large.sum() / len(known)))


def avalanche_laws(avalanches: Avalanches) -> AvalancheLaws:
    """Fit power laws to sizes and durations from the x_min that suits each, and compare them with other laws.

    With fewer than 30 avalanches all of it is NaN. Where there is no power law, the x_min that suits one best leaves a short
    tail, in which no law can be refused: compare the durations from x_min = 1 as well (`fit_power_law`, `compare_tails`).

    Parameters
    ----------
    avalanches
        Of one window, or of several of the same kind of training put together.
    """
    enough = len(avalanches.sizes) >= FEWEST_AVALANCHES
    sizes = avalanches.sizes if enough else np.empty(0)
    durations = avalanches.durations if enough else np.empty(0)
    of_sizes, of_durations = fit_power_law(sizes), fit_power_law(durations, discrete=True)
    return AvalancheLaws(
        of_sizes,
        of_durations,
        compare_tails(sizes, of_sizes),
        compare_tails(durations, of_durations),
        size_growth(avalanches) if enough else UNKNOWN,
    )


def size_growth(avalanches: Avalanches) -> Interval:
    """Return γ of mean size ~ duration^γ, by least squares of ln mean size against ln duration, weighted by numbers.

    Durations with fewer than 10 avalanches are left out; NaN where fewer than two are left. The interval counts avalanches as
    independent and follows from the scatter of sizes at each duration.

    Examples
    --------
    >>> durations = np.repeat([1, 2, 4], 10)
    >>> found = Avalanches(np.arange(30), durations, 3.0 * durations**1.5, 1.0, 0.5)
    >>> round(size_growth(found).value, 6)
    1.5
    """
    counts = np.bincount(avalanches.durations, minlength=1)
    kept = np.flatnonzero(counts >= FEWEST_OF_A_DURATION)
    if len(kept) < 2:
        return UNKNOWN
    counts = counts[kept]
    means = np.bincount(avalanches.durations, avalanches.sizes)[kept] / counts
    squares = np.array([np.var(avalanches.sizes[avalanches.durations == duration], ddof=1) for duration in kept])
    x = np.log(kept)
    x -= np.average(x, weights=counts)
    leverage = counts * x / (counts * x * x).sum()
    value = float(leverage @ np.log(means))
    error = float(ndtri((1 + COVERAGE) / 2)) * math.sqrt((leverage**2 * squares / (counts * means**2)).sum())
    return Interval(value, value - error, value + error)
