"""What do roughness.zarr and its table hold, and how is the store read?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anodiff.diffusion.intervals import interval_columns
from anodiff.landscape.structure import FLOORS, StructureFit, fit_structure, squared_increments, structure_function
from anodiff.storage.columns import COUNT, LOSS, OPTIMISER_STEPS, TEXT, Column
from anodiff.storage.stored_arrays import StoredArrays
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

KIND = "anodiff roughness"
VERSION = 2

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

#: Columns of roughness.csv.
ROUGHNESS_COLUMNS = {
    "step": Column("optimiser step of the point", OPTIMISER_STEPS),
    "directions": Column("random: isotropic; path: where the path goes next, or came from", TEXT),
    **interval_columns("roughness_exponent", "exponent 2H of <|L(w+ru) - L(w)|^2> against r; 2 for a smooth loss"),
    "fractal_dimension": Column("fractal dimension of the loss along a line, 2 - H"),
    **interval_columns(
        "even_exponent", "exponent of <|L(w+ru) + L(w-ru) - 2 L(w)|^2>; 4 for a smooth loss, 2H for a rough one"
    ),
    "fit_from": Column("smallest distance of the fit", "weight"),
    "fit_to": Column("largest distance of the fit", "weight"),
    "decades": Column("decades of distance that the fit spans, above rounding", "decades"),
    "rounding": Column("standard deviation of a loss's rounding error", LOSS),
    "non_finite": Column("number of losses that were not finite", COUNT),
    "note": Column("why an exponent is missing", TEXT),
}


@dataclass(frozen=True)
class RoughnessStore(StoredArrays):
    """Losses around points of a run: the arrays of `ARRAYS` by name."""

    @property
    def kinds(self) -> list[str]:
        """The kinds of directions, in the order of the arrays."""
        return list(self.attributes["kinds"])

    def structure(self, point: int, kind: str, part: str = "difference") -> FloatArray:
        """Return S(r) at a point, by its number, of ``difference`` or ``even``, shape (radii,)."""
        return structure_function(self._squared(point, self.kinds.index(kind), part))

    def fit(self, point: int, kind: str, part: str = "difference") -> StructureFit:
        """Return the exponent at a point, as in the table."""
        number = self.kinds.index(kind)
        floor = FLOORS[part] * float(self["rounding"][point])
        angles = self["cosine"][point, number] if "cosine" in self.arrays else None
        squared = self._squared(point, number, part)
        return fit_structure(self["radius"][point], squared, floor, self.attributes["seed"], angles=angles, part=part)

    def table(self) -> pd.DataFrame:
        """Return `ROUGHNESS_COLUMNS`, a row for each point and kind of direction."""
        import pandas as pd

        rows = []
        for point, step in enumerate(self["step"]):
            for number, kind in enumerate(self.kinds):
                first, even = (self.fit(point, kind, part) for part in FLOORS)
                radii = self["radius"][point]
                fitted = radii[first.fitted] if first.fitted.any() else np.full(1, np.nan)
                rows.append(
                    {"step": int(step), "directions": kind}
                    | first.exponent.columns("roughness_exponent")
                    | {"fractal_dimension": 2 - first.hurst.value}
                    | even.exponent.columns("even_exponent")
                    | {
                        "fit_from": fitted[0],
                        "fit_to": fitted[-1],
                        "decades": float(np.log10(fitted[-1] / fitted[0])),
                        "rounding": float(np.sqrt(self["rounding"][point])),
                        "non_finite": int((~np.isfinite(self["loss"][point, number])).sum()),
                        "note": self.attributes.get("notes", {}).get(str(step))
                        or first.reason
                        or (f"even part: {even.reason}" if even.reason else ""),
                    }
                )
        return pd.DataFrame(rows, columns=list(ROUGHNESS_COLUMNS))

    def _squared(self, point: int, number: int, part: str) -> FloatArray:
        return squared_increments(self["loss"][point, number], float(self["loss_centre"][point]))[part]


def open_roughness(path: str | Path) -> RoughnessStore:
    """Open a finished roughness.zarr; raises what `StoredArrays.read` raises."""
    return RoughnessStore.read(path, KIND, VERSION, [name for name in ARRAYS if name != "cosine"], ["cosine"])
