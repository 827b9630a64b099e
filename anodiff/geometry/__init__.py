"""What shape does a path have? All follows from its update Gram matrix, G_kl = <Δw_k, Δw_l>.

Public: `path_geometry` for points of your own, `compute_geometry` and `open_geometry` for a run's
store, `fourier_msd` for paths whose Gram matrix would not fit in memory. They are imported when they
are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Geometries": "store",
    "PathGeometry": "path",
    "PrincipalCoordinates": "path",
    "compute_geometry": "reduce",
    "fourier_msd": "msd",
    "open_geometry": "store",
    "path_geometry": "path",
    "update_gram": "gram",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'anodiff.geometry' has no attribute {name!r}")
    return getattr(importlib.import_module(f"anodiff.geometry.{_PUBLIC[name]}"), name)
