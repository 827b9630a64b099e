"""What shape does a path have? All follows from its update Gram matrix, G_kl = <Δw_k, Δw_l>.

Public: `path_geometry` for points of your own, `compute_geometry` and `open_geometry` for a run's
store, `fourier_msd` for paths whose Gram matrix would not fit in memory. They are imported when they
are first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "store": ["Geometries", "open_geometry"],
        "path": ["PathGeometry", "PrincipalCoordinates", "path_geometry"],
        "reduce": ["compute_geometry"],
        "msd": ["fourier_msd"],
        "gram": ["update_gram"],
    },
)
