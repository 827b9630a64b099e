"""How does `anodiff follow` show a sweep: on a terminal, in a log, and after a failure?"""

from __future__ import annotations

import math
from pathlib import Path

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from anodiff.cli.overview import RUN_STAGES, Job, Overview, Stage
from anodiff.cli.progress import duration, last_lines
from anodiff.cli.time_left import TimeLeft
from anodiff.report.page_state import runs_so_far

#: Running jobs that are shown, and failed ones.
SHOWN_JOBS, SHOWN_FAILURES = 6, 5


def render_overview(overview: Overview, elapsed: float, left: TimeLeft, log: Path | None = None) -> RenderableType:
    """Return the overview for a terminal: stages, running jobs, and where page and log are.

    Parameters
    ----------
    elapsed
        Seconds since the sweep was started.
    log
        Where Snakemake's output goes.
    """
    stages = Table.grid(padding=(0, 2, 0, 0))
    stages.add_column(width=18, no_wrap=True)
    stages.add_column(width=18)
    stages.add_column(justify="right", no_wrap=True)
    stages.add_column(no_wrap=True)
    for stage in overview.stages:
        bar = ProgressBar(stage.total, stage.done, 18, style="dim", complete_style="cyan", finished_style="green")
        stages.add_row("  " + stage.title, bar, f"{stage.done} of {stage.total}", _states(stage))
    lines: list[RenderableType] = [_line(_runs(overview), "bold"), _line(_times(elapsed, left)), stages]
    running = [job for job in overview.jobs if not job.failed]
    lines += [_line("  " + _job_words(job), "dim") for job in running[:SHOWN_JOBS]]
    if len(running) > SHOWN_JOBS:
        lines.append(_line(f"  and {len(running) - SHOWN_JOBS} more jobs", "dim"))
    failed = [job for job in overview.jobs if job.failed]
    lines += [_line(f"  failed: {_name(job)}: {job.last_line}", "red") for job in failed[:SHOWN_FAILURES]]
    lines.append(_line(f"page: {page_words(overview)}"))
    if log:
        lines.append(_line(f"log:  {log}"))
    return Group(*lines)


def overview_line(overview: Overview, elapsed: float, left: TimeLeft) -> str:
    """Return the overview in one line, for a log."""
    begun = [stage for stage in overview.stages if stage.done < stage.total and stage.waiting < stage.total]
    stages = "; ".join(f"{stage.title} {stage.done}/{stage.total}" for stage in begun)
    return f"{_runs(overview)}; {_times(elapsed, left)}{'; ' if stages else ''}{stages}; page: {page_words(overview)}"


def failure_lines(overview: Overview, log: Path, lines: int = 3, begin: int = 0) -> list[str]:
    """Return what a person needs after a failure: which jobs failed, the last lines of their logs,
    and where the whole log is.

    If no job has failed, these are the last lines of Snakemake's output.

    Parameters
    ----------
    begin
        Where the output of this attempt begins in the log, in bytes.
    """
    failed = [job for job in overview.jobs if job.failed]
    found = []
    for job in failed[:SHOWN_FAILURES]:
        found.append(f"failed: {_name(job)}, {job.log}")
        found += [f"    {line}" for line in last_lines(job.log)[-lines:]]
    if len(failed) > SHOWN_FAILURES:
        found.append(f"and {len(failed) - SHOWN_FAILURES} more jobs failed")
    if not failed:
        with log.open("rb") as file:
            file.seek(begin)
            output = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        found += [f"    {line}" for line in output[-4 * lines :]]
    return [*found, f"The whole log: {log}"]


def page_words(overview: Overview) -> str:
    """Return where the page is, and what it shows."""
    page = overview.sweep.page
    shown = runs_so_far(page)
    if shown:
        return f"{page} ({shown[0]} of {shown[1]} runs so far)"
    if not page.exists():
        return f"{page} (after the first run)"
    stage = overview.stages[-1]
    return str(page) if stage.done else f"{page} (of an earlier time)"


def _runs(overview: Overview) -> str:
    total = len(overview.sweep.runs)
    states = ", ".join(f"{number} {state}" for state, number in overview.runs.items() if number)
    return f"{overview.sweep.results.name}: {total} {'run' if total == 1 else 'runs'}: {states}"


def _times(elapsed: float, left: TimeLeft) -> str:
    return f"{duration(round(elapsed))} so far, {left_words(left)}"


def left_words(left: TimeLeft) -> str:
    """Write the time left, no finer than it is known; nothing if nothing is left.

    Examples
    --------
    >>> left_words(TimeLeft(math.nan)), left_words(TimeLeft(24.0)), left_words(TimeLeft(400.0, least=True))
    ('time left unknown yet', 'about 30 s left', 'at least 7 min left')
    """
    if math.isnan(left.seconds):
        return "time left unknown yet"
    if not left.seconds and not left.least:
        return "nothing left"
    if left.seconds < 60:
        words = f"{10 * max(math.ceil(left.seconds / 10), 1)} s"
    elif left.seconds < 7200:
        words = f"{math.ceil(left.seconds / 60)} min"
    else:
        words = f"{math.ceil(left.seconds / 3600)} h"
    return f"{'at least' if left.least else 'about'} {words} left"


def _states(stage: Stage) -> str:
    numbers = {"running": stage.running, "failed": stage.failed, "waiting": stage.waiting}
    return ", ".join(f"{number} {state}" for state, number in numbers.items() if number)


def _name(job: Job) -> str:
    title = RUN_STAGES[job.rule][0] if job.rule in RUN_STAGES else job.rule.replace("_", " ")
    return f"{title} {job.name}".strip()


def _job_words(job: Job) -> str:
    parts = [_name(job), job.progress, f"{duration(round(job.left))} left" if job.left else ""]
    return "  ".join(filter(None, parts))


def _line(words: str, style: str = "") -> Text:
    return Text(words, style=style, no_wrap=True, overflow="ellipsis")
