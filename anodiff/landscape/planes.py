"""Which planes through a run's landscape are sliced, and where do they go through?

The settings name them: the planes of the path in the first and the last window, and at the end of
the last window a random plane, that of the Hessian's first two eigenvectors, and that of the
gradient. A run that stopped before the end of its first window has no planes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anodiff.errors import NoValueError
from anodiff.geometry.store import open_geometry
from anodiff.landscape.directions import Directions, path_directions, random_directions, unit_directions
from anodiff.landscape.products import hessian_product
from anodiff.landscape.run_surface import loss_surface_at
from anodiff.landscape.slice_store import LEFT_OUT
from anodiff.landscape.slices import slice_landscape
from anodiff.landscape.spectrum import top_eigenpairs
from anodiff.landscape.surface import LossSurface
from anodiff.settings.stages import LandscapeSettings
from anodiff.storage.lock import run_lock
from anodiff.storage.resumable import scratch_folder
from anodiff.storage.stores import publish, refuse_existing, remove, storage_errors
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress
from anodiff.training.gpus import claim_device
from anodiff.training.recorded.network import run_dataset, run_settings, stored_point
from anodiff.trajectory.store import open_trajectory


@one_blas_thread()
def slice_planes(
    trajectory_path: str | Path,
    geometry_path: str | Path,
    output: str | Path,
    settings: LandscapeSettings,
    *,
    data_root: str | Path = "data",
    device: str = "auto",
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Slice a run's landscape in the planes that the settings name.

    ``output`` becomes a folder with a store for each plane, such as path_first.zarr; it is empty if
    no window was finished. A plane that does not exist, such as that of a path that stands still,
    is left out, with its reason in left_out.txt. Until all stores are complete they are in a hidden folder next to it.
    After an interruption, the same call keeps those that are complete.

    Parameters
    ----------
    report
        Called with the points of a plane done, their total, and the plane and row in work.

    Raises
    ------
    ConfigError, StoreMissingError, StoreFormatError, IncompleteStoreError
    OutputExistsError, StorageError
    RunLockedError
        If another process slices this run's landscape.
    """
    trajectory, geometry, output = open_trajectory(trajectory_path), open_geometry(geometry_path), Path(output)
    run = run_settings(trajectory)
    finished = [n for n, window in enumerate(geometry.windows) if geometry.reached(window) and not geometry.problem(n)]
    planes = settings.planes if finished else []
    refuse_existing(output, overwrite=overwrite)
    scratch = scratch_folder(output)
    with storage_errors(output), run_lock(scratch), claim_device(device) as chosen:
        folder = scratch / output.name
        for begun in (*folder.glob("*"), *(path for path in scratch.iterdir() if path.is_dir() and path != folder)):
            if begun.stem not in planes:
                remove(begun)  # a plane that is no longer asked for
        dataset = run_dataset(trajectory, run, data_root) if planes else None
        left_out: dict[str, str] = {}
        for name in planes:
            number = finished[0 if name == "path_first" else -1]
            window = geometry.windows[number]
            step = window.start + window.length
            try:
                surface = loss_surface_at(trajectory, step, settings, dataset=dataset, device=chosen)
                extent = None
                if name == "random":
                    directions = random_directions(surface.centre, surface.shapes, settings.seed)
                elif name in ("path_first", "path_last"):
                    directions = path_directions(trajectory, geometry.read(number))
                else:
                    extent = float(np.linalg.norm(surface.centre - stored_point(trajectory, window.start)))
                    directions = _curved_directions(name, surface, settings.seed, extent)
            except NoValueError as error:
                left_out[name] = str(error).removeprefix(f"{trajectory.path}: ")
                continue
            slice_landscape(
                surface,
                directions,
                folder / f"{name}.zarr",
                points=settings.points,
                extent=extent,
                scratch=scratch / name,
                attributes={"step": step, "run": trajectory.path.parent.name},
                reuse=True,
                report=_with_prefix(report, name),
            )
        folder.mkdir(exist_ok=True)  # there is none if there are no planes
        if left_out:
            (folder / LEFT_OUT).write_text("".join(f"{name}: {reason}\n" for name, reason in left_out.items()))
        if overwrite:
            remove(output)
        publish(folder, output)


def _curved_directions(name: str, surface: LossSurface, seed: int, extent: float) -> Directions:
    """Return the directions of the plane called ``hessian`` or ``gradient``.

    They are the Hessian's first two eigenvectors, or the steepest descent and the direction of
    largest curvature orthogonal to it.

    Raises
    ------
    NoValueError
        If there are none, or the extent is 0.
    """
    if surface.size < 2:
        raise NoValueError("a network of one parameter has no plane")
    if extent == 0:
        raise NoValueError("the path ends where it began, so the plane has no natural extent")
    product = hessian_product(surface)
    if name == "hessian":
        top = top_eigenpairs(product, surface.size, 2, seed=seed)
        if not top.values.any():
            raise NoValueError("the Hessian is zero, so no direction is the most curved")
        return unit_directions(name, surface.centre, top.vectors, ("largest curvature", "second largest curvature"))
    downhill = -surface.gradient(surface.centre)
    unit = downhill / np.linalg.norm(downhill) if downhill.any() else downhill

    def orthogonal_product(vector: FloatArray) -> FloatArray:
        curved = product(vector - unit * (unit @ vector))
        return np.asarray(curved - unit * (unit @ curved), np.float64)

    vectors = np.stack([downhill, top_eigenpairs(orthogonal_product, surface.size, 1, seed=seed).vectors[0]])
    return unit_directions(name, surface.centre, vectors, ("steepest descent", "largest curvature across it"))


def _with_prefix(report: ProgressCallback, name: str) -> ProgressCallback:
    return lambda done, total, message: report(done, total, f"{name} {message}")
