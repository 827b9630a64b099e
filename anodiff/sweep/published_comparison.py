"""Are the numbers of these runs the published ones? Each window beside the row that its run repeats.

Runs that repeat one row and differ only in their seed are taken together, window by window: means
over seeds with Student's interval, of the crossover lag in its logarithm. A single run has the
interval of its path. The difference from a published exponent p ± 0.1 has an interval to which both
errors contribute in quadrature (see `anodiff.sweep.comparison`); it agrees if that interval holds 0.
Crossover lags are compared by their ratio, and agree if its interval holds 1.

The pitfalls: it is not said from which window a number was read, so every window is compared, and
of many some agree by chance. The published rows are much alike, so a value that agrees with its own
often agrees with others too: `others_agree` says with which share of them. The published regimes
were read by eye off plots; those of exponents.csv are a fit, which may find one regime or three. A
knee at which the exponent rises is not the published one, at which it falls, so the lags of the two
are not compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.intervals import UNKNOWN, Interval, interval_columns
from anodiff.diffusion.jumps import QUANTITY_UNIT
from anodiff.errors import ConfigError
from anodiff.storage.columns import COUNT, TEXT, Column, write_parquet
from anodiff.storage.stores import writing_all
from anodiff.sweep.comparison import difference_interval
from anodiff.sweep.published_rows import (
    CROSSOVER_FACTOR,
    EXPONENT_TOLERANCE,
    ROW_COLUMNS,
    PublishedRow,
    published_row,
    published_rows,
)
from anodiff.sweep.results import RunResult
from anodiff.sweep.seeds import of_one_kind

if TYPE_CHECKING:
    import pandas as pd

#: The numbers that are compared.
EXPONENTS, CROSSOVER = ("exponent_first", "exponent_second"), "crossover_lag"

#: The columns that tell a window from the others of its run.
WINDOW = ("waiting_time", "length", "stride")

#: Columns of the comparison.
BESIDE_PUBLISHED_COLUMNS = {
    "configuration": Column("name of the runs without their seed", TEXT),
    **ROW_COLUMNS,
    **{name: WINDOW_COLUMNS[name] for name in WINDOW},
    "regimes": Column("number of regimes of the window; of several seeds, the most frequent", COUNT),
    "quantity": Column("the number that is compared: exponent_first, exponent_second or crossover_lag", TEXT),
    "seeds": Column("number of seeds whose mean the value is; with 1, the interval is that of its path", COUNT),
    **interval_columns("value", "the number in this window", QUANTITY_UNIT),
    "published": Column("the published number", QUANTITY_UNIT),
    "published_low": Column("lower bound of the tolerance for reading it by eye", QUANTITY_UNIT),
    "published_high": Column("upper bound of the tolerance for reading it by eye", QUANTITY_UNIT),
    **interval_columns("difference", "value − published, for exponents; both errors in quadrature"),
    **interval_columns("ratio", "value / published, for the crossover lag; both errors in quadrature, in the logarithm"),
    "agrees": Column("whether the interval of difference holds 0, or that of ratio 1; missing if it is not compared"),
    "others_agree": Column("share of the other published rows with which the value agrees too; near 1, agreement says little"),
    "note": Column("why it is not compared, or what to know of the value", TEXT),
}


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
    def judged(self) -> int:
        """Number of comparisons that have an interval."""
        return int(self.table["agrees"].notna().sum())

    @property
    def agreeing(self) -> int:
        """Number of these that agree."""
        return int(self.table["agrees"].fillna(False).sum())

    @property
    def others_agree(self) -> float:
        """Mean share of the other published rows with which these numbers agree too: what chance gives."""
        return float(self.table["others_agree"].mean())

    @property
    def windows(self) -> int:
        """Number of windows of configurations in which something was compared."""
        return len(self._by_window())

    @property
    def windows_agreeing(self) -> int:
        """Number of these in which every published number was compared and agrees."""
        return int(self._by_window().eq(1).sum())

    def _by_window(self) -> pd.Series:
        """Return the share of a window's published numbers that agree, for each window with a comparison."""
        windows = self.table.groupby(["configuration", "shortcut", *WINDOW], sort=False)["agrees"]
        share = windows.apply(lambda agrees: float(agrees.fillna(False).mean()))
        return share[windows.count() > 0]


def compare_with_published(runs: Sequence[RunResult]) -> PublishedComparison:
    """Set each window of the runs that repeat a published row beside it.

    Raises
    ------
    ConfigError
        If no run repeats a published row, or one window of a configuration is there twice with the
        same seed.
    """
    groups: dict[tuple[str, bool, PublishedRow], list[RunResult]] = {}
    unmatched = {}
    for run in runs:
        row, why = published_row(run.curves.attrs["settings"])
        if row is None:
            unmatched[run.name] = why
        else:
            groups.setdefault((run.group, bool(run.settings["model.shortcut"]), row), []).append(run)
    if not groups:
        name, why = next(iter(unmatched.items()), ("", "no runs given"))
        raise ConfigError(f"none of {len(runs)} runs repeats a published row; {f'{name}: ' if name else ''}{why}")
    rows = [line for (group, _, row), own in groups.items() for line in _group_rows(group, row, own)]
    return PublishedComparison(_table(rows), sum(map(len, groups.values())), unmatched)


def beside_published(value: Interval, published: float, quantity: str) -> Interval:
    """Return the difference from a published exponent, or the ratio to a published crossover lag, with both errors.

    Examples
    --------
    >>> difference = beside_published(Interval(1.5, 1.5, 1.5), 1.25, "exponent_first")
    >>> difference.value, round(difference.low, 3), round(difference.high, 3)
    (0.25, 0.15, 0.35)
    """
    theirs = tolerance(published, quantity)
    if quantity != CROSSOVER:
        return difference_interval(theirs, value)
    ratio = difference_interval(_of_ends(_log, theirs), _of_ends(_log, value))
    return _of_ends(math.exp, ratio)


def tolerance(published: float, quantity: str) -> Interval:
    """Return a published number with the bounds of its reading by eye."""
    if quantity != CROSSOVER:
        return Interval(published, published - EXPONENT_TOLERANCE, published + EXPONENT_TOLERANCE)
    return Interval(published, published / CROSSOVER_FACTOR, published * CROSSOVER_FACTOR)


def agreement(between: Interval, quantity: str) -> bool | None:
    """Return whether what `beside_published` returns is an agreement; None without an interval."""
    if not (math.isfinite(between.low) and math.isfinite(between.high)):
        return None
    return between.low <= (1 if quantity == CROSSOVER else 0) <= between.high


def write_published(table: pd.DataFrame, output: str | Path, columns: Mapping[str, Column], *, overwrite: bool = False) -> None:
    """Write a table as CSV, and as Parquet with the meaning of each column next to it.

    Raises
    ------
    ConfigError
        If the name does not end in .csv.
    OutputExistsError, StorageError
    """
    output = Path(output)
    if output.suffix != ".csv":
        raise ConfigError(f"{output}: the table's name must end in .csv; Parquet goes next to it")
    parquet = output.with_suffix(".parquet")
    with writing_all([output, parquet], overwrite=overwrite) as temporary:
        table.to_csv(temporary[output], index=False)
        write_parquet(table, temporary[parquet], columns)


def _group_rows(group: str, row: PublishedRow, runs: Sequence[RunResult]) -> Iterator[dict[str, Any]]:
    """Return the rows of a configuration: its windows by waiting time, the published numbers of each."""
    import pandas as pd

    about = {name: getattr(row, name) for name in ROW_COLUMNS}
    about |= {"configuration": group, "shortcut": runs[0].settings["model.shortcut"]}
    own = pd.concat([run.exponents.assign(run=run.name, seed=run.settings["seed"]) for run in runs], ignore_index=True)
    for window, rows in own.groupby(list(WINDOW)):
        if rows["seed"].duplicated().any():
            names = rows.loc[rows["seed"].duplicated(keep=False), "run"].tolist()
            raise ConfigError(
                f"{' and '.join(names[:2])} are the same configuration and seed, with a window at step {window[0]}; name one"
            )
        alike = of_one_kind(rows)
        for quantity in (*EXPONENTS, CROSSOVER):
            published = float(getattr(row, quantity))
            if math.isfinite(published):
                others = [float(getattr(other, quantity)) for other in published_rows() if other is not row]
                compared = _compared(quantity, published, others, alike, rows)
                yield about | dict(zip(WINDOW, window, strict=True)) | {"quantity": quantity} | compared


def _compared(
    quantity: str, published: float, others: Sequence[float], alike: pd.DataFrame, rows: pd.DataFrame
) -> dict[str, Any]:
    """Return the columns of one number in one window, from the windows of one kind of regimes, and all.

    ``others`` are the same number in the other published rows, NaN where there is none.
    """
    value, seeds = _value(quantity, alike)
    between = beside_published(value, published, quantity)
    rises = bool(len(alike)) and bool((alike["exponent_second"] > alike["exponent_first"]).all())
    regimes = int(alike["regimes"].iloc[0]) if len(alike) else -1
    notes = []
    if not len(alike):
        notes.append(next(iter(rows["note"].dropna()), "not measured"))
    elif quantity == CROSSOVER and regimes == 1:
        notes.append("one regime: no crossover")
    elif quantity == CROSSOVER and not seeds:
        notes.append("crossover not determined")
    elif quantity == CROSSOVER and rises:
        notes.append("the exponent rises here: not the published knee")
        between = UNKNOWN
    elif quantity == "exponent_second" and regimes == 1:
        notes.append("one regime: exponent_second repeats exponent_first")
    if seeds and not math.isfinite(value.low + value.high):
        notes.append("no interval")
    if 0 < len(alike) < len(rows):
        notes.append(f"{len(rows) - len(alike)} of {len(rows)} seeds have other regimes and are left out")
    agrees = agreement(between, quantity)
    elsewhere = [
        agreement(beside_published(value, other, quantity), quantity) is True for other in others if math.isfinite(other)
    ]
    return {
        "regimes": regimes if regimes > 0 else None,
        "seeds": seeds,
        **value.columns("value"),
        **tolerance(published, quantity).columns("published"),
        **between.columns("ratio" if quantity == CROSSOVER else "difference"),
        "agrees": agrees,
        "others_agree": float(np.mean(elsewhere)) if agrees is not None else math.nan,
        "note": "; ".join(notes) or None,
    }


def _value(quantity: str, rows: pd.DataFrame) -> tuple[Interval, int]:
    """Return the mean over seeds with its interval, or the only value with its own; and of how many it is."""
    known = rows[np.isfinite(rows[quantity].to_numpy(float))]
    if len(known) == 0:
        return UNKNOWN, 0
    if len(known) == 1:
        return Interval(*(float(known[quantity + end].iloc[0]) for end in ("", "_low", "_high"))), 1
    values = known[quantity].to_numpy(float)
    if quantity == CROSSOVER:
        return _of_ends(math.exp, ensemble_mean(np.log(values))), len(values)
    return ensemble_mean(values), len(values)


def _of_ends(function: Any, interval: Interval) -> Interval:
    return Interval(*(float(function(end)) for end in (interval.value, interval.low, interval.high)))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(list(rows)).reindex(columns=list(BESIDE_PUBLISHED_COLUMNS))
    whole = dict.fromkeys((*WINDOW, "depth", "batch_size", "regimes", "seeds"), "Int64")
    texts = dict.fromkeys(("configuration", "quantity", "note"), "string")
    return table.astype({**whole, **texts, "shortcut": "boolean", "agrees": "boolean"})
