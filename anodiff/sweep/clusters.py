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
        The quantity of each run and its difference from the null, of the same runs; NaN if it has
        none.
    names
        See `names_of_runs`.
    """
    both = np.stack([values.to_numpy(float), differences.to_numpy(float)])
    known = np.isfinite(both).all(axis=0)
    if not known.any():
        return judge_median([], [], claimed=claimed, beyond=beyond, against=against)
    both, names = both[:, known], names.loc[values.index[known]]
    by = cluster_column(names)
    _, cluster = np.unique(names.index if by == "run" else names[by], return_inverse=True)
    medians = [np.median(both[:, cluster == number], axis=1) for number in range(cluster.max() + 1)]
    return judge_median(
        *np.transpose(medians), claimed=claimed, beyond=beyond, against=against, over=CLUSTERS[by],
        further="" if by == "run" else f" ({known.sum()} runs)", advice=ENOUGH_SEEDS,
    )  # fmt: skip
