"""Where does an interrupted run resume? At its newest intact checkpoint with the same settings.

A checkpoint is one file: written under a temporary name, synced, renamed. Its name holds the step
and a digest of its content, so damage is found before any of it is used. It is read with torch's
``weights_only``, so nothing in it is executed.
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
from anodiff.settings.run import RunSettings
from anodiff.settings.stored import differing_settings
from anodiff.storage.files import sync_folder
from anodiff.storage.stores import remove

#: Version of a checkpoint's content.
VERSION = 2

#: Checkpoints that are kept: the newest, and one to fall back to.
KEPT = 2

_NAME = re.compile(r"(\d{12})-([0-9a-f]{32})\.pt")
_PARTIAL = ".partial"


def write_checkpoint(folder: Path, step: int, content: Mapping[str, Any]) -> Path:
    """Write ``content``, tensors and plain values, as the checkpoint of ``step``; return its path.

    Only the previous checkpoint is kept besides it.

    Raises
    ------
    OSError
        If the file system refuses; earlier checkpoints stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / _PARTIAL
    try:
        with partial.open("wb") as file:
            hashed = _HashedFile(file)
            try:
                torch.save({"version": VERSION, **content}, cast(BinaryIO, hashed))
            except RuntimeError:  # torch turns an OSError while writing into this
                raise hashed.error or OSError(f"{partial}: torch could not write the checkpoint") from None
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    path = folder / f"{step:012d}-{hashed.digest()}.pt"
    partial.replace(path)
    sync_folder(folder)
    others = [other for other in checkpoints(folder) if other != path]
    kept = [other for other in others if _step(other) < step][-(KEPT - 1) :]
    for other in set(others) - set(kept):
        other.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder``, oldest first, damaged ones included."""
    return sorted(path for path in folder.glob("*.pt") if _NAME.fullmatch(path.name))


def newest_checkpoint(folder: Path, notify: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the content of the newest intact checkpoint in ``folder``; None without one.

    Its tensors are on the CPU.

    Parameters
    ----------
    notify
        Called with a line about each damaged checkpoint.

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
            notify(f"{path} is damaged" + ("; falling back to the previous one" if path != found[0] else ""))
            continue
        if "version" not in content:
            notify(f"{path} is no checkpoint, although its digest is right")
            continue
        if content["version"] != VERSION:
            raise ConfigError(
                f"{path}: checkpoint format {content.get('version')}, but this anodiff reads {VERSION}; "
                "resume with the version that wrote it, or add --restart to start again from step 0"
            )
        return content
    if found:
        notify(f"no intact checkpoint is left in {folder}; starting again from step 0")
    return None


def refuse_other_settings(folder: Path, stored: Mapping[str, Any], current: RunSettings) -> None:
    """Raise `ConfigError` if an unfinished run has other settings, with both values of each."""
    differing = differing_settings(stored, current)
    if differing:
        raise ConfigError(
            f"{folder} holds an unfinished run with other settings: {', '.join(differing)}; "
            "use its settings to resume it, or add --restart (or remove the folder) to start again from step 0"
        )


class _HashedFile:
    """A file for torch.save that hashes its content and keeps the error that torch would hide."""

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
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, _new_hash).hexdigest()
    except OSError:
        return None
    if digest != path.stem.split("-")[1]:
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, KeyError, AttributeError, pickle.UnpicklingError):
        return None
    return content if isinstance(content, dict) else None
