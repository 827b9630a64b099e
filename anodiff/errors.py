"""What can go wrong through a user's doing, each in one line that says what, where, and what to write instead.

Every kind is also the built-in exception that a Python programmer would expect, so that ``except ValueError`` works
in a notebook. The command line prints an `AnodiffError` without a traceback and exits with its status: 2, or after a signal one
that asks for another try.
"""

from __future__ import annotations

import difflib
import os
import signal
from collections.abc import Iterable


class AnodiffError(Exception):
    """Base of all errors that a user can mend."""

    #: Exit status of a command that ends with it.
    exit_status = 2


class ConfigError(AnodiffError, ValueError):
    """A setting is unknown, out of bounds or at odds with another."""


class DatasetMissingError(AnodiffError, FileNotFoundError):
    """The files of a data set are not where the settings say."""


class StoreMissingError(AnodiffError, FileNotFoundError):
    """There is no store at a path."""


class StoreFormatError(AnodiffError, ValueError):
    """A path holds no store of ours, one of another kind, or one of another format version."""


class IncompleteStoreError(AnodiffError, ValueError):
    """A store's writer has not finished, or its chunks do not cover what it says it holds."""


class OutputExistsError(AnodiffError, FileExistsError):
    """A command would replace a finished result without being told to."""


class StorageError(AnodiffError, OSError):
    """The file system refuses to write: full, over quota, or read-only."""


class RunLockedError(AnodiffError, BlockingIOError):
    """Another process works on the same run."""


class Interrupted(AnodiffError, InterruptedError):
    """A signal has ended a training before its last step; another try goes on from its checkpoint.

    Its exit status is 75 (EX_TEMPFAIL of sysexits.h: try again later), or 130 after Ctrl-C as shells have it.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.signal = number
        self.exit_status = 128 + number if number == signal.SIGINT else os.EX_TEMPFAIL


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the half sentence that helps after an unknown name: the nearest known one, or all of them.

    Examples
    --------
    >>> did_you_mean("resnet4", ["mlp", "resnet14"])
    "did you mean 'resnet14'?"
    >>> did_you_mean("x", ["mlp", "vgg9"])
    'known: mlp, vgg9'
    """
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(names)
