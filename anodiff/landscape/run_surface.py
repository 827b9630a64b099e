"""The loss surface of a run, around a point of its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from anodiff.data import Augmentation, Dataset, load
from anodiff.errors import ConfigError, StoreFormatError
from anodiff.landscape.surface import BATCH_SIZE, LossSurface, subset
from anodiff.settings.run import RunSettings
from anodiff.storage.types import FloatArray
from anodiff.training.loop import build_loss, build_model
from anodiff.training.seeding import global_states, restore_global_states, seed_globals
from anodiff.trajectory.format import FULL
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window


def place(
    trajectory: Trajectory | str | Path,
    step: int,
    *,
    settings: RunSettings | None = None,
    dataset: Dataset | None = None,
    data_root: str | Path = "data",
    samples: int | None = None,
    seed: int = 0,
    batch_norm: str = "centre",
    batch_size: int = BATCH_SIZE,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> LossSurface:
    """Return the loss surface of a run over its training set, centred at the point stored for an optimiser step.

    The samples are those of the training set, with the labels that the run was trained on, normalised, not augmented.

    Parameters
    ----------
    trajectory
        The run's path, or where it lies.
    step
        Optimiser step of the centre; 0 is the initial point.
    settings
        The run's settings; by default those that the trajectory holds.
    dataset
        The run's data set, where it is already loaded.
    samples, seed
        Take only so many training samples, drawn by the seed; all by default.
    batch_norm, batch_size, dtype, device
        See `LossSurface`.

    Raises
    ------
    ConfigError
        If the step is not stored (the nearest ones are named), the run kept no full weights, or has fewer samples.
    StoreMissingError, StoreFormatError, IncompleteStoreError, DatasetMissingError
    """
    trajectory = trajectory if isinstance(trajectory, Trajectory) else open_trajectory(trajectory)
    settings = settings or RunSettings.model_validate(trajectory.group.attrs.get("settings"))
    centre = stored_point(trajectory, step)
    dataset = (dataset or load(settings.data, data_root)).to(device)
    kept = torch.from_numpy(subset(len(dataset.train_labels), samples, seed)).to(device)
    states = global_states(torch.device("cpu"))
    try:
        seed_globals(settings.seed, "weights")  # buffers that a user's network draws are those of the run
        model = build_model(settings, dataset)
    finally:
        restore_global_states(states, torch.device("cpu"))
    _check_parameters(trajectory, model)
    return LossSurface(
        model,
        Augmentation(settings.data, dataset).normalise(dataset.train_images[kept]),
        dataset.train_labels[kept],
        build_loss(settings.training.loss, dataset.classes),
        centre=centre,
        batch_norm=batch_norm,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
    )


def stored_point(trajectory: Trajectory, step: int) -> FloatArray:
    """Return the point stored for an optimiser step, shape (P,), float64.

    Raises
    ------
    ConfigError
        If the step is not stored, the run stopped before it, or kept no full weights.
    StoreFormatError
        If a chunk is damaged, or the point is not finite.
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
    point = trajectory.points(Window(int(step), 0))[0].astype(np.float64)
    if not np.isfinite(point).all():
        name = trajectory.parameter_name(int(np.flatnonzero(~np.isfinite(point))[0]))
        raise StoreFormatError(f"{trajectory.path}: step {step}: {name} is not finite; take an earlier step")
    return point


def _check_parameters(trajectory: Trajectory, model: torch.nn.Module) -> None:
    table: list[dict[str, Any]] = trajectory.group.attrs["parameters"]  # type: ignore[assignment]
    stored = [(entry["name"], tuple(entry["shape"])) for entry in table]
    built = [(name, tuple(parameter.shape)) for name, parameter in model.named_parameters()]
    if stored != built:
        which = next((a or b for a, b in zip([*stored, None], [*built, None], strict=False) if a != b), None)
        raise StoreFormatError(
            f"{trajectory.path}: its parameters are not those of the network that its settings build"
            f"{f', the first that differs is {which[0]}' if which else ''}; was the model's code changed?"
        )
