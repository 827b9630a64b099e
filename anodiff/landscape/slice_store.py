"""Reads a slice through the landscape, and names what its store holds in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.stores import open_store
from anodiff.storage.types import FloatArray

KIND = "anodiff slices"
VERSION = 1


@dataclass(frozen=True)
class Slice:
    """Losses over a grid of one or two directions.

    Attributes
    ----------
    loss
        Shape (first,) or (second, first), float64: row i, column j is at ``second[i]``, ``first[j]``. NaN where not finite.
    first, second
        Coordinates along the directions; ``second`` is None for one direction.
    kind, labels, unit
        As in `anodiff.landscape.directions.Directions`.
    path, path_steps, explained_variance
        The path in the plane's coordinates, shape (points, 2), its optimiser steps, and the fraction of its variance along each
        axis; None without a path.
    non_finite
        How many losses are not finite.
    attributes
        Everything else that the store says: step, samples, batch_norm, settings.
    """

    loss: FloatArray
    first: FloatArray
    second: FloatArray | None
    kind: str
    labels: tuple[str, ...]
    unit: str
    path: FloatArray | None
    path_steps: NDArray[np.int64] | None
    explained_variance: FloatArray | None
    non_finite: int
    attributes: dict[str, Any]


def open_slice(path: str | Path) -> Slice:
    """Open a finished slice.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        In one line.
    """
    group = open_store(path, KIND, VERSION)
    attributes: dict[str, Any] = dict(group.attrs)

    def read(name: str) -> NDArray[Any] | None:
        return np.asarray(group[name][...]) if name in group else None  # type: ignore[index]

    loss, first = read("loss"), read("first")
    assert loss is not None
    assert first is not None
    return Slice(
        loss,
        first,
        read("second"),
        attributes["directions"],
        tuple(attributes["labels"]),
        attributes["unit"],
        read("path"),
        read("path_step"),
        read("explained_variance"),
        attributes["non_finite"],
        attributes,
    )
