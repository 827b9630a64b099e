"""Where does an interrupted training go on? At its newest checkpoint that is whole and has the same settings.

A checkpoint is one file, written under a temporary name, synced and renamed; its name holds the step and a digest of its
content, so a damaged one is recognised before a byte of it is used. It is read with torch's ``weights_only``: nothing in it
is executed.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from anodiff.errors import ConfigError
from anodiff.storage.stores import remove, sync_folder

#: Version of a checkpoint's content.
VERSION = 2

#: So many are kept: the newest, and one to fall back to.
KEPT = 2

_NAME = re.compile(r"(\d{12})-([0-9a-f]{32})\.pt")
_PARTIAL = ".partial"


def write_checkpoint(folder: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write ``state`` (tensors and plain values) as the checkpoint of ``step`` and return its path.

    Only the one before it is kept beside it.

    Raises
    ------
    OSError
        If the file system refuses; the checkpoints that were there stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / _PARTIAL
    try:
        with partial.open("wb") as file:
            hashed = _HashedFile(file)
            try:
                torch.save({"version": VERSION, **state}, cast(BinaryIO, hashed))
            except RuntimeError:  # what torch makes of an OSError while it writes
                raise hashed.error or OSError(f"{partial}: torch could not write the checkpoint") from None
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    path = folder / f"{step:012d}-{hashed.digest()}.pt"
    partial.replace(path)
    sync_folder(folder)
    before = [other for other in checkpoints(folder) if other != path]
    kept = [other for other in before if _step(other) < step][-(KEPT - 1) :]
    for other in set(before) - set(kept):
        other.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder``, oldest first; whether they are whole is not looked at."""
    return sorted(path for path in folder.glob("*.pt") if _NAME.fullmatch(path.name))


def newest_checkpoint(folder: Path, tell: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the content of the newest checkpoint in ``folder`` that is whole, with tensors on the CPU; None without one.

    Parameters
    ----------
    tell
        Called with a line for a person about every damaged checkpoint.

    Raises
    ------
    ConfigError
        If it was written in another version of the format.
    """
    remove(folder / _PARTIAL)
    found = checkpoints(folder)
    for path in reversed(found):
        content = _read(path)
        if content is None:
            tell(f"{path} is damaged" + ("; falling back to the one before" if path != found[0] else ""))
            continue
        if content.get("version") != VERSION:
            raise ConfigError(
                f"{path}: checkpoint format {content.get('version')}, this anodiff reads {VERSION}; "
                "go on with the version that wrote it, or add --restart to begin anew"
            )
        return content
    if found:
        tell(f"no whole checkpoint is left in {folder}; beginning anew")
    return None


def refuse_other_settings(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise `ConfigError` in one line if a training in progress has other settings than the run: which, and both values."""
    old, new = _dotted(there), _dotted(here)
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if differing:
        listed = ", ".join(f"{key} is {old.get(key)!r} there and {new.get(key)!r} here" for key in differing)
        raise ConfigError(
            f"{folder} holds a training in progress with other settings: {listed}; "
            "give it the settings there to go on, or add --restart (or remove the folder) to begin anew"
        )


class _HashedFile:
    """A file for torch.save, which hashes what is meant to be written and keeps the error that torch would swallow."""

    def __init__(self, file: BinaryIO) -> None:
        self.error: OSError | None = None
        self._file = file
        self._hash = _new_hash()

    def write(self, content: bytes) -> int:
        self._hash.update(content)
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> str:
        return self._hash.hexdigest()


def _new_hash() -> Any:
    return hashlib.blake2b(digest_size=16)


def _step(path: Path) -> int:
    return int(path.name[:12])


def _read(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint's content, or None if it is not what was written."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, _new_hash).hexdigest()
    if digest != path.stem.split("-")[1]:
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError):
        return None


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level of dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
