"""Along which directions is the landscape sliced?

A slice has an origin and one or two directions in weight space; `Directions` holds them and the
meaning of the axes. They are random directions (filter-normalised), the principal plane of a path,
the line between two points, the gradient, or eigenvectors of the Hessian
(`anodiff.landscape.spectrum`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.errors import ConfigError, NoValueError
from anodiff.geometry.path import PathGeometry
from anodiff.storage.types import FloatArray
from anodiff.trajectory.store import Trajectory

#: Name and shape of each tensor of a network, in the order of a flattened point.
Shapes = Mapping[str, tuple[int, ...]]

#: A path is a line if its second principal component has less than this fraction of the variance of
#: its first: products of updates are rounded in float32.
FLAT = 1e-6

#: Parameters whose stored weights are read at a time.
PARAMETERS_PER_READ = 65_536


@dataclass(frozen=True)
class Directions:
    """An origin and one or two directions in weight space.

    The point at coordinates (a, b) is ``origin + a vectors[0] + b vectors[1]``.

    Attributes
    ----------
    kind
        ``random``, ``path``, ``line``, ``gradient`` or ``hessian``.
    origin
        Shape (P,), float64.
    vectors
        Shape (1 or 2, P), float64.
    labels, unit
        The meaning of each axis, and the unit of both: ``filter norm``, ``weight unit``, or
        ``distance between the points``.
    path, path_steps
        For a path: the coordinates of its points, shape (points, 2), and their optimiser steps.
    explained_variance
        For a path: the fraction of its variance along each axis. For a random walk, see
        `random_walk_null`.

    Raises
    ------
    ConfigError
        If the shapes do not fit.
    NoValueError
        If a direction is zero or not finite.
    """

    kind: str
    origin: FloatArray
    vectors: FloatArray
    labels: tuple[str, ...]
    unit: str
    path: FloatArray | None = None
    path_steps: NDArray[np.int64] | None = None
    explained_variance: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.vectors.shape != (len(self.labels), len(self.origin)) or len(self.labels) not in (1, 2):
            raise ConfigError(
                f"{len(self.labels)} labels for directions of shape {self.vectors.shape} at an origin of shape "
                f"{self.origin.shape}; give one or two directions as long as the origin, each with a label"
            )
        for label, length in zip(self.labels, np.linalg.norm(self.vectors, axis=1), strict=True):
            if not np.isfinite(length) or length == 0:
                raise NoValueError(f"{label}: a direction of length {length:g} leads nowhere; take another point or seed")


def random_directions(centre: ArrayLike, shapes: Shapes, seed: int, count: int = 2) -> Directions:
    """Return filter-normalised random directions (Li et al., NeurIPS 2018, section 4).

    Entries are independent normal numbers. The second direction is made orthogonal to the first
    *within each filter*. Then each filter is scaled to the length of the weights' filter. So the
    directions are orthogonal, and their filters as long as the weights'; orthogonalising whole
    vectors gives only one of the two. A filter of a single weight has no orthogonal complement:
    there the second direction is zero. Parameters with fewer than two dimensions (biases, batch
    norm) do not move.

    Parameters
    ----------
    centre
        The point, shape (P,).
    shapes
        Name and shape of each tensor, in the order of the point. The first dimension counts the
        filters of a convolution, or the rows of a linear layer.
    count
        1 or 2.
    """
    centre = np.asarray(centre, np.float64)
    random = np.random.default_rng(seed)
    raw = random.normal(size=(2, len(centre)))[:count]  # always draw both, so that the first does not depend on the count
    vectors = np.zeros_like(raw)
    for filters, columns in filter_blocks(shapes):
        weights = centre[columns].reshape(filters, -1)
        drawn = raw[:, columns].reshape(count, filters, -1)
        for number in range(count):
            rows = drawn[number]
            if number:
                first = drawn[0]
                rows = rows - first * (np.sum(rows * first, 1) / np.sum(first**2, 1))[:, None]
                if rows.shape[1] == 1:
                    rows = np.zeros_like(rows)
            vectors[number, columns] = _scale_rows(rows, weights).ravel()
    labels = ("random direction",) if count == 1 else ("first random direction", "second random direction")
    return Directions("random", centre, vectors, labels, "filter norm")


def filter_blocks(shapes: Shapes) -> list[tuple[int, slice]]:
    """Return the number of filters, and the slice of the point, of each tensor that has filters.

    Those are the tensors of two dimensions or more.
    """
    blocks, offset = [], 0
    for shape in shapes.values():
        size = math.prod(shape)
        if len(shape) >= 2 and size:
            blocks.append((shape[0], slice(offset, offset + size)))
        offset += size
    return blocks


def path_directions(trajectory: Trajectory, geometry: PathGeometry) -> Directions:
    """Return the principal plane of a window's path, through its mean, with its coordinates there.

    The coordinates c_ik come from the Gram matrix, and the directions from one streaming pass over
    the stored points: v_k = Σ_i c_ik (w_i − w_0) / Σ_i c_ik², of length 1 and orthogonal. Even for
    a random walk, the k-th axis explains at least 6/(π²k²) of the variance: see `random_walk_null`.

    Raises
    ------
    NoValueError
        If the path spans no plane.
    """
    window = geometry.window
    if len(geometry.gram) < 2:
        raise NoValueError(f"{trajectory.path}: the path from step {window.start} spans no plane: it is one update long")
    principal = geometry.principal_coordinates(2)
    coordinates = principal.coordinates
    squares = np.sum(coordinates**2, axis=0)
    if not squares[1] > FLAT * squares[0]:
        raise NoValueError(f"{trajectory.path}: the path from step {window.start} spans no plane: it stands still or is a line")
    parameters = trajectory.weights.shape[1]
    origin, vectors = np.empty(parameters), np.empty((2, parameters))
    for first in range(0, parameters, PARAMETERS_PER_READ):
        columns = slice(first, min(first + PARAMETERS_PER_READ, parameters))
        points = trajectory.points(window, columns).astype(np.float64)
        start = points[0].copy()
        points -= start  # the coordinates sum to zero, so only differences count: keep the numbers small
        origin[columns] = start + points.mean(axis=0)
        vectors[:, columns] = (coordinates / squares).T @ points
    labels = ("first principal component", "second principal component")
    explained = principal.explained_variance
    return Directions("path", origin, vectors, labels, "weight unit", coordinates, window.steps, explained)


def random_walk_null(components: int = 2) -> FloatArray:
    """Return the fraction of a random walk's variance that its k-th principal component explains.

    In many dimensions it is 6/(π²k²), Antognini & Sohl-Dickstein, arXiv 1806.08805.

    Examples
    --------
    >>> random_walk_null().round(3).tolist()
    [0.608, 0.152]
    """
    return 6 / (np.pi * np.arange(1, components + 1)) ** 2


def line_between(start: ArrayLike, end: ArrayLike, label: str = "from start to end") -> Directions:
    """Return the line from one point (coordinate 0) to another (coordinate 1)."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    return Directions("line", start, (end - start)[None], (label,), "distance between the points")


def unit_directions(kind: str, origin: ArrayLike, vectors: ArrayLike, labels: tuple[str, ...]) -> Directions:
    """Return directions of length 1 from any vectors, such as a gradient or eigenvectors.

    Parameters
    ----------
    vectors
        Shape (1 or 2, P).
    """
    vectors = np.atleast_2d(np.asarray(vectors, np.float64))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return Directions(kind, np.asarray(origin, np.float64), unit, labels, "weight unit")


def _scale_rows(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the rows scaled to the lengths of those of ``weights``; a row of length 0 stays 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = np.linalg.norm(weights, axis=1, keepdims=True)
    return rows * np.divide(wanted, lengths, out=np.zeros_like(wanted), where=lengths > 0)
