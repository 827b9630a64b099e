"""What will a sweep take? Runs, steps, disk, memory and hours, before anyone submits it.

Where it may, it measures: a few real steps of every kind of run (network, data, batch size, arithmetic, recording), recorded as
they would be, on the device at hand, and extrapolates from these. The rest are estimates of `anodiff.sweep.costs`, without the
safety margin that a scheduler needs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.errors import DatasetMissingError
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings, RoughnessSettings
from anodiff.settings.sweep import Config
from anodiff.storage.stores import existing
from anodiff.storage.types import Report, silent
from anodiff.sweep import costs
from anodiff.sweep.runs import Run, landscape_runs, sweep_runs

if TYPE_CHECKING:
    from anodiff.training.timing import Measurement


#: Seconds of a job before and after its work: Python, its packages, for those that train torch.
START, START_TORCH = 3.0, 6.0

#: Seconds of tables, figures and page: in any case, and for each run.
SUMMARY, SUMMARY_RUN = 40.0, 1.0

#: Seconds of the figures of a run.
RUN_FIGURES = 20.0

#: Forward passes that a Hessian product takes as long as, and products until an eigenvalue has converged, on the usual nets.
PRODUCT_PASSES, EIGENVALUE_PRODUCTS = 5, 12


@dataclass(frozen=True)
class StagePlan:
    """A stage of a sweep: its jobs, their seconds in all, the longest job and its seconds, MB of the largest, and how known."""

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
        On what steps were measured; empty where none were.
    stages
        In the order in which they follow.
    disk
        Bytes of the finished results, compressed as usual.
    free
        Bytes free where they go.
    notes
        What a person should know beside the numbers, a line each.
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
    report: Report = silent,
) -> Plan:
    """Return what the sweep of a config takes.

    Parameters
    ----------
    measuring
        Measure steps; otherwise all is estimated.
    device, seconds
        Where to measure, and for how long each kind of run.
    report
        Called with the kinds of runs measured, those to measure, and a run of the kind at work.

    Raises
    ------
    ConfigError
        If the sweep is not valid, or a network cannot be built.
    """
    runs = sweep_runs(config)
    measured, notes = _measure(config, runs, device, seconds, report) if measuring else ({}, [])
    trains = {name: _training_seconds(run.settings, measured.get(_kind(run.settings))) for name, run in runs.items()}
    if measuring and hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > 1.2 * (os.cpu_count() or 1):
        notes.append(f"the machine was busy (load {load:.0f} on {os.cpu_count()} CPUs): an idle one is faster")
    devices = sorted({measurement.device for measurement in measured.values()})
    how = "estimated" if not measured else "measured" if len(measured) == _kinds(runs) else "measured, some estimated"
    gram_speed = _gram_speed() if measured else costs.GRAM_SPEED
    stages = [
        _stage("train", trains, runs, costs.training_memory, how),
        _stage(
            "geometry",
            {name: START + costs.geometry_seconds(run.settings, gram_speed) for name, run in runs.items()},
            runs,
            costs.geometry_memory,
            "from a product" if measured else "estimated",
        ),
        _stage(
            "diffusion",
            {name: START + costs.analysis_seconds(run.settings) for name, run in runs.items()},
            runs,
            costs.analysis_memory,
        ),
    ]
    figures = dict.fromkeys(runs, START + RUN_FIGURES)
    stages.append(_stage("run_figure", figures, runs, costs.analysis_memory))
    looked_at = landscape_runs(runs, config.landscape.seeds)
    for stage in ("landscape", "roughness", "curvature") if looked_at else ():
        passes = {
            "landscape": slice_passes(config.landscape),
            "roughness": roughness_passes(config.roughness),
            "curvature": curvature_passes(config.curvature),
        }[stage]
        times = {
            name: _landscape_seconds(runs[name].settings, config, passes, measured.get(_kind(runs[name].settings)))
            for name in looked_at
        }
        stages.append(_stage(stage, times, runs, costs.landscape_memory, "from forward passes" if measured else "estimated"))
    if config.simplified_model.enabled:
        model = config.simplified_model
        walk = START + costs.model_seconds(model)
        stages.append(StagePlan("simplified_model", 1, walk, walk, "", costs.model_memory(model), "estimated"))
    summary = SUMMARY + SUMMARY_RUN * len(runs)
    stages.append(StagePlan("tables, figures, page", 1, summary, summary, "", 2000, "estimated"))
    results = Path(config.paths.results, config.sweep.name)
    disk = sum(costs.trajectory_bytes(run.settings) + costs.geometry_bytes(run.settings) for run in runs.values())
    free = float(shutil.disk_usage(existing(results)).free)
    longest = max(trains, key=lambda name: trains[name])
    if trains[longest] > 60 * config.longest_job:
        jobs = math.ceil(trains[longest] / 60 / config.longest_job)
        notes.append(f"{longest} goes on over {jobs} jobs of longest_job = {config.longest_job} min")
    return Plan(
        config.sweep.name,
        len(runs),
        sum(costs.steps(run.settings) for run in runs.values()),
        ", ".join(devices),
        stages,
        disk,
        free,
        notes,
    )


def slice_passes(settings: LandscapeSettings) -> int:
    """Return the passes over the samples of a run's three slices."""
    return 3 * settings.points**2


def roughness_passes(settings: RoughnessSettings) -> int:
    """Return the passes of roughness: two kinds of directions, both ways along each, at every distance."""
    radii = round(settings.decades * settings.radii_per_decade) + 1
    return len(settings.at) * 2 * settings.directions * 2 * radii


def curvature_passes(settings: CurvatureSettings) -> int:
    """Return the passes that the products of curvature take as long as."""
    products = EIGENVALUE_PRODUCTS * settings.eigenvalues * (2 if settings.gauss_newton else 1)
    products += settings.probes * settings.lanczos_steps + settings.trace_products
    return len(settings.at) * products * PRODUCT_PASSES


def _measure(
    config: Config, runs: Mapping[str, Run], device: str, seconds: float, report: Report
) -> tuple[dict[str, Measurement], list[str]]:
    """Measure each kind of run once; those whose data set is not there are left out, with a note."""
    from anodiff.training.timing import measure

    firsts: dict[str, Run] = {}
    for run in runs.values():
        firsts.setdefault(_kind(run.settings), run)
    found: dict[str, Measurement] = {}
    notes: list[str] = []
    for number, (kind, run) in enumerate(firsts.items()):
        report(number, len(firsts), run.name)
        scratch = existing(Path(config.paths.scratch))
        try:
            found[kind] = measure(run.settings, data_root=config.paths.data, scratch=scratch, device=device, seconds=seconds)
        except DatasetMissingError as error:
            notes.append(f"runs such as {run.name} are estimated, not measured: {error}")
    report(len(firsts), len(firsts), "done")
    return found, notes


def _gram_speed() -> float:
    """Return the floating-point operations a second of the product that the geometry is made with, on this machine's CPU."""
    from anodiff.geometry.gram import update_gram

    updates, columns = 500, 20_000
    points = np.zeros((updates + 1, columns), np.float32)
    update_gram(points[:50])
    start = time.perf_counter()
    update_gram(points)
    return updates**2 * columns / (time.perf_counter() - start)


def _kinds(runs: Mapping[str, Run]) -> int:
    return len({_kind(run.settings) for run in runs.values()})


def _kind(settings: RunSettings) -> str:
    """Return what the time of a step depends on: not on seeds, rates, or how long the run is."""
    values = settings.model_dump(mode="json")
    for section, key in (("training", "steps"), ("training", "epochs"), ("training", "evaluate_every"), ("data", "seed")):
        del values[section][key]
    values["optimiser"] = settings.optimiser.name
    values["recording"] = {key: values["recording"][key] for key in ("weights", "sketch_size", "gradient_coordinates")}
    del values["seed"]
    return json.dumps(values, sort_keys=True)


def _training_seconds(settings: RunSettings, measured: Measurement | None) -> float:
    if measured is None:
        return START_TORCH + costs.training_seconds(settings)
    training, recording = settings.training, settings.recording
    steps, samples = costs.steps(settings), costs.images(settings.data).samples
    per_epoch = math.ceil(samples / training.batch_size)
    seconds = measured.loading + steps * measured.step
    seconds += (steps / per_epoch / training.evaluate_every + 1) * measured.evaluation
    if recording.noise_every:
        seconds += math.ceil(steps / recording.noise_every) * per_epoch * measured.step
    if recording.weights == "none":
        seconds += costs.geometry_seconds(settings)
    return START_TORCH + seconds


def _landscape_seconds(settings: RunSettings, config: Config, passes: int, measured: Measurement | None) -> float:
    if measured is None:
        return START_TORCH + costs.landscape_seconds(settings)
    samples = costs.images(settings.data).samples
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
