"""Are the gradients of a sweep heavy-tailed, and its steps? The parts of the third claim.

The pitfall: Gaussian entries whose common scale changes in time look heavy-tailed. If it changes from
step to step, their sums over consecutive steps go to a Gaussian. If it changes slowly, they are
Gaussian once each step is divided by its root mean square. So gradients must pass both tests.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anodiff.sweep.clusters import judge_runs, names_of_runs
from anodiff.sweep.hypothesis_tests import Judgement, Row
from anodiff.sweep.readings import HEAVY, LONG_STEPS, POWER_TAIL, STABLE_SUMS

if TYPE_CHECKING:
    import pandas as pd


def jump_parts(tails: pd.DataFrame) -> list[Row]:
    """Return the parts of claim 3: gradients and step lengths. The value of a run is its median over windows."""
    names = names_of_runs(tails)

    def over_windows(quantity: str, column: str) -> pd.Series:
        rows = tails[tails["quantity"] == quantity]
        return (rows if column in rows else rows.assign(**{column: math.nan})).groupby("run")[column].median()

    def tail_ratio(quantity: str) -> Judgement:
        values = over_windows(quantity, "against_exponential")
        return judge_runs(values, values, names, claimed=1, beyond=0, against="an exponential tail")

    gradients, entries = "normalised_gradient", "standardised_gradient"
    stable = judge_runs(
        over_windows(gradients, "stable_alpha"), over_windows(gradients, "stable_alpha_high") - 2, names, claimed=-1, beyond=2,
        against="2 (Gaussian), by the upper ends of the runs' intervals",
    )  # fmt: skip
    way = over_windows(entries, "way_to_gaussian")
    sums = judge_runs(way, way - 0.5, names, claimed=-1, beyond=0.5, against="one half: halfway to a Gaussian")
    hill = over_windows(gradients, "hill_index").median()
    variance = "exists" if hill > 2 else "need not exist"
    ratio = "Vuong's ratio of a power-law tail to an exponential one"
    return [
        stable.row(
            "stable exponent of gradients, standardised for each parameter and divided by each step's root mean square, median",
            "stable_alpha", HEAVY,
        ),
        sums.row(
            "how far the stable exponent of sums of 16 consecutive steps goes towards 2, median", "way_to_gaussian",
            STABLE_SUMS, "0: a stable law keeps its exponent; 1: the sums are Gaussian, as where variances are finite",
        ),
        tail_ratio(gradients).row(
            f"{ratio}, of these gradients, median", "against_exponential",
            POWER_TAIL, "" if math.isnan(hill) else f"Hill's index is {hill:.2g}: the variance {variance}",
        ),
        tail_ratio("step_length").row(f"{ratio}, of step lengths, median", "against_exponential", LONG_STEPS),
    ]  # fmt: skip
