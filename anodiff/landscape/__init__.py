"""How does the loss look along a path? Slices through it, its roughness, its curvature.

The public names are those in `__all__`. They are imported when they are first used, because some
need torch, whose import takes seconds.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "run_surface": ["loss_surface_at"],
        "surface": ["LossSurface"],
        "directions": ["Directions", "line_between", "path_directions", "random_directions", "unit_directions"],
        "slices": ["grid", "losses_on", "slice_landscape"],
        "slice_store": ["Slice", "open_slice"],
        "roughness": ["measure_roughness"],
        "roughness_store": ["RoughnessStore", "open_roughness"],
        "curvature": ["measure_curvature"],
        "curvature_store": ["Curvature", "open_curvature"],
        "products": ["hessian_product", "gauss_newton_product"],
        "spectrum": ["spectral_density", "top_eigenpairs", "trace"],
    },
)
