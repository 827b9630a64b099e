"""Is the loss rough around the points of a path, and over which distances?

At some steps of a run losses are evaluated at distances over several decades, along random directions and along the path's own:
towards where it goes next. Structure functions and their exponents follow (`anodiff.landscape.structure`).

Cost: 2 · directions · radii forward passes over the samples, for each step and kind of direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from anodiff.data import load
from anodiff.errors import ConfigError
from anodiff.landscape.curvature import window_of
from anodiff.landscape.directions import unit_directions
from anodiff.landscape.roughness_store import ARRAYS, KIND, VERSION, rows_of
from anodiff.landscape.run_surface import place, stored_point
from anodiff.landscape.scan import Evaluation
from anodiff.landscape.structure import cosines
from anodiff.landscape.surface import BATCH_SIZE, LossSurface, describe
from anodiff.settings.run import RunSettings
from anodiff.storage.measurement import Layout, identity_of, layouts_of, measuring, scratch_of
from anodiff.storage.stores import refuse_existing, writing
from anodiff.storage.types import FloatArray, Report, silent
from anodiff.trajectory.store import Trajectory, open_trajectory

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
    report: Report = silent,
) -> pd.DataFrame:
    """Measure the roughness of the loss around steps of a run; write store and table, and return the table.

    The same call after an interruption goes on behind the directions that were done, see `anodiff.storage.measurement`.

    Parameters
    ----------
    steps
        Optimiser steps, each of them stored.
    samples, batch_norm, batch_size, dtype, device
        Of the loss, see `anodiff.landscape.run_surface.place`.
    directions
        Of each kind: isotropic ones of length 1, and w_{t+k} − w_t with k spread over the window in its logarithm. The latter
        are nested and count as fewer, see `anodiff.landscape.structure.independent_directions`.
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
    refuse_existing(Path(output), overwrite=overwrite)
    replacing = overwrite or scratch_of(output).exists()  # killed between table and store, a measurement leaves the table alone
    refuse_existing(Path(table), overwrite=replacing)
    trajectory = open_trajectory(trajectory_path)
    settings = RunSettings.model_validate(trajectory.group.attrs.get("settings"))
    dataset = load(settings.data, data_root)
    fractions = np.geomspace(10**-decades, 1, round(decades * radii_per_decade) + 1)

    def placed(step: int, precision: torch.dtype) -> LossSurface:
        return place(
            trajectory, step, settings=settings, dataset=dataset, samples=samples, seed=seed, batch_norm=batch_norm,
            batch_size=batch_size, dtype=precision, device=device,
        )  # fmt: skip

    for step in steps:
        stored_point(trajectory, step)
        _path_directions(trajectory, step, directions)  # refuses a bad step before anything is begun
    first = placed(steps[0], dtype) if steps else None
    looked = first and first.fingerprint()
    identity = identity_of(
        settings, seed, steps, directions, trajectory.fingerprint, looked, torch.__version__, arrays=[fractions]
    )
    said = (describe(first) if first else {}) | {"settings": settings.model_dump(mode="json"), "seed": seed}
    said["kinds"] = list(DIRECTIONS)
    kinds, total = len(DIRECTIONS), len(steps) * len(DIRECTIONS) * directions
    sizes = {
        "point": len(steps),
        "kind": kinds,
        "direction": directions,
        "other_direction": directions,
        "side": 2,
        "radius": len(fractions),
    }
    with (
        measuring(
            output, KIND, VERSION, identity, _layouts(sizes), [len(steps), kinds, directions], said, overwrite=overwrite
        ) as measurement,
        writing(table, overwrite=replacing) as csv,
    ):
        todo = measurement.todo
        done = total - len(todo)
        for number in sorted({number for number, *_ in todo}):
            surface = placed(steps[number], dtype)
            along, reach = _path_directions(trajectory, steps[number], directions)
            random = np.random.default_rng([seed, steps[number]])
            vectors = [random.normal(size=(directions, surface.size)), along]
            radii = reach * fractions
            measurement.put("cosine", number, [cosines(those) for those in vectors])
            measurement.put("step", number, steps[number])
            measurement.put("loss_centre", number, surface(surface.centre))
            measurement.put("radius", number, radii)
            measurement.put("rounding", number, _rounding(surface, placed(steps[number], torch.float64), random))
            for part in [part for part in todo if part[0] == number]:
                _, kind, direction = part
                report(done, total, f"step {steps[number]}, {DIRECTIONS[kind]} directions")
                line = unit_directions(DIRECTIONS[kind], surface.centre, vectors[kind][direction], DIRECTIONS[kind : kind + 1])
                with Evaluation(surface, line, workers) as evaluation:
                    losses = evaluation.row(np.concatenate([radii, -radii]), 0.0)
                measurement.put("loss", part, losses.reshape(2, -1))
                measurement.finish(part)
                done += 1
        trajectory.check_unchanged()
        arrays = {name: measurement[name] for name in ARRAYS}
        measurement.attributes["non_finite"] = int((~np.isfinite(arrays["loss"])).sum())
        rows = rows_of(arrays, list(DIRECTIONS), seed)
        rows.to_csv(csv, index=False)
    report(total, total, "done")
    return rows


def _layouts(sizes: Mapping[str, int]) -> dict[str, Layout]:
    found = layouts_of(ARRAYS, sizes)
    apart = (1, 1, *(max(1, size) for size in found["loss"].shape[2:]))  # a part rewrites its chunk
    return found | {"loss": replace(found["loss"], chunks=apart)}


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
