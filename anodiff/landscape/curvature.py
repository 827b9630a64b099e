"""How curved is the landscape along a run, and does the path move along the largest curvature?

At some steps of the run this measures the largest eigenvalues of the Hessian and of the
Gauss–Newton matrix, the Hessian's spectral density and trace, and the edge of stability. The MSD of
the window around the step is split into the top eigenspace and the rest.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.data import load
from anodiff.geometry.path import PathGeometry, path_geometry
from anodiff.geometry.reduce import WindowPoints
from anodiff.landscape.curvature_store import ARRAYS, KIND, VERSION, Curvature, open_curvature
from anodiff.landscape.products import gauss_newton_product, hessian_product
from anodiff.landscape.run_surface import loss_surface_at, points_near, run_settings, stored_point
from anodiff.landscape.spectrum import Eigenpairs, density_and_top_eigenpairs, top_eigenpairs, trace
from anodiff.landscape.surface import LossSurface, describe
from anodiff.landscape.top_subspace import stability_threshold, subspace_msd
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings
from anodiff.storage.resumable import array_layouts, identity_hash, resumable_store
from anodiff.storage.stores import refuse_existing
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress
from anodiff.training.gpus import claim_device
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window

#: The parts of the measurement at a point, in order. An interruption loses at most one of them.
HESSIAN, TRACE, GAUSS_NEWTON = PARTS = (
    "spectrum of the Hessian, motion",
    "trace",
    "eigenvalues of the Gauss-Newton matrix",
)

#: Number of lags of the split MSD, evenly spaced in their logarithm, and the largest one, as a
#: fraction of the longest window.
LAGS, LARGEST_LAG = 30, 0.9


@one_blas_thread()
def measure_curvature(
    trajectory_path: str | Path,
    output: str | Path,
    landscape: LandscapeSettings,
    settings: CurvatureSettings,
    *,
    data_root: str | Path = "data",
    device: str = "auto",
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> Curvature:
    """Measure the curvature at points of a run, write it to ``output``, and return it.

    It is the curvature of the loss over training samples without augmentation. The batch-norm
    statistics of the point are held, whatever ``landscape.batch_norm`` says. After an interruption,
    the same call resumes after the last finished part, see `anodiff.storage.resumable`. If the run
    stopped before the end of its first window, the store holds no point.

    Parameters
    ----------
    landscape
        Number and seed of the samples; the seed is also that of probes and Lanczos's start vector.
    settings
        Where on the run to measure, and what.
    report
        Called with the points done, their total, and the part in work.

    Raises
    ------
    ConfigError
        If the run kept no full weights, or has fewer samples than asked for; or if the curvature is
        not finite at a point, or Lanczos does not converge there.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    refuse_existing(Path(output), overwrite=overwrite)
    trajectory = open_trajectory(trajectory_path)
    run, windows = run_settings(trajectory), points_near(trajectory, settings.at)
    steps, lags = list(windows), _lags(windows.values())
    for step in steps:
        stored_point(trajectory, step)  # refuses a bad point before anything is begun
    landscape = landscape.model_copy(update={"batch_norm": "centre"})  # derivatives are of the loss with statistics held
    settings = settings.model_copy(update={"eigenvalues": min(settings.eigenvalues, trajectory.parameters - 1)})
    with claim_device(device) as chosen:
        dataset = load(run.data, data_root)

        def surface_at(step: int) -> LossSurface:
            return loss_surface_at(trajectory, step, landscape, dataset=dataset, device=chosen)

        first = surface_at(steps[0]) if steps else None
        sizes = {"point": len(steps), "rank": settings.eigenvalues, "probe": settings.probes, "lag": len(lags)}
        layouts = array_layouts(ARRAYS, sizes | {"node": settings.lanczos_steps if settings.probes else 0})
        layouts["lag"] = replace(layouts["lag"], values=lags)
        identity = identity_hash(
            run, landscape.seed, steps, settings.model_dump(exclude={"at"}), trajectory.content,
            first and first.fingerprint(), torch.__version__, arrays=[lags],
        )  # fmt: skip
        attributes = describe(first) if first else {}
        attributes |= {"settings": run.model_dump(mode="json"), "seed": landscape.seed}
        grams: dict[Window, PathGeometry] = {}
        with resumable_store(
            output, KIND, VERSION, identity, layouts, [len(steps), len(PARTS)], attributes, overwrite=overwrite
        ) as store:
            pending = store.pending
            for number in sorted({number for number, _ in pending}):
                step = steps[number]
                surface, window = surface_at(step), windows[step]
                for part in [part for point, part in pending if point == number]:
                    report(number, len(steps), f"step {step}: {PARTS[part]}")
                    if PARTS[part] == HESSIAN:
                        rate = trajectory.series("learning_rate")[min(step, trajectory.steps_completed - 1)]
                        row = {"step": step, "loss": surface(surface.centre), "learning_rate": rate}
                        top, density = _hessian_spectrum(surface, settings, landscape.seed)
                        row |= {"threshold": stability_threshold(run.optimiser, rate), "hessian_eigenvalue": top.values}
                        row |= density
                        if window not in grams:
                            grams[window] = PathGeometry(path_geometry(WindowPoints(trajectory, window, None)).gram, window)
                        row |= _motion(trajectory, grams[window], top.vectors, lags)
                    else:
                        row = _spectrum(PARTS[part], surface, settings, landscape.seed)
                    for name, values in row.items():
                        store.write(name, number, values)
                    store.mark_done((number, part))
            trajectory.check_unchanged()
    report(len(steps), len(steps), "done")
    return open_curvature(output)


def _hessian_spectrum(surface: LossSurface, settings: CurvatureSettings, seed: int) -> tuple[Eigenpairs, dict[str, Any]]:
    """Return the Hessian's largest eigenvalues, and the arrays of its spectral density by name."""
    product, count = hessian_product(surface), settings.eigenvalues
    if not settings.probes:
        return top_eigenpairs(product, surface.size, count, seed=seed), {}
    density, top = density_and_top_eigenpairs(
        product, surface.size, count, probes=settings.probes, steps=settings.lanczos_steps, seed=seed
    )
    return top, {"density_node": density.nodes, "density_weight": density.weights}


def _spectrum(part: str, surface: LossSurface, settings: CurvatureSettings, seed: int) -> dict[str, Any]:
    """Return the arrays of a part at a point, by name; none if the settings leave it out."""
    if part == TRACE and settings.trace_products:
        found = trace(hessian_product(surface), surface.size, products=settings.trace_products, seed=seed)
        return {"trace": found.value, "trace_error": found.error}
    if part == GAUSS_NEWTON and settings.gauss_newton:
        top = top_eigenpairs(gauss_newton_product(surface), surface.size, settings.eigenvalues, seed=seed)
        return {"gauss_newton_eigenvalue": top.values}
    return {}


def _motion(trajectory: Trajectory, geometry: PathGeometry, vectors: FloatArray, lags: NDArray[np.int64]) -> dict[str, Any]:
    """Return the split MSD at the lags that the window has, NaN at the others."""
    window = geometry.window
    measured = (lags % window.stride == 0) & (lags <= window.length)
    split = subspace_msd(trajectory, geometry, vectors, lags[measured] // window.stride)
    row: dict[str, Any] = {"window_start": window.start}
    for name in ("total", "within", "outside"):
        row[f"msd_{name}"] = np.full(len(lags), math.nan)
        row[f"msd_{name}"][measured] = getattr(split, name)
    return row


def _lags(windows: Collection[Window]) -> NDArray[np.int64]:
    """Return the lags of the split MSD in optimiser steps."""
    if not windows:
        return np.zeros(0, np.int64)
    stride, longest = min(window.stride for window in windows), max(window.length for window in windows)
    updates = np.geomspace(1, max(1, LARGEST_LAG * longest / stride), LAGS)
    return np.unique(np.round(updates)).astype(np.int64) * stride
