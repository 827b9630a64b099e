"""Which network did a run have at a recorded step, and which of its steps are there?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anodiff.data import Dataset, load
from anodiff.errors import ConfigError, NoValueError
from anodiff.settings.loading import validate
from anodiff.settings.run import RunSettings
from anodiff.storage.types import FloatArray
from anodiff.training.loop import build_model
from anodiff.training.origin import refuse_other_data
from anodiff.training.seeding import global_states, restore_global_states, seed_globals
from anodiff.trajectory.format import FULL
from anodiff.trajectory.store import Trajectory
from anodiff.trajectory.windows import Window


def run_settings(trajectory: Trajectory) -> RunSettings:
    """Return the settings that a run was trained with; raises `ConfigError` if there are none."""
    settings = trajectory.group.attrs.get("settings")
    if settings is None:
        raise ConfigError(
            f"{trajectory.path}: holds no settings of a run; only for runs of 'anodiff train' can the network be built again"
        )
    return validate(RunSettings, settings, f"{trajectory.path}: settings")


def run_dataset(trajectory: Trajectory, run: RunSettings, data_root: str | Path) -> Dataset:
    """Load the data set of a run.

    Raises
    ------
    DatasetMissingError
    ConfigError
        If it is a text, and not the one that the run was trained on.
    """
    dataset = load(run.data, data_root, context=run.model.context)
    provenance: Any = trajectory.group.attrs.get("provenance", {})
    refuse_other_data(trajectory.path, provenance, dataset)
    return dataset


def run_network(run: RunSettings, dataset: Dataset) -> nn.Module:
    """Build the network of a run, with its initial weights; torch's generators do not change.

    The buffers that a user's network draws are those of the run.
    """
    states = global_states(torch.device("cpu"))
    try:
        seed_globals(run.seed, "weights")
        return build_model(run, dataset)
    finally:
        restore_global_states(states, torch.device("cpu"))


def refuse_partial_weights(trajectory: Trajectory) -> None:
    """Raise `ConfigError` for a run that kept no full weights."""
    if trajectory.representation != FULL:
        raise ConfigError(
            f"{trajectory.path}: recorded with weights: {trajectory.representation}; what looks at the network on the way "
            "needs recording.weights: full"
        )
    if "selected" in trajectory.group.attrs:
        raise ConfigError(
            f"{trajectory.path}: recorded some of the network's parameters; what looks at the network on the way needs all, "
            "without 'parameters'"
        )


def stored_point(trajectory: Trajectory, step: int) -> FloatArray:
    """Return the point stored for an optimiser step, shape (P,), float64.

    Raises
    ------
    ConfigError
        If the step is not stored (the nearest ones are named), or the run kept no full weights.
    StoreFormatError
        If a chunk is damaged.
    NoValueError
        If the point is not finite.
    """
    refuse_partial_weights(trajectory)
    steps = trajectory.kept_steps[trajectory.kept_steps <= trajectory.steps_completed]
    row = int(np.searchsorted(steps, step))
    if row == len(steps) or steps[row] != step:
        near = steps[max(0, row - 1) : row + 1]
        raise ConfigError(f"{trajectory.path}: step {step} is not stored; the nearest are {' and '.join(map(str, near))}")
    point = trajectory.point(step).astype(np.float64)
    if not np.isfinite(point).all():
        name = trajectory.parameter_name(int(np.flatnonzero(~np.isfinite(point))[0]))
        raise NoValueError(f"{trajectory.path}: step {step}: {name} is not finite; take an earlier step")
    return point


def points_near(trajectory: Trajectory, fractions: Sequence[float]) -> dict[int, Window]:
    """Return the stored steps in finished windows that are nearest to fractions of the run, rising.

    Each comes with the shortest finished window that contains it; among equally long ones, with the
    one that starts last. There are no steps if the run stopped before the end of its first window.
    """
    finished = [window for window in trajectory.windows if window.reached(trajectory.steps_completed)]
    found: dict[int, Window] = {}
    for step in trajectory.kept_steps[trajectory.kept_steps <= trajectory.steps_completed].tolist():
        around = [window for window in finished if window.start <= step <= window.start + window.length]
        if around:
            found[step] = min(around, key=lambda window: (window.length, -window.start))
    steps = np.array(list(found))
    chosen = {int(steps[np.abs(steps - fraction * steps[-1]).argmin()]) for fraction in fractions} if found else set()
    return {step: found[step] for step in sorted(chosen)}


def draw_subset(samples: int, count: int | None, seed: int) -> NDArray[np.int64]:
    """Return the rising indices of ``count`` of the ``samples``, drawn with ``seed``; all for None.

    With the same seed, a smaller subset is part of a larger one.

    Raises
    ------
    ConfigError
        If there are too few samples.
    """
    if count is None:
        return np.arange(samples)
    if not 1 <= count <= samples:
        raise ConfigError(f"{count} samples of a training set of {samples}; take 1 to {samples}, or null for all")
    return np.sort(np.random.default_rng(seed).permutation(samples)[:count])
