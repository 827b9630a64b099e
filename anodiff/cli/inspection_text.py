"""How does `anodiff inspect` print a store, a run's folder or a sweep's folder for a person?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from humanize import naturalsize
from rich.console import Console
from rich.markup import escape

from anodiff.cli.console import plain_table, wide_console, with_interval
from anodiff.cli.inspection import HEADLINES, RUN_STORES, inspect_path
from anodiff.errors import one_line
from anodiff.trajectory.format import EPOCH_SERIES

#: Names of learning curves, groups or walks that are printed, at most.
MOST_NAMES = 8


def print_inspection(path: str | Path, console: Console | None = None) -> None:
    """Print what ``path`` contains.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing, or nothing that anodiff can read.
    """
    console = console or wide_console()
    found = inspect_path(path)
    {"store": _print_store, "run": _print_run, "sweep": _print_sweep}[found["holds"]](found, console)


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
            naturalsize(array["bytes"]),
            naturalsize(array["bytes_on_disk"]),
            _ratio(array),
        )
    console.print(table)


def _print_run(found: Mapping[str, Any], console: Console) -> None:
    console.print(f"[bold]{escape(found['path'])}[/bold]: a run")
    console.print(f"  {escape(found['state'])}")
    _print_about(found, console)
    reached = [f"{name.replace('_', ' ')} {found[name]:.4g}" for name in EPOCH_SERIES if found.get(name) is not None]
    if reached:
        console.print(f"  at the end {', '.join(reached)}")
    console.print(f"  on disk    {naturalsize(found['bytes_on_disk'])}")
    table = plain_table("store", "state", "bytes", "stored", "ratio")
    for name, store in found["stores"].items():
        bytes_ = naturalsize(store["bytes"]) if "bytes" in store else "-"
        table.add_row(escape(name), escape(store["state"]), bytes_, naturalsize(store["bytes_on_disk"]), _ratio(store))
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
    complete = sum(all(run["stores"].get(name, {}).get("state") == "complete" for name in RUN_STORES) for run in runs)
    stored = naturalsize(found["bytes_on_disk"])
    console.print(f"[bold]{escape(found['path'])}[/bold]: {len(runs)} runs, {complete} of them complete, {stored}")
    table = plain_table("run", "state", "windows", "parameters", "on disk", "ratio", *_FIRST_AND_LAST, "test accuracy")
    for run in runs:
        reached = [row for row in run["exponents"] or [] if row["beta_max"] is not None]
        accuracy = run.get("test_accuracy")
        table.add_row(
            escape(run["name"]),
            escape(_state(run)),
            str(len(run["windows"])) if run["windows"] else "-",
            f"{run['parameters']:,}" if run["parameters"] else "-",
            naturalsize(run["bytes_on_disk"]),
            _ratio(run["stores"].get(RUN_STORES[0], {})),
            with_interval(reached[0], "beta_max") if reached else "-",
            with_interval(reached[-1], "beta_long") if reached else "-",
            "-" if accuracy is None else f"{accuracy:.3f}",
        )
    console.print(table)


#: Headings of the exponents that sum up a run: the first window's largest, and the last window's over the long lags.
_FIRST_AND_LAST = ("first beta_max", "last beta_long")


def _state(run: Mapping[str, Any]) -> str:
    """Return the state of a run's path, and which of its other stores are missing or broken."""
    missing = [name for name in RUN_STORES[1:] if name not in run["stores"]] if run["stores"] else []
    broken = [f"{name} {run['stores'][name]['state']}" for name in RUN_STORES[1:] if _is_broken(run["stores"].get(name))]
    return "; ".join([run["state"], *(f"no {name}" for name in missing), *broken])


def _is_broken(store: Mapping[str, Any] | None) -> bool:
    return store is not None and store["state"].startswith(("damaged", "unfinished", "unknown"))


def _print_about(found: Mapping[str, Any], console: Console) -> None:
    """Print windows, settings and provenance, if known."""
    if found.get("windows"):
        console.print(f"  windows    {_windows(found['windows'])}")
    if found.get("settings"):
        console.print(f"  settings   {escape(_settings(found['settings']))}")
    for key in ("curves", "groups", "walks"):
        if found.get(key):
            names = list(dict.fromkeys(one_line(str(name), 60) for name in found[key]))
            shown = names if len(names) <= MOST_NAMES else [*names[:MOST_NAMES], "…"]
            console.print(f"  {key:<10} {len(found[key])}: {escape(', '.join(shown))}")
    provenance = found.get("provenance")
    if isinstance(provenance, dict):
        versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
        console.print(f"  made with  {versions}; commit {provenance['commit']}; {provenance['device']} on {provenance['host']}")


def _settings(settings: Mapping[str, Any]) -> str:
    """Return the most important settings in a line; all of them are in run.yaml and in the store's
    attributes.
    """

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
    """Return the windows in words, in a short form if all have the same length and stride."""
    if len({(window["length"], window["stride"]) for window in windows}) == 1:
        starts = ", ".join(str(window["start"]) for window in windows[:12]) + (" …" if len(windows) > 12 else "")
        return f"{len(windows)} of {windows[0]['length']} steps, stride {windows[0]['stride']}, from steps {starts}"
    return "; ".join(f"{window['start']}–{window['start'] + window['length']}, stride {window['stride']}" for window in windows)


def _ratio(sizes: Mapping[str, Any]) -> str:
    return f"{sizes['ratio']:.2f}" if sizes.get("ratio") else "-"


def _on_disk(found: Mapping[str, Any]) -> str:
    words = f"{naturalsize(found['bytes_on_disk'])} of {naturalsize(found['bytes'])}"
    return words + (f", compressed {found['ratio']:.2f}×" if "ratio" in found else "")
