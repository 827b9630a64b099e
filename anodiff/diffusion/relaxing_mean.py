"""Is it superdiffusion, or a mean that relaxes? The exponent of what is left without a smooth mean.

Weights that start far from the bottom of a bowl approach it on smooth curves, and add noise. Over
long lags such a path is superdiffusive, and its exponent falls later, although its noise is not
anomalous at all. So the mean update of each parameter is fitted by slow functions of time,

    decays e^{−k/θ} with θ from one update to the window's length, and a constant,

and in finer scales also by `SCALES` slow waves cos(πn(k + ½)/T). All parameters are fitted at once:
with U the orthonormal functions, shape (T, K), the updates' Gram matrix without the mean is
(I − UUᵀ) G (I − UUᵀ). A sum of relaxations, as in a bowl of any spectrum, is within the functions.

The functions also take K of the T degrees of freedom of any motion. Of independent updates they take
the share a(τ) = mean over i of |Uᵀ 1_{[i, i+τ)}|² / τ, so the MSD that is left is divided by 1 − a(τ).
Then Brownian motion keeps its MSD and β = 1, on any relaxing mean.

The pitfall: a smoother also removes slow superdiffusive motion. At lags where a(τ) > ½, of about T/K,
one cannot be told from the other, and nothing is measured. At shorter lags superdiffusion keeps β > 1,
and relaxation does not. The null is what is left, with random signs and without its mean again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.exponents import local_slopes, slope
from anodiff.diffusion.nulls import NullCurves, superdiffusion_p
from anodiff.geometry.path import PathGeometry
from anodiff.geometry.reordered import signed_msd_at_short_lags
from anodiff.storage.columns import OPTIMISER_STEPS, Column
from anodiff.storage.types import FloatArray

#: Number of slow waves that are removed with the relaxing mean, by the ending of the column's name.
SCALES = {"": 0, "_8_waves": 8, "_32_waves": 32}

#: Ratio of two neighbouring relaxation times.
RATIO = 2.5

#: The largest share of independent updates that the mean may take.
MOST_TAKEN = 0.5

#: Of squared steps, the share that is rounding.
ROUNDING = 1e-10

#: The fewest lags at which a residual is measured, and the shortest lag of its exponent.
FEWEST_LAGS, SHORTEST = 3, 3

#: Curves over the lag: meaning.
RESIDUAL_CURVES = {
    "residual_msd": "MSD of the path without its relaxing mean, at lags where the mean can be told from the motion",
    "beta_residual": "local exponent of residual_msd",
    "beta_residual_null": "local exponent of its null, mean over draws: what is left without the mean, with random signs",
    "beta_residual_null_low": "2.5 % quantile of the draws of that null",
    "beta_residual_null_high": "97.5 % quantile of the draws of that null",
    "trend_share": "share of the MSD that is the relaxing mean; the rest is fluctuation",
}

_SUPERDIFFUSION = (
    "share of draws of the null that are as superdiffusive at some lag as the path without its relaxing mean{}, the path "
    "counted as a draw: what is left, with random signs"
)

#: Columns of exponents.csv.
RESIDUAL_COLUMNS = {
    "trend_share_long": Column("share of Δr² over the long lags that is the relaxing mean; the rest is fluctuation"),
    "residual_to": Column("largest lag at which the relaxing mean can be told from the motion", OPTIMISER_STEPS),
    "beta_residual": Column("exponent of the path without its relaxing mean, up to residual_to"),
    "beta_residual_null": Column("the same, mean over draws of the null: what is left, with random signs"),
    "beta_residual_above": Column("beta_residual minus beta_residual_null"),
    "beta_residual_sigma": Column("beta_residual_above divided by the standard deviation of the null's draws"),
} | {
    f"superdiffusion_p_residual{name}": Column(_SUPERDIFFUSION.format(f" and {waves} slow waves" if waves else ""))
    for name, waves in SCALES.items()
}


@dataclass(frozen=True)
class Residual:
    """A path without its mean.

    Attributes
    ----------
    lags
        The lags at which it is measured, in updates, shape (n,).
    msd
        Its MSD there, divided by what the mean leaves of independent updates.
    null
        The same for what is left with random signs.
    """

    lags: NDArray[np.int64]
    msd: FloatArray
    null: NullCurves


def slow_functions(updates: int, waves: int = 0) -> FloatArray:
    """Return orthonormal functions of time that span the mean updates, shape (T, K).

    Parameters
    ----------
    updates
        Number of updates T.
    waves
        Number of slow waves besides the decays; the shortest half period is T over their number.

    Examples
    --------
    >>> functions = slow_functions(200)
    >>> mean = 0.9 ** np.arange(200) + 3 * 0.99 ** np.arange(200)  # two relaxations
    >>> float(np.abs(mean - functions @ (functions.T @ mean)).max()) < 0.01
    True
    """
    time = np.arange(updates)[:, None]
    rates = np.geomspace(1 / updates, 1, math.ceil(math.log(max(2, updates), RATIO)) + 1)
    decays = np.exp(-time * np.append(0, rates))
    slow = np.cos(math.pi / updates * (time + 0.5) * np.arange(1, waves + 1))
    left, sizes, _ = np.linalg.svd(np.hstack([decays, slow]), full_matrices=False)
    return left[:, sizes > 1e-6 * sizes[0]]


def without_mean(
    path: PathGeometry, lags: NDArray[np.int64], functions: FloatArray, draws: int, generator: np.random.Generator
) -> Residual | None:
    """Return a path without the mean that `slow_functions` span, and its null; None for too few lags, or if nothing is left.

    Cost: O(T² K) for the path and for each draw.
    """
    sums = np.vstack([np.zeros(functions.shape[1]), np.cumsum(functions, axis=0)])
    products = [(moved := sums[lag:] - sums[: len(sums) - lag]).T @ moved / len(moved) for lag in lags]  # (K, K) at each lag
    left = 1 - np.trace(products, axis1=1, axis2=2) / lags
    measured = np.logical_and.accumulate(left >= 1 - MOST_TAKEN)
    if measured.sum() < FEWEST_LAGS or functions.shape[1] >= len(functions):
        return None
    lags, left = lags[measured], left[measured]
    inner = _projected(path.gram, functions)
    if np.trace(inner) <= ROUNDING * np.trace(path.gram):
        return None
    msd = PathGeometry(inner, path.window).mean_squared_displacement(lags) / left
    signs = generator.choice([-1.0, 1.0], (draws, len(inner)))
    null = _signed_without_mean(inner, signs, functions, sums, lags) / left
    return Residual(lags, msd, NullCurves(np.log(null)))


def _projected(gram: FloatArray, functions: FloatArray) -> FloatArray:
    """Return (I − UUᵀ) G (I − UUᵀ)."""
    rest = gram - functions @ (functions.T @ gram)
    return rest - (rest @ functions) @ functions.T


def _signed_without_mean(
    gram: FloatArray, signs: FloatArray, functions: FloatArray, sums: FloatArray, lags: NDArray[np.int64]
) -> FloatArray:
    """Return the MSD of updates with signs, shape (draws, T), after their mean is removed, (draws, lags).

    With H the Gram matrix with signs and b_i the sum of unit vectors i … i+τ−1, it is the mean over i
    of bᵀ(I − UUᵀ) H (I − UUᵀ)b = bᵀHb − 2 (Uᵀb)ᵀ UᵀH b + (Uᵀb)ᵀ UᵀHU (Uᵀb).
    """
    updates, count = functions.shape
    msd = signed_msd_at_short_lags(gram, signs, lags)
    mixed = gram @ (signs[:, :, None] * functions).transpose(1, 0, 2).reshape(updates, -1)  # G S U of all draws
    mixed = mixed.reshape(updates, len(signs), count).transpose(1, 0, 2) * signs[:, :, None]  # H U, (draws, T, K)
    running = np.concatenate([np.zeros((len(signs), 1, count)), np.cumsum(mixed, axis=1)], axis=1)
    twice = functions.T @ mixed  # UᵀHU, (draws, K, K)
    for column, lag in enumerate(lags):
        moved = sums[lag:] - sums[: len(sums) - lag]  # Uᵀb, (starts, K)
        crossed = running[:, lag:] - running[:, : len(sums) - lag]  # bᵀHU, (draws, starts, K)
        msd[:, column] -= 2 * np.einsum("dik,ik->d", crossed, moved) / len(moved)
        msd[:, column] += np.einsum("dkl,kl->d", twice, moved.T @ moved) / len(moved)
    return msd


def measure_relaxing_mean(
    path: PathGeometry,
    lags: NDArray[np.int64],
    msd: FloatArray,
    width: float,
    long: tuple[float, float],
    draws: int,
    generator: np.random.Generator,
) -> tuple[dict[str, FloatArray], dict[str, float]]:
    """Return a window's `RESIDUAL_CURVES` and `RESIDUAL_COLUMNS`; those that are unknown are left out.

    Parameters
    ----------
    lags, msd
        Lags in updates, and the MSD there.
    width
        See `anodiff.diffusion.exponents.local_exponents`.
    long
        Smallest and largest of the long lags, in updates.
    draws, generator
        Of the nulls.
    """
    curves: dict[str, FloatArray] = {}
    row: dict[str, Any] = {}
    for name, waves in SCALES.items():
        left = without_mean(path, lags, slow_functions(len(path.gram), waves), draws, generator)
        if left is None:
            continue
        row[f"superdiffusion_p_residual{name}"] = superdiffusion_p(np.log(left.msd), left.null, left.lags, width)
        if waves:
            continue
        curves = _curves(left, lags, msd, width)
        row |= _exponent(left) | {"residual_to": int(left.lags[-1]) * path.window.stride}
        in_range = (lags >= long[0]) & (lags <= long[1])
        if in_range.any() and len(path.gram) >= long[1]:
            row["trend_share_long"] = float(curves["trend_share"][in_range].mean())
    return curves, row


def _exponent(left: Residual) -> dict[str, float]:
    used = left.lags >= min(SHORTEST, left.lags[-FEWEST_LAGS])
    measured = slope(left.lags[used], left.msd[used])
    drawn = np.array([slope(left.lags[used], np.exp(curve[used])) for curve in left.null.log_msd])
    above, error = measured - drawn.mean(), drawn.std()
    return {
        "beta_residual": measured,
        "beta_residual_null": float(drawn.mean()),
        "beta_residual_above": float(above),
        "beta_residual_sigma": float(above / error) if error > 0 else math.nan,
    }


def _curves(left: Residual, lags: NDArray[np.int64], msd: FloatArray, width: float) -> dict[str, FloatArray]:
    drawn = left.null.local_exponents(left.lags, width)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    found = {
        "residual_msd": left.msd,
        "beta_residual": local_slopes(left.lags, width) @ np.log(left.msd),
        "beta_residual_null": drawn.mean(axis=0),
        "beta_residual_null_low": low,
        "beta_residual_null_high": high,
    }
    beyond = np.full(len(lags) - len(left.lags), np.nan)
    return {name: np.append(curve, beyond) for name, curve in found.items()} | {"trend_share": trend_share(left, lags, msd)}


def trend_share(left: Residual, lags: NDArray[np.int64], msd: FloatArray) -> FloatArray:
    """Return which share of the MSD is the mean, shape (lags,); the rest is fluctuation.

    The fluctuation is the residual's MSD M(τ) up to its last lag L. From there on it grows linearly,
    with the slope β M(L)/L that it has over the last third of these lags: updates further apart are
    taken to be independent. So slower fluctuation counts as trend, by which fractional Brownian motion
    with H = 0.75 has a share of about 0.7 at long lags. Where the fluctuation alone would exceed the
    MSD, the share is 0.
    """
    last, end = float(left.lags[-1]), float(left.msd[-1])
    near = left.lags >= last / 3
    exponent = max(0.0, slope(left.lags[near], left.msd[near])) if near.sum() > 1 else 1.0
    beyond = lags[len(left.lags) :]
    fluctuation = np.append(left.msd, end * (1 + exponent * (beyond / last - 1)))
    return np.asarray(1 - np.minimum(fluctuation / msd, 1.0))
