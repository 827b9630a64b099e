"""Is there a finished store of the expected kind at this path? And: how a finished store gets to its place.

Each store's root attributes say its ``kind``, its ``format_version`` and its ``status``; the status is written last.
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import zarr

from anodiff.errors import (
    AnodiffError,
    IncompleteStoreError,
    OutputExistsError,
    StorageError,
    StoreFormatError,
    StoreMissingError,
)

RUNNING, COMPLETE, DIVERGED = "running", "complete", "diverged"


def create_store(path: str | Path, kind: str, version: int, attributes: dict[str, Any]) -> zarr.Group:
    """Make an empty store at ``path``, replacing an unfinished one; it counts as unfinished until `finish_store`."""
    path = Path(path)
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"kind": kind, "format_version": version, "status": RUNNING}
    return zarr.create_group(path, attributes=header | attributes)


def finish_store(group: zarr.Group, status: str = COMPLETE, **attributes: Any) -> None:
    """Write the last attributes and the consolidated metadata: from now on the store counts as finished."""
    group.attrs.update(attributes | {"status": status})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)


def open_group(path: str | Path) -> zarr.Group:
    """Open any Zarr group.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing at ``path``, or no Zarr group.
    """
    if not Path(path).exists():
        raise StoreMissingError(f"{path}: no such store")
    try:
        return zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError, TypeError, NotADirectoryError):
        raise StoreFormatError(f"{path}: not a Zarr group") from None


def open_store(path: str | Path, kind: str, version: int) -> zarr.Group:
    """Open a finished store of one kind for reading.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        In one line: nothing there, something foreign, another format version, or a writer that has not finished.
    """
    group = open_group(path)
    found = group.attrs.get("kind")
    if found != kind:
        what = f"holds an {found}" if found else "is a Zarr store that anodiff has not written"
        raise StoreFormatError(f"{path}: {what}; expected an {kind} store")
    written = group.attrs.get("format_version")
    if written != version:
        raise StoreFormatError(
            f"{path}: {kind} format version {written}, this anodiff reads version {version}; make it anew, or "
            "read it with the version that wrote it"
        )
    if group.attrs.get("status", RUNNING) == RUNNING:
        raise IncompleteStoreError(f"{path}: its writer has not finished, or was killed; run the step that makes it again")
    return group


def publish(finished: str | Path, destination: str | Path) -> None:
    """Move a finished store into place by one rename, so that nobody ever sees a half of it.

    Across file systems the store is first copied beside its destination under a temporary name. A process that is killed leaves
    the whole store at one of the two places, and at ``finished`` never a part of one.

    Raises
    ------
    OutputExistsError
        If something stands at ``destination``.
    """
    finished, destination = Path(finished), Path(destination)
    refuse_existing(destination, overwrite=False)
    destination.parent.mkdir(parents=True, exist_ok=True)
    if finished.stat().st_dev == destination.parent.stat().st_dev:
        finished.rename(destination)
        sync_folder(destination.parent)
        return
    beside = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        shutil.copytree(finished, beside)
        beside.rename(destination)
    except BaseException:
        _discard(beside)
        raise
    discard(finished)


@contextmanager
def writing(output: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``output`` to write to; published on success, removed on failure.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``overwrite`` is false; nothing has been computed yet.
    StorageError
        If the file system refuses: one line, with its reason.
    """
    output = Path(output)
    refuse_existing(output, overwrite=overwrite)
    temporary = output.with_name(f".{output.name}.partial")
    try:
        with storage_errors(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)  # what an earlier attempt left that was killed
            yield temporary
            remove(output)
            temporary.rename(output)
    except BaseException:
        _discard(temporary)
        raise


@contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turn the file system's refusal to write ``path`` into one line."""
    try:
        yield
    except AnodiffError:
        raise
    except OSError as error:
        if isinstance(error, shutil.Error):  # of copytree: a list of (source, destination, reason)
            reason = f"{path}: {error.args[0][0][2]}"
        else:
            reason = f"{error.filename or path}: {error.strerror or error}"
        raise StorageError(f"{reason}; nothing was published, make room and run this again") from None


def refuse_existing(output: Path, *, overwrite: bool) -> None:
    """Raise `OutputExistsError` if ``output`` exists and may not be replaced."""
    if output.exists() and not overwrite:
        raise OutputExistsError(f"{output} exists already; remove it, or add --overwrite")


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a file or folder under another name, so that a kill midway leaves nothing that looks whole."""
    rubbish = path.with_name(f".{path.name}.discarded")
    remove(rubbish)
    if path.exists():
        path.rename(rubbish)
        remove(rubbish)


def sync_files(folder: Path, done: Container[tuple[Path, int]] = ()) -> set[tuple[Path, int]]:
    """Make the files in a folder and below outlast a loss of power; return them, each with the time of its last change.

    Those in ``done``, unchanged since, are left out.
    """
    files = {(path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    new = {file for file in files if file not in done}
    for path, _ in new:
        _sync(path)
    for parent in {path.parent for path, _ in new}:
        sync_folder(parent)
    return new


def sync_folder(path: Path) -> None:
    """Make the names in a folder outlast a loss of power; a file system that cannot do so is left alone."""
    with suppress(OSError):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove what a failed writer left: until it stays away, since Zarr's other threads write on after the first has failed."""
    for _ in range(100):
        with suppress(OSError):
            remove(path)
        time.sleep(0.02)
        if not path.exists():
            return


def existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    folder = folder.expanduser()
    while not folder.is_dir():
        if folder == folder.parent:
            return Path()
        folder = folder.parent
    return folder
