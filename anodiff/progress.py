"""Shows how far a long step is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, int, str], None]

#: Seconds between two lines of a log, and between two redrawings of a bar.
LOG_EVERY, DRAW_EVERY = 10.0, 0.2


@contextmanager
def progress(title: str, unit: str) -> Iterator[Report]:
    """Give a function to call with (done, total, message) as often as one likes; it shows what is due."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _logged(title, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + "  {task.fields[message]}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=False) as bar:
        task = bar.add_task(title, total=None, message="")
        due = 0.0

        def draw(done: int, total: int, message: str) -> None:
            nonlocal due
            now = time.monotonic()
            if now >= due or done == total:
                due = now + DRAW_EVERY
                bar.update(task, completed=done, total=total, message=message)

        yield draw


def _logged(title: str, unit: str) -> Report:
    start = time.monotonic()
    due = start + LOG_EVERY

    def log(done: int, total: int, message: str) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due or done == total:
            due = now + LOG_EVERY
            print(f"{title}: {done}/{total} {unit} in {now - start:.0f} s  {message}", file=sys.stderr, flush=True)

    return log
