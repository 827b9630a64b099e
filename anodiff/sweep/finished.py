"""Must a run be trained, or is its finished path the one that its settings ask for?

The store says it, not time stamps: these change when results are copied, and a scheduler that
forgets what it did would train everything again. `write_mark` tells Snakemake: a rule has a small
file among its inputs, which is older than any output while the output is right.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from anodiff.errors import AnodiffError
from anodiff.settings.run import RunSettings
from anodiff.settings.stored import differing_settings
from anodiff.storage.files import LONG_AGO
from anodiff.storage.stores import RUNNING, read_attributes
from anodiff.trajectory.format import KIND, VERSION


def why_train(store: Path, settings: RunSettings) -> str:
    """Return why a run must be trained; nothing if ``store`` is its finished path, with these settings."""
    if not store.exists():
        return f"there is no {store.name}"
    try:
        attributes = read_attributes(store)
    except AnodiffError as error:
        return str(error)
    if attributes.get("kind") != KIND:
        return f"{store}: no store of a path"
    if attributes.get("format_version") != VERSION:
        return f"{store}: format version {attributes.get('format_version')}, this anodiff writes version {VERSION}"
    if attributes.get("status", RUNNING) == RUNNING:
        return f"{store}: its writer has not finished"
    differing = differing_settings(attributes.get("settings") or {}, settings)
    return f"{store}: other settings: {', '.join(differing)}" if differing else ""


def why_gather(table: Path, runs: Iterable[str]) -> str:
    """Return why a table of runs must be made again: it has other runs than these; nothing if it has not,
    or does not exist.

    The table is a CSV file with a column ``run``.
    """
    if not table.exists():
        return ""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            found = {row["run"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):
        return f"{table}: no table of runs"
    wanted = set(runs)
    reasons = [
        f"{len(names)} run{'s' * (len(names) > 1)} {text}, such as {min(names)}"
        for names, text in ((found - wanted, "no longer in the config"), (wanted - found, "missing"))
        if names
    ]
    return f"{table}: {' and '.join(reasons)}" if reasons else ""


def write_mark(mark: Path, content: str, why: str) -> None:
    """Write an input of a Snakemake rule that is newer than its outputs, if there is a reason ``why``
    to make them again, and older if not.

    Snakemake runs a job again if an input is newer than an output, and, as far as it remembers, has
    another content. So the mark holds ``content``, which says what is wanted, and the reason.
    """
    text = f"{content}\n{why}\n"
    if not mark.exists() or mark.read_text(encoding="utf-8") != text:
        mark.parent.mkdir(parents=True, exist_ok=True)
        partial = mark.with_name(f".{mark.name[:200]}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(mark)
    os.utime(mark, None if why else (LONG_AGO, LONG_AGO))
