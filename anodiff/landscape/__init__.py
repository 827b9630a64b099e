"""How does the loss look along a path? Slices through it, its roughness, its curvature.

The public names are those in `__all__`. They are imported when they are first used, because some
need torch, whose import takes seconds.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "loss_surface_at": "run_surface",
    "LossSurface": "surface",
    "Directions": "directions",
    "line_between": "directions",
    "path_directions": "directions",
    "random_directions": "directions",
    "unit_directions": "directions",
    "grid": "slices",
    "losses_on": "slices",
    "slice_landscape": "slices",
    "Slice": "slice_store",
    "open_slice": "slice_store",
    "measure_roughness": "roughness",
    "RoughnessStore": "roughness_store",
    "open_roughness": "roughness_store",
    "measure_curvature": "curvature",
    "Curvature": "curvature_store",
    "open_curvature": "curvature_store",
    "hessian_product": "products",
    "gauss_newton_product": "products",
    "spectral_density": "spectrum",
    "top_eigenpairs": "spectrum",
    "trace": "spectrum",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'anodiff.landscape' has no attribute {name!r}")
    return getattr(importlib.import_module(f"anodiff.landscape.{_PUBLIC[name]}"), name)
