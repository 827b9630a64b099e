"""The geometry of a path: everything follows from the update Gram matrix G_kl = <Δw_k, Δw_l>, Δw_k = w_{k+1} − w_k."""

from anodiff.geometry.gram import update_gram
from anodiff.geometry.msd import fourier_msd
from anodiff.geometry.path import PathGeometry, PrincipalCoordinates, path_geometry
from anodiff.geometry.reduce import geometry
from anodiff.geometry.store import Geometries, open_geometry

__all__ = [
    "Geometries",
    "PathGeometry",
    "PrincipalCoordinates",
    "fourier_msd",
    "geometry",
    "open_geometry",
    "path_geometry",
    "update_gram",
]
