"""The loss landscape along a path: slices through it, its roughness, its curvature.

The public names are imported when first used: some need torch, whose import takes seconds.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Curvature": "anodiff.landscape.curvature_store",
    "open_curvature": "anodiff.landscape.curvature_store",
    "measure_curvature": "anodiff.landscape.curvature",
    "hessian_product": "anodiff.landscape.products",
    "gauss_newton_product": "anodiff.landscape.products",
    "split_motion": "anodiff.landscape.top_subspace",
    "stability_threshold": "anodiff.landscape.top_subspace",
    "spectral_density": "anodiff.landscape.spectrum",
    "top_eigenpairs": "anodiff.landscape.spectrum",
    "trace": "anodiff.landscape.spectrum",
    "Directions": "anodiff.landscape.directions",
    "line_between": "anodiff.landscape.directions",
    "path_directions": "anodiff.landscape.directions",
    "random_directions": "anodiff.landscape.directions",
    "random_walk_null": "anodiff.landscape.directions",
    "unit_directions": "anodiff.landscape.directions",
    "RoughnessStore": "anodiff.landscape.roughness_store",
    "open_roughness": "anodiff.landscape.roughness_store",
    "measure_roughness": "anodiff.landscape.roughness",
    "StructureFit": "anodiff.landscape.structure",
    "fit_structure": "anodiff.landscape.structure",
    "squares": "anodiff.landscape.structure",
    "structure_function": "anodiff.landscape.structure",
    "Roughness": "anodiff.simulation.surfaces.fractal",
    "roughness_of": "anodiff.simulation.surfaces.fractal",
    "Slice": "anodiff.landscape.slice_store",
    "open_slice": "anodiff.landscape.slice_store",
    "grid": "anodiff.landscape.slices",
    "losses_on": "anodiff.landscape.slices",
    "slice_landscape": "anodiff.landscape.slices",
    "LossSurface": "anodiff.landscape.surface",
    "place": "anodiff.landscape.run_surface",
    "stored_point": "anodiff.landscape.run_surface",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'anodiff.landscape' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
