"""What can be set for the stage that asks which part is learned when? A change repeats it and trains nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from anodiff.settings.base import Seed, Settings


class LearningSettings(Settings):
    """Learning curves of modes, classes and groups of samples along runs on images that keep full weights."""

    seeds: Literal["first", "all", "none"] = "all"
    """Which runs of each configuration are examined: all, the run with the first seed, or none. The
    order of learning is compared over seeds."""
    points: Annotated[int, Field(ge=8, le=10_000)] = 32
    """Number of recorded steps at which the network's outputs are taken, evenly spaced in the
    logarithm of the step; the first and the last recorded step are among them."""
    samples: Annotated[int | None, Field(ge=16, le=1_000_000_000)] = 256
    """Number of training samples, and of test samples, drawn with ``seed``; fewer if there are not
    as many; null: all."""
    modes: Annotated[int, Field(ge=0, le=1000)] = 10
    """Number of singular modes of the correlation between inputs and classes, the strongest first.
    There are at most as many as classes minus 1."""
    groups: Annotated[dict[str, str], Field(max_length=100)] = {}
    """Groups of training samples whose curves are wanted as well: a name, and either
    ``file.csv:column`` with a value for each training sample, in order, or
    ``package.module:function``, a function of the images (N, C, H, W) and labels (N,) that returns
    one. Samples with equal values form a group."""
    draws: Annotated[int, Field(ge=20, le=100_000)] = 200
    """Number of bootstrap draws over the samples for the intervals of the learning times."""
    seed: Seed = 0
    """Seed of the samples and of the bootstrap."""
