"""Does this sweep show what the study claims? A row for each measurable part of each of its five claims.

Derived from the sweep's other tables alone. Every part is judged against its null by a test over runs or surfaces
(`anodiff.judgement`); a claim holds where all of its parts do (`verdict_of`).

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
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, spearmanr

from anodiff.connections import rank_correlation
from anodiff.diffusion.intervals import COVERAGE, Interval
from anodiff.ensembles import alike
from anodiff.judgement import (
    FEWEST,
    NOT_MEASURED,
    UNDECIDED,
    decide,
    difference_of_means,
    judge_median,
    not_measured,
    together,
)

FloatArray = NDArray[np.float64]


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

Row = dict[str, Any]


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


def _part(part: str, measure: str, judged: Row, note: str = "") -> Row:
    notes = "; ".join(text for text in (judged["note"], note) if text)
    return {"part": part, "measure": measure} | judged | {"note": notes}


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
        _part("exponent over the long lags of the first window, median over runs", "beta_long", early),
        _part(
            "share of the first window's updates in random order that are as superdiffusive at some lag, median over runs",
            "superdiffusion_p_shuffled", ordered, "these keep the window's drift and destroy all else",
        ),
        _part(trend, "beta_max", falls),
        _part("exponent over the long lags of the last window, median over runs", "beta_long", late),
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
            found.append(_part(f"claim 1 for runs of each {words}", column, not_measured(f"the sweep has {words} {only}")))
            continue
        for name, rows in strata.items():
            found.append(_part(f"claim 1 for the runs with {words} {name}", "share of runs that show all parts", _whole(rows)))
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
        _part(
            "stable exponent of gradients, each parameter's standardised, median over windows and runs", "stable_alpha", stable,
            "a variance that changes within the window lowers it as well",
        ),
        _part(
            "power law against exponential tail of these gradients (Vuong), median over windows and runs",
            "against_exponential", ratio(gradients), index,
        ),
        _part(
            "power law against exponential tail of step lengths (Vuong), median over windows and runs",
            "against_exponential", ratio("step_length"),
        ),
    ]  # fmt: skip


def landscape_parts(landscape: pd.DataFrame | None) -> list[Row]:
    """Return the parts of claim 4: the roughness along the path and around it, and whether superdiffusion goes with it."""
    names = {"path": "where the path goes", "random": "in random directions"}
    parts = [(f"roughness exponent 2H of the loss {words}, median over points and runs", kind) for kind, words in names.items()]
    together_with = "rank correlation of the roughness exponent along the path with the largest exponent of the same window"
    if landscape is None:
        reason = "the sweep looks at no landscape (landscape.seeds)"
        rows = [_part(part, "roughness_exponent", not_measured(reason)) for part, _ in parts]
        return [*rows, _part(together_with, "roughness_exponent, beta_max", not_measured(reason))]
    complete = landscape[landscape["status"] == "complete"]
    rows = []
    for part, kind in parts:
        own = complete[complete["directions"] == kind].groupby("run")
        value, high = own["roughness_exponent"].median(), own["roughness_exponent_high"].median()
        # Rough is what lies below 2 with its whole interval; what is estimated at 2 or more is smooth.
        judged = judge_median(
            value, np.where(value < 2, np.minimum(high - 2, 0), value - 2), claimed=-1, beyond=2, against="2, a smooth loss"
        )
        judged["note"] += f"; {own['decades'].median().median():.1f} decades of distance above rounding"
        rows.append(_part(part, "roughness_exponent", judged))
    correlation, points = rank_correlation(complete[complete["directions"] == "path"], "roughness_exponent", "beta_max")
    runs = complete["run"].nunique()
    rows.append(_part(together_with, "roughness_exponent, beta_max", _correlated(correlation, points, runs)))
    return rows


def _correlated(correlation: Interval, points: int, runs: int) -> Row:
    """Return a rank correlation that the claim says is negative; its p-value is the interval's, in Fisher's z."""
    if math.isnan(correlation.value):
        return not_measured(f"{points} points with both, at least 4 are needed")
    z, low, high = np.arctanh(np.clip([correlation.value, correlation.low, correlation.high], -0.999999, 0.999999))
    p = float(2 * norm.sf(abs(z) / ((high - low) / 3.92))) if high > low else math.nan
    verdict = decide(p, -correlation.value) if runs >= FEWEST else UNDECIDED
    note = f"{points} points; negative: the rougher (small 2H), the more superdiffusive; both change with training time"
    return {
        "value": correlation.value,
        "low": correlation.low,
        "high": correlation.high,
        "n": runs,
        "test": "Spearman's rank correlation, bootstrap over runs",
        "p": p,
        "verdict": verdict,
        "note": note,
    }


def walker_parts(model: pd.DataFrame | None) -> list[Row]:
    """Return the parts of claim 5: the early exponent on fractal surfaces, and its difference from those on others.

    Of the walkers' settings the first counts, that of the configuration itself.
    """
    if model is None:
        return [_part("early exponent on fractal surfaces", "exponent_early", not_measured("simplified_model is not enabled"))]
    if "setting" in model:  # the claim is of the walkers as published; settings beside them come behind
        model = model[model["setting"] == model["setting"].iloc[0]]
    model = model[model["setting"] == model["setting"].iloc[0]]
    fractal = [kind for kind in model["kind"].unique() if kind.startswith("fractional")]

    def surfaces(kind: str, column: str) -> FloatArray:
        return model.loc[model["kind"] == kind, column].to_numpy(float)

    rows = []
    for kind in fractal:
        early = surfaces(kind, "exponent_early")
        judged = judge_median(early, early - 1, claimed=1, beyond=1, against="1", things="surfaces")
        rows.append(_part(f"early exponent on surfaces {kind}, median over surfaces", "exponent_early", judged))
    last = fractal[-1]
    for other, words in (("bowl", "convex"), ("shuffled", "shuffled")):
        judged = _differ(surfaces(last, "exponent_early"), surfaces(other, "exponent_early"))
        rows.append(_part(f"early exponent on surfaces {last} less that on {words} ones", "exponent_early", judged))
    late = surfaces(last, "exponent_late")
    judged = judge_median(late, late - 1, claimed=-1, beyond=1, against="1", things="surfaces")
    confined = f"confinement alone gives {np.nanmedian(surfaces('bowl', 'exponent_late')):.2g}, that of the bowl"
    rows.append(_part(f"late exponent on surfaces {last}, median over surfaces", "exponent_late", judged, confined))
    return rows


def _differ(first: FloatArray, second: FloatArray) -> Row:
    difference, p = difference_of_means(first, second)
    if math.isnan(difference.value):
        return not_measured("fewer than two surfaces of a kind")
    return {
        "value": difference.value,
        "low": difference.low,
        "high": difference.high,
        "n": int(np.isfinite(first).sum() + np.isfinite(second).sum()),
        "test": "Mann and Whitney's exact test over surfaces; Welch's interval of the means' difference",
        "p": p,
        "verdict": decide(p, difference.value),
        "note": "",
    }


def of_claim(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the rows of one claim."""
    return table[table["claim"] == number]


def verdicts(table: pd.DataFrame, numbers: Iterable[int] = CLAIMS) -> dict[int, str]:
    """Return the verdict of each claim of the table."""
    return {number: verdict_of(of_claim(table, number)) for number in numbers}
