"""Trains one run from its settings to a published store, however often it is interrupted on the way.

All that is not finished lies in the run's scratch folder: the store in the making, its checkpoints, and the lock of the
process at work. The order at the end makes every kill harmless: the store is finished, then the checkpoints go, then one
rename publishes it. So a finished store in a scratch folder only waits for that rename.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from anodiff.data import Dataset, load
from anodiff.errors import AnodiffError, Interrupted
from anodiff.settings.run import RunSettings
from anodiff.storage.lock import Lock, run_lock
from anodiff.storage.stores import DIVERGED, discard, open_store, publish, refuse_existing, remove, storage_errors, sync_files
from anodiff.storage.types import Report, silent
from anodiff.training.checkpoint import newest_checkpoint, refuse_other_settings, write_checkpoint
from anodiff.training.device import bits_may_differ, provenance, repeatable
from anodiff.training.gpus import claim_device
from anodiff.training.interruption import Interruption, interruptions
from anodiff.training.loop import build_batches, build_model, walk_on
from anodiff.training.precision import lay_out, product_precision, slow_here
from anodiff.training.seeding import seed_globals, stream_seed
from anodiff.training.state import Walk
from anodiff.trajectory import TrajectoryRecorder, plan_windows, updates_give_gradients
from anodiff.trajectory.format import KIND, VERSION

#: Seconds between two checkpoints.
CHECKPOINT_EVERY = 300.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its status, the optimiser steps taken, and the last test accuracy (NaN where never measured)."""

    status: str
    steps_completed: int
    test_accuracy: float


def train_run(
    settings: RunSettings,
    output: str | Path,
    *,
    scratch: str | Path,
    data_root: str | Path = "data",
    download: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    restart: bool = False,
    checkpoint_every: float = CHECKPOINT_EVERY,
    report: Report = silent,
    tell: Tell = lambda line: print(line, file=sys.stderr),
) -> Outcome:
    """Train a run, or go on with it where it was interrupted, and publish its path as a store at ``output``.

    Training writes to ``scratch`` and moves the finished store into place by one rename. A run whose loss is not finite stops
    there; its store is published with status ``diverged`` and the step. An interrupted run, gone on with, gives the bits of an
    uninterrupted one on the same type of device and version of torch.

    Parameters
    ----------
    scratch
        The run's own folder for what is not finished; one process at a time works in it.
    restart
        Discard what ``scratch`` holds and begin at step 0.
    checkpoint_every
        Seconds between two checkpoints; 0: only when a signal asks for one.
    report
        Called after every step with the steps done, the steps in all and a short text for a person.
    tell
        Called with a line for a person about what is out of the ordinary, such as a continued run.

    Raises
    ------
    OutputExistsError, DatasetMissingError, ConfigError, StorageError
    RunLockedError
        If another process trains this run.
    Interrupted
        After SIGTERM, SIGUSR1 or SIGINT: a checkpoint is written, and the same call goes on from it.
    """
    output, scratch = Path(output), Path(scratch)
    working = scratch / "trajectory.zarr"
    refuse_existing(output, overwrite=overwrite)
    with storage_errors(working), interruptions() as interruption, run_lock(scratch, tell) as lock:
        refuse_existing(output, overwrite=overwrite)  # the process that held the lock may have published it
        if restart:
            _clear(scratch)
        outcome = _finished(working, settings)
        if outcome is None:
            with claim_device(device) as chosen:
                dataset = load(settings.data, data_root, download=download, device=chosen)
                training = _Training(settings, dataset, scratch, chosen, tell)
                with repeatable(settings.training, chosen), product_precision(settings.training):
                    outcome = training.run(lock, interruption, checkpoint_every, report)
        interruption.deferred = True  # the rest takes no time, and none of it can be done by halves
        lock.check()
        sync_files(working)
        discard(scratch / "checkpoints")
        if overwrite:
            remove(output)
        publish(working, output)
    return outcome


class _Training:
    """One session of a run's training, from its beginning or from a checkpoint to its end or to a signal."""

    def __init__(self, settings: RunSettings, dataset: Dataset, scratch: Path, device: torch.device, tell: Tell) -> None:
        self._settings = settings
        self._dataset = dataset
        self._working, self._checkpoints = scratch / "trajectory.zarr", scratch / "checkpoints"
        self._device = device
        self._tell = tell
        self._batches = build_batches(settings, dataset)
        self._steps = settings.training.steps or self._batches.steps_per_epoch * (settings.training.epochs or 0)
        self._windows = plan_windows(settings.recording.windows, settings.recording.window_length, self._steps)

    def run(self, lock: Lock, interruption: Interruption, checkpoint_every: float, report: Report) -> Outcome:
        """Train to the end; see `train_run`."""
        settings = self._settings
        checkpoint = self._newest()
        sessions = (checkpoint["sessions"] if checkpoint else []) + [provenance(settings.training, self._device)]
        seed_globals(settings.seed, "weights")
        model = lay_out(build_model(settings, self._dataset).to(self._device), settings.training)
        walk = Walk(settings, model, self._batches, self._device)
        if checkpoint:
            walk.restore(checkpoint["walk"])
        recorder = self._recorder(model, sessions, checkpoint["recorder"] if checkpoint else None)
        sessions[-1]["first_step"] = recorder.completed
        if checkpoint:
            self._tell(f"going on at step {recorder.completed} of {recorder.steps}")
        slow = slow_here(settings.training, self._device)
        if slow:
            self._tell(slow)
        differing = bits_may_differ(sessions)
        if differing:
            self._tell(f"the bits may differ from those of an uninterrupted run: {'; '.join(differing)}")

        synced: set[tuple[Path, int]] = set()

        def save() -> None:
            lock.check()
            state = {"settings": settings.model_dump(mode="json"), "sessions": sessions}
            state |= {"walk": walk.state(), "recorder": recorder.state()}
            synced.update(sync_files(self._working, synced))  # or a machine that loses power would keep the checkpoint alone
            write_checkpoint(self._checkpoints, recorder.completed, state)

        due = time.monotonic() + (checkpoint_every or math.inf)

        def between_steps() -> None:
            nonlocal due
            if interruption.signal is not None and recorder.completed < recorder.steps:
                save()
                where = f"at step {recorder.completed} of {recorder.steps}"
                raise Interrupted(f"interrupted {where}; checkpoint written; run again to go on", interruption.signal)
            if time.monotonic() >= due:
                save()
                due = time.monotonic() + checkpoint_every

        interruption.deferred = True
        with recorder:
            status = walk_on(settings, walk, self._dataset, recorder, report=report, between_steps=between_steps)
            ending = {"diverged_at": recorder.completed} if status == DIVERGED else {}
            recorder.finish(status, provenance=_provenance(sessions), **ending)
        return Outcome(status, recorder.completed, walk.position.test_accuracy)

    def _newest(self) -> dict[str, Any] | None:
        """Return the checkpoint to go on from, or None where training begins at step 0."""
        checkpoint = newest_checkpoint(self._checkpoints, self._tell)
        if checkpoint is None:
            return None
        refuse_other_settings(
            self._checkpoints.parent, _of_today(checkpoint["settings"]), self._settings.model_dump(mode="json")
        )
        if not self._working.exists():
            self._tell(f"{self._working} is gone, so its checkpoints are of no use; beginning anew")
            return None
        for leftover in self._working.rglob("*.partial"):  # of zarr's writing, when the process was killed in the midst of it
            leftover.unlink()
        return checkpoint

    def _recorder(
        self, model: torch.nn.Module, sessions: list[dict[str, Any]], resume: dict[str, Any] | None
    ) -> TrajectoryRecorder:
        settings, recording = self._settings, self._settings.recording
        sampled = 0 if updates_give_gradients(settings, self._windows) else recording.gradient_coordinates
        return TrajectoryRecorder(
            model,
            self._working,
            steps=self._steps,
            windows=self._windows,
            epochs=math.ceil(self._steps / self._batches.steps_per_epoch),
            weights=recording.weights,
            sketch_size=recording.sketch_size if recording.weights == "sketch" else None,
            device_memory=recording.device_memory,
            gradient_coordinates=sampled,
            seed=stream_seed(settings.seed, "recording"),
            attributes={
                "settings": settings.model_dump(mode="json"),
                "provenance": _provenance(sessions),
                "steps_per_epoch": self._batches.steps_per_epoch,
            },
            resume=resume,
        )


def _provenance(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the store says of its making: the last session, and all of them with the step that each began at."""
    return {key: value for key, value in sessions[-1].items() if key != "first_step"} | {"sessions": sessions}


def _finished(working: Path, settings: RunSettings) -> Outcome | None:
    """Return the outcome of a store that only waits to be published, or None where there is none."""
    try:
        group = open_store(working, KIND, VERSION)
    except AnodiffError:
        return None
    attributes: dict[str, Any] = dict(group.attrs)
    refuse_other_settings(working.parent, _of_today(attributes["settings"]), settings.model_dump(mode="json"))
    measured = np.asarray(group["test_accuracy"][:])  # type: ignore[index]
    measured = measured[np.isfinite(measured)]
    accuracy = float(measured[-1]) if len(measured) else math.nan
    return Outcome(attributes["status"], attributes["steps_completed"], accuracy)


def _of_today(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return stored settings with those that their anodiff did not know yet at their defaults."""
    try:
        return RunSettings.model_validate(settings).model_dump(mode="json")
    except ValidationError:
        return settings


def _clear(scratch: Path) -> None:
    """Discard a training in progress: its checkpoints first, since they are of no use without the store."""
    discard(scratch / "checkpoints")
    discard(scratch / "trajectory.zarr")
