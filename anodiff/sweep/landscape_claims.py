"""Is the loss rough along the path, and do walkers on rough surfaces move as networks do? The parts of claims 4 and 5."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy

from anodiff.diffusion.intervals import Interval
from anodiff.storage.types import FloatArray
from anodiff.sweep.connections import rank_correlation
from anodiff.sweep.hypothesis_tests import (
    FEWEST,
    UNDECIDED,
    Judgement,
    Row,
    judge_difference,
    judge_median,
    not_measured,
    verdict_of_test,
)

if TYPE_CHECKING:
    import pandas as pd


def landscape_parts(landscape: pd.DataFrame | None) -> list[Row]:
    """Return the parts of claim 4: the roughness along the path and around it, and whether superdiffusion goes with it."""
    kinds = {"path": "where the path goes", "random": "in random directions"}
    parts = {kind: f"roughness exponent 2H of the loss {words}, median over points and runs" for kind, words in kinds.items()}
    connection = "rank correlation of the roughness exponent along the path with the largest exponent of the same window"
    if landscape is None:
        nothing = not_measured("the sweep measures no landscape (landscape.seeds)")
        rows = [nothing.row(part, "roughness_exponent") for part in parts.values()]
        return [*rows, nothing.row(connection, "roughness_exponent, beta_max")]
    complete = landscape[landscape["status"] == "complete"]
    rows = []
    for kind, part in parts.items():
        own = complete[complete["directions"] == kind].groupby("run")
        value, high = own["roughness_exponent"].median(), own["roughness_exponent_high"].median()
        # Rough: the whole interval is below 2. An estimate of 2 or more is smooth.
        judged = judge_median(
            value, np.where(value < 2, np.minimum(high - 2, 0), value - 2), claimed=-1, beyond=2, against="2, a smooth loss"
        )
        decades = f"{own['decades'].median().median():.1f} decades of distance above rounding"
        rows.append(judged.row(part, "roughness_exponent", decades))
    correlation, points = rank_correlation(complete[complete["directions"] == "path"], "roughness_exponent", "beta_max")
    configurations = complete["group" if "group" in complete else "run"].nunique()
    judged = _judge_negative(correlation, points, configurations)
    return [*rows, judged.row(connection, "roughness_exponent, beta_max")]


def _judge_negative(correlation: Interval, points: int, configurations: int) -> Judgement:
    """Judge the claim that a rank correlation is negative; its p-value is the interval's, in Fisher's z."""
    if math.isnan(correlation.value):
        return not_measured(f"{points} points with both exponents; at least 4 are needed")
    z, low, high = np.arctanh(np.clip([correlation.value, correlation.low, correlation.high], -0.999999, 0.999999))
    p = float(2 * scipy.special.ndtr(-abs(z) / ((high - low) / 3.92))) if high > low else math.nan
    verdict = verdict_of_test(p, -correlation.value) if configurations >= FEWEST else UNDECIDED
    note = f"{points} points; negative means: the rougher (small 2H), the more superdiffusive; both change with training time"
    test = "Spearman's rank correlation, bootstrap over configurations"
    return Judgement(correlation, configurations, test, p, verdict, note)


def walker_parts(model: pd.DataFrame | None) -> list[Row]:
    """Return the parts of claim 5: the early exponent on fractal surfaces, and its difference from that on others.

    Only the first of the walkers' settings counts, which is that of the config file.
    """
    if model is None:
        return [not_measured("simplified_model is not enabled").row("early exponent on fractal surfaces", "exponent_early")]
    model = model[model["setting"] == model["setting"].iloc[0]]
    fractal = [kind for kind in model["kind"].unique() if kind.startswith("fractional")]

    def values(kind: str, column: str) -> FloatArray:
        return model.loc[model["kind"] == kind, column].to_numpy(float)

    rows = []
    for kind in fractal:
        early = values(kind, "exponent_early")
        judged = judge_median(early, early - 1, claimed=1, beyond=1, against="1", over="surfaces")
        rows.append(judged.row(f"early exponent on surfaces {kind}, median over surfaces", "exponent_early"))
    last = fractal[-1]
    for other, words in (("bowl", "convex"), ("shuffled", "shuffled")):
        judged = judge_difference(values(last, "exponent_early"), values(other, "exponent_early"), over="surfaces")
        rows.append(judged.row(f"early exponent on surfaces {last} minus that on {words} ones", "exponent_early"))
    late = values(last, "exponent_late")
    judged = judge_median(late, late - 1, claimed=-1, beyond=1, against="1", over="surfaces")
    bowl = f"confinement alone gives {np.nanmedian(values('bowl', 'exponent_late')):.2g}, as on the bowl"
    rows.append(judged.row(f"late exponent on surfaces {last}, median over surfaces", "exponent_late", bowl))
    return rows
