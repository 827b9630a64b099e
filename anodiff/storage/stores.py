"""Is there a finished store of the expected kind at this path, and how does a finished one get
there?

The root attributes of a store hold its ``kind``, ``format_version`` and ``status``. The status is
written last.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.errors import (
    AnodiffError,
    IncompleteStoreError,
    OutputExistsError,
    StorageError,
    StoreFormatError,
    StoreMissingError,
)

if TYPE_CHECKING:
    import zarr

RUNNING, COMPLETE, DIVERGED = "running", "complete", "diverged"


def create_store(path: str | Path, kind: str, version: int, attributes: dict[str, Any]) -> zarr.Group:
    """Make an empty store at ``path``, replacing an unfinished one; it counts as unfinished until
    `finish_store` is called."""
    import zarr

    path = Path(path)
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"kind": kind, "format_version": version, "status": RUNNING}
    return zarr.create_group(path, attributes=header | attributes)


def finish_store(group: zarr.Group, status: str = COMPLETE, **attributes: Any) -> None:
    """Write the last attributes and the consolidated metadata: the store now counts as finished."""
    import zarr

    group.attrs.update(attributes | {"status": status})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)


def open_group(path: str | Path) -> zarr.Group:
    """Open any Zarr group.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing at ``path``, or something other than a Zarr group.
    """
    if not Path(path).exists():
        raise StoreMissingError(f"{path}: no such store")
    import zarr

    try:
        return zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError, TypeError, NotADirectoryError):
        raise StoreFormatError(f"{path}: not a Zarr group") from None


def read_attributes(path: str | Path) -> dict[str, Any]:
    """Return the root attributes of a Zarr group, from their file alone: the fast way to look at many stores.

    Raises
    ------
    StoreMissingError, StoreFormatError
        If there is nothing at ``path``, or something other than a Zarr group.
    """
    if not Path(path).exists():
        raise StoreMissingError(f"{path}: no such store")
    try:
        root = json.loads(Path(path, "zarr.json").read_text(encoding="utf-8"))
        if root["node_type"] == "group":
            return dict(root.get("attributes", {}))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise StoreFormatError(f"{path}: not a Zarr group")


def open_store(path: str | Path, kind: str, version: int) -> zarr.Group:
    """Open a finished store of one kind for reading.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        If there is nothing, another kind of store, another format version, or a store whose writer
        has not finished.
    """
    group = open_group(path)
    found = group.attrs.get("kind")
    if found != kind:
        what = f"holds an {found}" if found else "is a Zarr store that anodiff has not written"
        raise StoreFormatError(f"{path}: {what}; expected an {kind} store")
    written = group.attrs.get("format_version")
    if written != version:
        raise StoreFormatError(
            f"{path}: {kind} format version {written}, but this anodiff reads version {version}; make the store again, "
            "or read it with the anodiff that wrote it"
        )
    if group.attrs.get("status", RUNNING) == RUNNING:
        raise IncompleteStoreError(f"{path}: its writer has not finished or was killed; run the step that makes it again")
    return group


def publish(finished: str | Path, destination: str | Path) -> None:
    """Move a finished store into place by one rename, so that nobody sees half of it.

    Across file systems the store is first copied next to its destination, under a temporary name.
    If the process is killed, the whole store is at one of the two places, and never a part of it at
    ``finished``.

    Raises
    ------
    OutputExistsError
        If ``destination`` exists.
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
        _remove_for_good(beside)
        raise
    discard(finished)


@contextmanager
def writing(output: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to ``output`` to write to; rename it to ``output`` on success,
    remove it on failure.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``overwrite`` is false; nothing has been computed yet.
    StorageError
        If the file system refuses to write; the message is one line with the reason.
    """
    output = Path(output)
    refuse_existing(output, overwrite=overwrite)
    temporary = output.with_name(f".{output.name}.partial")
    try:
        with storage_errors(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)  # left by an earlier attempt that was killed
            yield temporary
            remove(output)
            temporary.rename(output)
    except BaseException:
        _remove_for_good(temporary)
        raise


@contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turn an `OSError` while writing ``path`` into a `StorageError` of one line."""
    try:
        yield
    except AnodiffError:
        raise
    except OSError as error:
        if isinstance(error, shutil.Error):  # from copytree: a list of (source, destination, reason)
            reason = f"{path}: {error.args[0][0][2]}"
        else:
            reason = f"{error.filename or path}: {error.strerror or error}"
        raise StorageError(f"{reason}; nothing was published; free some space and run this again") from None


def refuse_existing(output: Path, *, overwrite: bool) -> None:
    """Raise `OutputExistsError` if ``output`` exists and ``overwrite`` is false.

    A link exists even if it points nowhere, and to overwrite it is to replace the link: what it
    points to stays.
    """
    if os.path.lexists(output) and not overwrite:
        raise OutputExistsError(f"{output} already exists; remove it, or add --overwrite")


def refuse_unwritable(output: Path) -> None:
    """Raise `StorageError` if ``output`` could not be made: its folder is missing and cannot be made, or is read-only."""
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(output.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "cannot be written to", str(output.parent))


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it exists; of a link, only the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Rename a file or folder, then remove it: a kill midway leaves nothing that looks whole."""
    rubbish = path.with_name(f".{path.name}.discarded")
    remove(rubbish)
    if os.path.lexists(path):
        path.rename(rubbish)
        remove(rubbish)


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


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_for_good(path: Path) -> None:
    """Remove what a failed writer left until it stays away: Zarr's other threads may still write."""
    for _ in range(100):
        with suppress(OSError):
            remove(path)
        time.sleep(0.02)
        if not path.exists():
            return


def nearest_existing_folder(folder: Path) -> Path:
    """Return ``folder``, or its nearest parent that exists."""
    folder = folder.expanduser()
    while not folder.is_dir():
        if folder == folder.parent:
            return Path()
        folder = folder.parent
    return folder
