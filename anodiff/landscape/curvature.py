"""How curved is the landscape along a run, and does the path move along the largest curvature?

At some steps of the run this measures the largest eigenvalues of the Hessian and of the
Gauss–Newton matrix, the Hessian's spectral density and trace, and the edge of stability. The MSD of
the window around the step is split into the top eigenspace and the rest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.errors import ConfigError, NoValueError
from anodiff.geometry.path import PathGeometry, path_geometry
from anodiff.geometry.reduce import WindowPoints
from anodiff.landscape.curvature_store import ARRAYS, KIND, VERSION, Curvature, open_curvature
from anodiff.landscape.products import MatrixProduct, gauss_newton_product, hessian_product
from anodiff.landscape.run_surface import loss_surface_at
from anodiff.landscape.spectrum import Eigenpairs, density_and_top_eigenpairs, top_eigenpairs, trace
from anodiff.landscape.surface import LossSurface, describe
from anodiff.landscape.top_subspace import stability_threshold, subspace_msd
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings
from anodiff.storage.resumable import array_layouts, identity_hash, resumable_store
from anodiff.storage.stores import refuse_existing
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress
from anodiff.training.gpus import claim_device
from anodiff.training.recorded.network import points_near, run_dataset, run_settings, stored_point
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

    A part that has no value, as where the curvature is not finite, is NaN, and the attribute
    ``notes`` says why; see `Curvature.notes`.

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
        If the run kept no full weights, or has fewer samples than asked for.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    refuse_existing(Path(output), overwrite=overwrite)
    trajectory = open_trajectory(trajectory_path)
    run, windows = run_settings(trajectory), points_near(trajectory, settings.at)
    steps, lags = list(windows), _lags(windows.values())
    without = _steps_without_value(trajectory, steps)
    landscape = landscape.model_copy(update={"batch_norm": "centre"})  # derivatives are of the loss with statistics held
    settings = settings.model_copy(update={"eigenvalues": min(settings.eigenvalues, trajectory.parameters)})
    with claim_device(device) as chosen:
        dataset = run_dataset(trajectory, run, data_root)

        def surface_at(step: int) -> LossSurface:
            return loss_surface_at(trajectory, step, landscape, dataset=dataset, device=chosen)

        first = next((surface_at(step) for step in steps if step not in without), None)
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
                step, window = steps[number], windows[steps[number]]
                surface = None if step in without else surface_at(step)
                for part in [part for point, part in pending if point == number]:
                    report(number, len(steps), f"step {step}: {PARTS[part]}")
                    row: dict[str, Any] = {}
                    if PARTS[part] == HESSIAN:
                        rate = trajectory.series("learning_rate")[min(step, trajectory.steps_completed - 1)]
                        row = {"step": step, "learning_rate": rate, "threshold": stability_threshold(run.optimiser, rate)}
                    if surface is None:
                        reasons = [without[step]]
                    else:
                        found, reasons = _measure(PARTS[part], surface, settings, landscape.seed)
                        vectors = found.pop("vectors", None)
                        row |= found
                        if vectors is not None:
                            motion, reason = _motion(trajectory, window, grams, vectors, lags)
                            row |= motion
                            reasons.append(reason)
                    for name, values in row.items():
                        store.write(name, number, values)
                    if any(reasons):
                        store.note("notes", f"step {step}: {PARTS[part]}", "; ".join(filter(None, reasons)))
                    store.mark_done((number, part))
            trajectory.check_unchanged()
    report(len(steps), len(steps), "done")
    return open_curvature(output)


def _steps_without_value(trajectory: Trajectory, steps: Sequence[int]) -> dict[int, str]:
    """Return the steps whose points are not finite, with the reason."""
    without = {}
    for step in steps:
        try:
            stored_point(trajectory, step)
        except NoValueError as error:
            without[step] = str(error).removeprefix(f"{trajectory.path}: ")
    return without


def _measure(part: str, surface: LossSurface, settings: CurvatureSettings, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Return the arrays of a part at a point, by name, and why some are missing or by differences.

    There are none if the settings leave the part out. That of the Hessian has ``vectors`` as well.
    """
    row: dict[str, Any] = {}
    if part == HESSIAN:
        row["loss"] = surface(surface.centre)
    try:
        if part == HESSIAN:
            product = hessian_product(surface)
            top, density = _hessian_spectrum(product, surface.size, settings, seed)
            row |= {"hessian_eigenvalue": top.values, "vectors": top.vectors, "hessian_error": product.error} | density
        elif part == TRACE and settings.trace_products:
            product = hessian_product(surface)
            found = trace(product, surface.size, products=settings.trace_products, seed=seed)
            row |= {"trace": found.value, "trace_error": found.error}
        elif part == GAUSS_NEWTON and settings.gauss_newton:
            product = gauss_newton_product(surface)
            top = top_eigenpairs(product, surface.size, settings.eigenvalues, seed=seed)
            row |= {"gauss_newton_eigenvalue": top.values, "gauss_newton_error": product.error}
        else:
            return {}, []
    except NoValueError as error:
        return row, [str(error)]
    return row, [f"by differences of gradients, relative error {product.error:.0e}: {product.reason}"] if product.reason else []


def _hessian_spectrum(
    product: MatrixProduct, size: int, settings: CurvatureSettings, seed: int
) -> tuple[Eigenpairs, dict[str, Any]]:
    """Return the Hessian's largest eigenvalues, and the arrays of its spectral density by name."""
    if not settings.probes:
        return top_eigenpairs(product, size, settings.eigenvalues, seed=seed), {}
    density, top = density_and_top_eigenpairs(
        product, size, settings.eigenvalues, probes=settings.probes, steps=settings.lanczos_steps, seed=seed
    )
    return top, {"density_node": density.nodes, "density_weight": density.weights}


def _motion(
    trajectory: Trajectory, window: Window, grams: dict[Window, PathGeometry], vectors: FloatArray, lags: NDArray[np.int64]
) -> tuple[dict[str, Any], str]:
    """Return the split MSD at the lags that the window has, NaN at the others; and why there is none."""
    row: dict[str, Any] = {"window_start": window.start}
    try:
        if window not in grams:
            grams[window] = PathGeometry(path_geometry(WindowPoints(trajectory, window, None)).gram, window)
    except ConfigError as error:  # the window has points that are not finite, or overflow
        return row, str(error)
    measured = (lags % window.stride == 0) & (lags <= window.length)
    split = subspace_msd(trajectory, grams[window], vectors, lags[measured] // window.stride)
    for name in ("total", "within", "outside"):
        row[f"msd_{name}"] = np.full(len(lags), math.nan)
        row[f"msd_{name}"][measured] = getattr(split, name)
    return row, ""


def _lags(windows: Collection[Window]) -> NDArray[np.int64]:
    """Return the lags of the split MSD in optimiser steps."""
    if not windows:
        return np.zeros(0, np.int64)
    stride, longest = min(window.stride for window in windows), max(window.length for window in windows)
    updates = np.geomspace(1, max(1, LARGEST_LAG * longest / stride), LAGS)
    return np.unique(np.round(updates)).astype(np.int64) * stride
