"""Where on a run can its loss be examined, and what is the loss surface there?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.data import Augmentation, Dataset, load
from anodiff.errors import ConfigError, NoValueError
from anodiff.landscape.constants import set_constants
from anodiff.landscape.surface import LossSurface
from anodiff.settings.loading import validate
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import LandscapeSettings
from anodiff.storage.types import FloatArray
from anodiff.training.loop import build_loss, build_model
from anodiff.training.seeding import global_states, restore_global_states, seed_globals
from anodiff.trajectory.format import FULL
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window


def loss_surface_at(
    trajectory: Trajectory | str | Path,
    step: int,
    landscape: LandscapeSettings,
    *,
    dataset: Dataset | None = None,
    data_root: str | Path = "data",
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> LossSurface:
    """Return the loss surface of a run, centred at the point stored for an optimiser step.

    The samples are those of the training set, with the labels that the run was trained on,
    normalised but not augmented.

    Parameters
    ----------
    trajectory
        The run's path, or its store.
    step
        Optimiser step of the centre; 0 is the initial point.
    landscape
        Number and seed of the samples, and the statistics of batch normalisation.
    dataset
        The run's data set, if it is already loaded.
    dtype, device
        See `LossSurface`. A network in float64 is evaluated in float64.

    Raises
    ------
    ConfigError
        If the step is not stored, the run kept no full weights, has fewer samples, or the network
        uses buffers that are not known there.
    NoValueError
        If the point is not finite.
    StoreFormatError
        If the settings of the trajectory build another network.
    StoreMissingError, IncompleteStoreError, DatasetMissingError
    """
    trajectory = trajectory if isinstance(trajectory, Trajectory) else open_trajectory(trajectory)
    run = run_settings(trajectory)
    centre = stored_point(trajectory, step)
    dataset = (dataset or load(run.data, data_root)).to(device)
    kept = torch.from_numpy(draw_subset(len(dataset.train_labels), landscape.samples, landscape.seed)).to(device)
    states = global_states(torch.device("cpu"))
    try:
        seed_globals(run.seed, "weights")  # buffers that a user's network draws are those of the run
        model = build_model(run, dataset)
    finally:
        restore_global_states(states, torch.device("cpu"))
    images = Augmentation(run.data, dataset).normalise(dataset.train_images[kept])
    set_constants(trajectory, step, model, images)
    return LossSurface(
        model,
        images,
        dataset.train_labels[kept],
        build_loss(run.training.loss, dataset.classes),
        centre=centre,
        batch_norm=landscape.batch_norm,
        dtype=dtype,
        device=device,
        own=True,
    )


def run_settings(trajectory: Trajectory) -> RunSettings:
    """Return the settings that a run was trained with; raises `ConfigError` if there are none."""
    settings = trajectory.group.attrs.get("settings")
    if settings is None:
        raise ConfigError(f"{trajectory.path}: holds no settings of a run; only runs of 'anodiff train' have a landscape")
    return validate(RunSettings, settings, f"{trajectory.path}: settings")


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
    if trajectory.representation != FULL:
        raise ConfigError(
            f"{trajectory.path}: recorded with weights: {trajectory.representation}; a landscape needs recording.weights: full"
        )
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
