"""Does the motion change within a window? Its ageing ratio, with the interval of one path.

The ageing ratio is the MSD over a stated lag in the window's first half, over that in its second half.
Stationary increments make it 1; motion that slows down makes it larger. The displacement from the first
point alone over the time average (`anodiff.diffusion.ergodicity.ageing_ratio`) needs an ensemble: in a
single path it is one displacement.

Each half's MSD is as certain as a mean of n_eff squares of independent normal values, so for a
stationary Gaussian path the ratio has Fisher's F distribution with (n_eff, n_eff) degrees of freedom,
and the interval is F's. Single steps that are much longer than others are in one half or the other: by
their excess energy e (`anodiff.diffusion.energies`), 1/n_eff grows by e/T.

The pitfall: halves of a persistent path are alike, which the interval does not use: it is then too wide.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.diffusion.energies import step_energies
from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval
from anodiff.diffusion.regimes import Regimes
from anodiff.diffusion.sampling import relative_covariance
from anodiff.diffusion.smooth_law import LARGEST, SMALLEST
from anodiff.geometry.path import PathGeometry
from anodiff.storage.types import FloatArray

#: The lag, as a fraction of the window.
LAG = 0.02


def window_ageing(path: PathGeometry, law: Regimes, lags: NDArray[np.int64], dimension: FloatArray) -> tuple[int, Interval]:
    """Return the lag in updates and the ageing ratio of a window there; unknown for fewer than 8 updates.

    Parameters
    ----------
    law
        The window's fitted power law, for the sampling error; see `anodiff.diffusion.sampling`.
    lags, dimension
        Lags in updates, and the effective dimension there.
    """
    updates = len(path.gram)
    half = updates // 2
    lag = max(1, round(LAG * updates))
    if half < 4 or not law.count:
        return lag, UNKNOWN
    halves = [PathGeometry(path.gram[part, part], path.window) for part in (slice(half), slice(updates - half, updates))]
    first, second = (float(own.mean_squared_displacement([lag])[0]) for own in halves)
    if not (first > 0 and second > 0):
        return lag, UNKNOWN
    variance = float(relative_covariance(np.array([lag]), law.within(SMALLEST, LARGEST), half)[0, 0])
    excess = step_energies(path.step_lengths, float(dimension[0])).excess if math.isfinite(dimension[0]) else math.nan
    samples = 1 / (variance / (2 * float(np.interp(lag, lags, dimension))) + excess / updates)
    if not math.isfinite(samples):
        return lag, Interval(first / second, math.nan, math.nan)
    ratio = first / second
    # P(ratio / truth < q) of Fisher's F, by the incomplete beta function.
    low, high = (_fisher_quantile(p, samples, samples) for p in (LOWER, UPPER))
    return lag, Interval(ratio, ratio / high, ratio / low)


def _fisher_quantile(p: float, first: float, second: float) -> float:
    """Return the quantile of F with real degrees of freedom."""
    x = float(scipy.special.betaincinv(first / 2, second / 2, p))
    return second * x / (first * (1 - x)) if x < 1 else math.inf
