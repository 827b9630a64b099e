"""What are the exponents of the parts of a path in one window, and what do they share with the whole?

Every part, and the whole path beside it, is measured by the procedure of exponents.csv
(`anodiff.diffusion.window_exponents`), with the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.analysis import exponent_row, with_intervals
from anodiff.diffusion.columns import raised_flags
from anodiff.diffusion.exponents import local_exponents
from anodiff.diffusion.intervals import UNKNOWN, Interval
from anodiff.diffusion.parts.columns import CURVES, GRADIENT, PRECONDITIONED
from anodiff.diffusion.parts.differences import difference
from anodiff.diffusion.window_exponents import measure_exponents
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.geometry.parts import WALK, Part
from anodiff.geometry.path import PathGeometry
from anodiff.geometry.store import Geometries
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.types import FloatArray
from anodiff.trajectory.windows import Window


@dataclass(frozen=True)
class WindowParts:
    """The curves of the parts by name, each (parts, lags), and a row of parts.csv for each part."""

    curves: dict[str, FloatArray]
    rows: list[dict[str, Any]]


def window_lags(window: Window, settings: AnalysisSettings) -> NDArray[np.int64]:
    """Return the lags of a window's curves, in optimiser steps."""
    return window.stride * logarithmic_lags(window.updates, settings.lags_per_decade, settings.largest_lag)


def measure_window(
    geometries: Geometries,
    number: int,
    parts: Sequence[Part],
    lags: NDArray[np.int64],
    settings: AnalysisSettings,
    before: Callable[[int], None],
) -> WindowParts:
    """Measure all parts in a window; the first is the whole path.

    Parameters
    ----------
    lags
        Lags of the curves, in optimiser steps; those that are not the window's are NaN.
    before
        Called with the place of each part before it is measured.

    Raises
    ------
    StoreDamagedError
        If a chunk is damaged or missing.
    """
    window = geometries.windows[number]
    own = window_lags(window, settings)
    curves = {name: np.full((len(parts), len(lags)), np.nan) for name in CURVES}
    measured: list[_Measured] = []
    for place, part in enumerate(parts):
        before(place)
        path, note = geometries.moving_part(number, part)
        if path is None:
            still = geometries.reached(window) and not geometries.part_problem(number, part)
            one = _Measured({"note": note}, still=still)
        else:
            one = _measure(path, own // window.stride, settings, number)
        measured.append(one)
        for name, curve in one.curves.items():
            curves[name][place, np.searchsorted(lags, own)] = curve
    labels = {"window": number, "waiting_time": window.start, "length": window.length, "stride": window.stride}
    beside = _beside(dict(zip(parts, measured, strict=True)))
    rows = []
    for place, (part, one) in enumerate(zip(parts, measured, strict=True)):
        about = {"kind": part.kind, "part": part.name, "part_parameters": part.parameters}
        shares = _shares(one, measured[0], settings, window.stride)
        differing = with_intervals({"difference_long": difference(measured[0].long if place else UNKNOWN, one.long)})
        rows.append(labels | about | shares | one.row | beside | differing)
    return WindowParts(curves, rows)


@dataclass(frozen=True)
class _Measured:
    """What was measured of a part in a window: its columns, its curves at the lags, its MSD at lags 0 … T, its exponent over
    the long lags; and whether it stands still.
    """

    row: dict[str, Any]
    curves: dict[str, FloatArray] = field(default_factory=dict)
    msd: FloatArray | None = None
    long: Interval = UNKNOWN
    still: bool = False


def _measure(path: PathGeometry, lags: NDArray[np.int64], settings: AnalysisSettings, seed: int) -> _Measured:
    """Measure a path at ``lags``, in recorded updates."""
    stride = path.window.stride
    msd = time_averaged_msd(path.squared_displacements)
    beta = local_exponents(msd, lags, settings.slope_width)
    curves = {"msd": msd[lags], "beta": beta}
    if not np.isfinite(beta).any():
        return _Measured({"note": "too few lags with a displacement for an exponent"}, curves, msd)
    long = (settings.long_lags[0] / stride, settings.long_lags[1] / stride)
    exponents = measure_exponents(path, msd, lags, beta, settings.slope_width, long, seed)
    row = exponent_row(exponents, lags, stride)
    row["step_length_variation"] = path.step_lengths.std() / path.step_lengths.mean()
    if math.isnan(row["beta_long"]):
        row["note"] = f"too short, or too few of its points, for the long lags {settings.long_lags[0]}–{settings.long_lags[1]}"
    row["flags"] = raised_flags(row, exponents.crossover_problem(stride))
    curves |= {"beta_low": exponents.beta_low, "beta_high": exponents.beta_high}
    return _Measured(row, curves, msd, exponents.long)


def _shares(part: _Measured, whole: _Measured, settings: AnalysisSettings, stride: int) -> dict[str, float]:
    """Return a part's shares of the mean squared displacement, at a single step and over the long lags."""
    if whole.msd is None or (part.msd is None and not part.still):
        return {}
    own = np.zeros(len(whole.msd)) if part.msd is None else part.msd
    long = slice(math.ceil(settings.long_lags[0] / stride), math.floor(settings.long_lags[1] / stride) + 1)
    reached = len(whole.msd) >= long.stop > long.start
    return {
        "step_share": float(own[1] / whole.msd[1]),
        "msd_share_long": float(own[long].sum() / whole.msd[long].sum()) if reached else math.nan,
    }


def _beside(measured: dict[Part, _Measured]) -> dict[str, float]:
    """Return the columns that every row of a window shares: the exponents of the path and of its walks."""
    walks = {part.name: one.long for part, one in measured.items() if part.kind == WALK}
    gradient, preconditioned = (walks.get(name, UNKNOWN) for name in (GRADIENT, PRECONDITIONED))
    return with_intervals(
        {
            "whole_beta_long": next(iter(measured.values())).long,
            "gradient_beta_long": gradient,
            "preconditioned_beta_long": preconditioned,
            "optimiser_long": difference(preconditioned, gradient),
        }
    )
