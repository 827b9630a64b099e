"""How curved is the landscape along a run, and does the path move along its directions of largest curvature?

At some steps: the largest eigenvalues of the Hessian and of the Gauss–Newton matrix, the Hessian's spectral density and trace,
the edge of stability, and the motion of the window around the step split into the top eigenspace and the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from anodiff.landscape.run_surface import place, stored_point
from anodiff.landscape.spectrum import Eigenpairs, spectral_density, top_eigenpairs, trace
from anodiff.landscape.surface import BATCH_SIZE, LossSurface, describe
from anodiff.landscape.top_subspace import split_motion, stability_threshold
from anodiff.settings.run import RunSettings
from anodiff.storage.measurement import identity_of, layouts_of, measuring
from anodiff.storage.stores import refuse_existing
from anodiff.storage.types import Report, silent
from anodiff.trajectory.store import Trajectory, open_trajectory
from anodiff.trajectory.windows import Window

#: What is measured at a point, one after the other; an interruption loses at most one of them.
PARTS = ("eigenvalues of the Hessian, motion", "spectral density", "trace", "eigenvalues of the Gauss-Newton matrix")


def measure_curvature(
    trajectory_path: str | Path,
    output: str | Path,
    *,
    steps: Sequence[int],
    data_root: str | Path = "data",
    samples: int | None = None,
    eigenvalues: int = 20,
    gauss_newton: bool = True,
    probes: int = 2,
    lanczos_steps: int = 64,
    trace_products: int = 30,
    lags: int = 30,
    seed: int = 0,
    tolerance: float = 1e-4,
    batch_size: int = BATCH_SIZE,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
    report: Report = silent,
) -> Curvature:
    """Measure the curvature at steps of a run, write it to ``output``, and return it.

    All of it is of the loss over training samples without augmentation, with batch-norm statistics of the point held. The same
    call after an interruption goes on behind what was done, see `anodiff.storage.measurement`.

    Parameters
    ----------
    steps
        Optimiser steps, each of them stored.
    samples
        Take only so many training samples, drawn by the seed; all by default.
    eigenvalues
        How many; the motion is split at as many eigenvectors of the Hessian.
    gauss_newton
        Also of the Gauss–Newton matrix.
    probes, lanczos_steps
        Of the spectral density; 0 probes: none.
    trace_products
        Products spent on the trace; 0: none.
    lags
        How many lags the split MSD has, evenly in their logarithm; 0: no split.
    seed
        Of samples, probes and Lanczos's start.
    report
        Called with the steps done, those to do, and what is in work.

    Raises
    ------
    ConfigError
        If a step is not stored.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    refuse_existing(Path(output), overwrite=overwrite)
    trajectory = open_trajectory(trajectory_path)
    settings = RunSettings.model_validate(trajectory.group.attrs.get("settings"))
    dataset = load(settings.data, data_root)
    windows = [window_of(trajectory, step) for step in steps]
    kept = _lags(windows, lags)

    def placed(step: int) -> LossSurface:
        return place(
            trajectory, step, settings=settings, dataset=dataset, samples=samples, seed=seed, batch_size=batch_size,
            dtype=dtype, device=device,
        )  # fmt: skip

    for step in steps:
        stored_point(trajectory, step)  # refuses a step that is not stored before anything is begun
    surface = placed(steps[0]) if steps else None
    sizes = {"point": len(steps), "rank": eigenvalues, "probe": probes, "lag": len(kept)}
    layouts = layouts_of(ARRAYS, sizes | {"node": lanczos_steps if probes else 0})
    layouts["lag"] = replace(layouts["lag"], values=kept)
    asked = settings, seed, tolerance, steps, eigenvalues, gauss_newton, probes, lanczos_steps, trace_products
    looked = surface and surface.fingerprint()
    identity = identity_of(asked, trajectory.fingerprint, looked, torch.__version__, arrays=[kept])
    grams: dict[Window, PathGeometry] = {}
    said = describe(surface) if surface else {}
    with measuring(
        output, KIND, VERSION, identity, layouts, [len(steps), len(PARTS)],
        said | {"settings": settings.model_dump(mode="json"), "seed": seed}, overwrite=overwrite,
    ) as measurement:  # fmt: skip
        todo = measurement.todo
        for number in sorted({number for number, _ in todo}):
            step, window = steps[number], windows[number]
            surface = placed(step)
            product = hessian_product(surface)
            for part in [part for point, part in todo if point == number]:
                report(number, len(steps), f"step {step}: {PARTS[part]}")
                row: dict[str, Any] = {}
                if part == 0:
                    rate = trajectory.series("learning_rate")[min(step, trajectory.steps_completed - 1)]
                    row = {"step": step, "loss": surface(surface.centre), "learning_rate": rate}
                    row["threshold"] = stability_threshold(settings.optimiser, rate)
                    top = top_eigenpairs(product, surface.size, eigenvalues, seed=seed, tolerance=tolerance)
                    row["hessian_eigenvalue"] = top.values
                    if window is not None and len(kept):
                        if window not in grams:
                            grams[window] = PathGeometry(path_geometry(WindowPoints(trajectory, window, None)).gram, window)
                        row |= _motion(trajectory, grams[window], top, kept)
                elif part == 1 and probes:
                    density = spectral_density(product, surface.size, probes=probes, steps=lanczos_steps, seed=seed)
                    row = {"density_node": density.nodes, "density_weight": density.weights}
                elif part == 2 and trace_products:
                    found = trace(product, surface.size, products=trace_products, seed=seed)
                    row = {"trace": found.value, "trace_error": found.error}
                elif part == 3 and gauss_newton:
                    row["gauss_newton_eigenvalue"] = _gauss_newton(surface, eigenvalues, seed, tolerance)
                for name, values in row.items():
                    measurement.put(name, number, values)
                measurement.finish((number, part))
        trajectory.check_unchanged()
    report(len(steps), len(steps), "done")
    return open_curvature(output)


def _motion(trajectory: Trajectory, geometry: PathGeometry, top: Eigenpairs, kept: NDArray[np.int64]) -> dict[str, Any]:
    """Return the split MSDs at the lags that the window has, NaN at the others."""
    window = geometry.window
    inside = (kept % window.stride == 0) & (kept <= window.length)
    split = split_motion(trajectory, geometry, top.vectors, kept[inside] // window.stride)
    row: dict[str, Any] = {"window_start": window.start}
    for name in ("total", "within", "outside"):
        row[f"msd_{name}"] = np.full(len(kept), math.nan)
        row[f"msd_{name}"][inside] = getattr(split, name)
    return row


def _gauss_newton(surface: LossSurface, count: int, seed: int, tolerance: float) -> NDArray[np.float64]:
    return top_eigenpairs(gauss_newton_product(surface), surface.size, count, seed=seed, tolerance=tolerance).values


def window_of(trajectory: Trajectory, step: int) -> Window | None:
    """Return the shortest finished window that holds a step, the one that begins there among equals; None without one."""
    holding = [
        window
        for window in trajectory.windows
        if window.reached(trajectory.steps_completed) and window.start <= step <= window.start + window.length
    ]
    return min(holding, key=lambda window: (window.length, step - window.start), default=None)


def _lags(windows: Sequence[Window | None], count: int) -> NDArray[np.int64]:
    known = [window for window in windows if window is not None]
    if not count or not known:
        return np.zeros(0, np.int64)
    stride, longest = min(window.stride for window in known), max(window.length for window in known)
    updates = np.geomspace(1, max(1, 0.9 * longest / stride), count)
    return np.unique(np.round(updates)).astype(np.int64) * stride
