"""Are files safe on the disk, and on which? After a power failure they are there if they were flushed."""

from __future__ import annotations

import os
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

#: 1 January 1980, in seconds since 1970. A file of that time is older than all that Snakemake compares it
#: with; it ignores 0.
LONG_AGO = 315_532_800


def sync_files(folder: Path, done: Container[tuple[Path, int]] = ()) -> set[tuple[Path, int]]:
    """Flush the files in a folder and below to disk, so that they survive a power failure.

    Files in ``done`` are skipped unless they have changed since. The return value holds the files
    that were flushed, each with the time of its last change in ns.
    """
    files = {(path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    new = {file for file in files if file not in done}
    for path, _ in new:
        _fsync(path)
    for parent in {path.parent for path, _ in new}:
        sync_folder(parent)
    return new


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to disk, if its file system can do so."""
    with suppress(OSError):
        _fsync(path)


def nearest_existing_folder(folder: Path) -> Path:
    """Return ``folder``, or its nearest parent that exists."""
    folder = folder.expanduser()
    while not folder.is_dir():
        if folder == folder.parent:
            return Path()
        folder = folder.parent
    return folder


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
