"""Is there a finished store of the expected kind at this path, and how does a finished one get
there?

The root attributes of a store hold its ``kind``, ``format_version`` and ``status``. The status is
written last, together with the record of all files (`anodiff.storage.integrity`).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.errors import (
    AnodiffError,
    ConfigError,
    IncompleteStoreError,
    OutputExistsError,
    StorageError,
    StoreDamagedError,
    StoreFormatError,
    reason_of,
)
from anodiff.storage.files import sync_folder
from anodiff.storage.integrity import ROOT, RUNNING, read_root, seal
from anodiff.storage.lock import output_lock
from anodiff.storage.tables import DIGEST, TABLE, write_digest

if TYPE_CHECKING:
    import zarr

COMPLETE, DIVERGED = "complete", "diverged"


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
    """Write consolidated metadata, the last attributes and the record of all files: the store now
    counts as finished.

    Raises
    ------
    StoreDamagedError
        If a file that was written is no longer whole.
    """
    import zarr

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)
    seal(Path(group.store.root), {**group.attrs, **attributes, "status": status})  # type: ignore[attr-defined]


def open_group(path: str | Path) -> zarr.Group:
    """Open any Zarr group, whoever wrote it; what is read of a finished store is checked.

    Raises
    ------
    StoreMissingError, StoreFormatError, StoreDamagedError
        If there is nothing at ``path``, or something other than a Zarr group.
    """
    root = read_root(path)
    if root.files is not None and root.attributes.get("status") != RUNNING:
        from anodiff.storage.checked import open_checked

        return open_checked(root)
    import zarr

    try:
        return zarr.open_group(path, mode="r", zarr_format=3)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreDamagedError(path, reason=reason_of(error)) from None


def read_attributes(path: str | Path) -> dict[str, Any]:
    """Return the root attributes of a Zarr group, from their file alone and unchecked: the fast way
    to look at many stores.

    Raises
    ------
    StoreMissingError, StoreFormatError, StoreDamagedError
        If there is nothing at ``path``, or something other than a Zarr group.
    """
    return read_root(path, check=False).attributes


def open_store(path: str | Path, kind: str, version: int) -> zarr.Group:
    """Open a finished store of one kind for reading.

    Whatever is read from it is checked, see `anodiff.storage.checked`.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        If there is nothing, another kind of store, another format version, or a store whose writer
        has not finished.
    StoreDamagedError
        If its metadata are not what was written; and at any later read, if a file is not.
    """
    root = read_root(path)
    found = root.attributes.get("kind")
    if found != kind:
        what = f"holds an {found}" if found else "is a Zarr store that anodiff has not written"
        raise StoreFormatError(f"{path}: {what}; expected an {kind} store")
    written = root.attributes.get("format_version")
    if written != version:
        raise StoreFormatError(
            f"{path}: {kind} format version {written}, but this anodiff reads version {version}; make the store again, "
            "or read it with the anodiff that wrote it"
        )
    if root.attributes.get("status", RUNNING) == RUNNING:
        raise IncompleteStoreError(f"{path}: its writer has not finished or was killed; run the step that makes it again")
    if root.files is None:
        raise StoreDamagedError(path, chunk=ROOT, reason="it has no record of the store's files")
    from anodiff.storage.checked import open_checked

    return open_checked(root)


def publish(finished: str | Path, destination: str | Path) -> None:
    """Move a finished store into place by one rename, so that nobody sees half of it.

    Across file systems the store is first copied next to its destination, under a temporary name.
    If the process is killed, the whole store is at one of the two places, and never a part of it at
    ``finished``.

    Raises
    ------
    OutputExistsError
        If ``destination`` exists.
    RunLockedError
        If another process writes ``destination``.
    """
    finished, destination = Path(finished), Path(destination)
    refuse_existing(destination, overwrite=False)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with output_lock([destination]):
        refuse_existing(destination, overwrite=False)
        _remove_leftovers(destination)
        if finished.stat().st_dev == destination.parent.stat().st_dev:
            finished.rename(destination)
            sync_folder(destination.parent)
            return
        beside = _temporary(destination)
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
    remove it on failure; see `writing_all`.
    """
    with writing_all([output], overwrite=overwrite) as temporary:
        yield temporary[Path(output)]


@contextmanager
def writing_all(outputs: Iterable[str | Path], *, overwrite: bool = False) -> Iterator[dict[Path, Path]]:
    """Yield a temporary path next to each of ``outputs``; rename all of them on success, the first
    one last; remove them on failure.

    The names are this process's own, and it holds the locks of all outputs. So whatever another
    process does at the same time, it removes nothing of this one. Tables (``.csv``) get a digest,
    see `anodiff.storage.tables`.

    Raises
    ------
    ConfigError
        If two outputs have one name.
    OutputExistsError
        If an output exists and ``overwrite`` is false; nothing has been computed yet.
    RunLockedError
        If another process writes one of them.
    StorageError
        If the file system refuses to write; the message is one line with the reason.
    """
    paths = [Path(output) for output in outputs]
    twice = next((path for number, path in enumerate(paths) if path in paths[:number]), None)
    if twice is not None:
        raise ConfigError(f"{twice} is named for two outputs; give each a name of its own")
    temporary = {path: _temporary(path) for path in paths}
    for output in temporary:
        refuse_existing(output, overwrite=overwrite)
    with storage_errors(next(iter(temporary), "")):
        for output in temporary:
            output.parent.mkdir(parents=True, exist_ok=True)
        with output_lock(list(temporary)):
            for output in temporary:
                refuse_existing(output, overwrite=overwrite)  # the process that held the lock may have written it
                _remove_leftovers(output)
            try:
                yield temporary
                for output, made in reversed(temporary.items()):
                    if output.suffix == TABLE:
                        write_digest(made, output)
                    if made.is_dir() or output.is_dir():
                        remove(output)
                    made.replace(output)
            except BaseException:
                for made in temporary.values():
                    _remove_for_good(made)
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


def _temporary(output: Path) -> Path:
    """Return a name next to an output that no other process uses."""
    return output.with_name(f".{output.name}.{uuid.uuid4().hex[:8]}.partial")


def _remove_leftovers(output: Path) -> None:
    """Remove what killed processes left of an output, whose lock this process holds."""
    pattern = re.compile(rf"\.{re.escape(output.name)}\.[0-9a-f]{{8}}\.partial({re.escape(DIGEST)})?")
    for path in list(output.parent.iterdir()):
        if pattern.fullmatch(path.name):
            remove(path)


def _remove_for_good(path: Path) -> None:
    """Remove what a failed writer left until it stays away: Zarr's other threads may still write."""
    for _ in range(100):
        with suppress(OSError):
            remove(path)
        time.sleep(0.02)
        if not path.exists():
            return
