"""How does trajectory.zarr become geometry.zarr? One update Gram matrix per window.

Cost: O(T²P) for windows of T updates and P parameters; each weight is read once
(`anodiff.geometry.gram`). If the recorder stored Gram matrices instead of weights, they are copied.
If the run has groups of parameters, each has its own matrix at no further cost, and that of the
path is their sum. Walks are always copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from anodiff.geometry.gram import MEMORY, choose_device, find_non_finite, part_grams, update_gram
from anodiff.geometry.parts import GROUP, WALK, create_part_grams, group_columns, stored_parts, sum_in_order
from anodiff.geometry.store import KIND, POINT_SERIES, VERSION
from anodiff.settings.run import RunSettings
from anodiff.storage.arrays import create_array
from anodiff.storage.stores import create_store, finish_store, writing
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.trajectory.format import EPOCH_SERIES, GRAM, NONE, gram_layout
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window, updates_give_gradients

if TYPE_CHECKING:
    import zarr

#: Attributes that are copied from the trajectory.
COPIED_ATTRIBUTES = (
    "settings",
    "provenance",
    "steps",
    "steps_completed",
    "steps_per_epoch",
    "diverged_at",
    "parameters",
    "representation",
    "sketch",
    "groups",
    "walks",
)


def compute_geometry(
    trajectory_path: str | Path,
    output: str | Path,
    *,
    memory: float = MEMORY,
    device: str = "cpu",
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Reduce trajectory.zarr to geometry.zarr.

    A window that the run did not finish stays NaN, and so does one with weights that are not
    finite. For the latter, the attribute ``problems`` names the step and the parameter, and
    ``part_problems`` the step of a walk that is not finite.

    Parameters
    ----------
    memory
        Bytes for the columns in memory at once. A Gram matrix comes on top, and one for each group.
    device
        Where to multiply: ``cpu``, ``cuda`` or ``auto``, see `anodiff.geometry.gram.choose_device`.
        It is stored as the attribute ``device``, which is ``recorder`` for Gram matrices that the
        recorder summed.
    report
        Called with the number of parameters done over all windows, their total, and the current
        window.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    trajectory = open_trajectory(trajectory_path)
    stored = trajectory.representation == NONE  # Gram matrices instead of weights
    device = "recorder" if stored else choose_device(device)
    reached = [number for number, window in enumerate(trajectory.windows) if window.reached(trajectory.steps_completed)]
    parameters = trajectory.parameters if stored else trajectory.weights.shape[1]
    problems: dict[str, str] = {}
    columns = [] if stored else group_columns(trajectory)
    with writing(output, overwrite=overwrite) as temporary:
        group = _create(temporary, trajectory)
        gradients = _sampled_gradients(trajectory)
        if gradients is not None:
            _create_gradient_sample(group, trajectory, gradients)
        part_problems: dict[str, dict[str, str]] = {}
        for done, number in enumerate(reached):
            window = trajectory.windows[number]

            def report_window(columns: int, total: int, message: str, done: int = done, window: Window = window) -> None:
                report(done * parameters + columns, len(reached) * parameters, f"window from step {window.start}")

            points = None if stored else WindowPoints(trajectory, window, gradients)
            if points is None:
                gram = trajectory.gram(number)
                _copy_parts(group, trajectory, GROUP, number)
                report_window(parameters, parameters, "")
            elif columns:
                grams = part_grams(points, columns, memory=memory, device=device, report=report_window)
                for place, own in enumerate(grams):  # one by one: all at once would be copied at once
                    group["group_gram"][place, number, : window.updates, : window.updates] = own  # type: ignore[index]
                gram = sum_in_order(grams)
            else:
                gram = update_gram(points, memory=memory, device=device, report=report_window)
            if not np.isfinite(gram).all():
                problems[str(number)] = (
                    _problem_of_points(trajectory, window, points, memory) if points else _problem_of_gram(gram, window)
                )
            group["gram"][number, : window.updates, : window.updates] = gram  # type: ignore[index]
            if gradients is not None:
                sampled = points.gradients() if points else trajectory.gradient_sample(window)[:-1]
                group["gradient_sample"][number, : window.updates] = sampled  # type: ignore[index]
            for walk, found in _copy_parts(group, trajectory, WALK, number).items():
                part_problems.setdefault(walk, {})[str(number)] = found
        trajectory.check_unchanged()
        finish_store(group, trajectory.status, problems=problems, part_problems=part_problems, device=device)


@dataclass(frozen=True)
class SampledGradients:
    """Where the sampled entries of the gradient come from.

    Attributes
    ----------
    coordinates
        Numbers of the sampled parameters, in rising order.
    source
        ``updates``: from the updates of plain SGD, exact except for rounding; ``recorded``: stored
        by the recorder.
    """

    coordinates: NDArray[np.int64]
    source: str


class WindowPoints:
    """A window of a trajectory as a path (`Points`); it keeps the sampled updates that it reads."""

    def __init__(self, trajectory: Trajectory, window: Window, sampled: SampledGradients | None) -> None:
        self.shape = (window.updates + 1, trajectory.weights.shape[1])
        self.dtype = trajectory.weights.dtype
        self._trajectory, self._window, self._sampled = trajectory, window, sampled
        self._updates = None
        if sampled is not None and sampled.source == "updates":
            self._updates = np.full((window.updates, len(sampled.coordinates)), np.nan, self.dtype)

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[Any]:
        columns = index[1]
        block = self._trajectory.points(self._window, columns)
        if self._updates is not None and self._sampled is not None:
            first, last = np.searchsorted(self._sampled.coordinates, (columns.start, columns.start + block.shape[1]))
            self._updates[:, first:last] = np.diff(block[:, self._sampled.coordinates[first:last] - columns.start], axis=0)
        return block

    def gradients(self) -> NDArray[Any]:
        """Return the sampled gradients at the window's first T points, shape (T, coordinates)."""
        if self._updates is None:
            return self._trajectory.gradient_sample(self._window)[:-1]
        rates = self._trajectory.series("learning_rate")[self._window.steps[:-1]]
        return -self._updates / rates[:, None]


def _sampled_gradients(trajectory: Trajectory) -> SampledGradients | None:
    """Return which gradient entries the recorder, or updates of plain SGD, provide, or None."""
    if "gradient_sample" in trajectory.group:
        return SampledGradients(np.asarray(trajectory.array("coordinate")[:]), "recorded")
    try:
        run = RunSettings.model_validate(trajectory.group.attrs.get("settings"))
    except ValidationError:  # recorded from a user's own training loop
        return None
    parameters = trajectory.parameters
    count = min(run.recording.gradient_coordinates, parameters)
    table: list[dict[str, Any]] = trajectory.group.attrs["parameters"]  # type: ignore[assignment]
    types = [entry.get("dtype", "float32") for entry in table]
    if not count or not updates_give_gradients(run, trajectory.windows, types):
        return None
    chosen = np.random.default_rng([run.seed, parameters]).choice(parameters, count, replace=False)
    return SampledGradients(np.sort(chosen), "updates")


def _problem_of_points(trajectory: Trajectory, window: Window, points: WindowPoints, memory: float) -> str:
    """Return a sentence that names the first step and parameter that are not finite."""
    found = find_non_finite(points, memory=memory)
    if found is None:
        return f"the squares of the updates overflow {points.dtype}"
    step = window.steps[found.point]
    return f"the weights are not finite: {found.value} at step {step} in {trajectory.parameter_name(found.parameter)}"


def _problem_of_gram(gram: NDArray[np.float64], window: Window, what: str = "the weights are") -> str:
    """Return a sentence that names the first step that is not finite, if the matrix shows it."""
    steps = np.flatnonzero(~np.isfinite(np.diagonal(gram)))
    if not len(steps):
        return "the products of the updates overflow"
    return f"{what} not finite at step {window.steps[steps[0] + 1]}, or the squares of the updates overflow"


def _copy_parts(group: zarr.Group, trajectory: Trajectory, kind: str, number: int) -> dict[str, str]:
    """Copy the recorded matrices of groups or walks in a window; return by part why it has none that is finite."""
    window, problems = trajectory.windows[number], {}
    for part in stored_parts(dict(trajectory.group.attrs), kind):
        place = (part.place, number, slice(window.updates), slice(window.updates))
        gram = trajectory.part_gram(part.array, part.place, number)
        if not np.isfinite(gram).all():
            problems[part.key] = _problem_of_gram(gram, window, f"the {kind} is")
        group[part.array][place] = gram  # type: ignore[index]
    return problems


def _create(path: Path, trajectory: Trajectory) -> zarr.Group:
    """Create the store with G still empty and the other arrays copied from the trajectory."""
    header = {key: value for key, value in trajectory.group.attrs.items() if key in COPIED_ATTRIBUTES}
    group = create_store(path, KIND, VERSION, header)
    windows = trajectory.windows
    updates = max(window.updates for window in windows)
    group.create_array("gram", **gram_layout(len(windows), updates), attributes={"long_name": GRAM, "units": "1"})
    for kind in (GROUP, WALK):
        parts = stored_parts(header, kind)
        if parts:
            create_part_grams(group, kind, len(parts), len(windows), updates)
    steps = np.full((len(windows), updates + 1), -1, np.int64)
    for number, window in enumerate(windows):
        steps[number, : window.updates + 1] = window.steps
    meaning = "optimiser step of each point; -1 beyond a shorter window"
    about = {"long_name": meaning, "units": "optimiser steps"}
    create_array(group, "point_step", ("window", "point"), about, data=steps)
    for name, meaning in POINT_SERIES.items():
        series = np.append(trajectory.series(name), np.float32(math.nan))  # the last point has no batch
        values = np.where(steps >= 0, series[steps], np.float32(math.nan))
        meaning += "; NaN beyond a shorter window and at the run's end"
        create_array(group, f"point_{name}", ("window", "point"), {"long_name": meaning, "units": "1"}, data=values)
    for name in ("windows", "epoch", *EPOCH_SERIES):
        source = trajectory.array(name)
        create_array(group, name, trajectory.dimensions(name), dict(source.attrs), data=np.asarray(source[:]))
    return group


def _create_gradient_sample(group: zarr.Group, trajectory: Trajectory, sampled: SampledGradients) -> None:
    windows, updates = group["gram"].shape[:2]  # type: ignore[union-attr]
    coordinates = len(sampled.coordinates)
    dtype = (trajectory.array("gradient_sample") if sampled.source == "recorded" else trajectory.weights).dtype
    meaning = "entries of the mini-batch gradient at a seeded sample of the parameters"
    create_array(
        group,
        "gradient_sample",
        ("window", "update", "coordinate"),
        {"long_name": meaning, "units": "1", "source": sampled.source},
        shape=(windows, updates, coordinates),
        dtype=dtype,
        chunks=(1, updates, coordinates),
    )
    about = {"long_name": "number of the parameter", "units": "1"}
    create_array(group, "coordinate", ("coordinate",), about, data=sampled.coordinates)
