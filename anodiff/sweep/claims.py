"""Does this sweep show what is claimed? A row for each measurable part of each claim, of the study and on learning dynamics.

The parts come from the sweep's other tables alone. Each is judged against its null by a test over
independent clusters of runs (`anodiff.sweep.clusters`) or over surfaces; a claim holds if all of its
parts do (`anodiff.sweep.hypothesis_tests`).

The pitfall: a cluster counts once, however many runs and windows it has, but the configurations of
a sweep are not a sample of all networks. A verdict is about runs like these.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from anodiff.diffusion.intervals import COVERAGE, Interval
from anodiff.storage.columns import COUNT, TEXT, Column
from anodiff.sweep import readings
from anodiff.sweep.clusters import CLUSTERS, ENOUGH_SEEDS, cluster_column, judge_runs, names_of_runs
from anodiff.sweep.hypothesis_tests import (
    CONTRADICTS,
    NOT_MEASURED,
    SUPPORTS,
    Judgement,
    Row,
    combined_verdict,
    not_measured,
    too_few,
    without_chance_contradictions,
)
from anodiff.sweep.jump_claims import jump_parts
from anodiff.sweep.landscape_claims import landscape_parts, walker_parts
from anodiff.sweep.learning_claims import learning_parts
from anodiff.sweep.seeds import comparable_windows
from anodiff.sweep.statements import CLAIMS

if TYPE_CHECKING:
    import pandas as pd

#: Unit of a column that is in the unit of the measure of its row.
MEASURE_UNIT = "that of the measure"

#: Columns of the table.
CLAIM_COLUMNS = {
    "claim": Column("number of the claim, 1 to 5 of the study, 6 to 9 on learning dynamics"),
    "title": Column("the claim in a few words", TEXT),
    "part": Column("what is measured", TEXT),
    "measure": Column("the column that holds it in the sweep's other tables, or the quantity", TEXT),
    "value": Column("the measured value", MEASURE_UNIT),
    "low": Column("lower end of the 95 % interval of value", MEASURE_UNIT),
    "high": Column("upper end of the 95 % interval of value", MEASURE_UNIT),
    "n": Column("number of independent configurations, seeds, runs or surfaces", COUNT),
    "test": Column("the test, and its null", TEXT),
    "p": Column("two-sided p-value of the test"),
    "verdict": Column("supports, contradicts, undecided, or not measured", TEXT),
    "rules_out": Column("what the part rules out if it supports the claim", TEXT),
    "leaves": Column("what could give the same number all the same", TEXT),
    "note": Column("the reason, and what to keep in mind", TEXT),
}

#: Settings for each value of which claim 2 judges claim 1: in words.
STRATA = {
    "model": "model",
    "model.shortcut": "shortcuts",
    "batch_size": "batch size",
    "learning_rate": "learning rate",
}


def claim_rows(
    exponents: pd.DataFrame,
    tails: pd.DataFrame,
    landscape: pd.DataFrame | None = None,
    simplified_model: pd.DataFrame | None = None,
    learning: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `CLAIM_COLUMNS`, a row for each part of each claim, from the sweep's tables of these names.

    Only complete runs count. A table that is None was not measured.
    """
    import pandas as pd

    exponents, tails = (table[table["status"] == "complete"] for table in (exponents, tails))
    parts: dict[int, list[Row]] = {
        1: diffusion_parts(exponents),
        2: strata_parts(exponents),
        3: jump_parts(tails),
        4: landscape_parts(landscape),
        5: walker_parts(simplified_model),
        **learning_parts(learning),
    }
    parts = {number: without_chance_contradictions(rows) for number, rows in parts.items()}
    rows = [{"claim": number, "title": CLAIMS[number].title} | part for number in CLAIMS for part in parts[number]]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def early_and_late(exponents: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers that claim 1 rests on, a row for each run.

    Columns: ``group`` and ``seed``; ``early`` and ``late``, the exponent over the long lags in the first and the last
    window; for each, ``_above``, the difference from the null of random signs; ``early_order``, the
    share of draws of the null of random order that are as superdiffusive; ``early_residual``, the same
    for the path without a relaxing mean, and ``early_share``, the share of Δr² that is this mean;
    ``trend``, the rank correlation of the largest exponent with the waiting time; ``late_law``, the
    log-likelihood ratio of a power law to relaxation in a bowl. A column that the table lacks is NaN.
    """
    import pandas as pd

    windows = comparable_windows(exponents)
    first = windows.groupby("run").nth(0).set_index("run")
    later = windows[windows["waiting_time"] > 0].dropna(subset=["beta_long"])
    last = later.groupby("run").nth(-1).set_index("run")
    names = names_of_runs(exponents)
    return pd.DataFrame(
        {
            "group": names["group"],
            "seed": names["seed"],
            "early": first["beta_long"],
            "early_above": first["beta_long_above_sign_randomised"],
            "early_order": first["superdiffusion_p_shuffled"],
            "early_residual": _column(first, "superdiffusion_p_residual"),
            "early_share": _column(first, "trend_share_long"),
            "trend": _trends(windows),
            "late": last["beta_long"],
            "late_above": last["beta_long_above_sign_randomised"],
            "late_law": _column(last, "bowl_against_power_law"),
        }
    )


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a column; NaN throughout if the table is of a version without it."""
    return table[name] if name in table else table["waiting_time"] * math.nan


def diffusion_parts(exponents: pd.DataFrame) -> list[Row]:
    """Return the parts of claim 1 over the runs of a table of exponents."""
    return _diffusion_parts(early_and_late(exponents))


def _diffusion_parts(runs: pd.DataFrame) -> list[Row]:
    """Return the parts of claim 1 over runs, of which `early_and_late` gives a row each."""
    signs = "updates with random signs"
    names, order = runs[["group", "seed"]], runs["early_order"]
    early = judge_runs(runs["early"], runs["early_above"], names, claimed=1, beyond=1, against=signs)
    one_half = "one half, as for updates in random order"
    ordered = judge_runs(order, order - 0.5, names, claimed=-1, beyond=0.5, against=one_half)
    falling = judge_runs(runs["trend"], runs["trend"], names, claimed=-1, beyond=0, against="no trend")
    late = judge_runs(runs["late"], runs["late_above"], names, claimed=-1, beyond=1, against=signs)
    residual, law = runs["early_residual"], runs["late_law"]
    left = judge_runs(
        residual, residual - 0.5, names, claimed=-1, beyond=0.5,
        against="one half, as for what is left without the mean, with random signs",
    ).only_for("without the mean, slow superdiffusion is not seen in noise whose steps turn back")  # fmt: skip
    power = judge_runs(law, law, names, claimed=1, beyond=0, against="relaxation in a bowl")
    trend = "rank correlation of the largest exponent with the waiting time within a run, median"
    return [
        early.row("exponent over the long lags of the first window, median", "beta_long", readings.SUPERDIFFUSION),
        ordered.row(
            "share of the first window's updates in random order that are as superdiffusive at some lag, median",
            "superdiffusion_p_shuffled", readings.ORDER, "random order keeps the window's drift and destroys everything else",
        ),
        left.row(
            "the same without a mean that relaxes, against what is left with random signs, median", "superdiffusion_p_residual",
            readings.RESIDUAL,
            "; ".join(filter(None, [
                _rival(left, "relaxation explains the early superdiffusion as well"), _share(runs["early_share"])
            ])),
        ),
        falling.row(trend, "beta_max", readings.FALLING),
        late.row("exponent over the long lags of the last window, median", "beta_long", readings.SUBDIFFUSION),
        power.row(
            "log-likelihood ratio of a power law to relaxation in a bowl, last window, median", "bowl_against_power_law",
            readings.POWER_LAW,
            _rival(power, "relaxation in a bowl explains the late subdiffusion as well"),
        ),
    ]  # fmt: skip


def _rival(judged: Judgement, words: str) -> str:
    """Return the words if something was measured that does not support the claim."""
    return "" if judged.verdict in {SUPPORTS, NOT_MEASURED} else words


def _share(shares: pd.Series) -> str:
    """Return the median share of the relaxing mean in words; nothing if it is unknown."""
    share = shares.median()
    return "" if math.isnan(share) else f"share of the mean in Δr² over the long lags: {share:.2f}"


def _trends(windows: pd.DataFrame) -> pd.Series:
    """Return Spearman's rank correlation of each run's largest exponents with their waiting times; NaN for fewer than three
    windows and if all are equal.
    """
    import pandas as pd

    known = windows[["run", "waiting_time", "beta_max"]].dropna()
    runs = known["run"]
    ranks = known.groupby("run").rank()
    ranks -= ranks.groupby(runs).transform("mean")
    times, exponents = ranks["waiting_time"], ranks["beta_max"]
    sums = pd.DataFrame({"xy": times * exponents, "xx": times**2, "yy": exponents**2, "n": 1}).groupby(runs).sum()
    return (sums["xy"] / np.sqrt(sums["xx"] * sums["yy"])).where((sums["n"] > 2) & (sums["yy"] > 0))


def strata_parts(exponents: pd.DataFrame) -> list[Row]:
    """Return claim 1 as a whole for each model, with and without shortcuts, each batch size and each learning rate.

    Its parts are tested in every stratum. By chance alone, one of all these tests contradicts
    in at most 5 % of sweeps.
    """
    of_runs = early_and_late(exponents)
    strata: list[tuple[Row, pd.DataFrame, list[Row]]] = []
    for column, words in STRATA.items():
        values: dict[Any, pd.DataFrame] = dict(iter(exponents.groupby(column))) if column in exponents else {}
        if len(values) < 2:
            only = f"only {words} = {next(iter(values))}" if values else f"only one value of {words}"
            missing = not_measured(f"the sweep has {only}").row(f"claim 1 by {words}", column, readings.STRATUM)
            strata.append((missing, of_runs.iloc[:0], []))
            continue
        for name, own in values.items():
            runs = of_runs.loc[np.sort(own["run"].unique())]
            title = {"part": f"claim 1 for runs with {words} = {name}", "measure": "share of them that show all parts"}
            strata.append((title, runs, _diffusion_parts(runs)))
    tested = iter(without_chance_contradictions([part for _, _, parts in strata for part in parts]))
    return [
        row
        if not parts
        else _judge_claim_1(runs, [next(tested) for _ in parts]).row(row["part"], row["measure"], readings.STRATUM)
        for row, runs, parts in strata
    ]


def _judge_claim_1(runs: pd.DataFrame, parts: list[Row]) -> Judgement:
    """Return claim 1 over some runs: the share of clusters that show all of it, and the p-value that decides."""
    runs = runs.drop(columns="early_share").dropna()
    if not len(runs):
        return not_measured("; ".join(dict.fromkeys(part["note"] for part in parts if part["verdict"] == NOT_MEASURED)))
    show = (runs["early"] > 1) & (runs["late"] < 1) & (runs["trend"] < 0)
    show &= (runs["early_above"] > 0) & (runs["early_order"] < 0.5) & (runs["late_above"] < 0)
    show &= (runs["early_residual"] < 0.5) & (runs["late_law"] > 0)
    by = cluster_column(runs)
    clusters = show.groupby(runs.index if by == "run" else runs[by]).median() > 0.5
    share = scipy.stats.binomtest(int(clusters.sum()), len(clusters))
    interval = share.proportion_ci(COVERAGE)
    verdict = combined_verdict(part["verdict"] for part in parts)
    contradicting = [part["p"] for part in parts if part["verdict"] == CONTRADICTS]
    note = f"{clusters.sum()} of {len(clusters)} {CLUSTERS[by]}; {show.sum()} of {len(show)} runs"
    return Judgement(
        Interval(share.statistic, float(interval.low), float(interval.high)),
        len(clusters),
        "the tests of claim 1, all of which must hold",
        min(contradicting) if contradicting else float(np.max([part["p"] for part in parts])),
        verdict,
        note + too_few(len(clusters), ENOUGH_SEEDS),
    )
