"""How does a network learn from tracks, step by step, and how far is it?

The tracks of a step and what its dropout drops depend on seed, dimensions and step alone. So nothing
but weights, moments of the optimiser and the step's number need be kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anodiff.errors import ConfigError
from anodiff.inference.answers.calibration import Calibration
from anodiff.inference.answers.logits import answer
from anodiff.inference.answers.reader import Answers, TrackReader
from anodiff.inference.networks.build import build_network
from anodiff.inference.simulated.tracks import Tracks, draw_points, draw_tracks
from anodiff.inference.teaching.calibrating import calibrate
from anodiff.inference.teaching.validation import scores
from anodiff.settings.inference import InferenceSettings
from anodiff.settings.optimiser import ScheduleSettings
from anodiff.training.optimisers import rate_factor

#: Parts of the random numbers of a training.
WEIGHTS, TRAINING, VALIDATION, DROPOUT, CALIBRATION = range(5)

#: Held-out tracks of a point of the learning curve.
CURVE_TRACKS = 1000


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
        Sum of the cross-entropy of the steps since the last point of the curve, and their number.
    curve
        The learning curve, see `add_to_curve`.
    """

    settings: InferenceSettings
    dimensions: int
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    losses: tuple[float, int] = (0.0, 0)
    curve: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self._random_numbers(WEIGHTS):
            network = build_network(self.settings.network, self.dimensions, self.settings.model_dump())
        self.network = network.to(self.device)
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
        with self._random_numbers(DROPOUT, self.step):
            logits = self.network(torch.from_numpy(tracks.positions).to(self.device))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(tracks.cells).to(self.device))
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        value = loss.item()
        if not math.isfinite(value):
            raise ConfigError(f"inference: the loss is {value} at step {self.step}; write a smaller inference.learning_rate")
        self.step += 1
        self.losses = (self.losses[0] + value, self.losses[1] + 1)
        self.seconds += time.monotonic() - start
        return value

    def add_to_curve(self) -> None:
        """Add a point to the learning curve: the tracks seen; the mean cross-entropy in nats since the
        last point; error of α and F1 of the kind on `CURVE_TRACKS` held-out tracks each.
        """
        found = self.scores(CURVE_TRACKS)
        self.curve.append(
            {
                "tracks": self.step * self.settings.batch_size,
                "loss": round(self.losses[0] / self.losses[1], 4),
                "mae": found["mae"]["all"],
                "f1": found["f1"]["all"],
            }
        )
        self.losses = (0.0, 0)

    def calibrated(self, before_each: Callable[[], None] = lambda: None) -> Calibration:
        """Return the calibration of the network, on tracks of their own seeds.

        ``before_each`` is called before each group of tracks, and may raise.
        """

        def passed(positions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            before_each()
            return answer(self.network, positions)

        with self._answering():
            return calibrate(passed, self.settings.calibration_tracks, self.dimensions, self._seed(CALIBRATION))

    def scores(
        self, number: int, calibration: Calibration | None = None, before_each: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Return `validation.scores` on ``number`` tracks of the held-out seeds.

        ``before_each`` is called before each group of tracks, and may raise.
        """
        reader = TrackReader(self.network, calibration, self.dimensions)

        def read(positions: NDArray[np.float32]) -> Answers:
            before_each()
            return reader.read(positions)

        with self._answering():
            return scores(read, number, self.dimensions, self._seed(VALIDATION))

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "losses": list(self.losses),
            "curve": self.curve,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.losses, self.curve = tuple(state["losses"]), state["curve"]

    def _seed(self, part: int) -> int:
        return int(np.random.SeedSequence([self.settings.seed, self.dimensions, part]).generate_state(1)[0])

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Let the network answer, without dropout, and learn again afterwards."""
        self.network.eval()
        try:
            yield
        finally:
            self.network.train()

    @contextmanager
    def _random_numbers(self, *part: int) -> Iterator[None]:
        """Let torch draw the random numbers of a part of the training, and restore its own."""
        seeds = np.random.SeedSequence([self.settings.seed, self.dimensions, *part])
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> np.uint64(1)))
            yield


def training_tracks(settings: InferenceSettings, dimensions: int, step: int) -> Tracks:
    """Return the tracks of one step, all of one length, uniform in its logarithm."""
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, dimensions, TRAINING, step]))
    return draw_tracks(settings.batch_size, draw_points(rng), dimensions, rng)
