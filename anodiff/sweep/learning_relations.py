"""Does what is learned go with how the path moves, do seeds learn in the same order, are the big steps those of learning?

Each row of the table is one question about the whole sweep, a configuration or a run: a rank
correlation or a ratio, and its test.

The pitfall: learning and motion both change with time. So windows are compared only with windows at
the same waiting time of the same configuration, and what differs between them is the seed. A
correlation is then no cause: seeds that are quick may be so in everything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import scipy

from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval
from anodiff.learning.columns import CLASS, MODE
from anodiff.storage.columns import COUNT, TEXT, Column
from anodiff.storage.stores import COMPLETE
from anodiff.storage.types import FloatArray
from anodiff.sweep.clusters import CLUSTERS, cluster_column, judge_runs, names_of_runs
from anodiff.sweep.connections import DRAWS, EXCHANGES, Correlation, pooled_correlation
from anodiff.sweep.hypothesis_tests import Judgement, Row, judge_median
from anodiff.sweep.learning_steps import step_series, steps_around
from anodiff.sweep.results import RunResult
from anodiff.sweep.table_makers import learning_table, learning_windows_table, with_learning

if TYPE_CHECKING:
    import pandas as pd

#: What is learned in a window, and how the path moves in it, by columns of learning_windows.csv.
LEARNED = ("modes_in_transition", "learned", "mode_share")
MOTION = ("beta_max", "beta_long", "roughness_exponent", "sharpness")

WINDOWS, ORDER, STEPS = RELATIONS = ("windows", "order", "steps")

#: Columns of the table.
RELATION_COLUMNS = {
    "relation": Column(
        "windows: does what is learned in a window go with the motion in it; order: do seeds learn in the same order; steps: "
        "are steps longer while a mode is learned",
        TEXT,
    ),
    "first": Column("what is learned: a column of learning_windows.csv, or the sort of curves", TEXT),
    "second": Column(
        "what it is compared with: a column of learning_windows.csv, other seeds, step_length or loss_change", TEXT
    ),
    "among": Column("the configuration or the run that it is about; all: the whole sweep", TEXT),
    "value": Column(
        "windows: Spearman's rank correlation within waiting time and configuration; order: mean rank correlation of learning "
        "times between two seeds; steps: geometric mean within a factor of 1.25 of the learning times, over the smooth trend "
        "there"
    ),
    "low": Column("lower end of the 95 % interval of value"),
    "high": Column("upper end of the 95 % interval of value"),
    "p": Column("p-value of the test"),
    "n": Column("number of what is independent: configurations, seeds or runs; of a single run, of modes", COUNT),
    "strata": Column("number of waiting times of configurations within which windows are compared", COUNT),
    "points": Column("number of windows, curves or modes", COUNT),
    "test": Column("the test, and its null", TEXT),
    "note": Column("why a value is missing, and what to keep in mind", TEXT),
}


def learning_relations(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return `RELATION_COLUMNS` of the complete runs in which learning was measured; raises what
    `anodiff.sweep.table_makers.learning_table` raises.
    """
    import pandas as pd

    chosen = with_learning(runs)
    learning, windows = learning_table(chosen), learning_windows_table(chosen)
    complete = [run for run in chosen if run.curves.attrs["status"] == COMPLETE]
    rows = window_relations(windows[windows["status"] == COMPLETE])
    rows += order_relations(learning[learning["status"] == COMPLETE])
    rows += step_relations(complete)
    return pd.DataFrame(rows, columns=list(RELATION_COLUMNS))


def window_relations(windows: pd.DataFrame) -> list[Row]:
    """Return a row for each pair of `LEARNED` and `MOTION`."""
    rows = []
    for first, second in itertools.product(LEARNED, MOTION):
        found, strata = within_configuration_correlation(windows, first, second)
        unknown = math.isnan(found.interval.value)
        note = (
            ("all seeds have the same" if strata else "no two seeds of a configuration have both in a window")
            if unknown
            else ""
        )
        row = {"relation": WINDOWS, "first": first, "second": second, "among": "all", **asdict(found.interval)}
        row |= {"p": found.p, "n": found.n, "strata": strata, "points": found.points, "note": note}
        rows.append(row | {"test": f"seeds exchanged with all their windows, within configurations; over {found.over}"})
    return rows


def within_configuration_correlation(table: pd.DataFrame, first: str, second: str, seed: int = 0) -> tuple[Correlation, int]:
    """Return the rank correlation of two columns among windows of one number and configuration, and the number of these
    strata.

    The seeds are ranked within each stratum. The ranks, less their mean, are correlated over all
    strata. So whatever depends on time and configuration alone counts for nothing.

    Under the null, the second quantity of a seed, in all windows, could have come with the first of
    another one. Where seeds are what is independent (`anodiff.sweep.clusters`), they are exchanged in
    all configurations at once, because runs of one seed share their batches; otherwise in each by
    itself. The p-value is the share of such exchanges with a correlation as large: of all, up to 5,000,
    else of 4,999 random ones and the real one. Windows that less than half of the seeds have are left
    out, and then seeds that lack a window.

    Parameters
    ----------
    table
        Rows of runs and windows, with ``run``, ``group``, ``seed``, ``window`` and both columns.
    """
    both = np.isfinite(table[[first, second]].to_numpy(float)).all(axis=1)
    known = table[both]
    by = cluster_column(names_of_runs(known)) if len(known) else "run"
    parts = [known] if by == "seed" else [own for _, own in known.groupby("group", sort=False)]
    blocks = []
    for own in parts if len(known) else ():
        values = own.pivot_table([first, second], "seed", ["group", "window"], "median")
        values = values.dropna(axis=1, thresh=math.ceil(len(values) / 2)).dropna()
        if len(values) >= 2 and values.shape[1]:
            blocks.append(np.stack([values[name].to_numpy(float) for name in (first, second)]))
    strata, points = sum(block.shape[2] for block in blocks), sum(block[0].size for block in blocks)
    n = blocks[0].shape[1] if by == "seed" and blocks else len(blocks)
    products = [_products(block) for block in blocks]
    value = _correlation(products)
    if math.isnan(value):
        return Correlation(UNKNOWN, math.nan, n, CLUSTERS[by], points), strata
    random = np.random.default_rng(seed)
    exchanged = np.abs(_exchanged([crossed for crossed, _, _ in products], random))
    crossed = sum(float(np.trace(each)) for each, _, _ in products)
    p = float((exchanged >= abs(crossed) * (1 - 1e-9)).mean())
    drawn = _bootstrap(blocks, products, n, random)
    interval = Interval(value, *(float(np.quantile(drawn, end)) if len(drawn) else math.nan for end in (LOWER, UPPER)))
    return Correlation(interval, p, n, CLUSTERS[by], points), strata


def order_relations(learning: pd.DataFrame) -> list[Row]:
    """Return how well the seeds of each configuration agree in which mode, and which class, is learned first."""
    rows, train = [], learning[learning["split"] == "train"]
    for sort in (MODE, CLASS):
        own = train[train["sort"] == sort]
        found = {}
        for group, curves in own.groupby("group", sort=False):
            measured = curves[np.isfinite(curves["final"].to_numpy(float))]
            times = measured.assign(time=measured["learning_time"].fillna(math.inf)).pivot_table(
                "time", "seed", "curve", "first"
            )
            value, p = order_agreement(times.dropna(axis=1).to_numpy(float))
            found[group] = value
            if math.isnan(value):
                continue
            row = {"relation": ORDER, "first": sort, "second": "other seeds", "among": group, "value": value, "p": p}
            row |= {"n": len(times), "points": times.shape[1], "note": ""}
            rows.append(row | {"test": "curves in random order within each seed; what is never learned comes last"})
        values = list(found.values())
        judged = judge_median(values, values, claimed=1, beyond=0, against="0, no common order", over="configurations")
        row = _judged(judged, ORDER, sort, "other seeds", len(found))
        rows.append(row if judged.n else row | {"note": "it takes two seeds and three curves that differ"})
    return rows


def order_agreement(times: FloatArray, seed: int = 0) -> tuple[float, float]:
    """Return the mean rank correlation of times between two seeds, and the share of random orders that agree as well.

    Parameters
    ----------
    times
        Learning times, (seeds, curves); inf for what is never learned.
    """
    if min(times.shape) < 2 or times.shape[1] < 3:
        return math.nan, math.nan
    ranks = scipy.stats.rankdata(times, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    scale = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    if (scale == 0).any():
        return math.nan, math.nan
    ranks, number = ranks / scale, len(times)
    drawn = np.random.default_rng(seed).permuted(np.broadcast_to(ranks, (DRAWS - 1, *ranks.shape)), axis=2)
    # Of unit vectors, |Σ z|² is their number plus twice the sum of the correlations of all pairs.
    agreement = ((np.concatenate([ranks[None], drawn]).sum(axis=1) ** 2).sum(axis=1) - number) / (number * (number - 1))
    return float(agreement[0]), float((agreement >= agreement[0] - 1e-9).mean())


def step_relations(runs: Sequence[RunResult]) -> list[Row]:
    """Return whether each run's steps, and its changes of the loss, are larger around the learning times of its modes."""
    import pandas as pd

    rows, excess = [], {}
    for run in runs:
        curves = run.learning
        times = curves.loc[(curves["sort"] == MODE) & (curves["split"] == "train"), "learning_time"].to_numpy(float)
        for name, series in step_series(run).items():
            found = steps_around(series, times)
            excess[name, run.name] = (found.ratio, found.excess)
            note = "" if found.modes else "no mode is learned in the middle of the run with every step around it recorded"
            row = {"relation": STEPS, "first": MODE, "second": name, "among": run.name, "value": found.ratio, "p": found.p}
            row |= {"n": found.modes, "points": found.modes, "note": note}
            rows.append(row | {"test": "all learning times multiplied by one factor; a parabola in log time taken out"})
    names = pd.DataFrame({"group": [run.group for run in runs], "seed": [run.settings["seed"] for run in runs]})
    names.index = pd.Index([run.name for run in runs])
    for name in dict.fromkeys(name for name, _ in excess):
        own = pd.DataFrame([excess[name, run.name] for run in runs], names.index, ["ratio", "excess"])
        judged = judge_runs(own["ratio"], own["excess"], names, claimed=1, beyond=1, against="the median over shifted times")
        rows.append(_judged(judged, STEPS, MODE, name, int(own["ratio"].notna().sum())))
    return rows


def _judged(judged: Judgement, relation: str, first: str, second: str, points: int) -> Row:
    """Return the row of the whole sweep."""
    row = {"relation": relation, "first": first, "second": second, "among": "all", **asdict(judged.interval), "p": judged.p}
    return row | {"n": judged.n, "points": points, "test": judged.test, "note": judged.note}


def _products(block: FloatArray) -> tuple[FloatArray, float, float]:
    """Return products of the centred ranks of a block, (2, seeds, windows): of each two seeds, (seeds, seeds), and the sums
    of squares.
    """
    ranks = scipy.stats.rankdata(block, axis=1)
    x, y = ranks - ranks.mean(axis=1, keepdims=True)
    return x @ y.T, float((x**2).sum()), float((y**2).sum())


def _correlation(products: Sequence[tuple[FloatArray, float, float]]) -> float:
    """Return the correlation of the ranks of all blocks; NaN if one quantity is the same in all seeds of every stratum."""
    crossed, xx, yy = (sum(each) for each in zip((0, 0, 0), *((np.trace(c), a, b) for c, a, b in products), strict=True))
    return float(crossed / math.sqrt(xx * yy)) if xx * yy > 0 else math.nan


def _exchanged(crossed: Sequence[FloatArray], random: np.random.Generator) -> FloatArray:
    """Return the sum of products for exchanges of seeds within each block: all of them, or random ones and the real one."""
    if math.prod(math.factorial(len(each)) for each in crossed) <= EXCHANGES + 1:
        total = np.zeros(1)
        for each in crossed:
            orders = np.array(list(itertools.permutations(range(len(each)))))
            total = (total[:, None] + each[np.arange(len(each)), orders].sum(axis=1)).ravel()
        return total
    total = np.zeros(EXCHANGES + 1)
    for each in crossed:
        orders = random.permuted(np.broadcast_to(np.arange(len(each)), (EXCHANGES, len(each))), axis=1)
        orders = np.concatenate([np.arange(len(each))[None], orders])
        total += each[np.arange(len(each)), orders].sum(axis=1)
    return total


def _bootstrap(
    blocks: Sequence[FloatArray], products: Sequence[tuple[FloatArray, float, float]], n: int, random: np.random.Generator
) -> FloatArray:
    """Return the correlation of drawn configurations, or of drawn seeds if they are what is independent; empty for few."""
    if n < 4:
        return np.zeros(0)
    draws = random.integers(n, size=(DRAWS, n))
    if len(blocks) == 1:
        x, y = blocks[0]
        drawn = pooled_correlation(x[draws], y[draws])
    else:
        xy, xx, yy = np.array([(np.trace(crossed), first, second) for crossed, first, second in products]).T
        scale = np.sqrt(xx[draws].sum(axis=1) * yy[draws].sum(axis=1))
        drawn = np.divide(xy[draws].sum(axis=1), scale, out=np.full(DRAWS, np.nan), where=scale > 0)
    return drawn[np.isfinite(drawn)]
