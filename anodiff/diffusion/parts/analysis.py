"""Which parts of a model move anomalously, and what does the optimiser add? From geometry.zarr to parts.zarr and parts.csv.

Every part, and the whole path beside it, is measured by the procedure of exponents.csv
(`anodiff.diffusion.window_exponents`).

Cost: for each window and part 0.15 to 0.45 s of one core at 1,000 updates, the more the fewer
directions the part moves in. Memory: about twelve matrices T × T, as for the whole path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.analysis import exponent_row, with_intervals
from anodiff.diffusion.columns import raised_flags
from anodiff.diffusion.exponents import local_exponents
from anodiff.diffusion.intervals import UNKNOWN, Interval
from anodiff.diffusion.parts.columns import CURVES, GRADIENT, PART_COLUMNS, PRECONDITIONED
from anodiff.diffusion.parts.differences import difference
from anodiff.diffusion.parts.store import write_parts
from anodiff.diffusion.window_exponents import measure_exponents
from anodiff.errors import ConfigError, one_line
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.geometry.parts import WALK, Part
from anodiff.geometry.path import PathGeometry
from anodiff.geometry.store import Geometries, open_geometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.stores import writing_all
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PartsAnalysis:
    """The results of a run: its parts, curves by name (parts, windows, lags) at ``lags``, and a row of each window and part."""

    parts: tuple[Part, ...]
    lags: NDArray[np.int64]
    curves: dict[str, FloatArray]
    rows: pd.DataFrame


def compute_parts(
    geometry_path: str | Path,
    output: str | Path,
    table: str | Path,
    settings: AnalysisSettings,
    *,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Analyse the groups and walks of geometry.zarr; write parts.zarr and parts.csv, or neither.

    Their bits depend neither on the number of threads nor on that of cores.

    Raises
    ------
    ConfigError
        If the run has neither groups nor walks.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    geometries = open_geometry(geometry_path)
    if not geometries.groups and not geometries.walks:
        raise ConfigError(
            f"{geometry_path}: no groups and no walks in it; train with recording.groups or recording.walks, such as "
            "groups: layer"
        )
    with writing_all([output, table], overwrite=overwrite) as temporary, one_blas_thread():
        found = analyse_parts(geometries, settings, report)
        found.rows.to_csv(temporary[Path(table)], index=False)
        write_parts(temporary[Path(output)], geometries, settings, found.parts, found.lags, found.curves)


def analyse_parts(geometries: Geometries, settings: AnalysisSettings, report: ProgressCallback = no_progress) -> PartsAnalysis:
    """Return curves of all parts over a common set of lags, and a row for each window and part, the whole path first."""
    import pandas as pd

    windows, parts = geometries.windows, (geometries.whole, *geometries.groups, *geometries.walks)
    own_lags = [logarithmic_lags(window.updates, settings.lags_per_decade, settings.largest_lag) for window in windows]
    lags = np.unique(np.concatenate([window.stride * own for window, own in zip(windows, own_lags, strict=True)]))
    curves = {name: np.full((len(parts), len(windows), len(lags)), np.nan) for name in CURVES}
    rows: list[dict[str, Any]] = []
    for number, window in enumerate(windows):
        labels = {"window": number, "waiting_time": window.start, "length": window.length, "stride": window.stride}
        measured: list[_Measured] = []
        for place, part in enumerate(parts):
            report(
                number * len(parts) + place,
                len(windows) * len(parts),
                f"window from step {window.start}, {one_line(part.name, 40)}",
            )
            path, note = geometries.moving_part(number, part)
            if path is None:
                still = geometries.reached(window) and not geometries.part_problem(number, part)
                one = _Measured({"note": note}, still=still)
            else:
                one = _measure(path, own_lags[number], settings, number)
            measured.append(one)
            for name, curve in one.curves.items():
                curves[name][place, number, np.searchsorted(lags, window.stride * own_lags[number])] = curve
        beside = _beside(dict(zip(parts, measured, strict=True)))
        for part, one in zip(parts, measured, strict=True):
            about = {"kind": part.kind, "part": part.name, "part_parameters": part.parameters}
            against = measured[0].long if part is not parts[0] else UNKNOWN
            shares = _shares(one, measured[0], settings, window.stride)
            differing = with_intervals({"difference_long": difference(against, one.long)})
            rows.append(labels | about | shares | one.row | beside | differing)
    report(len(windows) * len(parts), len(windows) * len(parts), "done")
    return PartsAnalysis(parts, lags, curves, pd.DataFrame(rows, columns=list(PART_COLUMNS)))


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
