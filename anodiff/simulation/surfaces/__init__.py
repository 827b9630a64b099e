"""The simplified model: walkers that descend generated surfaces of known roughness."""

from anodiff.simulation.surfaces.generators import bowl, diamond_square, fractional_surface, multifractional_surface, shuffled
from anodiff.simulation.surfaces.surface import Surface
from anodiff.simulation.surfaces.walkers import Walk, walk

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
