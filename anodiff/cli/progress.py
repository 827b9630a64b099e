"""How far is a long step, how fast is it, and how long will it still take?

A bar on a terminal, a line now and then in a log.
"""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # numpy takes a tenth of a second
    from anodiff.storage.types import ProgressCallback

#: Seconds between two lines of a log, and between two redrawings of a bar.
LOG_EVERY, DRAW_EVERY = 10.0, 0.2

#: The rate is the mean over this many past seconds: steady, but quick to follow a machine that others use too.
RATE_SECONDS = 60.0


class Pace:
    """The rate of a step, from the numbers that it reports.

    A step that resumes from a checkpoint is measured from there. If the numbers fall, the
    measurement starts again.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, done: int, now: float) -> float:
        """Note that ``done`` is reached at time ``now``; return the units per second, or 0 if they
        are not known yet.
        """
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        if not self._seen or now - self._seen[-1][0] >= RATE_SECONDS / 60:
            self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        return (done - before) / (now - then) if now > then else 0.0


@contextmanager
def progress(title: str, unit: str) -> Iterator[ProgressCallback]:
    """Yield a function to call with (done, total, message) at every step; it decides when to show
    them.
    """
    if not sys.stderr.isatty():
        yield _log_to_stderr(title, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn(unit + "{task.fields[pace]}  {task.fields[message]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(title, total=None, message="", pace="")
        pace, start, due = Pace(), time.monotonic(), 0.0

        def draw(done: int, total: int, message: str) -> None:
            nonlocal due
            now = time.monotonic()
            rate = pace.update(done, now)
            if now >= due or done == total:
                due = now + DRAW_EVERY
                bar.update(
                    task, completed=done, total=total, message=message, pace=_describe_pace(done, total, rate, now - start)
                )

        yield draw


def _log_to_stderr(title: str, unit: str) -> ProgressCallback:
    start = time.monotonic()
    due = start + LOG_EVERY
    pace = Pace()

    def log(done: int, total: int, message: str) -> None:
        nonlocal due
        now = time.monotonic()
        rate = pace.update(done, now)
        if now >= due or done == total:
            due = now + LOG_EVERY
            so_far = _describe_pace(done, total, rate, now - start)
            print(f"{title}: {done}/{total} {unit}{so_far}  {message}".rstrip(), file=sys.stderr, flush=True)

    return log


def _describe_pace(done: int, total: int, rate: float, elapsed: float) -> str:
    """Return time, rate and time left in the words that `read_log_line` reads."""
    from humanize import metric

    words = f" in {duration(elapsed)}"
    if rate:
        words += f", {metric(rate)}/s" if rate >= 1 else f", {duration(1 / rate)} each"
    if rate and done < total:
        words += f", {duration((total - done) / rate)} left"
    return words


@dataclass(frozen=True)
class LogLine:
    """A line of a log: how much is done, of how much, the unit, and the rate and the time left as
    written.
    """

    done: int
    total: int
    unit: str
    rate: str
    left: str


_LOG_LINE = re.compile(
    r"^[^:]+: (?P<done>\d+)/(?P<total>\d+) (?P<unit>\S+) in [^,]*?"
    r"(?:, (?P<rate>[^,]+/s|[^,]+ each))?(?:, (?P<left>[^,]+?) left)?(?:  .*)?$"
)


def read_log_line(line: str) -> LogLine | None:
    """Return the content of a line of a log that `progress` has written; None for any other line.

    Examples
    --------
    >>> read_log_line("train mlp: 1422/5000 steps in 10 s, 142/s, 25 s left  loss 0.933")
    LogLine(done=1422, total=5000, unit='steps', rate='142/s', left='25 s')
    >>> read_log_line("anodiff: results/run.yaml: no such file")
    """
    found = _LOG_LINE.match(line)
    if found is None:
        return None
    return LogLine(int(found["done"]), int(found["total"]), found["unit"], found["rate"] or "", found["left"] or "")


def last_lines(log: Path) -> list[str]:
    """Return the last lines of a log that are not blank; only the end of a long log is read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


#: The seconds of each unit that `duration` writes.
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str) -> float:
    """Return the seconds of a span of time that `duration` has written.

    Examples
    --------
    >>> seconds_of("0.25 s"), seconds_of("3 min 07 s"), seconds_of("2 d 08 h")
    (0.25, 187.0, 201600.0)
    """
    words = text.split()
    return float(sum(float(number) * _UNITS[unit] for number, unit in zip(words[::2], words[1::2], strict=True)))


def duration(seconds: float) -> str:
    """Write a span of time with its two largest units.

    Examples
    --------
    >>> duration(0.25), duration(25.4), duration(187), duration(7500), duration(200_000)
    ('0.25 s', '25 s', '3 min 07 s', '2 h 05 min', '2 d 08 h')
    """
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 9.5 and seconds % 1 else f"{seconds:.0f} s"
    if seconds < 3599.5:
        count, rest = divmod(round(seconds), 60)
        return f"{count} min {rest:02d} s"
    if seconds < 86_370:
        count, rest = divmod(round(seconds / 60), 60)
        return f"{count} h {rest:02d} min"
    count, rest = divmod(round(seconds / 3600), 24)
    return f"{count} d {rest:02d} h"
