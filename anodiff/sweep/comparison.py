"""In what do two runs or two sweeps differ, and is it more than their uncertainty?

Two runs are compared window by window. The interval of a difference b − a of two estimates with unequal, independent intervals
(l, u) recovers their variances (Zou and Donner, Statistics in Medicine 27 (2008) 1693):

    d − sqrt((b − l_b)² + (u_a − a)²)  …  d + sqrt((u_b − b)² + (a − l_a)²)

Two sweeps are compared configuration by configuration: means over the seeds of each, and Welch's interval of their difference,
for variances that need not be equal.

The pitfalls: of many differences, one in twenty lies beyond its 95 % interval by chance, so their number is told beside how
many chance would give. And the interval of one run is of its path alone: runs of two seeds differ by more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.storage.stores import writing
from anodiff.sweep.results import RunResult, is_finished, read_run
from anodiff.sweep.seeds import AVERAGED
from anodiff.trajectory.format import EPOCH_SERIES

#: What tells a window of one run from another of the same.
WINDOW = ("waiting_time", "length", "stride")

#: Columns of a comparison: meaning.
COMPARISON_COLUMNS = {
    "configuration": "name of the run without its seed, of sweeps; of two runs empty",
    **{name: WINDOW_COLUMNS[name] + "; missing for quantities of the whole run" for name in WINDOW},
    "quantity": "exponent of exponents.csv, or loss or accuracy as measured last",
    "a": "its value in the first; of sweeps the mean over seeds",
    "a_low": "lower end of its 95 % interval",
    "a_high": "its upper end",
    "b": "its value in the second",
    "b_low": "lower end of its 95 % interval",
    "b_high": "its upper end",
    "difference": "b − a",
    "difference_low": "lower end of the difference's 95 % interval",
    "difference_high": "its upper end",
    "beyond": "whether that interval leaves 0 out; missing where there is no interval",
    "seeds_a": "seeds of the first that have a value; 1 for two runs",
    "seeds_b": "seeds of the second",
}


@dataclass(frozen=True)
class Comparison:
    """Two runs or two sweeps side by side.

    Attributes
    ----------
    kind
        ``runs`` or ``sweeps``.
    settings
        The settings that differ, by dotted key: the value in the first and in the second, None where it has none. Of sweeps
        those of runs of the same name.
    table
        `COMPARISON_COLUMNS`.
    only_a, only_b
        Windows of runs, or configurations of sweeps, that the other has not.
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
        """Number of differences beyond their interval."""
        return int(self.table["beyond"].fillna(False).sum())


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Compare two runs' folders, or two sweeps' (such as ``results/digits``).

    Raises
    ------
    StoreMissingError
        If a folder holds no finished run.
    ConfigError
        If one is a run and the other a sweep, or they have nothing in common.
    """
    a, b = Path(a), Path(b)
    alone = [(folder / "run.yaml").exists() for folder in (a, b)]
    if alone[0] != alone[1]:
        run, sweep = (a, b) if alone[0] else (b, a)
        raise ConfigError(f"{run} is a run and {sweep} is none; name two runs, or two folders of sweeps")
    return compare_runs(read_run(a), read_run(b)) if alone[0] else compare_sweeps(_read_sweep(a), _read_sweep(b))


def compare_runs(a: RunResult, b: RunResult) -> Comparison:
    """Compare two runs, by windows of the same start, length and stride."""
    windows_a, windows_b = _by_window(a), _by_window(b)
    rows = [_run_row(quantity, _outcome(a, quantity), _outcome(b, quantity)) for quantity in EPOCH_SERIES]
    for window in windows_a:
        if window in windows_b:
            for quantity in AVERAGED:
                first, second = _estimate(windows_a[window], quantity), _estimate(windows_b[window], quantity)
                rows.append(_run_row(quantity, first, second, window))
    only_a, only_b = ([_said(w) for w in mine if w not in other] for mine, other in _both(windows_a, windows_b))
    return Comparison("runs", _differing(a.settings, b.settings), _table(rows), only_a, only_b)


def compare_sweeps(a: Sequence[RunResult], b: Sequence[RunResult]) -> Comparison:
    """Compare two sweeps, by runs whose names are the same but for the seed."""
    groups_a, groups_b = _groups(a), _groups(b)
    rows = [row for group in groups_a if group in groups_b for row in _group_rows(group, groups_a[group], groups_b[group])]
    if not rows:
        raise ConfigError(
            f"the sweeps have no configuration in common: {next(iter(groups_a))} … here, {next(iter(groups_b))} … there; "
            "compare two of their runs instead"
        )
    settings: dict[str, tuple[Any, Any]] = {}
    named = {run.name: run for run in b}
    for run in a:
        if run.name in named:
            settings |= _differing(run.settings, named[run.name].settings)
    only_a, only_b = ([name for name in mine if name not in other] for mine, other in _both(groups_a, groups_b))
    return Comparison("sweeps", settings, _table(rows), only_a, only_b)


def write_comparison(comparison: Comparison, output: str | Path, *, overwrite: bool = False) -> None:
    """Write a comparison's table as CSV."""
    output = Path(output)
    if output.suffix != ".csv":
        raise ConfigError(f"{output}: the table's name must end in .csv")
    with writing(output, overwrite=overwrite) as path:
        comparison.table.to_csv(path, index=False)


def difference_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Return the interval of b − a from two estimates, each as (value, low, high); see the head of the module.

    Examples
    --------
    >>> low, high = difference_interval((1.0, 0.7, 1.3), (2.0, 1.6, 2.4))
    >>> round(low, 3), round(high, 3)
    (0.5, 1.5)
    """
    (value_a, low_a, high_a), (value_b, low_b, high_b) = a, b
    difference = value_b - value_a
    below = math.hypot(value_b - low_b, high_a - value_a)
    above = math.hypot(high_b - value_b, value_a - low_a)
    return difference - below, difference + above


def welch_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Return Welch's 95 % interval of the difference of the means, mean(b) − mean(a); NaN from fewer than two values each."""
    if min(len(a), len(b)) < 2:
        return math.nan, math.nan
    if not (np.ptp(a) or np.ptp(b)):  # no scatter at all: the difference is what it is
        return (float(np.mean(b) - np.mean(a)),) * 2
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    return float(interval.low), float(interval.high)


def _read_sweep(folder: Path) -> list[RunResult]:
    folders = sorted(path.parent for path in folder.glob("**/run.yaml") if is_finished(path.parent))
    if not folders:
        raise StoreMissingError(f"{folder}: no finished run in it; name a run's folder, or a sweep's such as results/digits")
    return [read_run(run) for run in folders]


def _groups(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    groups: dict[str, list[RunResult]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    return groups


def _group_rows(group: str, a: Sequence[RunResult], b: Sequence[RunResult]) -> Iterator[dict[str, Any]]:
    for quantity in EPOCH_SERIES:
        values = ([_outcome(run, quantity)[0] for run in runs] for runs in (a, b))
        yield {"configuration": group, "quantity": quantity, **_means(*values)}
    tables = [[_by_window(run) for run in runs] for runs in (a, b)]
    for window in dict.fromkeys(window for table in tables[0] for window in table):
        for quantity in AVERAGED:
            values = ([float(table[window][quantity]) for table in side if window in table] for side in tables)
            yield {"configuration": group, **_place(window), "quantity": quantity, **_means(*values)}


def _means(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    from anodiff.diffusion.ergodicity import over_ensemble

    a, b = ([value for value in values if math.isfinite(value)] for values in (a, b))
    known = {"seeds_a": len(a), "seeds_b": len(b), **over_ensemble(a).columns("a"), **over_ensemble(b).columns("b")}
    return known | _judged(known["a"], known["b"], welch_interval(a, b))


def _run_row(quantity: str, a: Sequence[float], b: Sequence[float], window: tuple[int, ...] | None = None) -> dict[str, Any]:
    names = ("", "_low", "_high")
    row = {"quantity": quantity, "seeds_a": 1, "seeds_b": 1, **(_place(window) if window else {})}
    row |= {f"a{end}": value for end, value in zip(names, a, strict=True)}
    row |= {f"b{end}": value for end, value in zip(names, b, strict=True)}
    return row | _judged(a[0], b[0], difference_interval(a, b))


def _judged(a: float, b: float, interval: tuple[float, float]) -> dict[str, Any]:
    known = all(map(math.isfinite, interval))
    judged = {"difference": b - a, "difference_low": interval[0], "difference_high": interval[1]}
    return judged | {"beyond": not interval[0] <= 0 <= interval[1] if known else None}


def _by_window(run: RunResult) -> dict[tuple[int, ...], Mapping[str, Any]]:
    rows = run.exponents.to_dict("records")
    return {tuple(int(row[name]) for name in WINDOW): {str(key): value for key, value in row.items()} for row in rows}


def _estimate(row: Mapping[str, Any], quantity: str) -> tuple[float, float, float]:
    value, low, high = (float(row[quantity + end]) for end in ("", "_low", "_high"))
    return value, low, high


def _outcome(run: RunResult, quantity: str) -> tuple[float, float, float]:
    """Return the last measured value of a series over epochs, which has no interval."""
    series = run.curves[quantity].values if quantity in run.curves else np.empty(0)
    measured = series[np.isfinite(series)]
    return (float(measured[-1]) if len(measured) else math.nan), math.nan, math.nan


def _place(window: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(WINDOW, window, strict=True))


def _said(window: tuple[int, ...]) -> str:
    start, length, stride = window
    return f"{start}–{start + length} by {stride}"


def _both(a: Any, b: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (a, b), (b, a)


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows)).reindex(columns=list(COMPARISON_COLUMNS))
    whole = dict.fromkeys((*WINDOW, "seeds_a", "seeds_b"), "Int64")
    return table.astype({**whole, "beyond": "boolean", "configuration": "string"})


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (a.get(key), b.get(key)) for key in {**a, **b} if a.get(key) != b.get(key)}
