"""What of claims 4 and 5: is the loss rough along the path, and do walkers on rough surfaces move as networks do?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import norm

from anodiff.diffusion.intervals import Interval
from anodiff.storage.types import FloatArray
from anodiff.sweep.connections import rank_correlation
from anodiff.sweep.hypothesis_tests import (
    FEWEST,
    UNDECIDED,
    Row,
    decide,
    difference_of_means,
    judge_median,
    not_measured,
    part_row,
)


def landscape_parts(landscape: pd.DataFrame | None) -> list[Row]:
    """Return the parts of claim 4: the roughness along the path and around it, and whether superdiffusion goes with it."""
    names = {"path": "where the path goes", "random": "in random directions"}
    parts = [(f"roughness exponent 2H of the loss {words}, median over points and runs", kind) for kind, words in names.items()]
    together_with = "rank correlation of the roughness exponent along the path with the largest exponent of the same window"
    if landscape is None:
        reason = "the sweep looks at no landscape (landscape.seeds)"
        rows = [part_row(part, "roughness_exponent", not_measured(reason)) for part, _ in parts]
        return [*rows, part_row(together_with, "roughness_exponent, beta_max", not_measured(reason))]
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
        rows.append(part_row(part, "roughness_exponent", judged))
    correlation, points = rank_correlation(complete[complete["directions"] == "path"], "roughness_exponent", "beta_max")
    configurations = complete["group" if "group" in complete else "run"].nunique()
    rows.append(part_row(together_with, "roughness_exponent, beta_max", _correlated(correlation, points, configurations)))
    return rows


def _correlated(correlation: Interval, points: int, configurations: int) -> Row:
    """Return a rank correlation that the claim says is negative; its p-value is the interval's, in Fisher's z."""
    if math.isnan(correlation.value):
        return not_measured(f"{points} points with both, at least 4 are needed")
    z, low, high = np.arctanh(np.clip([correlation.value, correlation.low, correlation.high], -0.999999, 0.999999))
    p = float(2 * norm.sf(abs(z) / ((high - low) / 3.92))) if high > low else math.nan
    verdict = decide(p, -correlation.value) if configurations >= FEWEST else UNDECIDED
    note = f"{points} points; negative: the rougher (small 2H), the more superdiffusive; both change with training time"
    return {
        "value": correlation.value,
        "low": correlation.low,
        "high": correlation.high,
        "n": configurations,
        "test": "Spearman's rank correlation, bootstrap over configurations",
        "p": p,
        "verdict": verdict,
        "note": note,
    }


def walker_parts(model: pd.DataFrame | None) -> list[Row]:
    """Return the parts of claim 5: the early exponent on fractal surfaces, and its difference from those on others.

    Of the walkers' settings the first counts, that of the configuration itself.
    """
    if model is None:
        return [
            part_row("early exponent on fractal surfaces", "exponent_early", not_measured("simplified_model is not enabled"))
        ]
    model = model[model["setting"] == model["setting"].iloc[0]]
    fractal = [kind for kind in model["kind"].unique() if kind.startswith("fractional")]

    def surfaces(kind: str, column: str) -> FloatArray:
        return model.loc[model["kind"] == kind, column].to_numpy(float)

    rows = []
    for kind in fractal:
        early = surfaces(kind, "exponent_early")
        judged = judge_median(early, early - 1, claimed=1, beyond=1, against="1", things="surfaces")
        rows.append(part_row(f"early exponent on surfaces {kind}, median over surfaces", "exponent_early", judged))
    last = fractal[-1]
    for other, words in (("bowl", "convex"), ("shuffled", "shuffled")):
        judged = _differ(surfaces(last, "exponent_early"), surfaces(other, "exponent_early"))
        rows.append(part_row(f"early exponent on surfaces {last} less that on {words} ones", "exponent_early", judged))
    late = surfaces(last, "exponent_late")
    judged = judge_median(late, late - 1, claimed=-1, beyond=1, against="1", things="surfaces")
    confined = f"confinement alone gives {np.nanmedian(surfaces('bowl', 'exponent_late')):.2g}, that of the bowl"
    rows.append(part_row(f"late exponent on surfaces {last}, median over surfaces", "exponent_late", judged, confined))
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
