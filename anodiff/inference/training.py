"""How does a network learn to read tracks? On tracks made as it goes, each seen once.

The tracks of a step depend on seed, dimensions and step alone, and the network has no random parts.
So a training that resumes from a checkpoint gives the bits of an uninterrupted one, on the same
type of device with the same version of torch.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anodiff.errors import AnodiffError, ConfigError, Interrupted, reason_of
from anodiff.inference.cells import balanced_prior
from anodiff.inference.pyramid import Pyramid
from anodiff.inference.tracks import Tracks, draw_points, draw_tracks
from anodiff.inference.validation import predictor, scores
from anodiff.inference.weights import write_network
from anodiff.settings.inference import InferenceSettings
from anodiff.settings.run import ScheduleSettings, TrainingSettings
from anodiff.storage.lock import run_lock
from anodiff.storage.stores import discard, refuse_existing, refuse_unwritable, storage_errors
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.training.checkpoint import newest_checkpoint, write_checkpoint
from anodiff.training.device import provenance, repeatable
from anodiff.training.gpus import claim_device
from anodiff.training.interruption import watch_signals
from anodiff.training.optimisers import rate_factor

#: Seconds between two checkpoints.
CHECKPOINT_EVERY = 300.0

#: Parts of the random numbers of a training.
WEIGHTS, TRAINING, VALIDATION = range(3)

#: Most views of each held-out track, see `anodiff.inference.validation`.
VIEWS = 4


@dataclass
class Learner:
    """A network in training, and how far it is.

    Attributes
    ----------
    step
        Optimiser steps taken.
    seconds
        Time spent on them, over all sessions.
    losses
        Sums of the cross-entropy and numbers of steps, by the power of 2 that the step's number is
        below: the learning curve.
    """

    settings: InferenceSettings
    dimensions: int
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    losses: dict[int, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seeds = np.random.SeedSequence([self.settings.seed, self.dimensions, WEIGHTS])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> np.uint64(1)))
            self.network = build_network(self.settings, self.dimensions).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay, fused=True
        )
        warmup = max(1, self.settings.steps // 100)
        self._factor = rate_factor(ScheduleSettings(name="cosine", warmup=warmup), self.settings.steps)

    def take_step(self) -> float:
        """Take one optimiser step; return the mean cross-entropy of its tracks in nats.

        Raises
        ------
        ConfigError
            If it is not finite.
        """
        start = time.monotonic()
        tracks = training_tracks(self.settings, self.dimensions, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self._factor(self.step)
        logits = self.network(torch.from_numpy(tracks.positions).to(self.device))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(tracks.cells).to(self.device))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        value = loss.item()
        if not math.isfinite(value):
            raise ConfigError(f"inference: the loss is {value} at step {self.step}; write a smaller inference.learning_rate")
        self.step += 1
        so_far = self.losses.setdefault(self.step.bit_length(), [0.0, 0])
        so_far[0], so_far[1] = so_far[0] + value, so_far[1] + 1
        self.seconds += time.monotonic() - start
        return value

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]


def build_network(settings: InferenceSettings, dimensions: int) -> Pyramid:
    """Return an untrained network."""
    return Pyramid(dimensions, width=settings.width, levels=settings.levels, hidden=settings.hidden)


def training_tracks(settings: InferenceSettings, dimensions: int, step: int) -> Tracks:
    """Return the tracks of one step, all of one length, uniform in its logarithm."""
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, dimensions, TRAINING, step]))
    return draw_tracks(settings.batch_size, draw_points(rng), dimensions, rng, prior=balanced_prior())


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
                report(learner.step * settings.batch_size, settings.steps * settings.batch_size, f"loss {loss:.3f}")
                if interruption.signal is not None or time.monotonic() >= due:
                    save()
                    due = time.monotonic() + checkpoint_every
                stop_if_asked()
            save()  # so that an interruption of the scores repeats only them
            card = _card(learner, stop_if_asked) | {"provenance": provenance(execution, chosen)}
        write_network(learner.network, card, output, overwrite=overwrite)
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
            if key not in ("dimensions", "validation_tracks")
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


def _card(learner: Learner, before_each: Callable[[], None]) -> dict[str, Any]:
    """Return what is known of a trained network: data, seeds, hours, scores.

    ``before_each`` is called before each group of tracks that it is asked for, and may raise.
    """
    settings, number = learner.settings, learner.settings.validation_tracks
    seed = int(np.random.SeedSequence([settings.seed, learner.dimensions, VALIDATION]).generate_state(1)[0])
    views = min(VIEWS, 2**learner.dimensions)
    predict = predictor(learner.network, learner.device, views=views)

    def answer(positions: NDArray[np.float32]) -> NDArray[np.float32]:
        before_each()
        return predict(positions)

    found = scores(answer, number, learner.dimensions, seed)
    return {
        "network": "pyramid",
        "dimensions": learner.dimensions,
        "parameters": sum(parameter.numel() for parameter in learner.network.parameters()),
        "settings": settings.model_dump(mode="json", exclude={"dimensions"}),
        "tracks": learner.step * settings.batch_size,
        "hours": round(learner.seconds / 3600, 4),
        "learning_curve": [
            {
                "steps": min(2**power - 1, settings.steps),
                "tracks": min(2**power - 1, settings.steps) * settings.batch_size,
                "loss": round(total / steps, 4),
            }
            for power, (total, steps) in sorted(learner.losses.items())
        ],
        "views": views,
        "scores": found,
    }
