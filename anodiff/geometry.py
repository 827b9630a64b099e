"""The geometry of a path: everything follows from the update Gram matrix G_kl = <Δw_k, Δw_l>, Δw_k = w_{k+1} − w_k.

The pitfall: ||a − b||² = |a|² + |b|² − 2ab on float32 weights loses every digit at short lags, since weights are much larger
than their changes. So neighbouring points are subtracted first (float32, nearly exact), products are summed within blocks of
parameters in float32, and blocks and prefix sums in float64.

Cost: one pass over the stored weights, O(T²P) multiplications for P parameters and windows of T updates; memory O(T²) + one
block of columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.stores import create_store, finish_store, open_store, writing
from anodiff.trajectory.format import EPOCH_SERIES, compressors
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window

KIND = "anodiff geometry"
VERSION = 1

#: Columns whose products are summed in float32 before they enter the float64 total.
PRODUCT_COLUMNS = 8192


@dataclass(frozen=True)
class PathGeometry:
    """The geometry of a window of T updates.

    Attributes
    ----------
    gram
        Update Gram matrix, shape (T, T), float64.
    window
        The stretch of the run.
    """

    gram: NDArray[np.float64]
    window: Window

    @cached_property
    def squared_displacements(self) -> NDArray[np.float64]:
        """D_ij = |w_j − w_i|² = Σ_{k,l ∈ [i,j)} G_kl, shape (T+1, T+1), by two-dimensional prefix sums of G."""
        updates = len(self.gram)
        prefix = np.zeros((updates + 1, updates + 1))
        with np.errstate(invalid="ignore", over="ignore"):  # of weights that are not finite, the analysis tells
            np.cumsum(np.cumsum(self.gram, axis=0), axis=1, out=prefix[1:, 1:])
            diagonal = np.diagonal(prefix)
            return np.maximum(diagonal[:, None] + diagonal[None, :] - prefix - prefix.T, 0.0)

    @property
    def step_lengths(self) -> NDArray[np.float64]:
        """|Δw_k| = sqrt(G_kk), shape (T,)."""
        return np.sqrt(np.diagonal(self.gram))

    @property
    def contour_length(self) -> NDArray[np.float64]:
        """Length of the path from its first point to each point, s_0j = Σ_{k<j} |Δw_k|, shape (T+1,)."""
        return np.concatenate([[0.0], np.cumsum(self.step_lengths)])


def update_gram(
    points: Callable[[slice], NDArray[np.float32]], updates: int, parameters: int, *, block: int
) -> NDArray[np.float64]:
    """Return the update Gram matrix, reading ``block`` columns (parameters) of the window at a time.

    Parameters
    ----------
    points
        Returns the given columns of all the window's points, shape (updates + 1, columns).

    Returns
    -------
    gram
        Shape (updates, updates), float64, exactly symmetric.
    """
    gram = np.zeros((updates, updates))
    with np.errstate(invalid="ignore", over="ignore"):  # weights that are not finite give a Gram matrix that is not
        for start in range(0, parameters, block):
            differences = np.diff(points(slice(start, min(start + block, parameters))), axis=0)  # (T, columns)
            for first in range(0, differences.shape[1], PRODUCT_COLUMNS):
                part = np.ascontiguousarray(differences[:, first : first + PRODUCT_COLUMNS])
                gram += part @ part.T  # numpy calls the symmetric rank-k product, half the work
    return gram


def columns_at_once(updates: int, chunk: int, memory: float) -> int:
    """Return how many columns fit in ``memory`` bytes, in whole chunks: points, their differences and one product block."""
    held = 4 * (2 * (updates + 1) * chunk)
    return chunk * max(1, int(memory // held))


def geometry(
    trajectory_path: str | Path,
    output: str | Path,
    *,
    memory: float = 2**29,
    overwrite: bool = False,
    report: Callable[[int, int, str], None] = lambda done, total, message: None,
) -> None:
    """Reduce trajectory.zarr to geometry.zarr: one update Gram matrix per window.

    A window that the run did not finish stays NaN.

    Parameters
    ----------
    memory
        Bytes for the columns read at a time, beside the Gram matrices themselves.
    """
    trajectory = open_trajectory(trajectory_path)
    parameters, chunk = trajectory.weights.shape[1], trajectory.weights.chunks[1]
    with writing(output, overwrite=overwrite) as temporary:
        group = _create(temporary, trajectory)
        gram_array = group["gram"]
        for number, window in enumerate(trajectory.windows):
            report(number, len(trajectory.windows), f"window from step {window.start}")
            if trajectory.reached(window):
                block = columns_at_once(window.updates, chunk, memory)
                gram = update_gram(
                    lambda columns, window=window: trajectory.points(window, columns),  # type: ignore[misc]
                    window.updates,
                    parameters,
                    block=block,
                )
                gram_array[number, : window.updates, : window.updates] = gram  # type: ignore[index]
        report(len(trajectory.windows), len(trajectory.windows), "done")
        finish_store(group, trajectory.status)


@dataclass(frozen=True)
class Geometries:
    """A finished geometry.zarr: the windows of a run and the run's attributes."""

    path: Path
    group: zarr.Group
    status: str
    steps_completed: int
    windows: tuple[Window, ...]

    def reached(self, window: Window) -> bool:
        """Return whether the run went on until the window's end."""
        return window.start + window.length <= self.steps_completed

    def read(self, number: int) -> PathGeometry:
        """Return the geometry of one window, by its number."""
        window = self.windows[number]
        gram = self.group["gram"][number, : window.updates, : window.updates]  # type: ignore[index]
        return PathGeometry(np.asarray(gram, np.float64), window)


def open_geometry(path: str | Path) -> Geometries:
    """Open a finished geometry.zarr; raises what `anodiff.stores.open_store` raises."""
    group = open_store(path, KIND, VERSION)
    windows = tuple(Window(*(int(value) for value in row)) for row in np.asarray(group["windows"][:]))  # type: ignore[index]
    return Geometries(Path(path), group, str(group.attrs["status"]), int(group.attrs["steps_completed"]), windows)  # type: ignore[arg-type]


def _create(path: Path, trajectory: Trajectory) -> zarr.Group:
    """Make the empty store, with what the analysis needs besides G copied from the trajectory."""
    carried = ("settings", "provenance", "steps", "steps_completed", "steps_per_epoch", "diverged_at", "parameters")
    header = {key: value for key, value in trajectory.group.attrs.items() if key in carried}
    group = create_store(path, KIND, VERSION, header)
    windows = trajectory.windows
    updates = max(window.updates for window in windows)
    steps = np.full((len(windows), updates + 1), -1, np.int64)
    losses = np.full((len(windows), updates + 1), np.nan, np.float32)
    series = np.append(trajectory.series("loss"), np.float32(math.nan))  # no batch is seen at the last point
    for number, window in enumerate(windows):
        steps[number, : window.updates + 1] = window.steps
        losses[number, : window.updates + 1] = series[window.steps]
    group.create_array(
        "gram",
        shape=(len(windows), updates, updates),
        chunks=(1, min(updates, 256), updates),
        dtype="float64",
        fill_value=math.nan,
        compressors=compressors(),
        dimension_names=("window", "update", "update_other"),
        attributes={"long_name": "update Gram matrix <Δw_k, Δw_l>; NaN where the run did not reach", "units": "1"},
    )
    for name, values, meaning, unit in (
        ("point_step", steps, "optimiser step of each point; -1 beyond a shorter window", "optimiser steps"),
        ("point_loss", losses, "mini-batch loss at each point; NaN beyond a shorter window and at the run's end", "1"),
    ):
        group.create_array(
            name,
            data=values,
            compressors=compressors(),
            dimension_names=("window", "point"),
            attributes={"long_name": meaning, "units": unit},
        )
    for name in ("windows", "epoch", *EPOCH_SERIES):
        carried_array = trajectory.array(name)
        group.create_array(
            name,
            data=np.asarray(carried_array[:]),
            compressors=compressors(),
            dimension_names=trajectory.dimensions(name),
            attributes=dict(carried_array.attrs),
        )
    return group
