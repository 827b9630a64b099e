"""What will a sweep take? Runs, steps, disk, memory and hours, before you submit it.

With measuring on, a few real steps of every kind of run (network, data, batch size, arithmetic,
recording) are taken on this machine's device, recorded as in the run, and extrapolated. Everything
else is estimated by `anodiff.sweep.costs`, without the safety margin that a scheduler needs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.errors import DatasetMissingError
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config
from anodiff.storage.files import nearest_existing_folder
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.sweep import costs, learning_costs
from anodiff.sweep.gram_speed import gram_speed
from anodiff.sweep.parts_costs import parts_seconds
from anodiff.sweep.run_size import samples as samples_of
from anodiff.sweep.runs import Run, landscape_runs, learning_runs, parts_runs, runs_of_seeds, sweep_runs

if TYPE_CHECKING:
    from anodiff.training.timing import Measurement


#: Seconds of a job before and after its work: starting Python and its packages, without and with torch.
START, START_TORCH = 3.0, 6.0

#: Seconds of tables, figures and page: for the sweep, and for each run.
SUMMARY, SUMMARY_RUN = 40.0, 1.0

#: Seconds of the figures of a run, as SVG.
RUN_FIGURES = 10.0


@dataclass(frozen=True)
class StagePlan:
    """What a stage of a sweep takes.

    Attributes
    ----------
    jobs, seconds
        Number of its jobs, and their total seconds.
    longest, longest_job
        Seconds and name of the longest job.
    memory
        MB of the largest job.
    known
        Whether the times are measured or estimated.
    """

    stage: str
    jobs: int
    seconds: float
    longest: float
    longest_job: str
    memory: int
    known: str


@dataclass(frozen=True)
class Plan:
    """What a sweep takes.

    Attributes
    ----------
    device
        The device on which steps were measured; empty if none were.
    stages
        In the order in which they run.
    disk
        Bytes of the finished results, with the usual compression.
    free
        Free bytes on that disk.
    notes
        What the user should know besides the numbers, a line each.
    """

    sweep: str
    runs: int
    steps: int
    device: str
    stages: list[StagePlan]
    disk: float
    free: float
    notes: list[str]

    @property
    def seconds(self) -> float:
        """Seconds of all jobs, one after another."""
        return sum(stage.seconds for stage in self.stages)

    def values(self) -> dict[str, Any]:
        """Return the plan as values that JSON can hold."""
        return asdict(self) | {"seconds": self.seconds}


def plan_sweep(
    config: Config,
    *,
    measuring: bool = True,
    device: str = "auto",
    seconds: float = 3.0,
    report: ProgressCallback = no_progress,
) -> Plan:
    """Return what the sweep of a config takes.

    Parameters
    ----------
    measuring
        Measure steps; otherwise everything is estimated.
    device, seconds
        Where to measure, and for how long each kind of run.
    report
        Called with the number of kinds measured, their total, and the name of a run of the current
        kind.

    Raises
    ------
    ConfigError
        If the sweep is not valid, or a network cannot be built.
    """
    runs = sweep_runs(config)
    measured, notes = _measure(config, runs, device, seconds, report) if measuring else ({}, [])
    load = os.getloadavg()[0] if measuring and hasattr(os, "getloadavg") else 0.0
    if load > 1.2 * (os.cpu_count() or 1):
        notes.append(f"the machine was busy (load {load:.0f} on {os.cpu_count()} CPUs); an idle one is faster")
    training = {name: _training_seconds(run.settings, measured.get(_kind(run.settings))) for name, run in runs.items()}
    longest = max(training, key=lambda name: training[name])
    if training[longest] > 60 * config.longest_job:
        jobs = math.ceil(training[longest] / 60 / config.longest_job)
        notes.append(f"{longest} continues over {jobs} jobs of longest_job = {config.longest_job} min")
    disk = sum(costs.trajectory_bytes(run.settings) + costs.geometry_bytes(run.settings) for run in runs.values())
    results = nearest_existing_folder(Path(config.paths.results, config.sweep.name))
    return Plan(
        config.sweep.name,
        len(runs),
        sum(costs.steps(run.settings) for run in runs.values()),
        ", ".join(sorted({measurement.device for measurement in measured.values()})),
        [
            *_run_stages(config, runs, training, measured),
            *_landscape_stages(config, runs, measured),
            *_learning_stage(config, runs, measured),
            *_sweep_stages(config, runs),
        ],
        disk,
        float(shutil.disk_usage(results).free),
        notes,
    )


def _run_stages(
    config: Config, runs: Mapping[str, Run], training: Mapping[str, float], measured: Mapping[str, Measurement]
) -> list[StagePlan]:
    """Return the stages that every run has."""
    kinds = {_kind(run.settings) for run in runs.values()}
    known = "estimated" if not measured else "measured" if len(measured) == len(kinds) else "measured, some estimated"
    speed = gram_speed() if measured else costs.GRAM_SPEED
    reducing = {name: START + costs.geometry_seconds(run.settings, speed) for name, run in runs.items()}
    analysing = {name: START + costs.analysis_seconds(run.settings) for name, run in runs.items()}
    drawing = dict.fromkeys(runs_of_seeds(runs, config.figures.seeds), START + RUN_FIGURES)
    stages = [
        _stage("train", training, runs, partial(costs.training_memory, device=_device(measured)), known),
        _stage("geometry", reducing, runs, costs.geometry_memory, "from a product" if measured else "estimated"),
        _stage("diffusion", analysing, runs, costs.analysis_memory),
    ]
    measuring = {name: START + parts_seconds(runs[name].settings) for name in parts_runs(runs)}
    stages += [_stage("parts", measuring, runs, costs.analysis_memory)] if measuring else []
    if config.characters.enabled:
        reading = {name: START_TORCH + costs.characters_seconds(run.settings, config.characters) for name, run in runs.items()}
        stages.append(_stage("characterise", reading, runs, costs.characters_memory))
    return stages + ([_stage("run_figure", drawing, runs, costs.analysis_memory)] if drawing else [])


def _landscape_stages(config: Config, runs: Mapping[str, Run], measured: Mapping[str, Measurement]) -> list[StagePlan]:
    """Return the stages of the runs whose landscape is measured."""
    chosen = landscape_runs(runs, config.landscape.seeds)
    passes = {
        "landscape": costs.slice_passes(config.landscape),
        "roughness": costs.roughness_passes(config.roughness),
        "curvature": costs.curvature_passes(config.curvature),
    }
    known = "from forward passes" if measured else "estimated"
    stages = []
    for stage, count in passes.items() if chosen else ():
        seconds = {
            name: _landscape_seconds(runs[name].settings, config, count, measured.get(_kind(runs[name].settings)))
            for name in chosen
        }
        memory = partial(costs.landscape_memory, device=_device(measured))
        stages.append(_stage(stage, seconds, runs, memory, known))
    return stages


def _learning_stage(config: Config, runs: Mapping[str, Run], measured: Mapping[str, Measurement]) -> list[StagePlan]:
    """Return the stage of the runs of which it is measured what they learn when, if there are any."""
    chosen = {name: runs[name].settings for name in learning_runs(runs, config.learning.seeds)}
    images = {kind: found.evaluation / found.test_samples for kind, found in measured.items()}
    seconds = {
        name: START_TORCH + learning_costs.learning_seconds(settings, config.learning, images.get(_kind(settings)))
        for name, settings in chosen.items()
    }
    memory = partial(learning_costs.learning_memory, learning=config.learning, device=_device(measured))
    return [_stage("learning", seconds, runs, memory, "from forward passes" if measured else "estimated")] if chosen else []


def _device(measured: Mapping[str, Measurement]) -> str:
    """Return whether memory is estimated for ``cpu`` or for ``cuda``, which takes more; without measurements, the latter."""
    return "cpu" if measured and {measurement.device for measurement in measured.values()} == {"cpu"} else "cuda"


def _sweep_stages(config: Config, runs: Mapping[str, Run]) -> list[StagePlan]:
    """Return the stages that the sweep has once."""
    stages = []
    if config.simplified_model.enabled:
        seconds = START + costs.simplified_model_seconds(config.simplified_model)
        memory = costs.simplified_model_memory(config.simplified_model)
        stages.append(StagePlan("simplified_model", 1, seconds, seconds, "", memory, "estimated"))
    seconds = SUMMARY + SUMMARY_RUN * len(runs)
    return [*stages, StagePlan("tables, figures, page", 1, seconds, seconds, "", 2000, "estimated")]


def _measure(
    config: Config, runs: Mapping[str, Run], device: str, seconds: float, report: ProgressCallback
) -> tuple[dict[str, Measurement], list[str]]:
    """Measure each kind of run once; a kind whose data set is missing is left out, with a note."""
    from anodiff.training.timing import measure

    firsts: dict[str, Run] = {}
    for run in runs.values():
        firsts.setdefault(_kind(run.settings), run)
    found: dict[str, Measurement] = {}
    notes: list[str] = []
    for number, (kind, run) in enumerate(firsts.items()):
        report(number, len(firsts), run.name)
        scratch = nearest_existing_folder(Path(config.paths.scratch))
        try:
            found[kind] = measure(run.settings, data_root=config.paths.data, scratch=scratch, device=device, seconds=seconds)
        except DatasetMissingError as error:
            notes.append(f"runs such as {run.name} are estimated, not measured: {error}")
    report(len(firsts), len(firsts), "done")
    return found, notes


def _kind(settings: RunSettings) -> str:
    """Return what the time of a step depends on, as JSON: everything but seeds, rates and the length of the run."""
    values = settings.model_dump(mode="json")
    for section, key in (("training", "steps"), ("training", "epochs"), ("training", "evaluate_every"), ("data", "seed")):
        del values[section][key]
    values["optimiser"] = settings.optimiser.name
    kept = ("weights", "sketch_size", "gradient_coordinates", "parameters", "groups", "walks")
    values["recording"] = {key: values["recording"][key] for key in kept}
    del values["seed"]
    return json.dumps(values, sort_keys=True)


def _training_seconds(settings: RunSettings, measured: Measurement | None) -> float:
    if measured is None:
        return START_TORCH + costs.training_seconds(settings)
    training, recording = settings.training, settings.recording
    steps, samples = costs.steps(settings), samples_of(settings).samples
    per_epoch = math.ceil(samples / training.batch_size)
    seconds = measured.loading + steps * measured.step
    seconds += (steps / per_epoch / training.evaluate_every + 1) * measured.evaluation
    if recording.noise_every:
        seconds += math.ceil(steps / recording.noise_every) * per_epoch * measured.step
    seconds += costs.summing_seconds(settings)
    return START_TORCH + seconds


def _landscape_seconds(settings: RunSettings, config: Config, passes: int, measured: Measurement | None) -> float:
    if measured is None:
        return START_TORCH + costs.landscape_seconds(settings)
    samples = samples_of(settings).samples
    samples = min(samples, config.landscape.samples or samples)
    return START_TORCH + passes * measured.evaluation * samples / measured.test_samples


def _stage(
    stage: str,
    seconds: Mapping[str, float],
    runs: Mapping[str, Run],
    memory: Callable[[RunSettings], int],
    known: str = "estimated",
) -> StagePlan:
    longest = max(seconds, key=lambda name: seconds[name])
    largest = max(memory(runs[name].settings) for name in seconds)
    return StagePlan(stage, len(seconds), sum(seconds.values()), seconds[longest], longest, largest, known)
