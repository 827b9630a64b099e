"""How far is each stage of a sweep, what runs now, and where will the page be? From files alone.

A job has a log, and a benchmark that Snakemake writes once the job has succeeded. So a job whose
log is newer than its benchmark has begun and has not ended, or has failed. The output of a job is
there as a whole or not at all. Snakemake's own output adds what files cannot say: see
`anodiff.cli.snakemake_output`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anodiff.cli.job import read_begin
from anodiff.cli.job_files import benchmark_seconds, changed, times
from anodiff.cli.progress import LogLine, last_lines, read_log_line, seconds_of
from anodiff.cli.status import LANDSCAPE_STAGES, OPTIONAL_STAGES, SILENCE, STAGES
from anodiff.cli.sweep_parts import SweepParts
from anodiff.report.figures.catalogue import (
    CHARACTER_FIGURES,
    FIGURES,
    LANDSCAPE_FIGURES,
    LEARNING_FIGURES,
    MODEL_FIGURES,
    PART_FIGURES,
)

#: Titles of stages that are not called like their rules.
TITLES = {"train": "training", "characterise": "characters", "landscape": "slices", "run_figure": "run figures"}

#: Stages of the runs that have a landscape.
LANDSCAPE = tuple(LANDSCAPE_STAGES)

#: The stages of a run, in their order: rule, title and output; those of the landscape only for some runs.
RUN_STAGES = {
    rule: (TITLES.get(rule, rule), output) for rule, output in (STAGES | OPTIONAL_STAGES | {"run_figure": "figures"}).items()
}

#: Rules whose logs count from 0 for each part of a job, so the time left in them is that of the part.
IN_PARTS = ("landscape",)

#: Keys of `anodiff.sweep.tables.TABLES`, whose import takes a second; those that need
#: characters, the landscape, learning curves, parts or the simplified model.
TABLES = ("exponents", "ensembles", "configurations", "tails", "claims")
CHARACTER_TABLES, LANDSCAPE_TABLES, MODEL_TABLES = ("characters",), ("landscape",), ("simplified_model",)
LEARNING_TABLES, PART_TABLES = ("learning", "learning_windows", "learning_relations"), ("parts",)

#: The figure of runs with a cue.
CUE_FIGURE = "starvation"


@dataclass(frozen=True)
class Job:
    """A job that runs or has failed.

    Attributes
    ----------
    rule, name
        Its rule, and its run; the name is empty for a job of the whole sweep.
    failed
        Whether it has failed; otherwise it runs.
    elapsed, left
        Seconds since it began, and seconds left by its log; 0 and None if the log does not say.
    progress
        What its log said last, such as ``1422/5000 steps``.
    last_line
        The last line of its log.
    """

    rule: str
    name: str
    log: Path
    failed: bool = False
    elapsed: float = 0.0
    left: float | None = None
    progress: str = ""
    last_line: str = ""


@dataclass(frozen=True)
class Stage:
    """How many of a stage's results are in which state.

    Attributes
    ----------
    waiting_runs
        The runs that wait; fewer than ``waiting`` if finished results are made again.
    """

    rule: str
    title: str
    total: int
    done: int
    running: int = 0
    failed: int = 0
    waiting_runs: tuple[str, ...] = ()

    @property
    def waiting(self) -> int:
        """The number of results that are not there, not being made, and have not failed."""
        return self.total - self.done - self.running - self.failed


@dataclass(frozen=True)
class Overview:
    """How far a sweep is.

    Attributes
    ----------
    runs
        The number of its runs that are done, running, failed and waiting.
    seconds
        How long the finished jobs of each rule took, by run.
    """

    sweep: SweepParts
    stages: list[Stage]
    jobs: list[Job]
    runs: dict[str, int]
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether everything is there."""
        return all(stage.done == stage.total for stage in self.stages)


def read_overview(
    sweep: SweepParts,
    *,
    since: float | None = None,
    planned: Mapping[str, int] | None = None,
    failed: Collection[Path] = (),
    now: float | None = None,
) -> Overview:
    """Return how far a sweep is.

    Parameters
    ----------
    since
        When the process that runs the sweep has begun, in seconds since 1970: jobs whose log is
        newer run, unless they have failed. Without it, a log counts for `anodiff.cli.status.SILENCE`.
    planned
        How many jobs of each rule that process runs; more than results that are missing if some are
        made again.
    failed
        Logs of the jobs that are known to have failed.
    """
    now = time.time() if now is None else now
    reader = _Reader(sweep, since, failed, now)
    stages = [reader.run_stage(rule, (planned or {}).get(rule, 0)) for rule in RUN_STAGES]
    stages += [reader.model(), reader.tables(), reader.figures(), reader.page()]
    states = [reader.state_of_run(run) for run in sweep.runs]
    runs = {state: states.count(state) for state in ("done", "running", "failed", "waiting")}
    return Overview(sweep, [stage for stage in stages if stage.total], reader.jobs, runs, reader.seconds)


class _Reader:
    """Reads one overview, and collects the jobs and their times as it goes."""

    def __init__(self, sweep: SweepParts, since: float | None, failed: Collection[Path], now: float) -> None:
        self.sweep, self.since, self.failed, self.now = sweep, since, failed, now
        self.jobs: list[Job] = []
        self.seconds: dict[str, dict[str, float]] = {}
        self.missing: set[str] = set()
        self.made: dict[str, list[float]] = {}

    def run_stage(self, rule: str, planned: int) -> Stage:
        title, output = RUN_STAGES[rule]
        runs = self._runs_with(rule)
        logs, ended = self._logs(rule), self._benchmarks(rule)
        made = {run: changed(f"{self.sweep.results}/runs/{run}/{output}") for run in runs}
        absent = [run for run, at in made.items() if not at]
        begun = [job for run in absent if run in logs and (job := self._job(rule, run, logs[run], ended.get(run, 0.0)))]
        failures = sum(job.failed for job in begun)
        names = {job.name for job in begun}
        waiting = [run for run in absent if run not in names]
        self.missing.update(absent)
        self.made[rule] = list(made.values())
        made_since = sum(logs.get(run, 0.0) >= (self.since or 0.0) for run, at in made.items() if at)
        again = max(planned - made_since - len(absent), 0)
        done = max(len(runs) - len(absent) - again, 0)
        return Stage(rule, title, len(runs), done, len(begun) - failures, failures, tuple(waiting))

    def _runs_with(self, rule: str) -> tuple[str, ...]:
        """Return the runs that have a stage."""
        sweep = self.sweep
        some = {"run_figure": sweep.drawn, "learning": sweep.learning, "parts": sweep.parts}
        some["characterise"] = sweep.runs if sweep.characters else ()
        return sweep.landscapes if rule in LANDSCAPE else some.get(rule, sweep.runs)

    def model(self) -> Stage:
        there = (self.sweep.results / "tables" / "simplified_model.csv").exists()
        return self._whole("simplified_model", "simplified model", int(self.sweep.model), int(self.sweep.model and there))

    def tables(self) -> Stage:
        kinds = self._by_stage(TABLES, CHARACTER_TABLES, PART_TABLES, LANDSCAPE_TABLES, LEARNING_TABLES)
        return self._files("tables", "tables", ".csv", kinds)

    def figures(self) -> Stage:
        of_parts = {"layers": self.sweep.groups, "walks": self.sweep.walks}
        parts = [kind for kind in PART_FIGURES if of_parts[kind]]
        learning = [kind for kind in LEARNING_FIGURES if self.sweep.cue or kind != CUE_FIGURE]
        kinds = self._by_stage(FIGURES, CHARACTER_FIGURES, parts, LANDSCAPE_FIGURES, learning)
        if self.sweep.model:
            kinds |= dict.fromkeys(MODEL_FIGURES, changed(self.sweep.results / "simplified_model.zarr"))
        return self._files("figures", "figures", ".svg", kinds)

    def _by_stage(self, always: Iterable[str], *further: Iterable[str]) -> dict[str, float]:
        """Return when the sources of each kind are from; ``further`` are those of characters, parts, landscapes, learning."""
        sweep, kinds = self.sweep, dict.fromkeys(always, self._newest("diffusion"))
        there = (sweep.characters, sweep.parts, sweep.landscapes, sweep.learning)
        for has, own, rules in zip(there, further, (("characterise",), ("parts",), LANDSCAPE, ("learning",)), strict=True):
            kinds |= dict.fromkeys(own, self._newest("diffusion", *rules)) if has else {}
        return kinds

    def page(self) -> Stage:
        inputs = [*(self.sweep.results / "figures").glob("*.svg"), *(self.sweep.results / "tables").glob("*.csv")]
        newest = max([self._newest("run_figure"), *map(changed, inputs)])
        return self._whole("page", "page", 1, int(changed(self.sweep.page) >= newest > 0))

    def state_of_run(self, run: str) -> str:
        own = [job for job in self.jobs if job.name == run and job.rule in RUN_STAGES]
        if any(not job.failed for job in own):
            return "running"
        if own:
            return "failed"
        return "waiting" if run in self.missing else "done"

    def _files(self, rule: str, title: str, ending: str, kinds: Mapping[str, float]) -> Stage:
        """Return how many files are there and not older than what they are made from."""
        folder = self.sweep.results / rule
        done = sum(changed(folder / f"{kind}{ending}") >= newest > 0 for kind, newest in kinds.items())
        return self._whole(rule, title, len(kinds), done)

    def _whole(self, rule: str, title: str, total: int, done: int) -> Stage:
        """Return a stage of the whole sweep, whose jobs make any number of results each."""
        begun: list[Job] = []
        ended = self._benchmarks(rule)
        if done < total:
            logs = self._logs(rule)
            begun = [job for name, log in logs.items() if (job := self._job(rule, name, log, ended.get(name, 0.0)))]
        failures, rest = sum(job.failed for job in begun), total - done
        return Stage(rule, title, total, done, min(len(begun) - failures, rest), min(failures, rest))

    def _job(self, rule: str, name: str, logged_at: float, ended: float) -> Job | None:
        """Return the job of a log if it runs or has failed."""
        if logged_at <= ended or (self.since and logged_at < self.since):
            return None
        log = self._log(rule, name)
        lines = last_lines(log)
        last = lines[-1] if lines else ""
        failed = log in self.failed or last.startswith("anodiff: ") or any(line.startswith("Traceback ") for line in lines)
        if last.startswith("anodiff: interrupted") and log not in self.failed:
            return None  # it waits for its next attempt
        if not failed and not self.since and self.now - logged_at > SILENCE:
            return None
        logged = next(filter(None, map(read_log_line, reversed(lines))), None)
        begin = read_begin(log)
        job = Job(
            rule,
            name,
            log,
            failed,
            self.now - begin if begin else 0.0,
            None if logged is None or rule in IN_PARTS else _seconds_left(logged),
            f"{logged.done}/{logged.total} {logged.unit}" if logged else "",
            last.removeprefix("anodiff: "),
        )
        self.jobs.append(job)
        return job

    def _log(self, rule: str, name: str) -> Path:
        return self.sweep.results / "logs" / (f"{rule}/{name}.log" if name else f"{rule}.log")

    def _logs(self, rule: str) -> dict[str, float]:
        """Return when the log of each job of a rule has changed, by run; a job of the whole sweep has an empty name."""
        return times(f"{self.sweep.results}/logs/{rule}", ".log")

    def _benchmarks(self, rule: str) -> dict[str, float]:
        """Return when each job of a rule has ended, and note how long it took."""
        folder = f"{self.sweep.results}/benchmarks/{rule}"
        ended = times(folder, ".tsv")
        took = {name: benchmark_seconds(f"{folder}/{name}.tsv" if name else f"{folder}.tsv", at) for name, at in ended.items()}
        self.seconds[rule] = {name: seconds for name, seconds in took.items() if seconds is not None}
        return ended

    def _newest(self, *rules: str) -> float:
        """Return when the last of some stages' results has been made; 0 without any, infinity while some are missing."""
        return max((at or math.inf for rule in rules for at in self.made[rule]), default=0.0)


def _seconds_left(logged: LogLine) -> float | None:
    if logged.done == logged.total:
        return 0.0
    return seconds_of(logged.left) if logged.left else None
