"""Does the landscape's roughness go with the motion? Roughness and curvature beside the exponents of the same windows.

A row for each run, point and kind of directions; the rank correlation over them, with an interval over configurations, is the
study's fourth claim as a number. The pitfall: both may fall with the time alone.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from anodiff.diffusion.intervals import COVERAGE, Interval
from anodiff.errors import StoreMissingError
from anodiff.landscape.curvature_store import open_curvature
from anodiff.landscape.roughness_store import COLUMNS as ROUGHNESS_COLUMNS
from anodiff.storage.types import FloatArray

#: Exponents of the window that holds the point.
OF_WINDOW = ("window", "waiting_time", "beta_max", "beta_long", "exponent_first", "exponent_second", "loss_roughness")

#: Columns of the table beside those of roughness.csv: meaning.
COLUMNS = {
    "hessian_largest": "largest eigenvalue of the loss's Hessian, at the point of curvature.zarr nearest in steps",
    "sharpness": "the same over the edge of stability, 2/η for plain gradient descent; above 1 descent is unstable",
    "curvature_step": "optimiser step of that point",
}

#: Resampled sets of configurations for the interval of a rank correlation.
DRAWS = 1000


def landscape_rows(folder: Path, exponents: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one run: roughness.csv, the exponents of the window that holds each point, and the curvature there.

    Raises
    ------
    StoreMissingError
        If the run has no roughness.csv.
    """
    file = folder / "landscape" / "roughness.csv"
    if not file.exists():
        raise StoreMissingError(f"{file}: no such file; make it with: anodiff roughness {folder}/trajectory.zarr")
    rows = pd.read_csv(file)
    starts, ends = exponents["waiting_time"], exponents["waiting_time"] + exponents["length"]
    windows = []
    for step in rows["step"]:
        holding = exponents[(starts <= step) & (step <= ends)]
        windows.append(holding.sort_values(["length", "waiting_time"], ascending=[True, False]).iloc[0][list(OF_WINDOW)])
    own = pd.DataFrame(windows, columns=list(OF_WINDOW)).reset_index(drop=True)
    table = pd.concat([rows[list(ROUGHNESS_COLUMNS)], own.infer_objects()], axis=1)
    return table.assign(**_curvature(folder / "landscape" / "curvature.zarr", table["step"].to_numpy()))


def rank_correlation(table: pd.DataFrame, first: str, second: str, seed: int = 0) -> tuple[Interval, int]:
    """Return Spearman's rank correlation of two columns and how many rows it is over.

    Points of a run go together, and so do runs that differ in their seed alone: the interval is that of a bootstrap over
    configurations (column ``group``, or ``run`` where there is none). Over 7 of them, of four points each, about 95 % cover.
    NaN for fewer than 4.
    """
    known = table[np.isfinite(table[first].astype(float)) & np.isfinite(table[second].astype(float))]
    if len(known) < 4:
        return Interval(math.nan, math.nan, math.nan), len(known)
    value = _spearman(known[[first, second]].to_numpy(float))
    by = "group" if "group" in known else "run"
    clusters = [rows[[first, second]].to_numpy(float) for _, rows in known.groupby(by)]
    if len(clusters) < 4 or not math.isfinite(value):
        return Interval(value, math.nan, math.nan), len(known)
    random = np.random.default_rng(seed)
    draws = random.integers(len(clusters), size=(DRAWS, len(clusters)))
    drawn = np.array([_spearman(np.concatenate([clusters[index] for index in chosen])) for chosen in draws])
    low, high = np.nanquantile(drawn, ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2))
    return Interval(value, float(low), float(high)), len(known)


def _spearman(points: FloatArray) -> float:
    ranks = rankdata(points, axis=0)
    if not np.ptp(ranks, axis=0).all():
        return math.nan
    return float(np.corrcoef(ranks.T)[0, 1])


def _curvature(store: Path, steps: NDArray[np.int64]) -> dict[str, FloatArray]:
    nothing = {name: np.full(len(steps), np.nan) for name in COLUMNS}
    if not store.exists():
        return nothing
    curvature = open_curvature(store)
    if not len(curvature["step"]):
        return nothing
    nearest = np.abs(curvature["step"][:, None] - steps).argmin(axis=0)
    largest, sharpness = curvature["hessian_eigenvalue"][nearest, 0], curvature.sharpness[nearest]
    return dict(zip(COLUMNS, (largest, sharpness, curvature["step"][nearest].astype(float)), strict=True))
