"""How is a sweep run so that its terminal shows one overview? The command runs as a child process,
and its output goes to a log.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live

from anodiff.cli.overview import Overview, read_overview
from anodiff.cli.overview_text import failure_lines, overview_line, render_overview
from anodiff.cli.snakemake_output import SnakemakeOutput
from anodiff.cli.sweep_parts import SweepParts
from anodiff.cli.time_left import TimeLeft, time_left
from anodiff.errors import ConfigError

#: Least number of seconds between two looks at the files, and between them as a multiple of what a look takes of a
#: processor: less than a hundredth of one core, however many runs there are.
LOOK_EVERY, LOOK_COST = 2.0, 100

#: Seconds between two lines in a log: at most, and at least if a number has changed.
LINE_EVERY, LINE_AFTER_CHANGE = 30.0, 10.0

#: The number of jobs that run at once is the largest one of this many past seconds.
AT_ONCE_SECONDS = 60.0


def follow(sweep: SweepParts, command: Sequence[str], console: Console | None = None) -> int:
    """Run a command that computes a sweep, show how far the sweep is, and return the command's exit
    status: 128 and the signal if a signal has ended it.

    The command belongs to the same group of processes, so Ctrl-C reaches it. SIGTERM is passed on.
    On a terminal the overview is drawn anew every `LOOK_EVERY` seconds. A log gets a line now and
    then.

    Parameters
    ----------
    command
        Its output is appended to ``logs/snakemake.log`` in the sweep's folder.
    console
        Where the overview goes; by default standard error.

    Raises
    ------
    ConfigError
        If there is no such command.
    """
    console = console or Console(stderr=True, highlight=False, soft_wrap=False)
    if shutil.which(command[0]) is None:
        raise ConfigError(f"{command[0]}: no such command")
    log = sweep.results / "logs" / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        begin, start = file.tell(), time.time()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    output = SnakemakeOutput(log, begin)
    if not console.is_terminal:
        print(f"The output of {command[0]}: {log}", file=console.file, flush=True)

    def look() -> Overview:
        output.update()
        return read_overview(sweep, since=start, planned=output.planned, failed=output.failed)

    with _signals_left_to(child):
        _show_until(lambda seconds: _ended(child, seconds), look, console, start, log)
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    if status:
        print(f"{command[0]} has ended with status {status}", file=sys.stderr)
        print(*failure_lines(look(), log, begin=begin), sep="\n", file=sys.stderr)
    elif sweep.page.exists():
        print(f"The page: {sweep.page.resolve()}", file=sys.stderr)
    return status


def watch(sweep: SweepParts, console: Console | None = None) -> None:
    """Show how far a sweep is that another process computes, until it is done."""
    console = console or Console(stderr=True, highlight=False, soft_wrap=False)
    last: list[Overview] = []

    def look() -> Overview:
        last[:] = [read_overview(sweep)]
        return last[0]

    def ended(seconds: float) -> bool:
        if not last[0].done:
            time.sleep(seconds)
        return last[0].done

    _show_until(ended, look, console, time.time(), None)


def _show_until(
    ended: Callable[[float], bool], look: Callable[[], Overview], console: Console, start: float, log: Path | None
) -> None:
    """Show what ``look`` sees until ``ended``, which waits for so many seconds, says so."""
    estimate = _Estimate()
    if not console.is_terminal:
        lines = LogLines()
        while True:
            overview, now = look(), time.time()
            left = estimate(overview, now)
            if lines.is_due(overview, now - start):
                print(overview_line(overview, now - start, left), file=console.file, flush=True)
            if ended(estimate.pause()):
                return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            overview, now = look(), time.time()
            live.update(render_overview(overview, now - start, estimate(overview, now), log), refresh=True)
            if ended(estimate.pause()):
                break
        overview, now = look(), time.time()
        live.update(render_overview(overview, now - start, estimate(overview, now), log), refresh=True)


class LogLines:
    """When a log gets its next line: `LINE_EVERY` seconds after the last one, and
    `LINE_AFTER_CHANGE` if a number has changed.
    """

    def __init__(self) -> None:
        self._last, self._numbers = 0.0, list[Any]()

    def is_due(self, overview: Overview, elapsed: float) -> bool:
        """Return whether ``elapsed`` seconds after the start there is something to say, and note that it is said."""
        numbers = [(stage.done, stage.failed) for stage in overview.stages]
        wait = LINE_AFTER_CHANGE if numbers != self._numbers else LINE_EVERY
        if elapsed - self._last < wait:
            return False
        self._last, self._numbers = elapsed, numbers
        return True


class _Estimate:
    """The time left, with the number of jobs at once from what was seen before; and the seconds to the next look."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._used = time.process_time()

    def pause(self) -> float:
        """Return how long to wait for the next look, from what this one and its drawing took."""
        before, self._used = self._used, time.process_time()
        return max(LOOK_EVERY, LOOK_COST * (self._used - before))

    def __call__(self, overview: Overview, now: float) -> TimeLeft:
        self._seen.append((now, sum(not job.failed for job in overview.jobs)))
        while now - self._seen[0][0] > AT_ONCE_SECONDS:
            self._seen.popleft()
        return time_left(overview, max(running for _, running in self._seen))


def _ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


@contextmanager
def _signals_left_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let the child decide what a signal ends: a terminal sends Ctrl-C to both, and SIGTERM is passed on."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    def leave(number: int, frame: FrameType | None) -> None:
        """Do nothing: the child has the signal, too."""

    before = {signal.SIGINT: signal.signal(signal.SIGINT, leave), signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
