"""Is the loss rough along the path, and do walkers on rough surfaces move as networks do? The parts of claims 4 and 5."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anodiff.storage.types import FloatArray
from anodiff.sweep.clusters import judge_runs, names_of_runs
from anodiff.sweep.connections import within_time_correlation
from anodiff.sweep.hypothesis_tests import (
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
    parts = {kind: f"roughness exponent 2H of the loss {words}, median over points" for kind, words in kinds.items()}
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
        distance = high.sub(2).clip(upper=0).where(value < 2, value - 2)
        # Rough: the whole interval is below 2. An estimate of 2 or more is smooth.
        judged = judge_runs(value, distance, names_of_runs(complete), claimed=-1, beyond=2, against="2, a smooth loss")
        decades = f"{own['decades'].median().median():.1f} decades of distance above rounding"
        rows.append(judged.row(part, "roughness_exponent", decades))
    along = complete[complete["directions"] == "path"]
    return [*rows, _judge_connection(along).row(connection, "roughness_exponent, beta_max")]


def _judge_connection(points: pd.DataFrame) -> Judgement:
    """Judge the claim that roughness exponents and diffusion exponents have a negative rank correlation."""
    found = within_time_correlation(points, "roughness_exponent", "beta_max")
    if math.isnan(found.interval.value):
        return not_measured(f"{found.points} points with both exponents; at least 3 {found.over} with points at the same times")
    note = (
        f"{found.points} points; negative means: the rougher (small 2H), the more superdiffusive. Only points at the same time "
        f"are compared, so a trend that both have in common counts for nothing"
    )
    test = f"Spearman's rank correlation within waiting times; {found.over} exchanged, with all their points"
    return Judgement(found.interval, found.n, test, found.p, verdict_of_test(found.p, -found.interval.value), note)


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
