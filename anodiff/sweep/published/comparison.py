"""Are the numbers of these runs the published ones? Each window beside the row that its run repeats.

Each window has two readings, and each reading two orders of lags (`readings`). Runs that repeat one
row and differ only in their seed, or in which part of the walk is taken and recorded, are taken
together, window by window: means over seeds with Student's interval, of the crossover lag in its
logarithm. A single run has the interval of its path if the reading is fitted, and none if it is of
two parts; then only the published tolerance counts. `agreement` says when two numbers agree.

The pitfalls: it is not said from which window a number was read, so every window is compared, and
of many some agree by chance. The published rows are much alike, so a value that agrees with its own
often agrees with others too: `others_agree` says with which share of them, and
`others_agree_at_once` with which share all numbers of the window do. In every published row with a
crossover the first exponent is the larger one. A knee at which it is the smaller one is another
knee, so its lag is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.intervals import UNKNOWN, Interval
from anodiff.errors import ConfigError
from anodiff.sweep.published.agreement import CROSSOVER, QUANTITIES, agreement, beside_published, of_ends, tolerance
from anodiff.sweep.published.readings import ORDERS, PUBLISHED, READINGS, TWO_PARTS, WINDOW, in_order
from anodiff.sweep.published.rows import ROW_COLUMNS, PublishedRow, published_row, published_rows
from anodiff.sweep.published.table import BESIDE_PUBLISHED_COLUMNS, Summary, summarise
from anodiff.sweep.results import RunResult
from anodiff.sweep.seeds import of_one_kind

if TYPE_CHECKING:
    import pandas as pd

#: Settings that change which part of a walk is taken and recorded, and not the walk; and its seed.
PART_OF_THE_WALK = ("recording.", "seed", "training.epochs", "training.evaluate_every", "training.steps")


@dataclass(frozen=True)
class PublishedComparison:
    """Runs beside the published numbers.

    Attributes
    ----------
    table
        `BESIDE_PUBLISHED_COLUMNS`.
    matched
        Number of runs that repeat a published row.
    unmatched
        The runs that repeat none: name, why.
    """

    table: pd.DataFrame
    matched: int
    unmatched: dict[str, str]

    @property
    def summaries(self) -> dict[tuple[str, str], Summary]:
        """What agrees, by reading and order."""
        return {(reading, order): summarise(self.table, reading, order) for reading in READINGS for order in ORDERS}


def compare_with_published(runs: Sequence[RunResult]) -> PublishedComparison:
    """Set each window of the runs that repeat a published row beside it.

    Raises
    ------
    ConfigError
        If no run repeats a published row, or two have the same settings.
    """
    groups: dict[tuple[str, PublishedRow], list[RunResult]] = {}
    unmatched = {}
    for run in runs:
        row, why = published_row(run.curves.attrs["settings"])
        if row is None:
            unmatched[run.name] = why
        else:
            groups.setdefault((_walk(run), row), []).append(run)
    if not groups:
        name, why = next(iter(unmatched.items()), ("", "no runs given"))
        raise ConfigError(f"none of {len(runs)} runs repeats a published row; {f'{name}: ' if name else ''}{why}")
    rows = [line for (_, row), own in groups.items() for line in _group_rows(row, own)]
    return PublishedComparison(_table(rows), sum(map(len, groups.values())), unmatched)


def _walk(run: RunResult) -> str:
    """Return what two runs share that differ only in their seed, and in which part of the walk is taken and recorded."""
    return repr(sorted((key, value) for key, value in run.settings.items() if not key.startswith(PART_OF_THE_WALK)))


def _group_rows(row: PublishedRow, runs: Sequence[RunResult]) -> Iterator[dict[str, Any]]:
    """Return the rows of a walk: its windows by waiting time, the readings and orders of each.

    Of two runs with the same seed the longer one counts in a window that both have.
    """
    import pandas as pd

    for number, run in enumerate(runs):
        twice = next((other.name for other in runs[:number] if other.settings == run.settings), None)
        if twice is not None:
            raise ConfigError(f"{twice} and {run.name} have the same settings and seed; name one")
    runs = sorted(runs, key=lambda run: -run.curves.attrs["steps_completed"])
    about = {name: getattr(row, name) for name in ROW_COLUMNS}
    about |= {"configuration": runs[0].group, "shortcut": runs[0].settings["model.shortcut"]}
    by_window = {}
    for reading, read in READINGS.items():
        own = pd.concat([read(run).assign(run=run.name, seed=run.settings["seed"]) for run in runs], ignore_index=True)
        own = own.drop_duplicates([*WINDOW, "seed"])
        by_window[reading] = dict(list(own.groupby(list(WINDOW))))
    for window in next(iter(by_window.values())):
        for reading, windows in by_window.items():
            for order in ORDERS:
                case = about | dict(zip(WINDOW, window, strict=True)) | {"reading": reading, "order": order}
                yield from (case | columns for columns in _window_rows(reading, order, row, windows[window]))


def _window_rows(reading: str, order: str, row: PublishedRow, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the columns of each published number in one window, in one reading and order."""
    ours = [quantity for quantity in QUANTITIES if math.isfinite(getattr(row, quantity))]
    others = [other for other in published_rows() if other is not row]
    alike = in_order(of_one_kind(rows), order)
    found, agreements = [], []
    for quantity in ours:
        columns, value = _compared(quantity, getattr(row, quantity), reading, order, alike, rows)
        elsewhere = [bool(agreement(beside_published(value, getattr(other, quantity), quantity), quantity)) for other in others]
        published = [agrees for agrees, other in zip(elsewhere, others, strict=True) if math.isfinite(getattr(other, quantity))]
        columns["others_agree"] = float(np.mean(published)) if columns["agrees"] is not None else math.nan
        found.append(columns)
        agreements.append(elsewhere)
    complete = [all(math.isfinite(getattr(other, quantity)) for quantity in ours) for other in others]
    at_once = float(np.all(agreements, axis=0)[complete].mean())
    in_question = any(columns["agrees"] is not None for columns in found)
    return [columns | {"others_agree_at_once": at_once if in_question else math.nan} for columns in found]


def _compared(
    quantity: str, published: float, reading: str, order: str, alike: pd.DataFrame, rows: pd.DataFrame
) -> tuple[dict[str, Any], Interval]:
    """Return the columns of one number in one window, and its value as it is compared; `UNKNOWN` if it is not.

    ``rows`` are the windows of all seeds, and ``alike`` those with one kind of regimes, in order.
    """
    value, seeds = _value(quantity, alike)
    exact = reading == TWO_PARTS and seeds == 1
    judged = Interval(value.value, value.value, value.value) if exact else value
    other_knee = bool(len(alike)) and not (alike["exponent_first"] > alike["exponent_second"]).any()
    regimes = int(alike["regimes"].iloc[0]) if len(alike) else -1
    notes = []
    if not len(alike):
        notes.append(next(iter(rows["note"].dropna()), "not measured"))
    elif quantity == CROSSOVER and regimes == 1:
        notes.append("one regime: no crossover")
    elif quantity == CROSSOVER and not seeds:
        notes.append("crossover not determined")
    elif quantity == CROSSOVER and other_knee:
        rises = "rises here: not the published knee" if order == PUBLISHED else "falls here: not the reversed knee"
        notes.append(f"the exponent {rises}")
        exact, judged = False, UNKNOWN
    elif quantity == "exponent_second" and regimes == 1:
        notes.append("one regime: exponent_second repeats exponent_first")
    if regimes == 3:
        notes.append(f"three regimes: the {'first' if order == PUBLISHED else 'last'} two")
    if exact:
        notes.append("one run: only the published tolerance counts")
    elif seeds and reading != TWO_PARTS and not math.isfinite(value.low + value.high):
        notes.append("no interval")
    if 0 < len(alike) < len(rows):
        notes.append(f"{len(rows) - len(alike)} of {len(rows)} seeds have other regimes and are left out")
    between = beside_published(judged, published, quantity)
    return {
        "quantity": quantity,
        "regimes": regimes if regimes > 0 else None,
        "seeds": seeds,
        **value.columns("value"),
        **tolerance(published, quantity).columns("published"),
        **between.columns("ratio" if quantity == CROSSOVER else "difference"),
        "agrees": agreement(between, quantity),
        "note": "; ".join(notes) or None,
    }, judged


def _value(quantity: str, rows: pd.DataFrame) -> tuple[Interval, int]:
    """Return the mean over seeds with its interval, or the only value with its own; and of how many it is."""
    known = rows[np.isfinite(rows[quantity].to_numpy(float))]
    if len(known) == 0:
        return UNKNOWN, 0
    if len(known) == 1:
        return Interval(*(float(known[quantity + end].iloc[0]) for end in ("", "_low", "_high"))), 1
    values = known[quantity].to_numpy(float)
    if quantity == CROSSOVER:
        return of_ends(math.exp, ensemble_mean(np.log(values))), len(values)
    return ensemble_mean(values), len(values)


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(list(rows)).reindex(columns=list(BESIDE_PUBLISHED_COLUMNS))
    whole = dict.fromkeys((*WINDOW, "depth", "batch_size", "regimes", "seeds"), "Int64")
    texts = dict.fromkeys(("configuration", "reading", "order", "quantity", "note"), "string")
    return table.astype({**whole, **texts, "shortcut": "boolean", "agrees": "boolean"})
