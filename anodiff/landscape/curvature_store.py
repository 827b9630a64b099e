"""What does curvature.zarr hold, and how is it read?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anodiff.landscape.spectrum import SpectralDensity
from anodiff.storage.stored_arrays import StoredArrays
from anodiff.storage.types import FloatArray

KIND = "anodiff curvature"
VERSION = 2

#: Arrays that older stores do not have.
LATER = ("hessian_error", "gauss_newton_error")

#: Arrays of curvature.zarr: dimensions, type, meaning.
ARRAYS = {
    "step": (("point",), "int64", "optimiser step of the point"),
    "loss": (("point",), "float64", "mean loss over the samples"),
    "learning_rate": (("point",), "float64", "learning rate at the point"),
    "threshold": (("point",), "float64", "edge of stability: the largest stable curvature; NaN for adaptive optimisers"),
    "hessian_eigenvalue": (("point", "rank"), "float64", "largest eigenvalues of the Hessian, falling"),
    "gauss_newton_eigenvalue": (("point", "rank"), "float64", "largest eigenvalues of the Gauss-Newton matrix, falling"),
    "trace": (("point",), "float64", "trace of the Hessian"),
    "trace_error": (("point",), "float64", "its standard error"),
    "density_node": (("point", "probe", "node"), "float64", "nodes of the Hessian's spectral density"),
    "density_weight": (("point", "probe", "node"), "float64", "their weights; a probe's sum to 1"),
    "lag": (("lag",), "int64", "lag in optimiser steps"),
    "msd_total": (("point", "lag"), "float64", "MSD of the window that holds the point"),
    "msd_within": (("point", "lag"), "float64", "MSD within the Hessian's top eigenvectors at the point"),
    "msd_outside": (("point", "lag"), "float64", "MSD of the rest"),
    "hessian_error": (("point",), "float64", "relative error of the Hessian's products; 0 by second derivatives"),
    "gauss_newton_error": (("point",), "float64", "that of the Gauss-Newton matrix's products"),
    "window_start": (("point",), "int64", "start of that window; -1 without one"),
}


@dataclass(frozen=True)
class Curvature(StoredArrays):
    """The curvature along a run: `ARRAYS` by name; values that were not measured are NaN."""

    @property
    def sharpness(self) -> FloatArray:
        """λ_max over the edge of stability, shape (points,); descent is unstable above 1.

        For gradient descent, it is η λ_max / 2.
        """
        return np.asarray(self["hessian_eigenvalue"][:, 0] / self["threshold"], np.float64)

    @property
    def notes(self) -> dict[str, str]:
        """Why values are missing, or come from differences: by ``step: part``."""
        return dict(self.attributes.get("notes", {}))

    def density(self, point: int) -> SpectralDensity:
        """Return the spectral density at a point, by its number."""
        return SpectralDensity(self["density_node"][point], self["density_weight"][point])


def open_curvature(path: str | Path) -> Curvature:
    """Open a finished curvature.zarr; raises what `StoredArrays.read` raises."""
    return Curvature.read(path, KIND, VERSION, [name for name in ARRAYS if name not in LATER], LATER)
