"""How does one run get from its settings to a published store, however often it is interrupted?

All unfinished work is in the run's scratch folder: the store being written, its checkpoints, and
the lock of the process that trains. The order at the end makes a kill at any moment harmless: the
store is finished, then the checkpoints are removed, then one rename publishes the store. So a
finished store in a scratch folder only needs that rename.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anodiff.data import Dataset, load
from anodiff.errors import AnodiffError, ConfigError, IncompleteStoreError, Interrupted, StoreMissingError, reason_of
from anodiff.settings.run import RunSettings
from anodiff.storage.files import sync_files
from anodiff.storage.lock import Lock, run_lock
from anodiff.storage.peak_memory import record_peak_memory
from anodiff.storage.stores import (
    DIVERGED,
    discard,
    open_store,
    publish,
    refuse_existing,
    refuse_unwritable,
    remove,
    storage_errors,
)
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.training.checkpoint import newest_checkpoint, refuse_other_settings, write_checkpoint
from anodiff.training.device import provenance, repeatable, session_differences
from anodiff.training.gpus import claim_device
from anodiff.training.interruption import Interruption, watch_signals
from anodiff.training.loop import build_batches, build_model, check_smallest_batch, train_steps
from anodiff.training.origin import refuse_other_data
from anodiff.training.precision import float32_precision, precision_warning, to_memory_format
from anodiff.training.seeding import seed_globals, stream_seed
from anodiff.training.state import TrainingState
from anodiff.trajectory import TrajectoryRecorder, plan_windows, updates_give_gradients
from anodiff.trajectory.format import KIND, VERSION

#: Seconds between two checkpoints.
CHECKPOINT_EVERY = 300.0

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: status, optimiser steps taken, last test accuracy (NaN if never measured)."""

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
    report: ProgressCallback = no_progress,
    notify: Notify = lambda line: print(line, file=sys.stderr),
) -> Outcome:
    """Train a run or resume it from its last checkpoint, and publish its path at ``output``.

    Training writes to ``scratch``; one rename moves the finished store into place. A run stops at
    the first step whose loss is not finite: its store is published with status ``diverged`` and
    that step. A resumed run gives the bits of an uninterrupted one on the same type of device with
    the same version of torch.

    Parameters
    ----------
    scratch
        The run's own folder for unfinished work; only one process at a time works in it.
    restart
        Discard what ``scratch`` holds and start at step 0.
    checkpoint_every
        Seconds between two checkpoints; 0: only when a signal asks for one.
    report
        Called after every step with the steps done, the total number of steps, and a short text to
        show.
    notify
        Called with a line about anything unusual, such as a resumed run.

    Raises
    ------
    OutputExistsError, DatasetMissingError, ConfigError, StorageError
    RunLockedError
        If another process trains this run.
    Interrupted
        After SIGTERM, SIGUSR1 or SIGINT: a checkpoint is written, and the same call resumes from
        it.
    """
    output, scratch = Path(output), Path(scratch)
    working = scratch / "trajectory.zarr"
    refuse_existing(output, overwrite=overwrite)
    refuse_unwritable(output)
    with (
        storage_errors(working),
        watch_signals() as interruption,
        run_lock(scratch, notify) as lock,
        record_peak_memory(scratch),
    ):
        refuse_existing(output, overwrite=overwrite)  # the process that held the lock may have published it
        if restart:
            _discard_unfinished(scratch)
        outcome = _finished_outcome(working, settings, notify)
        if outcome is None:
            with claim_device(device) as chosen:
                dataset = load(settings.data, data_root, context=settings.model.context, download=download, device=chosen)
                session = _Session(settings, dataset, scratch, chosen, notify)
                with repeatable(settings.training, chosen), float32_precision(settings.training):
                    outcome = session.train(lock, interruption, checkpoint_every, report)
        interruption.deferred = True  # the rest takes no time and must not be left half done
        lock.check()
        sync_files(working)
        discard(scratch / "checkpoints")
        if overwrite:
            remove(output)
        publish(working, output)
    return outcome


class _Session:
    """One session of a run: from step 0 or a checkpoint, to the end or to a signal."""

    def __init__(self, settings: RunSettings, dataset: Dataset, scratch: Path, device: torch.device, notify: Notify) -> None:
        self._settings = settings
        self._dataset = dataset
        self._working, self._checkpoints = scratch / "trajectory.zarr", scratch / "checkpoints"
        self._device = device
        self._notify = notify
        self._batches = build_batches(settings, dataset)
        self._steps = settings.training.steps or self._batches.steps_per_epoch * (settings.training.epochs or 0)
        settings.check_length(self._steps)
        self._windows = plan_windows(settings.recording.windows, settings.recording.window_length, self._steps)

    def train(self, lock: Lock, interruption: Interruption, checkpoint_every: float, report: ProgressCallback) -> Outcome:
        """Train to the end; see `train_run`."""
        settings = self._settings
        checkpoint = self._usable_checkpoint()
        with self._foreign_content(checkpoint):
            sessions = (checkpoint["sessions"] if checkpoint else []) + [self._provenance()]
            refuse_other_data(self._checkpoints.parent, sessions[0], self._dataset)
        seed_globals(settings.seed, "weights")
        model = to_memory_format(build_model(settings, self._dataset).to(self._device), settings.training)
        check_smallest_batch(model, self._dataset, self._batches, settings.training.accumulation)
        state = TrainingState(settings, model, self._batches, self._device)
        with self._foreign_content(checkpoint):
            if checkpoint:
                if not isinstance(checkpoint["recorder"], Mapping):
                    raise TypeError("it has no state of the recorder")
                state.load_state_dict(checkpoint["walk"])  # the key of the training state in checkpoints of this version
            recorder = self._recorder(state, sessions, checkpoint["recorder"] if checkpoint else None)
            differences = session_differences(sessions)
        sessions[-1]["first_step"] = recorder.completed
        if checkpoint:
            self._notify(f"resuming at step {recorder.completed} of {recorder.steps}")
        warning = precision_warning(settings.training, self._device)
        if warning:
            self._notify(warning)
        if differences:
            self._notify(f"the bits may differ from those of an uninterrupted run: {'; '.join(differences)}")

        synced: set[tuple[Path, int]] = set()

        def save() -> None:
            lock.check()
            content = {"settings": settings.model_dump(mode="json"), "sessions": sessions}
            content |= {"walk": state.state_dict(), "recorder": recorder.state()}
            synced.update(sync_files(self._working, synced))  # or a loss of power could leave only the checkpoint
            write_checkpoint(self._checkpoints, recorder.completed, content)

        due = time.monotonic() + (checkpoint_every or math.inf)

        def between_steps() -> None:
            nonlocal due
            if interruption.signal is not None and recorder.completed < recorder.steps:
                save()
                where = f"at step {recorder.completed} of {recorder.steps}"
                raise Interrupted(f"interrupted {where}; checkpoint written; run again to resume", interruption.signal)
            if time.monotonic() >= due:
                save()
                due = time.monotonic() + checkpoint_every

        interruption.deferred = True
        with recorder:
            status = train_steps(settings, state, self._dataset, recorder, report=report, between_steps=between_steps)
            ending = {"diverged_at": recorder.completed} if status == DIVERGED else {}
            recorder.finish(status, provenance=_provenance(sessions), **ending)
        return Outcome(status, recorder.completed, state.position.test_accuracy)

    def _provenance(self) -> dict[str, Any]:
        origin = {"data": dict(self._dataset.origin)} if self._dataset.origin else {}
        return provenance(self._settings.training, self._device) | origin

    def _usable_checkpoint(self) -> dict[str, Any] | None:
        """Return the checkpoint to resume from, or None to start at step 0."""
        checkpoint = newest_checkpoint(self._checkpoints, self._notify)
        if checkpoint is None:
            return None
        with self._foreign_content(checkpoint):
            refuse_other_settings(self._checkpoints.parent, checkpoint["settings"], self._settings)
        if not self._working.exists():
            self._notify(f"{self._working} is missing, so its checkpoints are useless; starting again from step 0")
            return None
        for leftover in self._working.rglob("*.partial"):  # of a write by zarr during which the process was killed
            leftover.unlink()
        return checkpoint

    @contextmanager
    def _foreign_content(self, checkpoint: dict[str, Any] | None) -> Iterator[None]:
        """Turn errors of a checkpoint that holds something else into one line; other errors pass."""
        try:
            yield
        except AnodiffError:
            raise
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            if checkpoint is None:
                raise
            raise ConfigError(
                f"{self._checkpoints}: the newest checkpoint is intact, but does not hold the state of this run "
                f"({reason_of(error)}); remove it, or add --restart to start again from step 0"
            ) from None

    def _recorder(
        self, state: TrainingState, sessions: list[dict[str, Any]], resume: dict[str, Any] | None
    ) -> TrajectoryRecorder:
        settings, recording = self._settings, self._settings.recording
        types = {parameter.dtype for parameter in state.model.parameters()}
        sampled = 0 if updates_give_gradients(settings, self._windows, types) else recording.gradient_coordinates
        return TrajectoryRecorder(
            state.model,
            self._working,
            steps=self._steps,
            windows=self._windows,
            epochs=math.ceil(self._steps / self._batches.steps_per_epoch),
            weights=recording.weights,
            sketch_size=recording.sketch_size if recording.weights == "sketch" else None,
            parameters=recording.parameters,
            groups=recording.groups,
            walks=recording.walks,
            optimiser=state.optimiser,
            device_memory=recording.device_memory,
            buffers_every=recording.buffers_every,
            gradient_coordinates=sampled,
            seed=stream_seed(settings.seed, "recording"),
            attributes={
                "settings": settings.model_dump(mode="json"),
                "provenance": _provenance(sessions),
                "steps_per_epoch": self._batches.steps_per_epoch,
            },
            resume=resume,
            overwrite=resume is None,  # the scratch folder then holds only what cannot be resumed
        )


def _provenance(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the store's provenance: the last session, and all sessions with their first steps."""
    return {key: value for key, value in sessions[-1].items() if key != "first_step"} | {"sessions": sessions}


def _finished_outcome(working: Path, settings: RunSettings, notify: Notify) -> Outcome | None:
    """Return the outcome of a finished store that was not published, or None if there is none."""
    try:
        group = open_store(working, KIND, VERSION)
    except (StoreMissingError, IncompleteStoreError):
        return None
    except AnodiffError as error:
        notify(f"what an earlier attempt has left cannot be used: {error}")
        return None
    attributes: dict[str, Any] = dict(group.attrs)
    refuse_other_settings(working.parent, attributes["settings"], settings)
    measured = np.asarray(group["test_accuracy"][:])  # type: ignore[index]
    measured = measured[np.isfinite(measured)]
    accuracy = float(measured[-1]) if len(measured) else math.nan
    return Outcome(attributes["status"], attributes["steps_completed"], accuracy)


def _discard_unfinished(scratch: Path) -> None:
    """Discard an unfinished run: first its checkpoints, which are useless without the store."""
    discard(scratch / "checkpoints")
    discard(scratch / "trajectory.zarr")
