"""Which mistakes can a user make and fix? Each message is one line: what is wrong, where, and what
to write instead.

Every error is also the built-in exception that a Python programmer expects, so that ``except
ValueError`` works in a notebook. The command line prints an `AnodiffError` without a traceback and
exits with its status: 2, or after a signal a status that asks for another attempt.
"""

from __future__ import annotations

import difflib
import os
import signal
from collections.abc import Iterable


class AnodiffError(Exception):
    """Base of all errors that a user can fix. Whatever is quoted in it, the message is one line."""

    #: Exit status of a command that ends with this error.
    exit_status = 2

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


class ConfigError(AnodiffError, ValueError):
    """A setting is unknown, out of bounds or in conflict with another."""


class NoValueError(ConfigError):
    """There is no such number here, though nothing is wrong: the path stands still, the curvature is
    not finite. A stage notes the reason and goes on with its other parts.
    """


class DatasetMissingError(AnodiffError, FileNotFoundError):
    """The files of a data set are missing, or damaged."""


class StoreMissingError(AnodiffError, FileNotFoundError):
    """There is no store at this path."""


class StoreFormatError(AnodiffError, ValueError):
    """The store is not one of anodiff's, or has another kind or format version."""


class StoreDamagedError(StoreFormatError):
    """A file of a finished store, or a table, is no longer what its writer wrote.

    Attributes
    ----------
    path
        The store or table.
    array, chunk
        The array and its file, such as ``c/0/0``; without an array, the file in the store; both are
        empty for a table.
    reason
        What is wrong with the file.
    """

    def __init__(self, path: str | os.PathLike[str], array: str = "", chunk: str = "", reason: str = "damaged") -> None:
        file = "/".join(part for part in (array, chunk) if part)
        where = f"{path}: {file}" if file else str(path)
        why = " ".join(reason.split())
        super().__init__(f"{where} is damaged: {why}; make it again, or copy it again from where it is whole")
        self.path, self.array, self.chunk, self.reason = path, array, chunk, reason


class IncompleteStoreError(AnodiffError, ValueError):
    """A store's writer has not finished, or left out some of its chunks."""


class OutputExistsError(AnodiffError, FileExistsError):
    """A command would replace a finished result, without ``--overwrite``."""


class StorageError(AnodiffError, OSError):
    """The file system refuses to write: it is full, over quota, or read-only."""


class LostRankError(AnodiffError, ConnectionError):
    """Another process of a distributed training has ended, or does not answer."""


class RunLockedError(AnodiffError, BlockingIOError):
    """Another process works on this run, or writes this output."""


class OutputError(AnodiffError, OSError):
    """Standard output refuses what a command prints: it is full or closed, or its reader has left.

    The exit status is 74 (EX_IOERR in sysexits.h), or 141 without a reader, as in shells. Then there
    is no message: the reader has what it wanted.
    """

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Interrupted(AnodiffError, InterruptedError):
    """A signal has stopped a training before its last step; the same command resumes it from its
    checkpoint.

    The exit status is 75 (EX_TEMPFAIL in sysexits.h: try again later), or 130 after Ctrl-C, as in
    shells.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.signal = number
        self.exit_status = 128 + number if number == signal.SIGINT else os.EX_TEMPFAIL


def one_line(text: str, longest: int = 2000) -> str:
    r"""Return ``text`` on one line that a terminal prints as it is: characters that are not
    printable are written as in Python, and the middle of a long text is left out.

    Examples
    --------
    >>> one_line("a\nb")
    'a\\nb'
    >>> one_line("0123456789", longest=5)
    '01…89'
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[len(text) - longest // 2 :]}"
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quoted(value: object) -> str:
    """Return how a message repeats a value that the user wrote: shortened, whatever it is."""
    return one_line(repr(value), longest=100)


def reason_of(error: BaseException) -> str:
    """Return an error's message as one line, or its type if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the nearest known name, or all
    known names.

    Examples
    --------
    >>> did_you_mean("resnet4", ["mlp", "resnet14"])
    "did you mean 'resnet14'?"
    >>> did_you_mean("x", ["mlp", "vgg9"])
    'known: mlp, vgg9'
    """
    names = list(known)
    near = difflib.get_close_matches(word[:100], names, n=1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(names)
