"""What does the store of a slice through the landscape hold, and how is it read?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.stored_arrays import StoredArrays
from anodiff.storage.types import FloatArray

KIND = "anodiff slices"
VERSION = 2

#: Arrays of every slice, and those that some slices have.
ARRAYS, OPTIONAL_ARRAYS = ("loss", "first"), ("second", "path", "path_step", "explained_variance")

#: File beside the stores of a run's planes: a line ``plane: reason`` for each plane that does not exist.
LEFT_OUT = "left_out.txt"


@dataclass(frozen=True)
class Slice:
    """Losses over a grid of one or two directions.

    Attributes
    ----------
    loss
        Shape (first,) or (second, first), float64: row i, column j is at ``second[i]``,
        ``first[j]``. NaN where not finite.
    first, second
        Coordinates along the directions; ``second`` is None if there is only one.
    kind, labels, unit
        As in `anodiff.landscape.directions.Directions`.
    path, path_steps, explained_variance
        The path in the plane's coordinates, shape (points, 2), its optimiser steps, and the
        fraction of its variance along each axis; None without a path.
    non_finite
        Number of losses that are not finite.
    attributes
        All attributes of the store, such as step, samples and batch_norm.
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
    StoreMissingError, IncompleteStoreError
    StoreFormatError
        If it is another kind of store, or damaged.
    """
    store = StoredArrays.read(path, KIND, VERSION, ARRAYS, OPTIONAL_ARRAYS)
    arrays, attributes = store.arrays, store.attributes
    return Slice(
        arrays["loss"],
        arrays["first"],
        arrays.get("second"),
        attributes["directions"],
        tuple(attributes["labels"]),
        attributes["unit"],
        arrays.get("path"),
        arrays.get("path_step"),
        arrays.get("explained_variance"),
        attributes["non_finite"],
        attributes,
    )


def planes_left_out(folder: str | Path) -> dict[str, str]:
    """Return why planes of a run's slices were left out, by name."""
    file = Path(folder) / LEFT_OUT
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: reason for name, _, reason in (line.partition(": ") for line in lines)}
