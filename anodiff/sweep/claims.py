"""Does this sweep show what the study claims? A row for each measurable part of each of its five claims.

Derived from the sweep's other tables alone. Every part is judged against its null by a test over runs or surfaces
(`anodiff.sweep.hypothesis_tests`); a claim holds where all of its parts do (`verdict_of`).

The pitfall: a run counts once, however many windows it has, but runs of a sweep are not a sample of all networks; a verdict is
about runs like these. Runs of one seed begin at the same weights and see the same batches where model and batch size agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, spearmanr

from anodiff.diffusion.intervals import COVERAGE
from anodiff.sweep.hypothesis_tests import FEWEST, NOT_MEASURED, Row, judge_median, not_measured, part_row, together
from anodiff.sweep.landscape_claims import landscape_parts, walker_parts
from anodiff.sweep.seeds import alike


@dataclass(frozen=True)
class Claim:
    """One of the study's claims: a short title, and the whole of it."""

    title: str
    statement: str


#: The claims of Chen, Qu and Gong (2022), by number.
CLAIMS = {
    1: Claim(
        "Superdiffusive early, subdiffusive late",
        "Early in training SGD is superdiffusive: Δr²(τ) ~ τ^α with α > 1. The exponent falls with the waiting time t_w, and "
        "late in training, at long lags, the motion is subdiffusive, α < 1.",
    ),
    2: Claim(
        "The same for other networks, batch sizes and learning rates",
        "This holds for ResNets with and without shortcuts, VGG-like and other networks, over batch sizes and learning rates.",
    ),
    3: Claim(
        "Big jumps and heavy-tailed gradients",
        "The motion has intermittent big jumps; gradients are heavy-tailed.",
    ),
    4: Claim(
        "A rough landscape, and superdiffusion with it",
        "The loss landscape along the path is rough at all scales (fractal-like), and the roughness goes with the "
        "superdiffusion.",
    ),
    5: Claim(
        "Walkers on a fractal surface move alike",
        "A walker descending a two-dimensional fractal surface with weak noise shows the same; on a convex or a shuffled "
        "surface not.",
    ),
}

#: Columns of the table: meaning.
CLAIM_COLUMNS = {
    "claim": "number of the claim, 1 to 5",
    "title": "the claim in a few words",
    "part": "what is measured",
    "measure": "the column, of the table that holds it, or the quantity",
    "value": "what came out",
    "low": "lower end of its 95 % interval",
    "high": "its upper end",
    "n": "number of independent things that it rests on: runs or surfaces",
    "test": "the test, and against what",
    "p": "its two-sided p-value",
    "verdict": "supports, contradicts, undecided, or not measured",
    "note": "why, and what to keep in mind",
}

#: Settings whose values claim 2 looks at one by one: in words.
STRATA = {
    "model": "model",
    "model.shortcut": "shortcuts",
    "batch_size": "batch size",
    "learning_rate": "learning rate",
}


def verdict_of(rows: pd.DataFrame) -> str:
    """Return the verdict of a claim from its rows; each part must hold.

    ``contradicts`` where one part contradicts; ``supports`` where every part supports; ``not measured`` where none was;
    ``undecided`` otherwise, so also where some parts support and others were not measured.
    """
    return together(rows["verdict"])


def claim_rows(
    exponents: pd.DataFrame,
    tails: pd.DataFrame,
    landscape: pd.DataFrame | None = None,
    simplified_model: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `CLAIM_COLUMNS`, a row for each part of each claim, from the sweep's tables of these names.

    Only runs that came to their end count. What is None is not measured.
    """
    exponents, tails = (table[table["status"] == "complete"] for table in (exponents, tails))
    parts: dict[int, list[Row]] = {
        1: diffusion_parts(exponents),
        2: strata_parts(exponents),
        3: jump_parts(tails),
        4: landscape_parts(landscape),
        5: walker_parts(simplified_model),
    }
    rows = [{"claim": number, "title": CLAIMS[number].title} | part for number in CLAIMS for part in parts[number]]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def run_measures(exponents: pd.DataFrame) -> pd.DataFrame:
    """Return what claim 1 rests on, a row for each run.

    Columns: ``early`` and ``late``, the exponent over the long lags in the first and the last window; each also with
    ``_above``, less the null of random signs; ``early_order``, the share of draws of the null of random order that are as
    superdiffusive; ``trend``, the rank correlation of the largest exponent with the waiting time.
    """
    windows = alike(exponents)
    first = windows.groupby("run").nth(0).set_index("run")
    later = windows[windows["waiting_time"] > 0].dropna(subset=["beta_long"])
    last = later.groupby("run").nth(-1).set_index("run")
    trends = {run: _trend(rows) for run, rows in windows.groupby("run")}
    return pd.DataFrame(
        {
            "early": first["beta_long"],
            "early_above": first["beta_long_above_sign_randomised"],
            "early_order": first["superdiffusion_p_shuffled"],
            "trend": pd.Series(trends, dtype=float),
            "late": last["beta_long"],
            "late_above": last["beta_long_above_sign_randomised"],
        }
    )


def diffusion_parts(exponents: pd.DataFrame) -> list[Row]:
    """Return the parts of claim 1 over the runs of a table of exponents."""
    of_runs = run_measures(exponents)
    signs = "updates with random signs"
    early = judge_median(of_runs["early"], of_runs["early_above"], claimed=1, beyond=1, against=signs)
    order = of_runs["early_order"]
    ordered = judge_median(order, order - 0.5, claimed=-1, beyond=0.5, against="updates in random order, a half of which are")
    falls = judge_median(of_runs["trend"], of_runs["trend"], claimed=-1, beyond=0, against="no trend")
    late = judge_median(of_runs["late"], of_runs["late_above"], claimed=-1, beyond=1, against=signs)
    trend = "rank correlation of the largest exponent with the waiting time within a run, median over runs"
    return [
        part_row("exponent over the long lags of the first window, median over runs", "beta_long", early),
        part_row(
            "share of the first window's updates in random order that are as superdiffusive at some lag, median over runs",
            "superdiffusion_p_shuffled", ordered, "these keep the window's drift and destroy all else",
        ),
        part_row(trend, "beta_max", falls),
        part_row("exponent over the long lags of the last window, median over runs", "beta_long", late),
    ]  # fmt: skip


def _trend(rows: pd.DataFrame) -> float:
    """Return the rank correlation of a run's largest exponents with their waiting times; NaN for fewer than three windows."""
    known = rows[["waiting_time", "beta_max"]].dropna()
    if len(known) < 3 or known["beta_max"].nunique() < 2:
        return math.nan
    return float(spearmanr(known["waiting_time"], known["beta_max"]).statistic)


def strata_parts(exponents: pd.DataFrame) -> list[Row]:
    """Return claim 1 as a whole for each model, with and without shortcuts, each batch size and learning rate."""
    found = []
    for column, words in STRATA.items():
        strata: dict[Any, pd.DataFrame] = dict(iter(exponents.groupby(column))) if column in exponents else {}
        if len(strata) < 2:
            only = f"{next(iter(strata))} only" if strata else "one value only"
            found.append(part_row(f"claim 1 for runs of each {words}", column, not_measured(f"the sweep has {words} {only}")))
            continue
        for name, rows in strata.items():
            found.append(
                part_row(f"claim 1 for the runs with {words} {name}", "share of runs that show all parts", _whole(rows))
            )
    return found


def _whole(exponents: pd.DataFrame) -> Row:
    """Return claim 1 over some runs: the share of them that show all of it, and the largest of its parts' p-values."""
    parts = diffusion_parts(exponents)
    verdict = together(part["verdict"] for part in parts)
    of_runs = run_measures(exponents).dropna()
    if not len(of_runs):
        return not_measured("; ".join(part["note"] for part in parts if part["verdict"] == NOT_MEASURED))
    show = (of_runs["early"] > 1) & (of_runs["late"] < 1) & (of_runs["trend"] < 0)
    show &= (of_runs["early_above"] > 0) & (of_runs["early_order"] < 0.5) & (of_runs["late_above"] < 0)
    share = binomtest(int(show.sum()), len(show))
    interval = share.proportion_ci(COVERAGE)
    few = f"; nothing is significant with fewer than {FEWEST}" if len(show) < FEWEST else ""
    return {
        "value": share.statistic,
        "low": float(interval.low),
        "high": float(interval.high),
        "n": len(show),
        "test": "the tests of claim 1, all of which must hold",
        "p": float(np.max([part["p"] for part in parts])),
        "verdict": verdict,
        "note": f"{show.sum()} of {len(show)} runs{few}",
    }


def jump_parts(tails: pd.DataFrame) -> list[Row]:
    """Return the parts of claim 3: standardised gradients, and step lengths; a run's value is the median over windows."""

    def over_windows(quantity: str, column: str) -> pd.Series:
        rows = tails[tails["quantity"] == quantity]
        return rows.groupby("run")[column].median()

    def ratio(quantity: str) -> Row:
        values = over_windows(quantity, "against_exponential")
        return judge_median(values, values, claimed=1, beyond=0, against="an exponential tail")

    gradients = "standardised_gradient"
    alpha = over_windows(gradients, "stable_alpha")
    stable = judge_median(
        alpha, over_windows(gradients, "stable_alpha_high") - 2, claimed=-1, beyond=2,
        against="2, Gaussian, by the upper ends of the runs' intervals",
    )  # fmt: skip
    hill = over_windows(gradients, "hill_index").median()
    index = f"Hill's index is {hill:.2g}: a variance {'exists' if hill > 2 else 'need not exist'}" if hill == hill else ""
    return [
        part_row(
            "stable exponent of gradients, each parameter's standardised, median over windows and runs", "stable_alpha", stable,
            "a variance that changes within the window lowers it as well",
        ),
        part_row(
            "power law against exponential tail of these gradients (Vuong), median over windows and runs",
            "against_exponential", ratio(gradients), index,
        ),
        part_row(
            "power law against exponential tail of step lengths (Vuong), median over windows and runs",
            "against_exponential", ratio("step_length"),
        ),
    ]  # fmt: skip


def of_claim(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the rows of one claim."""
    return table[table["claim"] == number]


def verdicts(table: pd.DataFrame, numbers: Iterable[int] = CLAIMS) -> dict[int, str]:
    """Return the verdict of each claim of the table."""
    return {number: verdict_of(of_claim(table, number)) for number in numbers}
