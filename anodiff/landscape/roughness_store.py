"""Reads roughness.zarr, and names what it and its table hold in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anodiff.diffusion.intervals import interval_columns
from anodiff.errors import StoreFormatError
from anodiff.landscape.structure import FLOORS, StructureFit, fit_structure, squares, structure_function
from anodiff.storage.stores import open_store
from anodiff.storage.types import FloatArray

KIND = "anodiff roughness"
VERSION = 1

#: Arrays of roughness.zarr: dimensions, type, meaning.
ARRAYS = {
    "step": (("point",), "int64", "optimiser step of the point"),
    "loss_centre": (("point",), "float64", "loss at the point"),
    "radius": (("point", "radius"), "float64", "distance from the point, in weight units"),
    "rounding": (("point",), "float64", "variance of a loss's rounding error"),
    "cosine": (("point", "kind", "direction", "other_direction"), "float64", "cosine between two directions of a kind"),
    "loss": (
        ("point", "kind", "direction", "side", "radius"),
        "float64",
        "loss at that distance, at both sides of the point",
    ),
}

#: Columns of roughness.csv: meaning.
COLUMNS = (
    {"step": "optimiser step of the point", "directions": "random: isotropic; path: where the path goes next, or came from"}
    | interval_columns("roughness_exponent", "exponent 2H of <|L(w+ru) - L(w)|^2> against r; 2 for a smooth loss")
    | {"fractal_dimension": "of the loss along a line, 2 - H"}
    | interval_columns("even_exponent", "exponent of <|L(w+ru) + L(w-ru) - 2 L(w)|^2>; 4 for a smooth loss, 2H for a rough one")
    | {
        "fit_from": "smallest distance of the fit, in weight units",
        "fit_to": "largest",
        "decades": "decades of distance above rounding, of those measured",
        "rounding": "standard deviation of a loss's rounding error",
        "non_finite": "losses that were not finite",
        "note": "why an exponent is missing",
    }
)


@dataclass(frozen=True)
class RoughnessStore:
    """Losses around points of a run, the arrays of `ARRAYS` by name, and the kinds of directions in their order."""

    arrays: dict[str, NDArray[Any]]
    kinds: list[str]
    attributes: dict[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def structure(self, point: int, kind: str, part: str = "difference") -> FloatArray:
        """Return S(r) at a point, by its number, shape (radii,); ``part`` is ``difference`` or ``even``."""
        return structure_function(_squares(self.arrays, point, self.kinds.index(kind))[part])

    def fit(self, point: int, kind: str, part: str = "difference") -> StructureFit:
        """Return the exponent at a point, as the table has it."""
        return _fit(self.arrays, point, self.kinds.index(kind), part, self.attributes["seed"])


def open_roughness(path: str | Path) -> RoughnessStore:
    """Open a finished roughness.zarr; raises what `open_store` raises, and `StoreFormatError` for damage."""
    group = open_store(path, KIND, VERSION)
    try:
        arrays = {name: np.asarray(group[name][...]) for name in ARRAYS if name in group or name != "cosine"}  # type: ignore[index]
    except (KeyError, ValueError) as error:
        raise StoreFormatError(f"{path}: damaged: {' '.join(str(error).split())}; make it again") from None
    attributes: dict[str, Any] = dict(group.attrs)
    return RoughnessStore(arrays, attributes["kinds"], attributes)


def rows_of(arrays: Mapping[str, NDArray[Any]], kinds: Sequence[str], seed: int) -> pd.DataFrame:
    """Return `COLUMNS`, a row for each point and kind of direction."""
    rows = []
    for point in range(len(arrays["step"])):
        for kind, name in enumerate(kinds):
            first, even = (_fit(arrays, point, kind, part, seed) for part in FLOORS)
            radii = arrays["radius"][point]
            fitted = radii[first.fitted] if first.fitted.any() else np.full(1, np.nan)
            rows.append(
                {"step": int(arrays["step"][point]), "directions": name}
                | first.exponent.columns("roughness_exponent")
                | {"fractal_dimension": 2 - first.hurst.value}
                | even.exponent.columns("even_exponent")
                | {
                    "fit_from": fitted[0],
                    "fit_to": fitted[-1],
                    "decades": float(np.log10(fitted[-1] / fitted[0])),
                    "rounding": float(np.sqrt(arrays["rounding"][point])),
                    "non_finite": int((~np.isfinite(arrays["loss"][point, kind])).sum()),
                    "note": first.reason or (f"even part: {even.reason}" if even.reason else ""),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _squares(arrays: Mapping[str, NDArray[Any]], point: int, kind: int) -> dict[str, FloatArray]:
    return squares(arrays["loss"][point, kind], float(arrays["loss_centre"][point]))


def _fit(arrays: Mapping[str, NDArray[Any]], point: int, kind: int, part: str, seed: int) -> StructureFit:
    squared = _squares(arrays, point, kind)[part]
    floor = FLOORS[part] * float(arrays["rounding"][point])
    angles = arrays["cosine"][point, kind] if "cosine" in arrays else None
    return fit_structure(arrays["radius"][point], squared, floor, seed, angles=angles, part=part)
