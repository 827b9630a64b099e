"""Reads curvature.zarr, and names what it holds in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import StoreFormatError
from anodiff.landscape.spectrum import SpectralDensity
from anodiff.storage.stores import open_store
from anodiff.storage.types import FloatArray

KIND = "anodiff curvature"
VERSION = 1

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
    "window_start": (("point",), "int64", "start of that window; -1 without one"),
}


@dataclass(frozen=True)
class Curvature:
    """The curvature along a run; the arrays are those of `ARRAYS`, by name; NaN where a thing was not measured."""

    arrays: dict[str, NDArray[Any]]
    attributes: dict[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    @property
    def sharpness(self) -> FloatArray:
        """λ_max over the edge of stability, shape (points,): η λ_max / 2 for gradient descent; above 1 it is unstable."""
        return np.asarray(self["hessian_eigenvalue"][:, 0] / self["threshold"], np.float64)

    def density(self, point: int) -> SpectralDensity:
        """Return the spectral density at a point, by its number."""
        return SpectralDensity(self["density_node"][point], self["density_weight"][point])


def open_curvature(path: str | Path) -> Curvature:
    """Open a finished curvature.zarr; raises what `open_store` raises, and `StoreFormatError` for damage."""
    group = open_store(path, KIND, VERSION)
    try:
        arrays = {name: np.asarray(group[name][...]) for name in ARRAYS}  # type: ignore[index]
    except (KeyError, ValueError) as error:
        raise StoreFormatError(f"{path}: damaged: {' '.join(str(error).split())}; make it again") from None
    return Curvature(arrays, dict(group.attrs))
