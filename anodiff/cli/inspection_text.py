"""What does this path hold? A store, a run's folder or a whole sweep, said for a person."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from anodiff.cli.inspection import HEADLINES, RUN_STORES, holdings
from anodiff.trajectory.format import EPOCH_SERIES


def describe(path: str | Path, console: Console | None = None) -> None:
    """Print what ``path`` holds.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing, or nothing of ours.
    """
    console = console or wide_console()
    found = holdings(path)
    {"store": _print_store, "run": _print_run, "sweep": _print_sweep}[found["holds"]](found, console)


def as_json(paths: Sequence[str | Path]) -> str:
    """Return what the paths hold as JSON: one object for one path, a list of them for several."""
    found = [holdings(path) for path in paths]
    return json.dumps(found[0] if len(found) == 1 else found, indent=2, default=str)


def wide_console() -> Console:
    """Return a console that cuts no table off where there is no terminal."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 1000  # tables are as wide as what they hold
    return console


def plain_table(*columns: str) -> Table:
    """Return a table without lines, whose cells are not broken."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def size(count: float) -> str:
    """Write a number of bytes with a unit.

    Examples
    --------
    >>> size(1_500_000)
    '1.5 MB'
    """
    power = min(4, int(math.log10(count) // 3)) if count >= 1 else 0
    return f"{count / 1000**power:.{1 if power else 0}f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """Write an exponent and its interval.

    Examples
    --------
    >>> with_interval({"beta_max": 1.661, "beta_max_low": 0.704, "beta_max_high": 1.672}, "beta_max")
    '1.66 (0.70–1.67)'
    """
    value, low, high = (row.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if low is None or high is None else f" ({low:.2f}–{high:.2f})")


def _print_store(found: Mapping[str, Any], console: Console) -> None:
    kind = found.get("kind", "Zarr group, not written by anodiff")
    console.print(f"[bold]{escape(found['path'])}[/bold]: {kind}, format version {found.get('format_version', '-')}")
    console.print(f"  {escape(found['state'])}")
    if "steps" in found:
        console.print(f"  steps      {found.get('steps_completed')} of {found['steps']} taken")
    _print_about(found, console)
    console.print(f"  on disk    {_on_disk(found)}")
    table = plain_table("array", "dimensions", "shape", "type", "chunk", "bytes", "stored", "ratio")
    for array in found["arrays"]:
        table.add_row(
            array["name"],
            ", ".join(array["dimensions"]),
            " × ".join(map(str, array["shape"])),
            array["type"],
            " × ".join(map(str, array["chunk"])),
            size(array["bytes"]),
            size(array["bytes_on_disk"]),
            _ratio(array),
        )
    console.print(table)


def _print_run(found: Mapping[str, Any], console: Console) -> None:
    console.print(f"[bold]{escape(found['path'])}[/bold]: a run")
    console.print(f"  {escape(found['state'])}")
    _print_about(found, console)
    learned = [f"{name.replace('_', ' ')} {found[name]:.4g}" for name in EPOCH_SERIES if found.get(name) is not None]
    if learned:
        console.print(f"  learned    {', '.join(learned)}")
    console.print(f"  on disk    {size(found['bytes_on_disk'])}")
    table = plain_table("store", "state", "bytes", "stored", "ratio")
    for name, store in found["stores"].items():
        bytes_ = size(store["bytes"]) if "bytes" in store else "-"
        table.add_row(escape(name), escape(store["state"]), bytes_, size(store["bytes_on_disk"]), _ratio(store))
    missing = [name for name in RUN_STORES if name not in found["stores"]]
    for name in missing:
        table.add_row(name, "missing", "-", "-", "-")
    console.print(table)
    if found["exponents"]:
        console.print("exponents, with 95 % intervals")
        exponents = plain_table("from step", "length", "stride", *HEADLINES)
        for row in found["exponents"]:
            where = (str(row[key]) for key in ("waiting_time", "length", "stride"))
            exponents.add_row(*where, *(with_interval(row, name) for name in HEADLINES))
        console.print(exponents)


def _print_sweep(found: Mapping[str, Any], console: Console) -> None:
    runs = found["runs"]
    whole = sum(all(run["stores"].get(name, {}).get("state") == "complete" for name in RUN_STORES) for run in runs)
    console.print(
        f"[bold]{escape(found['path'])}[/bold]: {len(runs)} runs, {whole} of them complete, {size(found['bytes_on_disk'])}"
    )
    table = plain_table("run", "state", "windows", "parameters", "on disk", "ratio", *_FIRST_AND_LAST, "test accuracy")
    for run in runs:
        reached = [row for row in run["exponents"] or [] if row["beta_max"] is not None]
        accuracy = run.get("test_accuracy")
        table.add_row(
            escape(run["name"]),
            escape(_state(run)),
            str(len(run["windows"])) if run["windows"] else "-",
            f"{run['parameters']:,}" if run["parameters"] else "-",
            size(run["bytes_on_disk"]),
            _ratio(run["stores"].get(RUN_STORES[0], {})),
            with_interval(reached[0], "beta_max") if reached else "-",
            with_interval(reached[-1], "beta_long") if reached else "-",
            "-" if accuracy is None else f"{accuracy:.3f}",
        )
    console.print(table)


#: Headings of the exponents that tell a run in short: superdiffusion at first, subdiffusion at long lags in the end.
_FIRST_AND_LAST = ("beta_max at first", "beta_long at last")


def _state(run: Mapping[str, Any]) -> str:
    """Return the state of a run's path, and which of its stores are missing or not whole."""
    missing = [name for name in RUN_STORES[1:] if name not in run["stores"]] if run["stores"] else []
    wrong = [f"{name} {run['stores'][name]['state']}" for name in RUN_STORES[1:] if _wrong(run["stores"].get(name))]
    return "; ".join([run["state"], *(f"no {name}" for name in missing), *wrong])


def _wrong(store: Mapping[str, Any] | None) -> bool:
    return store is not None and store["state"].startswith(("damaged", "unfinished", "unknown"))


def _print_about(found: Mapping[str, Any], console: Console) -> None:
    """Print windows, settings and provenance, as far as they are known."""
    if found.get("windows"):
        console.print(f"  windows    {_windows(found['windows'])}")
    if found.get("settings"):
        console.print(f"  settings   {escape(_settings(found['settings']))}")
    provenance = found.get("provenance")
    if isinstance(provenance, dict):
        versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
        console.print(f"  made with  {versions}; commit {provenance['commit']}; {provenance['device']} on {provenance['host']}")


def _settings(settings: Mapping[str, Any]) -> str:
    """Put the settings that matter most in a line; all of them stand in run.yaml and in the store's attributes."""

    def of(*keys: str) -> Any:
        value: Any = settings
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    length = f"{of('training', 'steps')} steps" if of("training", "steps") else f"{of('training', 'epochs')} epochs"
    parts = [of("model", "name"), f"on {of('data', 'name')}", of("optimiser", "name")]
    parts += [f"learning rate {of('optimiser', 'learning_rate')}", f"batch size {of('training', 'batch_size')}", length]
    parts += [f"weights {of('recording', 'weights')}", f"seed {of('seed')}"]
    return ", ".join(str(part) for part in parts)


def _windows(windows: Sequence[Mapping[str, int]]) -> str:
    """Put windows in words, equal lengths and strides together."""
    if len({(window["length"], window["stride"]) for window in windows}) == 1:
        starts = ", ".join(str(window["start"]) for window in windows[:12]) + (" …" if len(windows) > 12 else "")
        return f"{len(windows)} of {windows[0]['length']} steps, stride {windows[0]['stride']}, from steps {starts}"
    return "; ".join(f"{window['start']}–{window['start'] + window['length']} by {window['stride']}" for window in windows)


def _ratio(sizes: Mapping[str, Any]) -> str:
    return f"{sizes['ratio']:.2f}" if sizes.get("ratio") else "-"


def _on_disk(found: Mapping[str, Any]) -> str:
    words = f"{size(found['bytes_on_disk'])} of {size(found['bytes'])}"
    return words + (f", compressed {found['ratio']:.2f}×" if "ratio" in found else "")
