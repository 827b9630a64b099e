"""What is the loss surface of a run around a recorded step?"""

from __future__ import annotations

from pathlib import Path

import torch

from anodiff.data import Dataset, build_augmentation
from anodiff.landscape.surface import BATCH_SIZE, LossSurface
from anodiff.settings.stages import LandscapeSettings
from anodiff.training.losses import build_loss
from anodiff.training.recorded.constants import set_constants
from anodiff.training.recorded.network import draw_subset, run_dataset, run_network, run_settings, stored_point
from anodiff.trajectory.store import Trajectory, open_trajectory


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
    dataset = (dataset or run_dataset(trajectory, run, data_root)).to(device)
    kept = torch.from_numpy(draw_subset(len(dataset.train_labels), landscape.samples, landscape.seed)).to(device)
    model = run_network(run, dataset)
    inputs = build_augmentation(run.data, dataset).normalise(dataset.train_inputs[kept])
    set_constants(trajectory, step, model, inputs)
    return LossSurface(
        model,
        inputs,
        dataset.train_labels[kept],
        build_loss(run.training, dataset.classes),
        centre=centre,
        batch_norm=landscape.batch_norm,
        batch_size=dataset.shape.batch_size(BATCH_SIZE),
        dtype=dtype,
        device=device,
        own=True,
    )
