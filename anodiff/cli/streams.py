"""What if what a command prints cannot be written or shown?

One place for all commands. Standard output that is full or closed ends a command with one line; a
pipe whose reader has left, as in ``| head``, ends it without one. Standard error can be told to
nobody, so a training goes on without it. Letters that the terminal does not have become question
marks.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anodiff.errors import OutputError


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard standard output and error while the block runs, and flush them at its end.

    Streams that are no longer those of the process, as in a notebook or a test, stay as they are.

    Raises
    ------
    OutputError
        If standard output refuses what the block has printed.
    """
    _open_missing()
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guard(sys.stdout, 1, _Output), _guard(sys.stderr, 2, _Errors)
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            sys.stdout, sys.stderr = kept


def _open_missing() -> None:
    """Open each of the three streams that is closed, or the next file that is opened would be taken for it.

    Writing to what is opened here fails as writing to a closed stream does.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 0 else os.O_RDONLY)


def _guard(stream: Any, number: int, raw: type[io.FileIO]) -> Any:
    if stream is not None and stream is not (sys.__stdout__ if number == 1 else sys.__stderr__):
        return stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    buffered = io.BufferedWriter(raw(number, "w", closefd=False))
    lines = number == 2 or os.isatty(number)
    return io.TextIOWrapper(buffered, encoding=encoding, errors="replace", line_buffering=lines)


class _Output(io.FileIO):
    """Standard output: the first refusal is an `OutputError`; what is still in the buffer is then lost."""

    _refused = False

    def write(self, content: Any) -> int:
        if self._refused:
            return len(content)
        try:
            return super().write(content)
        except OSError as error:
            self._refused = True
            raise _output_error(error) from None


class _Errors(io.FileIO):
    """Standard error: nobody can be told that it refuses."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            return len(content)


def _output_error(error: OSError) -> OutputError:
    if error.errno == errno.EPIPE:
        return OutputError("", 128 + signal.SIGPIPE)
    return OutputError(f"standard output: {error.strerror}; not all of it was written", os.EX_IOERR)
