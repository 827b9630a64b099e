"""Is the loss rough around the points of a path, and over which distances?

At some steps of a run losses are evaluated at distances over several decades, along random directions and along the path's own:
towards where it goes next. Structure functions and their exponents follow (`anodiff.landscape.structure`).

Cost: 2 · directions · radii forward passes over the samples, for each step and kind of direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from anodiff.config import RunSettings
from anodiff.data import load
from anodiff.errors import ConfigError
from anodiff.landscape.curvature import window_of
from anodiff.landscape.directions import unit_directions
from anodiff.landscape.evaluation import Evaluation
from anodiff.landscape.placing import place, stored_point
from anodiff.landscape.roughness_store import ARRAYS, KIND, VERSION, rows_of
from anodiff.landscape.surface import BATCH_SIZE, LossSurface, describe
from anodiff.stores import create_store, finish_store, writing
from anodiff.trajectory.format import compressors
from anodiff.trajectory.store import Trajectory, open_trajectory

FloatArray = NDArray[np.float64]
Report = Callable[[int, int, str], None]

#: Kinds of directions.
DIRECTIONS = ("random", "path")

#: Points at which float32's rounding is measured against float64, at this fraction of the weights' length from the point: far
#: enough that all weights are rounded anew.
ROUNDING_POINTS, ROUNDING_RADIUS = 12, 1e-5


def measure_roughness(
    trajectory_path: str | Path,
    output: str | Path,
    table: str | Path,
    *,
    steps: Sequence[int],
    data_root: str | Path = "data",
    samples: int | None = None,
    directions: int = 8,
    decades: float = 4.0,
    radii_per_decade: int = 4,
    seed: int = 0,
    batch_norm: str = "centre",
    batch_size: int = BATCH_SIZE,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    workers: int | None = None,
    overwrite: bool = False,
    report: Report = lambda done, total, message: None,
) -> pd.DataFrame:
    """Measure the roughness of the loss around steps of a run; write store and table, or neither, and return the table.

    Parameters
    ----------
    steps
        Optimiser steps, each of them stored.
    samples, batch_norm, batch_size, dtype, device
        Of the loss, see `anodiff.landscape.placing.place`.
    directions
        Of each kind: isotropic ones of length 1, and w_{t+k} − w_t with k spread over the window in its logarithm.
    decades, radii_per_decade
        Distances: up to how far the path goes over the window that holds the step, and so many decades down from there.
    workers
        Threads on a CPU; by default as many as torch uses.
    report
        Called with the directions done, those to do, and what is in work.

    Raises
    ------
    ConfigError
        If a step is not stored, the path does not move there, or a number is out of bounds.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    if directions < 1 or not decades > 0 or radii_per_decade < 1:
        raise ConfigError(f"{directions} directions, {decades} decades of {radii_per_decade} radii: all must be above 0")
    trajectory = open_trajectory(trajectory_path)
    settings = RunSettings.model_validate(trajectory.group.attrs.get("settings"))
    dataset = load(settings.data, data_root)
    fractions = np.geomspace(10**-decades, 1, round(decades * radii_per_decade) + 1)
    shape = {"point": len(steps), "kind": len(DIRECTIONS), "direction": directions, "side": 2, "radius": len(fractions)}
    arrays = {name: np.full([shape[each] for each in dimensions], np.nan) for name, (dimensions, _) in ARRAYS.items()}
    said: dict[str, Any] = {}
    total = len(steps) * len(DIRECTIONS) * directions
    with writing(output, overwrite=overwrite) as store, writing(table, overwrite=overwrite) as csv:
        for number, step in enumerate(steps):

            def placed(precision: torch.dtype, step: int = step) -> LossSurface:
                return place(
                    trajectory, step, settings=settings, dataset=dataset, samples=samples, seed=seed, batch_norm=batch_norm,
                    batch_size=batch_size, dtype=precision, device=device,
                )  # fmt: skip

            surface = placed(dtype)
            said = describe(surface)
            along, reach = _path_directions(trajectory, step, directions)
            random = np.random.default_rng([seed, step])
            vectors = {"random": random.normal(size=(directions, surface.size)), "path": along}
            radii = reach * fractions
            arrays["step"][number], arrays["loss_centre"][number] = step, surface(surface.centre)
            arrays["radius"][number] = radii
            arrays["rounding"][number] = _rounding(surface, placed(torch.float64), random)
            for kind, name in enumerate(DIRECTIONS):
                for index, vector in enumerate(vectors[name]):
                    done = (number * len(DIRECTIONS) + kind) * directions + index
                    report(done, total, f"step {step}, {name} directions")
                    line = unit_directions(name, surface.centre, vector[None], (name,))
                    with Evaluation(surface, line, workers) as evaluation:
                        losses = evaluation.row(np.concatenate([radii, -radii]), 0.0)
                    arrays["loss"][number, kind, index] = losses.reshape(2, -1)
        trajectory.check_unchanged()
        attributes = said | {"settings": settings.model_dump(mode="json"), "seed": seed, "kinds": list(DIRECTIONS)}
        attributes["non_finite"] = int((~np.isfinite(arrays["loss"])).sum())
        group = create_store(store, KIND, VERSION, attributes)
        for name, values in arrays.items():
            dimensions, meaning = ARRAYS[name]
            array = group.create_array(
                name, shape=values.shape, dtype=values.dtype, compressors=compressors(), dimension_names=dimensions,
                attributes={"long_name": meaning},
            )  # fmt: skip
            if values.size:
                array[...] = values
        finish_store(group)
        rows = rows_of(arrays, list(DIRECTIONS), seed)
        rows.to_csv(csv, index=False)
    report(total, total, "done")
    return rows


def _path_directions(trajectory: Trajectory, step: int, count: int) -> tuple[FloatArray, float]:
    """Return where the path goes from a step, shape (directions, P), and how far within its window.

    From the second half of a window on it is where the path came from.
    """
    window = window_of(trajectory, step)
    if window is None:
        raise ConfigError(f"{trajectory.path}: no finished window holds step {step}; take another step")
    ahead = window.start + window.length - step
    reach = ahead if 2 * ahead >= window.length else -(step - window.start)
    strides = np.unique(np.round(np.geomspace(1, abs(reach) // window.stride, count))).astype(int) * window.stride
    strides = np.resize(strides, count)
    centre = stored_point(trajectory, step)
    vectors = np.stack([stored_point(trajectory, step + int(np.sign(reach)) * int(stride)) - centre for stride in strides])
    distance = float(np.linalg.norm(vectors, axis=1).max())
    if not (np.linalg.norm(vectors, axis=1) > 0).all():
        raise ConfigError(f"{trajectory.path}: the path stands still at step {step}; take another step")
    return vectors, distance


def _rounding(surface: LossSurface, exact: LossSurface, random: np.random.Generator) -> float:
    """Return the variance of the rounding errors of losses, weights rounded too, against float64."""
    if surface.dtype == torch.float64:
        return float((np.finfo(np.float64).eps * exact(exact.centre)) ** 2)
    errors = []
    radius = ROUNDING_RADIUS * float(np.linalg.norm(surface.centre))
    for _ in range(ROUNDING_POINTS):
        vector = random.normal(size=surface.size)
        point = surface.centre + radius * vector / np.linalg.norm(vector)
        errors.append(surface(point) - exact(point))
    return float(np.var(errors, ddof=1))
