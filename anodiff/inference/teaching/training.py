"""How does a training get from its settings to a network's weights, however often it is interrupted?

The network learns from tracks that are made as it goes, each seen once. A training that resumes from
a checkpoint gives the bits of an uninterrupted one, on the same type of device with the same version
of torch.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anodiff.errors import AnodiffError, ConfigError, Interrupted, reason_of
from anodiff.inference.answers.calibration import Calibration
from anodiff.inference.answers.weights import write_network
from anodiff.inference.teaching.learner import Learner
from anodiff.settings.inference import InferenceSettings
from anodiff.settings.run import TrainingSettings
from anodiff.storage.lock import run_lock
from anodiff.storage.stores import discard, refuse_existing, refuse_unwritable, storage_errors
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.training.checkpoint import newest_checkpoint, write_checkpoint
from anodiff.training.device import provenance, repeatable
from anodiff.training.gpus import claim_device
from anodiff.training.interruption import watch_signals

#: Seconds between two checkpoints.
CHECKPOINT_EVERY = 300.0

#: First step of the learning curve; the others are at powers of 2, and at the end.
FIRST_OF_CURVE = 64


def train_network(
    settings: InferenceSettings,
    dimensions: int,
    output: str | Path,
    *,
    scratch: str | Path,
    device: str = "auto",
    overwrite: bool = False,
    restart: bool = False,
    checkpoint_every: float = CHECKPOINT_EVERY,
    report: ProgressCallback = no_progress,
    notify: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> dict[str, Any]:
    """Train the network for one number of dimensions, or resume it; write its weights and its card.

    Parameters
    ----------
    output
        The weights, a ``.safetensors`` file. Its card, with data, seeds, hours and scores, is next
        to it with the ending ``.json``.
    scratch
        Folder of the checkpoints; only one process at a time works in it.
    restart
        Discard the checkpoints and start at step 0.
    checkpoint_every
        Seconds between two checkpoints; 0: only when a signal asks for one.

    Returns
    -------
    card
        What the card holds.

    Raises
    ------
    OutputExistsError, ConfigError, StorageError
    RunLockedError
        If another process trains it.
    Interrupted
        After SIGTERM, SIGUSR1 or SIGINT: a checkpoint is written, and the same call resumes from
        it.
    """
    output, scratch = Path(output), Path(scratch)
    checkpoints = scratch / "checkpoints"
    outputs = [output, output.with_suffix(".json")]
    for each in outputs:
        refuse_existing(each, overwrite=overwrite)
        refuse_unwritable(each)
    execution = TrainingSettings(steps=settings.steps, threads=settings.threads)
    with storage_errors(checkpoints), watch_signals() as interruption, run_lock(scratch, notify) as lock:
        if restart:
            discard(checkpoints)
        with claim_device(device) as chosen, repeatable(execution, chosen):
            learner = Learner(settings, dimensions, chosen)
            _resume(learner, checkpoints, notify)

            def save() -> None:
                lock.check()
                content = {
                    "settings": settings.model_dump(mode="json"),
                    "dimensions": dimensions,
                    "learner": learner.state_dict(),
                }
                write_checkpoint(checkpoints, learner.step, content)

            def stop_if_asked() -> None:
                if interruption.signal is not None:
                    where = f"at step {learner.step} of {settings.steps}"
                    raise Interrupted(f"interrupted {where}; checkpoint written; run again to resume", interruption.signal)

            due = time.monotonic() + (checkpoint_every or math.inf)
            interruption.deferred = True
            while learner.step < settings.steps:
                loss = learner.take_step()
                if learner.step == settings.steps or (learner.step >= FIRST_OF_CURVE and learner.step.bit_count() == 1):
                    learner.add_to_curve()
                report(learner.step * settings.batch_size, settings.steps * settings.batch_size, f"loss {loss:.3f}")
                if interruption.signal is not None or time.monotonic() >= due:
                    save()
                    due = time.monotonic() + checkpoint_every
                stop_if_asked()
            save()  # so that an interruption of what follows repeats only that
            learner.network.half().float()  # the scores are those of the weights that are kept
            calibration = learner.calibrated(stop_if_asked)
            card = _card(learner, calibration, stop_if_asked) | {"provenance": provenance(execution, chosen)}
        write_network(learner.network, card, output, calibration=calibration, overwrite=overwrite)
        discard(checkpoints)
    return card


def _resume(learner: Learner, checkpoints: Path, notify: Callable[[str], None]) -> None:
    """Continue from the newest checkpoint, if there is one."""
    checkpoint = newest_checkpoint(checkpoints, notify)
    if checkpoint is None:
        return
    try:
        other = checkpoint["dimensions"] != learner.dimensions or any(
            checkpoint["settings"].get(key) != value
            for key, value in learner.settings.model_dump(mode="json").items()
            if key not in ("dimensions", "validation_tracks", "calibration_tracks")
        )
        if other:
            raise ConfigError(
                f"{checkpoints.parent} holds an unfinished training with other settings; "
                "use its settings to resume it, or add --restart to start again from step 0"
            )
        learner.load_state_dict(checkpoint["learner"])
    except AnodiffError:
        raise
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{checkpoints}: the newest checkpoint does not hold the state of this training ({reason_of(error)}); "
            "add --restart to start again from step 0"
        ) from None
    notify(f"resuming at step {learner.step} of {learner.settings.steps}")


def _card(learner: Learner, calibration: Calibration, before_each: Callable[[], None]) -> dict[str, Any]:
    """Return what is known of a trained network: data, seeds, hours, scores."""
    settings = learner.settings
    return {
        "network": settings.network,
        "dimensions": learner.dimensions,
        "parameters": sum(parameter.numel() for parameter in learner.network.parameters()),
        "settings": settings.model_dump(mode="json", exclude={"dimensions", "network"}),
        "tracks": learner.step * settings.batch_size,
        "hours": round(learner.seconds / 3600, 4),
        "learning_curve": learner.curve,
        "scores": learner.scores(settings.validation_tracks, calibration, before_each),
    }
