"""What shape does a path have? All follows from its update Gram matrix, G_kl = <Δw_k, Δw_l>.

Public: `path_geometry` for points of your own, `compute_geometry` and `open_geometry` for a run's
store, `fourier_msd` for paths whose Gram matrix would not fit in memory.
"""

from anodiff.geometry.gram import update_gram
from anodiff.geometry.msd import fourier_msd
from anodiff.geometry.path import PathGeometry, PrincipalCoordinates, path_geometry
from anodiff.geometry.reduce import compute_geometry
from anodiff.geometry.store import Geometries, open_geometry

__all__ = [
    "Geometries",
    "PathGeometry",
    "PrincipalCoordinates",
    "compute_geometry",
    "fourier_msd",
    "open_geometry",
    "path_geometry",
    "update_gram",
]
