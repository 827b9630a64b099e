"""Does the roughness of the landscape go with the motion? Roughness and curvature next to the exponents of the same windows.

There is a row for each run, point and kind of directions. The rank correlation of points at the same
waiting time is the study's fourth claim as a number. Over all points it would be another: two
quantities that change with time, each for its own reason, correlate over it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.diffusion.columns import EXPONENT_COLUMNS
from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval
from anodiff.landscape.curvature_store import open_curvature
from anodiff.landscape.roughness_store import ROUGHNESS_COLUMNS
from anodiff.storage.columns import OPTIMISER_STEPS, Column
from anodiff.storage.tables import read_table
from anodiff.storage.types import FloatArray
from anodiff.sweep.clusters import CLUSTERS, cluster_column, names_of_runs

if TYPE_CHECKING:
    import pandas as pd

#: Columns of exponents.csv that are taken from the window that holds the point.
OF_WINDOW = ("window", "waiting_time", "beta_max", "beta_long", "exponent_first", "exponent_second", "loss_roughness")

#: Columns that are taken from curvature.zarr, at its point nearest in steps.
CURVATURE_COLUMNS = {
    "hessian_largest": Column(
        "largest eigenvalue of the loss's Hessian, at the point of curvature.zarr nearest in steps", "loss/weight²"
    ),
    "sharpness": Column(
        "hessian_largest over the edge of stability, which is 2/η for plain gradient descent; above 1 descent is unstable"
    ),
    "curvature_step": Column("optimiser step of that point of curvature.zarr", OPTIMISER_STEPS),
}

#: Columns of the table of landscapes, behind those that name the run.
LANDSCAPE_COLUMNS = ROUGHNESS_COLUMNS | {name: EXPONENT_COLUMNS[name] for name in OF_WINDOW} | CURVATURE_COLUMNS

#: Bootstrap samples for the interval of a rank correlation; random exchanges for its p-value; clusters up to which all
#: exchanges are made.
DRAWS, EXCHANGES, MOST_EXACT = 1000, 4999, 7


def landscape_rows(folder: Path, exponents: pd.DataFrame) -> pd.DataFrame:
    """Return `LANDSCAPE_COLUMNS` of one run, from roughness.csv, curvature.zarr if it is there, and the run's exponents.

    Raises
    ------
    StoreMissingError
        If the run has no roughness.csv.
    """
    import pandas as pd

    file = folder / "landscape" / "roughness.csv"
    rows = read_table(file, make=f"anodiff roughness {folder}/trajectory.zarr")
    starts, ends = exponents["waiting_time"], exponents["waiting_time"] + exponents["length"]
    windows = []
    for step in rows["step"]:
        holding = exponents[(starts <= step) & (step <= ends)]
        windows.append(holding.sort_values(["length", "waiting_time"], ascending=[True, False]).iloc[0][list(OF_WINDOW)])
    own = pd.DataFrame(windows, columns=list(OF_WINDOW)).reset_index(drop=True)
    table = pd.concat([rows[list(ROUGHNESS_COLUMNS)], own.infer_objects()], axis=1)
    return table.assign(**_curvature(folder / "landscape" / "curvature.zarr", table["step"].to_numpy()))


@dataclass(frozen=True)
class Correlation:
    """A rank correlation within waiting times.

    Attributes
    ----------
    interval
        The correlation, with a 95 % interval from a bootstrap over clusters; NaN if there is none.
    p
        Two-sided p-value of exchanging clusters.
    n, over
        Number of clusters, and what they are.
    points
        Number of points that have both quantities.
    """

    interval: Interval
    p: float
    n: int
    over: str
    points: int


def within_time_correlation(table: pd.DataFrame, first: str, second: str, seed: int = 0) -> Correlation:
    """Return the rank correlation of two columns among points at the same waiting time.

    The points of a run are numbered in the order of their steps. Those of one number are ranked
    among each other, after taking the median over the runs of a cluster (`anodiff.sweep.clusters`).
    The ranks, less their mean, are correlated over all numbers. So what depends on time alone
    counts for nothing.

    Under the null, clusters are exchangeable: the second quantity of one cluster, at all times,
    could have come with the first of another. The p-value is the share of such exchanges with a
    correlation as large: of all of them up to 7 clusters, else of 4,999 random ones and the real
    one (Phipson and Smyth, Stat. Appl. Genet. Mol. 9 (2010) 39).

    Clusters that lack a point of some number that most have are left out.
    """
    both = np.isfinite(table[[first, second]].to_numpy(float)).all(axis=1)
    known: pd.DataFrame = table.loc[both].copy()
    names = names_of_runs(known)
    by = cluster_column(names) if len(known) else "run"
    known["cluster"] = known["run"] if by == "run" else known["run"].map(names[by])
    known["number"] = known.groupby("run")["step"].rank(method="dense")
    blocks = known.pivot_table([first, second], "cluster", "number", "median")
    blocks = blocks.dropna(axis=1, thresh=math.ceil(len(blocks) / 2)).dropna()
    x, y = (blocks[column].to_numpy(float) if len(blocks) else np.zeros((0, 0)) for column in (first, second))
    value = float(pooled_correlation(x[None], y[None])[0]) if len(blocks) >= 3 and x.shape == y.shape and x.size else math.nan
    if math.isnan(value):
        return Correlation(UNKNOWN, math.nan, len(blocks), CLUSTERS[by], len(known))
    random = np.random.default_rng(seed)
    if len(x) <= MOST_EXACT:
        orders = np.array(list(itertools.permutations(range(len(x)))))
    else:
        orders = np.stack([np.arange(len(x)), *(random.permutation(len(x)) for _ in range(EXCHANGES))])
    exchanged = np.abs(pooled_correlation(x[None], y[orders]))
    p = float((exchanged >= abs(value) * (1 - 1e-9)).mean())
    draws = random.integers(len(x), size=(DRAWS, len(x)))
    drawn = pooled_correlation(x[draws], y[draws])
    known_draws = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known_draws, (LOWER, UPPER)) if len(x) >= 4 and len(known_draws) else (math.nan, math.nan)
    return Correlation(Interval(value, float(low), float(high)), p, len(x), CLUSTERS[by], len(known))


def pooled_correlation(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the correlation over all times of ranks among clusters at the same time.

    Shapes: (samples, clusters, times) → (samples,), of which the first may have one sample; NaN if
    one is constant at all times.
    """
    x, y = (scipy.stats.rankdata(values, axis=1) for values in (first, second))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((x**2).sum(axis=(1, 2)) * (y**2).sum(axis=(1, 2)))
    return np.divide((x * y).sum(axis=(1, 2)), scale, out=np.full(len(y), np.nan), where=scale > 0)


def rank_correlation(table: pd.DataFrame, first: str, second: str, seed: int = 0) -> tuple[Interval, int]:
    """Return Spearman's rank correlation of two columns, and the number of rows that have both.

    Points of a run are not independent, nor are runs that differ only in their seed. So the
    interval comes from a bootstrap over configurations: column ``group``, or ``run`` if there is
    none. With 7 of them, of four points each, it covers about 95 %. The correlation is NaN for
    fewer than 4 rows, its interval for fewer than 4 configurations.
    """
    known = table[np.isfinite(table[first].astype(float)) & np.isfinite(table[second].astype(float))]
    if len(known) < 4:
        return UNKNOWN, len(known)
    by = "group" if "group" in known else "run"
    clusters = [rows[[first, second]].to_numpy(float) for _, rows in known.groupby(by)]
    value = float(_spearman(known[[first, second]].to_numpy(float)[None])[0])
    if len(clusters) < 4 or not math.isfinite(value):
        return Interval(value, math.nan, math.nan), len(known)
    draws = np.random.default_rng(seed).integers(len(clusters), size=(DRAWS, len(clusters)))
    samples: dict[int, list[FloatArray]] = {}
    for chosen in draws:
        sample = np.concatenate([clusters[index] for index in chosen])
        samples.setdefault(len(sample), []).append(sample)
    drawn = np.concatenate([_spearman(np.array(alike)) for alike in samples.values()])
    low, high = np.nanquantile(drawn, (LOWER, UPPER))
    return Interval(value, float(low), float(high)), len(known)


def _spearman(samples: FloatArray) -> FloatArray:
    """Return Spearman's rank correlation of the two columns of each sample, from (samples, rows, 2) to (samples,).

    It is the correlation of the ranks; NaN if a column is constant.
    """
    ranks = scipy.stats.rankdata(samples, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    first, second = np.moveaxis(ranks, 2, 0)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), scale, out=np.full(len(samples), np.nan), where=scale > 0)


def _curvature(store: Path, steps: NDArray[np.int64]) -> dict[str, FloatArray]:
    """Return the values of `CURVATURE_COLUMNS` at optimiser steps."""
    nothing = {name: np.full(len(steps), np.nan) for name in CURVATURE_COLUMNS}
    if not store.exists():
        return nothing
    curvature = open_curvature(store)
    if not len(curvature["step"]):
        return nothing
    nearest = np.abs(curvature["step"][:, None] - steps).argmin(axis=0)
    return {
        "hessian_largest": curvature["hessian_eigenvalue"][nearest, 0],
        "sharpness": curvature.sharpness[nearest],
        "curvature_step": curvature["step"][nearest].astype(float),
    }
