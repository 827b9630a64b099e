"""How long will a sweep still take? From how long its finished jobs took.

A job is expected to take the mean over the finished jobs of its rule: those of the same network if
there are any, otherwise all. Jobs of earlier attempts count, too. If none has finished, a running
one tells: the seconds so far, and those left by its log. The work of all jobs that run or wait is
divided by the number of jobs that run at once, and is not less than the longest of them.

As long as nothing is known about one stage of the runs, the time left is unknown. The jobs of the
whole sweep are few, and come last. While nothing is known about one of them, the time left is a
lower bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from anodiff.cli.overview import RUN_STAGES, Job, Overview, Stage


@dataclass(frozen=True)
class TimeLeft:
    """The seconds left; NaN if they are unknown. ``least`` says that they are a lower bound."""

    seconds: float
    least: bool = False


def time_left(overview: Overview, at_once: int) -> TimeLeft:
    """Return the time left of a sweep of which ``at_once`` jobs run at once."""
    work = longest = 0.0
    least = False
    for stage in overview.stages:
        of_runs = stage.rule in RUN_STAGES
        jobs = [job for job in overview.jobs if job.rule == stage.rule and not job.failed]
        seconds = overview.seconds.get(stage.rule, {})
        rest = _of_runs(stage, jobs, seconds) if of_runs else _of_sweep(stage, jobs, seconds)
        if any(map(math.isnan, rest)):
            if of_runs:
                return TimeLeft(math.nan)
            least = True
            rest = [value for value in rest if not math.isnan(value)]
        work += sum(rest)
        longest = max([longest, *rest])
    return TimeLeft(max(work / max(at_once, 1), longest), least)


def _of_runs(stage: Stage, jobs: list[Job], seconds: dict[str, float]) -> list[float]:
    """Return the seconds left of each job of a stage of the runs; NaN if nothing is known."""
    known = _Means(seconds or {job.name: job.elapsed + job.left for job in jobs if job.left is not None})
    rest = [_left(job, known.of(job.name) if seconds else math.nan) for job in jobs]
    rest += [known.of(run) for run in stage.waiting_runs]
    return rest + [known.of_all] * (stage.waiting - len(stage.waiting_runs))


def _of_sweep(stage: Stage, jobs: list[Job], seconds: dict[str, float]) -> list[float]:
    """Return the seconds left of the jobs of a stage of the whole sweep, which make ``stage.total`` results together."""
    if stage.done == stage.total:
        return []
    if jobs:
        return [_left(job, seconds.get(job.name, math.nan)) for job in jobs]
    return [sum(seconds.values()) * stage.waiting / stage.total if seconds else math.nan]


def _left(job: Job, expected: float) -> float:
    """Return the seconds left of a running job: those by its log, or more if such jobs took longer."""
    known = [seconds for seconds in (job.left, expected - job.elapsed) if seconds is not None and not math.isnan(seconds)]
    return max(0.0, *known) if known else math.nan


class _Means:
    """Mean seconds of the jobs of a stage: of each network, and of all; NaN without any."""

    def __init__(self, seconds: dict[str, float]) -> None:
        own: dict[str, list[float]] = {}
        for run, value in seconds.items():
            own.setdefault(_network(run), []).append(value)
        self._own = {network: fmean(values) for network, values in own.items()}
        self.of_all = fmean(seconds.values()) if seconds else math.nan

    def of(self, run: str) -> float:
        return self._own.get(_network(run), self.of_all)


def _network(run: str) -> str:
    """Return the first part of a run's name."""
    return run.partition("-")[0]
