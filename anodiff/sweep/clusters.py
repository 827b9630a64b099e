"""How many independent values has a sweep? Runs that share a configuration or a seed are not independent.

Runs of one configuration have the same expectation; runs of one seed have the same order of batches
and, of one model, the same initial weights. So a test is over clusters, each of which counts once,
by the median of its runs: over configurations if there are `FEWEST` of them or more than seeds,
otherwise over seeds. Under the null every cluster's median is above or below it with even chances,
independently of the others: that is all that the sign test needs. Nothing is assumed about the runs
within a cluster.

The pitfall: configurations that are run with the same few seeds share their batches, and a test
over configurations does not see what is common to them. Six seeds let a test over seeds decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anodiff.sweep.hypothesis_tests import FEWEST, Judgement, judge_median

if TYPE_CHECKING:
    import pandas as pd

#: What is independent, in words, by the column that names it.
CLUSTERS = {"group": "configurations", "seed": "seeds", "run": "runs"}

#: The line of a config file with which a test over seeds can decide.
ENOUGH_SEEDS = f"seed: {list(range(FEWEST))}"


def names_of_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``group`` and ``seed`` of the runs of a table, indexed by run; a table without them has
    a row of its own for each run.
    """
    import pandas as pd

    runs = table.drop_duplicates("run").set_index("run", drop=False)
    if {"group", "seed"} <= set(runs):
        return runs[["group", "seed"]]
    return pd.DataFrame({"group": runs["run"], "seed": runs["run"]})


def cluster_column(names: pd.DataFrame) -> str:
    """Return what is independent among runs, of which `names_of_runs` gives a row each: ``group``,
    ``seed``, or ``run`` if every run has a configuration and a seed of its own.
    """
    groups, seeds = names["group"].nunique(), names["seed"].nunique()
    if groups == seeds == len(names):
        return "run"
    return "group" if groups >= min(FEWEST, seeds + 1) else "seed"


def judge_runs(
    values: pd.Series, differences: pd.Series, names: pd.DataFrame, *, claimed: int, beyond: float, against: str
) -> Judgement:
    """Judge a median over independent clusters of runs, see `anodiff.sweep.hypothesis_tests.judge_median`.

    Parameters
    ----------
    values, differences
        The quantity of each run and its difference from the null, indexed by run; NaN if it has
        none.
    names
        See `names_of_runs`.
    """
    import pandas as pd

    table = pd.DataFrame({"value": values.astype(float), "difference": differences.astype(float)})
    table = table[np.isfinite(table).all(axis=1)].join(names)
    if not len(table):
        return judge_median([], [], claimed=claimed, beyond=beyond, against=against)
    by = cluster_column(table)
    medians = table[["value", "difference"]].groupby(table.index if by == "run" else table[by]).median()
    return judge_median(
        medians["value"], medians["difference"], claimed=claimed, beyond=beyond, against=against, over=CLUSTERS[by],
        further="" if by == "run" else f" ({len(table)} runs)", advice=ENOUGH_SEEDS,
    )  # fmt: skip
