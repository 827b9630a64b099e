"""The stages of the workflow that look at a run's landscape: slices, roughness, curvature, at fractions of the run.

A run that stopped before its first window has no landscape to speak of: its stores hold no point, and nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from anodiff.geometry.store import open_geometry
from anodiff.landscape.curvature import measure_curvature, window_of
from anodiff.landscape.directions import Directions, path_directions, random_directions, unit_directions
from anodiff.landscape.products import hessian_product
from anodiff.landscape.roughness import measure_roughness
from anodiff.landscape.run_surface import place, stored_point
from anodiff.landscape.slices import slice_landscape
from anodiff.landscape.spectrum import top_eigenpairs
from anodiff.landscape.surface import LossSurface
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings, RoughnessSettings
from anodiff.storage.lock import run_lock
from anodiff.storage.measurement import scratch_of
from anodiff.storage.stores import publish, refuse_existing, remove, storage_errors
from anodiff.storage.types import FloatArray, Report, silent
from anodiff.training.gpus import claim_device
from anodiff.trajectory.store import Trajectory, open_trajectory


def steps_at(trajectory: Trajectory, fractions: Sequence[float]) -> list[int]:
    """Return the stored steps nearest to fractions of the run that lie in finished windows, each once, rising."""
    kept = [int(step) for step in trajectory.kept_steps if step <= trajectory.steps_completed]
    held = np.array([step for step in kept if window_of(trajectory, step) is not None])
    if not len(held):
        return []
    return sorted({int(held[np.abs(held - fraction * held[-1]).argmin()]) for fraction in fractions})


def slices(
    trajectory_path: str | Path,
    geometry_path: str | Path,
    output: str | Path,
    settings: LandscapeSettings,
    *,
    data_root: str | Path = "data",
    device: str = "auto",
    overwrite: bool = False,
    report: Report = silent,
) -> None:
    """Slice the landscape in the planes that the settings name.

    ``output`` becomes a folder with a store for each, such as path_first.zarr; empty where no window was finished. Until all
    are whole they lie in a hidden folder beside it, and the same call after an interruption takes those that are.

    Raises
    ------
    ConfigError, OutputExistsError, StorageError
    RunLockedError
        If another process slices this run's landscape.
    """
    trajectory, geometry, output = open_trajectory(trajectory_path), open_geometry(geometry_path), Path(output)
    finished = [n for n, window in enumerate(geometry.windows) if geometry.reached(window) and not geometry.problem(n)]
    planes = settings.planes if finished else []
    refuse_existing(output, overwrite=overwrite)
    scratch = scratch_of(output)
    with storage_errors(output), run_lock(scratch), claim_device(device) as chosen:
        folder = scratch / output.name
        for begun in (*folder.glob("*"), *(path for path in scratch.iterdir() if path.is_dir() and path != folder)):
            if begun.stem not in planes:
                remove(begun)  # whole or not, a plane that is no longer asked for
        for name in planes:
            number = finished[0 if name == "path_first" else -1]
            window = geometry.windows[number]
            step = window.start + window.length
            surface = place(
                trajectory, step, data_root=data_root, samples=settings.samples, seed=settings.seed,
                batch_norm=settings.batch_norm, device=chosen,
            )  # fmt: skip
            extent = None
            if name == "random":
                directions = random_directions(surface.centre, surface.shapes, settings.seed)
            elif name in ("path_first", "path_last"):
                directions = path_directions(trajectory, geometry.read(number))
            else:
                directions = _curved_directions(name, surface, settings.seed)
                extent = float(np.linalg.norm(surface.centre - stored_point(trajectory, window.start)))
            slice_landscape(
                surface,
                directions,
                folder / f"{name}.zarr",
                points=settings.points,
                extent=extent,
                scratch=scratch / name,
                attributes={"step": step, "run": trajectory.path.parent.name},
                reuse=True,
                report=_named(report, name),
            )
        folder.mkdir(exist_ok=True)  # without a finished window there is no plane
        if overwrite:
            remove(output)
        publish(folder, output)


def _curved_directions(name: str, surface: LossSurface, seed: int) -> Directions:
    """Return the plane of the Hessian's first two eigenvectors, or of the steepest descent and the most curved line across."""
    product = hessian_product(surface)
    if name == "hessian":
        vectors = top_eigenpairs(product, surface.size, 2, seed=seed).vectors
        return unit_directions(name, surface.centre, vectors, ("largest curvature", "second largest curvature"))
    downhill = -surface.gradient(surface.centre)
    along = downhill / np.linalg.norm(downhill) if downhill.any() else downhill

    def across(vector: FloatArray) -> FloatArray:
        curved = product(vector - along * (along @ vector))
        return np.asarray(curved - along * (along @ curved), np.float64)

    vectors = np.stack([downhill, top_eigenpairs(across, surface.size, 1, seed=seed).vectors[0]])
    return unit_directions(name, surface.centre, vectors, ("steepest descent", "largest curvature across it"))


def _named(report: Report, name: str) -> Report:
    return lambda done, total, message: report(done, total, f"{name} {message}")


def roughness(
    trajectory_path: str | Path,
    output: str | Path,
    table: str | Path,
    landscape: LandscapeSettings,
    settings: RoughnessSettings,
    *,
    data_root: str | Path = "data",
    device: str = "auto",
    overwrite: bool = False,
    report: Report = silent,
) -> None:
    """Measure the roughness at fractions of a run, see `anodiff.landscape.roughness.measure_roughness`."""
    with claim_device(device) as chosen:
        measure_roughness(
            trajectory_path,
            output,
            table,
            steps=steps_at(open_trajectory(trajectory_path), settings.at),
            data_root=data_root,
            samples=landscape.samples,
            directions=settings.directions,
            decades=settings.decades,
            radii_per_decade=settings.radii_per_decade,
            seed=landscape.seed,
            batch_norm=landscape.batch_norm,
            device=chosen,
            overwrite=overwrite,
            report=report,
        )


def curvature(
    trajectory_path: str | Path,
    output: str | Path,
    landscape: LandscapeSettings,
    settings: CurvatureSettings,
    *,
    data_root: str | Path = "data",
    device: str = "auto",
    overwrite: bool = False,
    report: Report = silent,
) -> None:
    """Measure the curvature at fractions of a run, see `anodiff.landscape.curvature.measure_curvature`."""
    trajectory = open_trajectory(trajectory_path)
    with claim_device(device) as chosen:
        measure_curvature(
            trajectory_path,
            output,
            steps=steps_at(trajectory, settings.at),
            data_root=data_root,
            samples=landscape.samples,
            eigenvalues=min(settings.eigenvalues, trajectory.parameters),
            gauss_newton=settings.gauss_newton,
            probes=settings.probes,
            lanczos_steps=settings.lanczos_steps,
            trace_products=settings.trace_products,
            seed=landscape.seed,
            dtype=torch.float32,
            device=chosen,
            overwrite=overwrite,
            report=report,
        )
