"""Is the loss rough along the path, and do walkers on rough surfaces move as networks do? The parts of claims 4 and 5."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
from anodiff.sweep.readings import (
    GOES_WITH,
    LEVELLING,
    NOT_CONFINED,
    NOT_CONVEX,
    NOT_SHUFFLED,
    ROUGH,
    Reading,
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
        rows = [nothing.row(part, "roughness_exponent", ROUGH) for part in parts.values()]
        return [*rows, nothing.row(connection, "roughness_exponent, beta_max", GOES_WITH)]
    complete = landscape[landscape["status"] == "complete"]
    rows = []
    for kind, part in parts.items():
        own = complete[complete["directions"] == kind].groupby("run")
        value, high = own["roughness_exponent"].median(), own["roughness_exponent_high"].median()
        distance = high.sub(2).clip(upper=0).where(value < 2, value - 2)
        # Rough: the whole interval is below 2. An estimate of 2 or more is smooth.
        judged = judge_runs(value, distance, names_of_runs(complete), claimed=-1, beyond=2, against="2, a smooth loss")
        decades = f"{own['decades'].median().median():.1f} decades of distance above rounding"
        rows.append(judged.row(part, "roughness_exponent", ROUGH, decades))
    along = complete[complete["directions"] == "path"]
    return [*rows, _judge_connection(along).row(connection, "roughness_exponent, beta_max", GOES_WITH)]


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
    """Return the parts of claim 5: on fractal surfaces walkers are more superdiffusive early than on convex and
    shuffled ones, and late they are subdiffusive without being merely confined.

    Only the first of the walkers' settings counts, which is that of the config file. Shuffled
    surfaces are made from those of the last Hurst exponent, which is therefore the one compared with them.
    """
    early, late = "exponent_early", "exponent_late"
    if model is None:
        return [not_measured("simplified_model is not enabled").row("early exponent on fractal surfaces", early, NOT_CONVEX)]
    model = model[model["setting"] == model["setting"].iloc[0]]
    fractal = [kind for kind in model["kind"].unique() if kind.startswith("fractional")]
    across = model[model["flags"].astype(str).str.contains("steps across cells")].groupby("kind").size()

    def values(kind: str, column: str) -> FloatArray:
        return model.loc[model["kind"] == kind, column].to_numpy(float)

    def difference(column: str, kind: str, other: str, words: str, reading: Reading) -> Row:
        judged = judge_difference(values(kind, column), values(other, column), over="surfaces")
        note = " and ".join(f"{model.loc[model['kind'] == each, column].median():.2g}" for each in (kind, other))
        note = f"medians {note}"
        if column == early and kind in across:
            note += f"; on {across[kind]} of {len(values(kind, column))} the first step crosses a cell of the grid"
        return judged.row(f"{column[9:]} exponent on surfaces {kind} minus that on {words} ones", column, reading, note)

    last = fractal[-1]
    rows = [difference(early, kind, "bowl", "convex", NOT_CONVEX) for kind in fractal]
    rows.append(difference(early, last, "shuffled", "shuffled", NOT_SHUFFLED))
    ends = values(last, late)
    judged = judge_median(ends, ends - 1, claimed=-1, beyond=1, against="1", over="surfaces")
    rows.append(judged.row(f"late exponent on surfaces {last}, median over surfaces", late, LEVELLING))
    rows.append(difference(late, last, "bowl", "convex", NOT_CONFINED))
    return rows
