"""Which part of the data does a run learn when? From trajectory.zarr to learning.zarr and its tables.

At points evenly spaced in the logarithm of the step, the network's outputs on samples of the data
give a curve for each mode, class and group of samples (`anodiff.learning.curves`). Then, window by
window, the displacement is set beside the gradients of the modes that are being learned
(`anodiff.learning.windows`).

This costs 2 · points forward passes over the samples, and for each window that learns something 12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.data import Augmentation, Dataset, load
from anodiff.errors import ConfigError
from anodiff.learning.columns import CURVE_COLUMNS, LEARNING_WINDOW_COLUMNS
from anodiff.learning.curves import bootstrap_weights
from anodiff.learning.gradient_budget import GRADIENT_SAMPLES
from anodiff.learning.groups import read_groups
from anodiff.learning.modes import group_means, singular_modes
from anodiff.learning.parts import Learned, all_parts, class_parts, group_parts, learned
from anodiff.learning.recorded_outputs import Evaluated, RecordedNetwork, Samples
from anodiff.learning.store import write_learning
from anodiff.learning.times import final_crossings, forgetting_events
from anodiff.learning.window_table import window_rows
from anodiff.learning.windows import ModeValues
from anodiff.settings.learning import LearningSettings
from anodiff.settings.run import RunSettings
from anodiff.storage.stores import writing_all
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress
from anodiff.training.device import repeatable
from anodiff.training.gpus import claim_device
from anodiff.training.precision import float32_precision
from anodiff.training.recorded.network import draw_subset, refuse_partial_weights, run_settings
from anodiff.trajectory.store import Trajectory, open_trajectory


@one_blas_thread()
def measure_learning(
    trajectory_path: str | Path,
    output: str | Path,
    settings: LearningSettings,
    *,
    data_root: str | Path = "data",
    device: str = "auto",
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Measure what a run learns when; write learning.zarr, learning.csv and learning_windows.csv, or none of them.

    Parameters
    ----------
    output
        The store; the tables are next to it, named like it.
    report
        Called with the points and windows done, their total, and the one in work.

    Raises
    ------
    ConfigError
        If the run kept no full weights or was trained on text, its groups cannot be read, or the network uses buffers that
        are not known at a point.
    StoreMissingError, StoreFormatError, IncompleteStoreError, DatasetMissingError, OutputExistsError, StorageError
    """
    import pandas as pd

    store = Path(output)
    table, windows = store.with_suffix(".csv"), store.with_name(f"{store.stem}_windows.csv")
    with writing_all([store, table, windows], overwrite=overwrite) as temporary:
        trajectory = open_trajectory(trajectory_path)
        refuse_partial_weights(trajectory)
        run = run_settings(trajectory)
        if run.data.is_text:
            raise ConfigError(
                f"{trajectory.path}: trained on text, whose tokens have no classes; what is learned when is measured on images"
            )
        dataset = load(run.data, data_root)
        execution = run.training.model_copy(update={"compile": False, "precision": "float32"})
        with claim_device(device) as chosen, repeatable(execution, chosen), float32_precision(execution):
            found = _measure(trajectory, run, dataset, settings, chosen, report)
        trajectory.check_unchanged()
        pd.DataFrame(found.rows, columns=list(CURVE_COLUMNS)).to_csv(temporary[table], index=False)
        pd.DataFrame(found.window_rows, columns=list(LEARNING_WINDOW_COLUMNS)).to_csv(temporary[windows], index=False)
        write_learning(temporary[store], found.arrays, found.attributes)


def chosen_points(trajectory: Trajectory, points: int) -> NDArray[np.int64]:
    """Return the recorded steps in finished windows that are nearest to steps evenly spaced in their logarithm.

    The first and the last are among them; there are none if the run stopped before the end of its
    first window.
    """
    finished = [window.steps for window in trajectory.windows if window.reached(trajectory.steps_completed)]
    steps = np.unique(np.concatenate([np.empty(0, np.int64), *finished]))
    if len(steps) <= points:
        return steps
    positive = steps[steps > 0]
    wanted = np.geomspace(positive[0], positive[-1], points - (len(steps) - len(positive)))
    above = np.clip(np.searchsorted(steps, wanted), 1, len(steps) - 1)
    below = above - 1
    nearest = np.where(steps[above] - wanted < wanted - steps[below], above, below)
    return np.unique(np.concatenate([steps[:1], steps[nearest], steps[-1:]]))


@dataclass(frozen=True)
class _Found:
    """What store and tables hold."""

    arrays: dict[str, NDArray[Any]]
    attributes: dict[str, Any]
    rows: list[dict[str, Any]]
    window_rows: list[dict[str, Any]]


def _measure(
    trajectory: Trajectory,
    run: RunSettings,
    dataset: Dataset,
    settings: LearningSettings,
    device: torch.device,
    report: ProgressCallback,
) -> _Found:
    normalise, loss = Augmentation(run.data, dataset).normalise, run.training.loss
    groups = read_groups(settings.groups, dataset)
    labels = dataset.train_labels.numpy()
    classes = group_means(dataset.train_images, labels, dataset.classes, normalise)
    modes = singular_modes(classes, settings.modes)
    train_index, test_index = (_drawn(len(own), settings) for own in (labels, dataset.test_labels))
    train_label, test_label = labels[train_index], dataset.test_labels.numpy()[test_index]
    along = _along(dataset.train_images[train_index], classes.centre, modes.inputs, normalise)

    network = RecordedNetwork(trajectory, run, dataset, device)
    torch.manual_seed(settings.seed)  # for a network that draws random numbers even in evaluation mode

    def samples(images: torch.Tensor, labels: torch.Tensor, index: NDArray[np.int64]) -> Samples:
        return Samples(images[index], labels[index], normalise, network)

    train_samples = samples(dataset.train_images, dataset.train_labels, train_index)
    tested = {"": dataset.test_images, **dataset.probes}
    test_samples = {name: samples(images, dataset.test_labels, test_index) for name, images in tested.items()}
    steps = chosen_points(trajectory, settings.points)
    train = Evaluated.missing(len(steps), len(train_index), len(modes.values))
    test = {name: Evaluated.missing(len(steps), len(test_index), 0) for name in tested}
    for point, (step, values) in enumerate(trajectory.points_at(steps.tolist())):
        report(point, len(steps) + len(trajectory.windows), f"step {step}")
        if network.set(step, values, train_samples):
            train.fill(point, network, train_samples, loss, modes.outputs, along)
            for name, own in test_samples.items():
                test[name].fill(point, network, own, loss, modes.outputs[:0], np.empty((len(test_index), 0)))

    targets = modes.outputs[:, train_label].T * along
    whole, of_modes, probes = all_parts(train, test[""], modes, targets, {k: v for k, v in test.items() if k})
    parts = whole + of_modes + class_parts(train, train_label, classes)
    for each in groups:
        means = group_means(dataset.train_images, each.numbers, len(each.names), normalise)
        parts += group_parts(train, each, train_index, means)
    parts += probes
    weights = {
        "train": bootstrap_weights(len(train_index), settings.draws, settings.seed),
        "test": bootstrap_weights(len(test_index), settings.draws, settings.seed),
    }
    results = [learned(steps, part, weights[part.split], dataset.classes) for part in parts]
    few = np.unique(np.linspace(0, len(train_index) - 1, min(GRADIENT_SAMPLES, len(train_index))).astype(int))
    function = ModeValues(
        network, samples(dataset.train_images, dataset.train_labels, train_index[few]), loss, modes.outputs, along[few]
    )
    scale = targets.mean(axis=0) - (train.modes[0].mean(axis=0) if len(steps) else np.nan)
    rows = window_rows(trajectory, run, steps, results, function, scale, report)
    train_times = final_crossings(steps, train.margin, 0.0) if len(steps) else np.full(len(train_index), np.nan)
    arrays = {
        "step": steps,
        "train_index": train_index,
        "train_label": train_label,
        "train_margin": train.margin,
        "train_loss": train.loss,
        "train_learning_time": train_times,
        "train_forgetting": forgetting_events(train.margin),
        "test_index": test_index,
        "test_label": test_label,
        "test_margin": test[""].margin,
        "test_loss": test[""].loss,
        "singular_value": modes.values,
        "input_mode": modes.inputs,
        "output_mode": modes.outputs,
        **_curve_arrays(results, len(steps)),
    }
    attributes = {
        "settings": run.model_dump(mode="json"),
        "learning": settings.model_dump(mode="json", exclude={"seeds"}),
        "curves": [part.curve for part in parts],
        "sorts": [part.sort for part in parts],
        "splits": [part.split for part in parts],
        "laws": [each.row["law"] for each in results],
        "classes": dataset.classes,
        "parameters": network.size,
        "dtype": str(network.dtype).removeprefix("torch."),
        "device": device.type,
    }
    return _Found(arrays, attributes, [each.row for each in results], rows)


def _drawn(samples: int, settings: LearningSettings) -> NDArray[np.int64]:
    """Return the samples that are taken, all if there are not more than asked for."""
    return draw_subset(samples, None if settings.samples is None else min(samples, settings.samples), settings.seed)


def _along(
    images: torch.Tensor, centre: FloatArray, directions: FloatArray, normalise: Callable[[torch.Tensor], torch.Tensor]
) -> FloatArray:
    """Return v_k · (x − x̄) of images as they are stored, shape (N, K)."""
    blocks = [normalise(block).flatten(1).double().numpy() - centre for block in images.split(1024)]
    return np.concatenate([block @ directions.T for block in blocks])


def _curve_arrays(results: list[Learned], points: int) -> dict[str, NDArray[Any]]:
    """Return the curves of all parts as arrays of the store, (points, curves)."""
    arrays = {name: np.full((points, len(results)), np.nan) for name in ("curve", "curve_low", "curve_high", "curve_fitted")}
    for number, each in enumerate(results):
        if each.curve is not None and each.fit is not None:
            own = (each.curve.values, each.curve.low, each.curve.high, each.fit.fitted)
            for array, values in zip(arrays.values(), own, strict=True):
                array[:, number] = values
    return arrays
