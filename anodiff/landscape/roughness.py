"""Is the loss rough around the points of a path, and over which distances?

At some steps of a run, losses are evaluated at distances over several decades, along random
directions and along the path's own: towards where it goes next. From these come structure functions
and their exponents (`anodiff.landscape.structure`).

For each step and kind of direction, this costs 2 · directions · radii forward passes over the
samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from anodiff.errors import NoValueError
from anodiff.landscape.directions import Directions, unit_directions
from anodiff.landscape.roughness_store import ARRAYS, KIND, VERSION, RoughnessStore
from anodiff.landscape.run_surface import loss_surface_at
from anodiff.landscape.scan import GridEvaluator
from anodiff.landscape.structure import cosines
from anodiff.landscape.surface import LossSurface, describe
from anodiff.settings.stages import LandscapeSettings, RoughnessSettings
from anodiff.storage.resumable import array_layouts, identity_hash, resumable_store, scratch_folder
from anodiff.storage.stores import refuse_existing, writing
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress
from anodiff.training.gpus import claim_device
from anodiff.training.recorded.network import points_near, run_dataset, run_settings, stored_point
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window

if TYPE_CHECKING:
    import pandas as pd

#: Kinds of directions.
DIRECTIONS = ("random", "path")

#: Number of points at which float32's rounding is measured against float64, and their distance from
#: the point as a fraction of the weights' length: far enough that every weight is rounded
#: differently.
ROUNDING_POINTS, ROUNDING_RADIUS = 12, 1e-5


@one_blas_thread()
def measure_roughness(
    trajectory_path: str | Path,
    output: str | Path,
    table: str | Path,
    landscape: LandscapeSettings,
    settings: RoughnessSettings,
    *,
    data_root: str | Path = "data",
    dtype: torch.dtype | None = None,
    device: str = "auto",
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> pd.DataFrame:
    """Measure the roughness at points of a run, write store and table, and return the table.

    There are two kinds of directions, as many of each: isotropic ones, and w_{t+k} − w_t, with k
    spread over the window in its logarithm. The latter are nested and count as fewer, see
    `anodiff.landscape.structure.independent_directions`. The largest distance is how far the path
    goes over the window that contains the step.

    Where the path stands still there is no such distance. Its losses are NaN, and the table says so.

    After an interruption, the same call resumes after the last finished direction, see
    `anodiff.storage.resumable`. If the run stopped before the end of its first window, store and
    table hold no point.

    Parameters
    ----------
    landscape
        Number and seed of the samples, and the statistics of batch normalisation; the seed is also
        that of the random directions.
    settings
        Where on the run to measure, along how many directions, and at which distances.
    dtype
        Type of the network's arithmetic, by default the path's; float64 has the lower floor of
        rounding.
    report
        Called with the directions done, their total, and the one in work.

    Raises
    ------
    ConfigError
        If the run kept no full weights, or has fewer samples than asked for.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    refuse_existing(Path(output), overwrite=overwrite)
    # A measurement that was killed between table and store has left a table that may be replaced.
    replacing = overwrite or scratch_folder(output).exists()
    refuse_existing(Path(table), overwrite=replacing)
    trajectory = open_trajectory(trajectory_path)
    run, windows = run_settings(trajectory), points_near(trajectory, settings.at)
    steps, directions = list(windows), settings.directions
    without = _steps_without_value(trajectory, windows, directions)
    fractions = np.geomspace(10**-settings.decades, 1, round(settings.decades * settings.radii_per_decade) + 1)
    kinds, total = len(DIRECTIONS), len(steps) * len(DIRECTIONS) * directions
    with claim_device(device) as chosen:
        dataset = run_dataset(trajectory, run, data_root)

        def surface_at(step: int, precision: torch.dtype | None = dtype) -> LossSurface:
            return loss_surface_at(trajectory, step, landscape, dataset=dataset, dtype=precision, device=chosen)

        first = next((surface_at(step) for step in steps if step not in without), None)
        identity = identity_hash(
            run, landscape.seed, steps, directions, trajectory.content, first and first.fingerprint(),
            torch.__version__, arrays=[fractions],
        )  # fmt: skip
        attributes = describe(first) if first else {}
        attributes |= {"settings": run.model_dump(mode="json"), "seed": landscape.seed, "kinds": list(DIRECTIONS)}
        attributes["notes"] = {str(step): reason for step, reason in without.items()}
        sizes = {"point": len(steps), "kind": kinds, "side": 2, "radius": len(fractions)}
        layouts = array_layouts(ARRAYS, sizes | {"direction": directions, "other_direction": directions})
        chunks = (1, 1, *(max(1, size) for size in layouts["loss"].shape[2:]))  # a part rewrites its chunk
        layouts["loss"] = replace(layouts["loss"], chunks=chunks)
        with (
            resumable_store(
                output, KIND, VERSION, identity, layouts, [len(steps), kinds, directions], attributes, overwrite=overwrite
            ) as store,
            writing(table, overwrite=replacing) as csv,
        ):
            pending = store.pending
            done = total - len(pending)
            for number in sorted({number for number, *_ in pending}):
                step, parts = steps[number], [part for part in pending if part[0] == number]
                store.write("step", number, step)
                if step in without:
                    for part in parts:
                        store.mark_done(part)
                    done += len(parts)
                    continue
                surface = surface_at(step)
                along_path, reach = _path_directions(trajectory, step, windows[step], directions)
                random = np.random.default_rng([landscape.seed, step])
                vectors = [random.normal(size=(directions, surface.size)), along_path]
                radii = reach * fractions
                store.write("cosine", number, [cosines(of_kind) for of_kind in vectors])
                store.write("loss_centre", number, surface(surface.centre))
                store.write("radius", number, radii)
                store.write("rounding", number, _rounding(surface, surface_at(step, torch.float64), random))
                with GridEvaluator(surface, _line(surface, (number, 0, 0), vectors)) as evaluator:
                    for part in parts:
                        report(done, total, f"step {step}, {DIRECTIONS[part[1]]} directions")
                        if vectors[part[1]][part[2]].any():  # the path may come back to the point
                            evaluator.turn(_line(surface, part, vectors))
                            losses = evaluator.row(np.concatenate([radii, -radii]), 0.0)
                            store.write("loss", part, losses.reshape(2, -1))
                        store.mark_done(part)
                        done += 1
            trajectory.check_unchanged()
            found = RoughnessStore({name: store[name] for name in ARRAYS}, attributes)
            store.attributes["non_finite"] = int((~np.isfinite(found["loss"])).sum())
            rows = found.table()
            rows.to_csv(csv, index=False)
    report(total, total, "done")
    return rows


def _line(surface: LossSurface, part: tuple[int, ...], vectors: Sequence[FloatArray]) -> Directions:
    """Return the line through the centre along the direction of a part: point, kind, direction."""
    _, kind, direction = part
    return unit_directions(DIRECTIONS[kind], surface.centre, vectors[kind][direction], (DIRECTIONS[kind],))


def _steps_without_value(trajectory: Trajectory, windows: Mapping[int, Window], directions: int) -> dict[int, str]:
    """Return the steps without a distance to measure at, with the reason."""
    without = {}
    for step, window in windows.items():
        try:
            _path_directions(trajectory, step, window, directions)
        except NoValueError as error:
            without[step] = str(error).removeprefix(f"{trajectory.path}: ")
    return without


def _path_directions(trajectory: Trajectory, step: int, window: Window, count: int) -> tuple[FloatArray, float]:
    """Return displacements of the path from a step, (directions, P), and the length of the longest.

    They lead to where the path goes within the window; in the window's second half, to where it
    came from.

    Raises
    ------
    NoValueError
        If the path does not leave the point, or one of these points is not finite.
    """
    ahead = window.start + window.length - step
    reach = ahead if 2 * ahead >= window.length else -(step - window.start)
    strides = np.unique(np.round(np.geomspace(1, abs(reach) // window.stride, count))).astype(int) * window.stride
    strides = np.resize(strides, count)
    centre = stored_point(trajectory, step)
    vectors = np.stack([stored_point(trajectory, step + int(np.sign(reach)) * int(stride)) - centre for stride in strides])
    lengths = np.linalg.norm(vectors, axis=1)
    if not lengths.any():
        raise NoValueError(f"{trajectory.path}: the path stands still at step {step}")
    return vectors, float(lengths.max())


def _rounding(surface: LossSurface, exact: LossSurface, random: np.random.Generator) -> float:
    """Return the variance of losses' rounding errors, weights rounded too, against float64."""
    if surface.dtype == torch.float64:
        return float((np.finfo(np.float64).eps * exact(exact.centre)) ** 2)
    errors = []
    radius = ROUNDING_RADIUS * float(np.linalg.norm(surface.centre))
    for _ in range(ROUNDING_POINTS):
        vector = random.normal(size=surface.size)
        point = surface.centre + radius * vector / np.linalg.norm(vector)
        errors.append(surface(point) - exact(point))
    return float(np.var(errors, ddof=1))
