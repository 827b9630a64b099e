"""How does the loss look on a line or a plane through weight space?

`slice_landscape` evaluates a grid and writes it as a store, row by row. An interrupted scan resumes
where it stopped, with the same bits. Points are independent of each other. Every worker thread has
its own network and computes on one thread, so the bits do not depend on the number of workers.
Small networks, which gain little from threads within an operation, still use all cores.

The cost of a point is one forward pass, and the floor of that is the time of the convolutions
themselves: nine tenths of it for a narrow ResNet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.landscape.directions import Directions
from anodiff.landscape.scan import GridEvaluator
from anodiff.landscape.slice_store import KIND, VERSION
from anodiff.landscape.surface import LossSurface, describe
from anodiff.storage.resumable import Layout, identity_hash, resumable_store
from anodiff.storage.stores import refuse_existing
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

#: Longest scan that is begun by default, in seconds.
LONGEST = 24 * 3600.0

#: Margin around a path in its plane, as a fraction of its extent.
MARGIN = 0.25


def grid(directions: Directions, points: int | Sequence[int], extent: float | None = None) -> tuple[FloatArray, ...]:
    """Return the coordinates of a grid along each direction.

    Parameters
    ----------
    points
        Number of points along each direction, or along all.
    extent
        Half the width of the grid, in the unit of the directions. By default: 1 filter norm to each
        side for random directions; the path with a quarter of its extent around it; from −0.5 to
        1.5 for a line. Other directions have no natural extent.

    Raises
    ------
    ConfigError
        If a direction has fewer than 2 points, or the extent is missing or not positive.
    """
    axes = len(directions.labels)
    counts = [points] * axes if isinstance(points, int) else list(points)
    if len(counts) != axes or min(counts) < 2:
        raise ConfigError(f"{points} points along {axes} directions; give 2 or more for each")
    if extent is not None and not (math.isfinite(extent) and extent > 0):
        raise ConfigError(f"an extent of {extent}; give a length above 0, in {directions.unit}s")
    if extent is not None:
        bounds = [(-extent, extent)] * axes
    elif directions.path is not None:
        low, high = directions.path.min(axis=0), directions.path.max(axis=0)
        bounds = [(a - MARGIN * (b - a), b + MARGIN * (b - a)) for a, b in zip(low, high, strict=True)]
    elif directions.kind in ("random", "line"):
        bounds = [(-1.0, 1.0) if directions.kind == "random" else (-0.5, 1.5)] * axes
    else:
        raise ConfigError(f"directions of kind {directions.kind} have no natural extent; give one, in {directions.unit}s")
    return tuple(np.linspace(low, high, count) for (low, high), count in zip(bounds, counts, strict=True))


def losses_on(
    surface: LossSurface, directions: Directions, axes: Sequence[ArrayLike], *, workers: int | None = None
) -> FloatArray:
    """Return the losses over a grid, shape (first,) or (second, first).

    Row i, column j is at ``axes[1][i]``, ``axes[0][j]``.

    Parameters
    ----------
    axes
        Coordinates along each direction, from `grid` or elsewhere.
    workers
        Threads on a CPU; by default as many as torch uses.
    """
    coordinates = [np.asarray(axis, np.float64) for axis in axes]
    offsets = coordinates[1] if len(coordinates) == 2 else np.zeros(1)
    with GridEvaluator(surface, directions, workers) as evaluator:
        rows = [evaluator.row(coordinates[0], offset) for offset in offsets]
    return np.array(rows) if len(coordinates) == 2 else rows[0]


def slice_landscape(
    surface: LossSurface,
    directions: Directions,
    output: str | Path,
    *,
    points: int | Sequence[int],
    extent: float | None = None,
    workers: int | None = None,
    scratch: str | Path | None = None,
    attributes: dict[str, Any] | None = None,
    longest: float = LONGEST,
    memory: float | None = None,
    overwrite: bool = False,
    reuse: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Evaluate a grid and publish it as a store at ``output``, which `open_slice` opens.

    Each finished row is written to ``scratch``. After an interruption, the same call resumes after
    the last of them. If the scan found there is of another surface or grid, it is discarded.

    Parameters
    ----------
    points, extent
        See `grid`.
    workers
        Threads on a CPU; by default as many as torch uses.
    scratch
        Folder of the unfinished scan; by default one next to ``output``.
    attributes
        More attributes of the store, such as settings and step.
    longest
        Longest estimated time of the scan in seconds; a longer one is refused.
    memory
        Bytes that weights and directions may take; by default what the machine has.
    reuse
        If ``output`` is a finished store of the same surface and grid, leave it as it is; replace
        any other.
    report
        Called with the points done, their total, and a short text.

    Raises
    ------
    ConfigError
        If the grid is too large for the time or the memory; nothing has been written yet.
    OutputExistsError, StorageError
    RunLockedError
        If another process works on this scan.
    """
    refuse_existing(Path(output), overwrite=overwrite or reuse)
    axes = grid(directions, points, extent)
    count = math.prod(len(axis) for axis in axes)
    offsets = axes[1] if len(axes) == 2 else np.zeros(1)
    identity = identity_hash(surface.fingerprint(), torch.__version__, arrays=[directions.origin, directions.vectors, *axes])
    meaning = {"directions": directions.kind, "labels": directions.labels, "unit": directions.unit}
    with GridEvaluator(surface, directions, workers, memory) as evaluator:
        _refuse_long(axes, count, evaluator, longest)
        with resumable_store(
            output, KIND, VERSION, identity, _layouts(directions, axes), [len(offsets)],
            (attributes or {}) | describe(surface) | meaning, scratch=scratch, overwrite=overwrite, reuse=reuse,
        ) as scan:  # fmt: skip
            pending = scan.pending
            for done, (number,) in enumerate(pending, len(offsets) - len(pending) + 1):
                scan.write("loss", number if len(axes) == 2 else slice(None), evaluator.row(axes[0], offsets[number]))
                scan.mark_done((number,))
                report(done * len(axes[0]), count, f"row {number + 1} of {len(offsets)}")
            scan.attributes["non_finite"] = int(np.isnan(scan["loss"]).sum())


def _refuse_long(axes: Sequence[FloatArray], count: int, evaluator: GridEvaluator, longest: float) -> None:
    per_point = evaluator.seconds_per_point()
    expected = per_point * count / evaluator.workers
    if expected > longest:
        size = " x ".join(str(len(axis)) for axis in axes)
        fewer = max(2, int((count * longest / expected) ** (1 / len(axes))))
        raise ConfigError(
            f"a grid of {size} = {count:,} points takes about {expected:,.0f} s ({1000 * per_point:.0f} ms per point, "
            f"{evaluator.workers} workers), more than {longest:,.0f} s; take {fewer} points per direction, or fewer samples"
        )


def _layouts(directions: Directions, axes: Sequence[FloatArray]) -> dict[str, Layout]:
    names, shape = ("second", "first")[-len(axes) :], tuple(len(axis) for axis in reversed(axes))
    layouts = {"loss": Layout(names, shape, "float64", "mean loss; NaN where not finite", chunks=(1, shape[-1])[-len(shape) :])}
    for name, label, axis in zip(("first", "second"), directions.labels, axes, strict=False):
        layouts[name] = Layout((name,), axis.shape, "float64", label, directions.unit, values=axis)
    if directions.path is not None and directions.path_steps is not None and directions.explained_variance is not None:
        of_path = {
            "path": (("path_point", "axis"), directions.path, "path in the plane", directions.unit),
            "path_step": (("path_point",), directions.path_steps, "optimiser step", None),
            "explained_variance": (("axis",), directions.explained_variance, "fraction of the path's variance", None),
        }
        for name, (dimensions, values, meaning, units) in of_path.items():
            layouts[name] = Layout(dimensions, values.shape, str(values.dtype), meaning, units, values=values)
    return layouts
