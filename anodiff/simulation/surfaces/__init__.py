"""Does a walker on a rough surface move as the weights do? The simplified model.

Public: the generators of surfaces, `Surface` and `walk`; `store` writes and reads
simplified_model.zarr.
"""

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
