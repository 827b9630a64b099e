"""Which part is learned when, and what starves? The parts of the claims on learning dynamics, from the sweep's table learning.

The pitfall: seeds share their data and, in most sweeps, the order of strengths and frequencies. What
all runs have in common, such as one class that is hard to tell, is in every one of them. The unit of
a test is a configuration or a seed, never a mode or a class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.learning.columns import ALL, CLASS, CURVE_COLUMNS, MODE, PROBE
from anodiff.learning.fits import ADVANTAGE
from anodiff.sweep.clusters import judge_runs, names_of_runs
from anodiff.sweep.hypothesis_tests import (
    CONTRADICTS,
    LEVEL,
    NOT_MEASURED,
    SUPPORTS,
    UNDECIDED,
    Judgement,
    Row,
    not_measured,
)
from anodiff.sweep.readings import (
    INVERSE,
    LESS_STARVED,
    RARE_LATER,
    SIGMOIDAL,
    STARVED,
    STARVED_LATER,
    STRONG_FIRST,
    Reading,
)
from anodiff.sweep.run_columns import RUN_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

#: Fewest modes of a run whose order counts; factor by which frequencies must differ.
FEWEST_MODES, FACTOR = 3, 2.0

#: The probe without a cue; settings of the cue and of spectral decoupling, which are columns where they differ between runs.
WITHOUT_CUE = "cue removed"
FRACTION, STRENGTH, DECOUPLING = "data.cue.fraction", "data.cue.strength", "training.decoupling"

#: What each part measures, its column, and what its verdict means, by claim.
PARTS: dict[int, list[tuple[str, str, Reading]]] = {
    6: [
        (
            "by how much a sigmoid fits better than an exponential (AICc), median over learned modes",
            "sigmoid_advantage",
            SIGMOIDAL,
        ),
    ],
    7: [
        (
            "rank correlation of a mode's learning time with its singular value, within a run",
            "learning_time, strength",
            STRONG_FIRST,
        ),
    ],
    8: [
        ("slope of ln learning time against ln frequency over classes, within a run", "learning_time, frequency", RARE_LATER),
        ("the same slope against −1", "learning_time, frequency", INVERSE),
    ],
    9: [
        (
            "change of the accuracy with the cue removed, as the fraction of samples with a cue goes from 0 to 1",
            "accuracy",
            STARVED,
        ),
        ("rank correlation of the learning time with the cue removed with that fraction", "learning_time", STARVED_LATER),
        ("accuracy with the cue removed, with spectral decoupling minus without", "accuracy", LESS_STARVED),
    ],
}


def learning_parts(learning: pd.DataFrame | None) -> dict[int, list[Row]]:
    """Return the parts of the claims 6 to 9; a table that is None was not measured."""
    if learning is None:
        nothing = not_measured("the sweep does not measure which part is learned when (learning.seeds, recording.weights)")
        return {number: [nothing.row(*part) for part in parts] for number, parts in PARTS.items()}
    complete = learning[learning["status"] == "complete"]
    judged = {6: [_sigmoids(complete)], 7: [_order(complete)], 8: list(_frequencies(complete)), 9: list(_starvation(complete))}
    return {
        number: [judgement.row(*part) for judgement, part in zip(judged[number], parts, strict=True)]
        for number, parts in PARTS.items()
    }


def _sigmoids(learning: pd.DataFrame) -> Judgement:
    modes = _train(learning, MODE).dropna(subset=["learning_time", "sigmoid_advantage"])
    advantage = modes.groupby("run")["sigmoid_advantage"].median()
    judged = judge_runs(
        advantage, advantage, names_of_runs(learning), claimed=1, beyond=ADVANTAGE, against="0, an exponential fits as well"
    )
    if not len(modes):
        return judged
    laws = modes["law"].value_counts()
    counts = ", ".join(f"{law} {number}" for law, number in laws.items())
    return _noted(
        judged, f"above {ADVANTAGE:g} is significant for one curve; of {len(modes)} learned modes fits best: {counts}"
    )


def _order(learning: pd.DataFrame) -> Judgement:
    modes = _train(learning, MODE)
    modes = modes[np.isfinite(modes["final"].to_numpy(float))]
    values = {str(run): _order_of_run(own) for run, own in modes.groupby("run")}
    return _judge(values, learning, claimed=-1, beyond=0, against="0, any order")


def _order_of_run(modes: pd.DataFrame) -> float:
    """Return the rank correlation of learning times with singular values; modes that are never learned come last."""
    times = modes["learning_time"].fillna(math.inf).to_numpy(float)
    return rank_correlation_of(times, modes["strength"].to_numpy(float), FEWEST_MODES)


def _frequencies(learning: pd.DataFrame) -> Iterator[Judgement]:
    """Yield the slope of learning times against frequencies below 0, and against −1."""
    classes = _train(learning, CLASS)
    known = classes.dropna(subset=["learning_time"])
    known = known[(known["learning_time"] > 0) & (known["frequency"] > 0)]
    values = {str(run): slope_of_run(own) for run, own in known.groupby("run")}
    slopes = {run: value for run, value in values.items() if math.isfinite(value)}
    if not slopes:
        nothing = not_measured(f"no run has classes whose frequencies differ by a factor of {FACTOR:g} and that are learned")
        yield from (nothing, nothing)
        return
    never = int(classes[classes["run"].isin(list(slopes))]["learning_time"].isna().sum())
    note = f"{never} classes of all runs are never learned, and left out" if never else ""
    falling = _judge(slopes, learning, claimed=-1, beyond=0, against="0, no dependence")
    yield _noted(falling, note)
    inverse = _judge(slopes, learning, claimed=-1, beyond=-1, against="−1", null=-1.0)
    yield replace(
        inverse, verdict=_verdict_on_inverse(inverse), note="a steeper slope counts against −1, and so does a flatter one"
    )


def slope_of_run(classes: pd.DataFrame) -> float:
    """Return the least-squares slope of ln learning time on ln frequency; NaN if no frequencies differ by a factor of 2."""
    times, frequencies = classes["learning_time"].to_numpy(float), classes["frequency"].to_numpy(float)
    if frequencies.max() < FACTOR * frequencies.min():
        return math.nan
    return float(np.polyfit(np.log(frequencies), np.log(times), 1)[0])


def _verdict_on_inverse(judged: Judgement) -> str:
    """Return the verdict on a slope of −1: against it if the test refuses it; for it if the interval holds −1, has no 0, and
    is known.
    """
    if judged.verdict == NOT_MEASURED:
        return NOT_MEASURED
    if judged.p < LEVEL:
        return CONTRADICTS
    return SUPPORTS if judged.interval.low <= -1 <= judged.interval.high < 0 else UNDECIDED


def _starvation(learning: pd.DataFrame) -> Iterator[Judgement]:
    """Yield the change of accuracy and learning time without the cue with its fraction, and that by spectral decoupling.

    Runs are paired that differ in the fraction, or in the decoupling, alone.
    """
    shapes = without_cue(learning)
    if FRACTION not in shapes or shapes[FRACTION].nunique() < 2:
        nothing = not_measured("all runs have the same fraction of samples with a cue (data.cue.fraction), or none has")
        yield from (nothing, nothing)
    else:
        times = shapes.assign(learning_time=shapes["learning_time"].fillna(math.inf))
        for values, claimed in (
            (_within_pairs(times, FRACTION, _slope), -1),
            (_within_pairs(times, FRACTION, lambda own: rank_correlation_of(own["learning_time"], own[FRACTION], 2)), 1),
        ):
            yield judge_runs(
                values["value"], values["value"], values, claimed=claimed, beyond=0, against="0, no dependence on the fraction"
            )
    if DECOUPLING not in shapes or FRACTION not in shapes:
        yield not_measured(
            "the sweep has no pair of runs with and without spectral decoupling (training.decoupling) beside a cue"
        )
        return
    with_cue = shapes[shapes[FRACTION] > 0]
    values = _within_pairs(with_cue, DECOUPLING, _gain)
    yield judge_runs(values["value"], values["value"], values, claimed=1, beyond=0, against="0, no difference")


def without_cue(learning: pd.DataFrame) -> pd.DataFrame:
    """Return the curve on test samples without a cue, one row for each run; a run without any cue has the fraction 0 and the
    curve of all test samples. It stands beside every strength of the cue.
    """
    import pandas as pd

    test = learning[learning["split"] == "test"]
    probes = test[(test["sort"] == PROBE) & (test["curve"] == WITHOUT_CUE)]
    if FRACTION not in learning:
        return probes
    none = test[(test["sort"] == ALL) & test[FRACTION].isna()]
    parts = [probes]
    for strength in probes[STRENGTH].unique() if STRENGTH in learning else [math.nan] if len(none) else []:
        parts.append(none.assign(**{FRACTION: 0.0} | ({STRENGTH: strength} if STRENGTH in learning else {})))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def _within_pairs(rows: pd.DataFrame, setting: str, measure: Callable[[pd.DataFrame], float]) -> pd.DataFrame:
    """Return ``value`` of each set of runs that differ in a setting alone, with ``group`` (all other settings but the seed)
    and ``seed``.
    """
    import pandas as pd

    keys = [name for name in rows if name not in (setting, "seed") and name not in RUN_COLUMNS and name not in CURVE_COLUMNS]
    found = []
    for (*others, seed), own in rows.groupby([*keys, "seed"], dropna=False, sort=False):
        if own[setting].nunique() > 1:
            found.append({"group": str(others), "seed": seed, "value": measure(own)})
    return pd.DataFrame(found, columns=["group", "seed", "value"])


def _slope(own: pd.DataFrame) -> float:
    known = own.dropna(subset=["accuracy"])
    return float(np.polyfit(known[FRACTION], known["accuracy"], 1)[0]) if known[FRACTION].nunique() > 1 else math.nan


def _gain(own: pd.DataFrame) -> float:
    """Return the mean accuracy with decoupling minus that without; NaN if one of them is missing."""
    penalised = own[DECOUPLING].fillna(0) > 0
    return float(own.loc[penalised, "accuracy"].mean() - own.loc[~penalised, "accuracy"].mean())


def rank_correlation_of(first: ArrayLike, second: ArrayLike, fewest: int) -> float:
    """Return Spearman's rank correlation of two arrays, which may hold inf; NaN for fewer values or if all are equal."""
    ranks = scipy.stats.rankdata([np.asarray(first, np.float64), np.asarray(second, np.float64)], axis=1)
    x, y = ranks - ranks.mean(axis=1, keepdims=True)
    scale = math.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / scale) if len(x) >= fewest and scale > 0 else math.nan


def _train(learning: pd.DataFrame, sort: str) -> pd.DataFrame:
    return learning[(learning["sort"] == sort) & (learning["split"] == "train")]


def _judge(
    values: dict[str, float], learning: pd.DataFrame, *, claimed: int, beyond: float, against: str, null: float = 0.0
) -> Judgement:
    """Judge a number of each run against a null value."""
    import pandas as pd

    series = pd.Series(values, dtype=float)
    return judge_runs(series, series - null, names_of_runs(learning), claimed=claimed, beyond=beyond, against=against)


def _noted(judged: Judgement, note: str) -> Judgement:
    return replace(judged, note="; ".join(filter(None, [judged.note, note])))
