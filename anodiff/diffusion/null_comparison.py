"""How far is a window from its nulls? Differences of exponents, with their errors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.nulls import NullCurves, superdiffusion_p
from anodiff.diffusion.window_exponents import WindowExponents
from anodiff.storage.types import FloatArray


def compare_with_nulls(
    nulls: dict[str, NullCurves],
    exponents: WindowExponents,
    msd: FloatArray,
    beta: FloatArray,
    lags: NDArray[np.int64],
    width: float,
    long: tuple[float, float],
) -> tuple[dict[str, FloatArray], dict[str, float]]:
    """Return the nulls' local exponents, and the columns that compare the window with them.

    Parameters
    ----------
    msd, beta
        The window's MSD and local exponents at ``lags``, in updates, shape (lags,).
    width
        See `anodiff.diffusion.exponents.local_exponents`.
    long
        Smallest and largest of the long lags, in updates.
    """
    curves: dict[str, FloatArray] = {}
    row: dict[str, float] = {"beta_steepest": float(np.nanmax(beta))}
    largest = exponents.largest_at
    in_range = (lags >= long[0]) & (lags <= long[1])
    for name, null in nulls.items():
        drawn = null.local_exponents(lags, width)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        curves |= {f"beta_{name}": drawn.mean(axis=0), f"beta_{name}_low": low, f"beta_{name}_high": high}
        reach = exponents.beta_high[largest] - exponents.beta_low[largest]
        row |= _difference(f"beta_max_{{}}_{name}", Interval(beta[largest], 0, reach), drawn[:, largest])
        if math.isfinite(exponents.long.value) and in_range.sum() > 1:
            x = np.log(lags[in_range])
            x -= x.mean()
            slopes = null.log_msd[:, in_range] @ x / (x @ x)
            measured = Interval(np.log(msd[in_range]) @ x / (x @ x), exponents.long.low, exponents.long.high)
            row |= _difference(f"beta_long_{{}}_{name}", measured, slopes)
            row[f"beta_long_{name}"] = slopes.mean()
        row[f"beta_max_{name}"] = drawn[:, largest].mean()
        if name == "ideal_gas":
            row["beta_max_ideal_gas_high"] = high[largest]
        if name != "detrended":
            row[f"superdiffusion_p_{name}"] = superdiffusion_p(np.log(msd), null, lags, width)
    return curves, row


def _difference(column: str, measured: Interval, drawn: FloatArray) -> dict[str, float]:
    above = measured.value - drawn.mean()
    error = math.hypot((measured.high - measured.low) / 3.92, drawn.std())
    return {column.format("above"): above, column.format("sigma"): above / error if error > 0 else math.nan}
