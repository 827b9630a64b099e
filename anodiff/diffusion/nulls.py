"""Does an exponent differ from that of a path without order? Local exponents of nulls.

Shuffled updates keep the steps and destroy their order in time. Random signs also remove the drift.
Shuffling within epochs keeps what is slower than an epoch. Detrending removes only the mean update
(`anodiff.geometry.PathGeometry`). The ideal gas is a stationary Gaussian path with the same update
autocorrelation (`anodiff.diffusion.ideal_gas`). The MSDs of the other draws come from
`anodiff.geometry.reordered`, which forms none of these paths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.diffusion.effective_dimension import effective_dimension
from anodiff.diffusion.exponents import local_slopes
from anodiff.diffusion.ideal_gas import ideal_gas_msd
from anodiff.geometry.reordered import reordered_msd, signed_msd
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from anodiff.geometry.path import PathGeometry

#: The nulls: what each keeps and destroys.
NULLS = {
    "shuffled": "updates in random order",
    "permuted_within_epoch": "updates in random order within each epoch",
    "sign_randomised": "updates with random signs",
    "ideal_gas": "a stationary Gaussian path with the same update autocorrelation",
    "detrended": "the mean update subtracted",
}


@dataclass(frozen=True)
class NullCurves:
    """ln MSD of a null's draws, shape (draws, lags); `detrended` is not random and has one draw."""

    log_msd: FloatArray

    def local_exponents(self, lags: NDArray[np.int64], width: float) -> FloatArray:
        """Return the local exponents of each draw, shape (draws, lags)."""
        return self.log_msd @ local_slopes(lags, width).T


def superdiffusion_p(log_msd: FloatArray, null: NullCurves, lags: NDArray[np.int64], width: float) -> float:
    """Return the fraction of a null's draws that are as superdiffusive as the window.

    The window counts as one more draw and is treated like all others. Each has a largest
    z(τ) = (β(τ) − mean) / standard deviation over the lags with β(τ) > 1, where mean and deviation
    are over the window and all draws. So each chooses its lag in the same way, and if the window is
    one more draw of the null, the fraction is evenly spread over 1/(n+1) … 1 (Westfall and Young
    1993).
    Shuffled updates keep the end-to-end displacement. Over long lags they are straighter than many
    superdiffusive paths, so no lag can be fixed beforehand.

    Parameters
    ----------
    log_msd
        ln MSD of the window at ``lags``, shape (lags,).
    """
    curves = np.vstack([log_msd, null.log_msd]) @ local_slopes(lags, width).T
    known = np.isfinite(curves).all(axis=0)
    away = curves[:, known] - curves[:, known].mean(axis=0)
    spread = away.std(axis=0)
    differs = spread > 1e-9
    counted = (curves[:, known][:, differs] > 1) & np.isfinite(away[:, differs])
    largest = np.where(counted, away[:, differs] / spread[differs], -np.inf).max(axis=1, initial=-np.inf)
    return float((largest >= largest[0]).mean())


def null_curves(
    path: PathGeometry,
    lags: NDArray[np.int64],
    *,
    draws: int,
    steps_per_epoch: int | None,
    generator: np.random.Generator,
    dimension: FloatArray | None = None,
) -> dict[str, NullCurves]:
    """Draw each null and return its curves; ``permuted_within_epoch`` needs the length of an epoch.

    ``dimension`` is the effective dimension at the lags, if it is known already. Cost: O(T²) per draw.
    """
    gram, updates = path.gram, len(path.gram)
    makers: dict[str, Callable[[], FloatArray]] = {
        "shuffled": lambda: reordered_msd(gram, generator.permutation(updates), lags),
        "sign_randomised": lambda: signed_msd(gram, generator.choice([-1.0, 1.0], updates), lags),
        "detrended": lambda: path.detrended().mean_squared_displacement(lags),
    }
    if steps_per_epoch:
        makers["permuted_within_epoch"] = lambda: reordered_msd(gram, path.epoch_order(steps_per_epoch, generator), lags)
    curves = {name: _of_msd([draw() for _ in range(1 if name == "detrended" else draws)]) for name, draw in makers.items()}
    if dimension is None or not np.isfinite(dimension).all():
        dimension = effective_dimension(path, lags)
    curves["ideal_gas"] = _of_msd(ideal_gas_msd(gram, lags, dimension, draws, generator))
    return curves


def _of_msd(msds: ArrayLike) -> NullCurves:
    """Return the curves of MSDs, shape (draws, lags); NaN where an MSD is 0."""
    with np.errstate(divide="ignore"):
        log_msd = np.log(np.asarray(msds))
    return NullCurves(np.where(np.isfinite(log_msd), log_msd, np.nan))
