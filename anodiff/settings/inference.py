"""What can be set for the networks that read exponent and kind of motion off one track?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from anodiff.settings.base import Seed, Settings
from anodiff.settings.recording import MOST_STEPS

Dimensions = Literal[1, 2, 3]


class InferenceSettings(Settings):
    """The networks of `anodiff.inference`, one for each number of dimensions, and their training."""

    dimensions: Annotated[list[Dimensions], Field(min_length=1, max_length=3)] = [1, 2, 3]
    """Numbers of dimensions, each with a network of its own."""
    network: Literal["pyramid", "wadnet"] = "pyramid"
    """pyramid, for tracks of any length; wadnet, the published network, at three times its cost."""
    tracks: Annotated[int, Field(ge=64, le=10_000_000_000)] = 800_000
    """Tracks that a network learns from. None is used twice."""
    batch_size: Annotated[int, Field(ge=2, le=100_000)] = 128
    """Tracks of a batch, all of one length."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    """Largest learning rate of AdamW. It rises over the first hundredth of the steps, and falls along
    half a cosine to 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of AdamW."""
    width: Annotated[int, Field(ge=1, le=1024)] = 48
    """For pyramid: channels."""
    levels: Annotated[int, Field(ge=1, le=10)] = 8
    """For pyramid: levels. Each sees the track at half the resolution of the one before."""
    hidden: Annotated[int, Field(ge=1, le=8192)] = 256
    """For pyramid: width of the hidden layer that joins the levels."""
    validation_tracks: Annotated[int, Field(ge=1000, le=10_000_000)] = 10_000
    """Held-out tracks for the scores of the exponent, and as many for those of the kind."""
    calibration_tracks: Annotated[int, Field(ge=2000, le=10_000_000)] = 60_000
    """Further tracks of the five kinds. Half of them calibrate intervals and probabilities; the others,
    with as many that are none of the five, teach what is unlike them."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads on the CPU. The bits depend on their number."""
    seed: Seed = 0
    """Seed of weights and tracks."""

    @model_validator(mode="after")
    def _fits(self) -> InferenceSettings:
        if len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError(f"dimensions: {self.dimensions} names a number twice; name each once")
        if not 2 <= self.steps <= MOST_STEPS:
            raise ValueError(
                f"tracks over batch_size: {self.steps:,} steps; change one of them, so that there are from 2 to {MOST_STEPS:,}"
            )
        return self

    @property
    def steps(self) -> int:
        """Optimiser steps: whole batches of tracks."""
        return self.tracks // self.batch_size
