"""In what do two runs or two sweeps differ, and by more than their uncertainty?

Two runs are compared window by window. Their estimates have unequal, independent intervals (l, u).
The interval of the difference b − a recovers the variances from them (Zou and Donner, Statistics in
Medicine 27 (2008) 1693), with d = b − a:

    d − sqrt((b − l_b)² + (u_a − a)²)  …  d + sqrt((u_b − b)² + (a − l_a)²)

Two sweeps are compared configuration by configuration: means over the seeds of each, and Welch's
interval of their difference, for variances that need not be equal.

The pitfalls: the 95 % interval of one in twenty differences excludes 0 by chance, so the number of
such differences is given next to the number expected by chance. And the interval of one run
describes its path alone: runs of two seeds differ by more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.jumps import QUANTITY_UNIT
from anodiff.errors import ConfigError
from anodiff.storage.columns import COUNT, TEXT, Column
from anodiff.storage.stores import writing
from anodiff.sweep.hypothesis_tests import welch_interval
from anodiff.sweep.results import RunResult, by_group, read_run, read_sweep
from anodiff.sweep.seeds import AVERAGED
from anodiff.trajectory.format import EPOCH_SERIES

if TYPE_CHECKING:
    import pandas as pd

#: Start, length and stride of a window, which tell it from the others of its run.
WindowKey = tuple[int, int, int]

#: The columns that hold them.
WINDOW = ("waiting_time", "length", "stride")

#: Columns of a comparison.
COMPARISON_COLUMNS = {
    "configuration": Column("name of the run without its seed, for sweeps; missing for two runs", TEXT),
    **{
        name: Column(f"{WINDOW_COLUMNS[name].meaning}; missing for quantities of the whole run", WINDOW_COLUMNS[name].unit)
        for name in WINDOW
    },
    "quantity": Column("exponent of exponents.csv, or loss or accuracy as measured last", TEXT),
    "a": Column("value in the first run, or mean over the seeds of the first sweep", QUANTITY_UNIT),
    "a_low": Column("lower end of the 95 % interval of a", QUANTITY_UNIT),
    "a_high": Column("upper end of the 95 % interval of a", QUANTITY_UNIT),
    "b": Column("value in the second run, or mean over the seeds of the second sweep", QUANTITY_UNIT),
    "b_low": Column("lower end of the 95 % interval of b", QUANTITY_UNIT),
    "b_high": Column("upper end of the 95 % interval of b", QUANTITY_UNIT),
    "difference": Column(
        "b − a; its interval comes from those of a and b for runs (Zou and Donner 2008), from the seeds for sweeps (Welch)",
        QUANTITY_UNIT,
    ),
    "difference_low": Column("lower end of the 95 % interval of difference", QUANTITY_UNIT),
    "difference_high": Column("upper end of the 95 % interval of difference", QUANTITY_UNIT),
    "beyond": Column("whether the interval of difference excludes 0; missing if there is no interval"),
    "seeds_a": Column("number of seeds of the first that have a value; 1 for runs", COUNT),
    "seeds_b": Column("number of seeds of the second that have a value; 1 for runs", COUNT),
}


@dataclass(frozen=True)
class Comparison:
    """Two runs or two sweeps side by side.

    Attributes
    ----------
    kind
        ``runs`` or ``sweeps``.
    settings
        The settings that differ, by dotted key: the value in the first and in the second, None if
        it has none. For sweeps, those of runs that have the same name.
    table
        `COMPARISON_COLUMNS`.
    only_a, only_b
        Windows of runs, or configurations of sweeps, that the other does not have.
    """

    kind: str
    settings: dict[str, tuple[Any, Any]]
    table: pd.DataFrame
    only_a: list[str]
    only_b: list[str]

    @property
    def judged(self) -> int:
        """Number of differences that have an interval."""
        return int(self.table["beyond"].notna().sum())

    @property
    def beyond(self) -> int:
        """Number of differences whose interval excludes 0."""
        return int(self.table["beyond"].fillna(False).sum())


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Compare two runs' folders, or two sweeps' (such as ``results/demo``).

    Raises
    ------
    StoreMissingError
        If a folder holds no finished run.
    ConfigError
        If one is a run and the other a sweep, or they have nothing in common.
    """
    a, b = Path(a), Path(b)
    are_runs = [(folder / "run.yaml").exists() for folder in (a, b)]
    if are_runs[0] != are_runs[1]:
        run, other = (a, b) if are_runs[0] else (b, a)
        raise ConfigError(f"{run} is a run, but {other} is not; name two runs, or the folders of two sweeps")
    return compare_runs(read_run(a), read_run(b)) if are_runs[0] else compare_sweeps(read_sweep(a), read_sweep(b))


def compare_runs(a: RunResult, b: RunResult) -> Comparison:
    """Compare two runs, by windows of the same start, length and stride."""
    windows_a, windows_b = _by_window(a), _by_window(b)
    rows = [_run_row(quantity, _final(a, quantity), _final(b, quantity)) for quantity in EPOCH_SERIES]
    for window in windows_a:
        if window in windows_b:
            for quantity in AVERAGED:
                first, second = _estimate(windows_a[window], quantity), _estimate(windows_b[window], quantity)
                rows.append(_run_row(quantity, first, second, window))
    only_a, only_b = _only_in_one(windows_a, windows_b)
    table, names_a, names_b = _table(rows), [_name(window) for window in only_a], [_name(window) for window in only_b]
    return Comparison("runs", _different_settings(a, b), table, names_a, names_b)


def compare_sweeps(a: Sequence[RunResult], b: Sequence[RunResult]) -> Comparison:
    """Compare two sweeps, by runs whose names differ only in the seed."""
    groups_a, groups_b = by_group(a), by_group(b)
    rows = [row for group in groups_a if group in groups_b for row in _group_rows(group, groups_a[group], groups_b[group])]
    if not rows:
        raise ConfigError(
            f"the sweeps have no configuration in common: the first has {next(iter(groups_a))}, the second "
            f"{next(iter(groups_b))}; compare two of their runs instead"
        )
    settings: dict[str, tuple[Any, Any]] = {}
    named = {run.name: run for run in b}
    for run in a:
        if run.name in named:
            settings |= _different_settings(run, named[run.name])
    return Comparison("sweeps", settings, _table(rows), *_only_in_one(groups_a, groups_b))


def write_comparison(comparison: Comparison, output: str | Path, *, overwrite: bool = False) -> None:
    """Write a comparison's table as CSV."""
    output = Path(output)
    if output.suffix != ".csv":
        raise ConfigError(f"{output}: the table's name must end in .csv")
    with writing(output, overwrite=overwrite) as path:
        comparison.table.to_csv(path, index=False)


def difference_interval(a: Interval, b: Interval) -> Interval:
    """Return b − a with its interval, from two estimates with theirs; see the head of the module.

    Examples
    --------
    >>> difference = difference_interval(Interval(1.0, 0.7, 1.3), Interval(2.0, 1.6, 2.4))
    >>> round(difference.low, 3), round(difference.high, 3)
    (0.5, 1.5)
    """
    difference = b.value - a.value
    below = math.hypot(b.value - b.low, a.high - a.value)
    above = math.hypot(b.high - b.value, a.value - a.low)
    return Interval(difference, difference - below, difference + above)


def _group_rows(group: str, a: Sequence[RunResult], b: Sequence[RunResult]) -> Iterator[dict[str, Any]]:
    """Return the rows of a configuration: means over seeds, and Welch's interval of their difference."""
    for quantity in EPOCH_SERIES:
        values = ([run.final(quantity) for run in runs] for runs in (a, b))
        yield {"configuration": group, "quantity": quantity, **_means(*values)}
    tables = [[_by_window(run) for run in runs] for runs in (a, b)]
    for window in dict.fromkeys(window for table in tables[0] for window in table):
        for quantity in AVERAGED:
            values = ([float(table[window][quantity]) for table in side if window in table] for side in tables)
            yield {"configuration": group, **_window_columns(window), "quantity": quantity, **_means(*values)}


def _means(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    a, b = ([value for value in values if math.isfinite(value)] for values in (a, b))
    counts = {"seeds_a": len(a), "seeds_b": len(b)}
    return counts | _estimates(ensemble_mean(a), ensemble_mean(b), welch_interval(b, a))


def _run_row(quantity: str, a: Interval, b: Interval, window: WindowKey | None = None) -> dict[str, Any]:
    row = {"quantity": quantity, "seeds_a": 1, "seeds_b": 1, **(_window_columns(window) if window else {})}
    return row | _estimates(a, b, difference_interval(a, b))


def _estimates(a: Interval, b: Interval, difference: Interval) -> dict[str, Any]:
    known = math.isfinite(difference.low) and math.isfinite(difference.high)
    beyond = not difference.low <= 0 <= difference.high if known else None
    return {**a.columns("a"), **b.columns("b"), **difference.columns("difference"), "beyond": beyond}


def _by_window(run: RunResult) -> dict[WindowKey, Mapping[str, Any]]:
    """Return the rows of a run's exponents by window."""
    rows = run.exponents.to_dict("records")
    return {
        (int(row["waiting_time"]), int(row["length"]), int(row["stride"])): {str(key): value for key, value in row.items()}
        for row in rows
    }


def _estimate(row: Mapping[str, Any], quantity: str) -> Interval:
    return Interval(*(float(row[quantity + end]) for end in ("", "_low", "_high")))


def _final(run: RunResult, quantity: str) -> Interval:
    """Return the last measured value of a series over epochs, which has no interval."""
    return Interval(run.final(quantity), math.nan, math.nan)


def _window_columns(window: WindowKey) -> dict[str, int]:
    return dict(zip(WINDOW, window, strict=True))


def _name(window: WindowKey) -> str:
    start, length, stride = window
    return f"{start}–{start + length} by {stride}"


def _only_in_one(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> tuple[list[Any], list[Any]]:
    """Return the keys that only the first has, and those that only the second has."""
    return [key for key in a if key not in b], [key for key in b if key not in a]


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(list(rows)).reindex(columns=list(COMPARISON_COLUMNS))
    whole = dict.fromkeys((*WINDOW, "seeds_a", "seeds_b"), "Int64")
    return table.astype({**whole, "beyond": "boolean", "configuration": "string"})


def _different_settings(a: RunResult, b: RunResult) -> dict[str, tuple[Any, Any]]:
    first, second = a.settings, b.settings
    return {key: (first.get(key), second.get(key)) for key in {**first, **second} if first.get(key) != second.get(key)}
