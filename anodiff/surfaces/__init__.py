"""The simplified model: walkers that descend generated surfaces of known roughness."""

from anodiff.surfaces.generators import bowl, diamond_square, fractional_surface, multifractional_surface, shuffled
from anodiff.surfaces.surface import Surface
from anodiff.surfaces.walkers import Walk, walk

__all__ = [
    "Surface",
    "Walk",
    "bowl",
    "diamond_square",
    "fractional_surface",
    "multifractional_surface",
    "shuffled",
    "walk",
]
