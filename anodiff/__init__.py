"""anodiff measures the training of a neural network as anomalous diffusion.

Public names are imported when they are first used, so that ``import anodiff`` is fast.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "trajectory": ["TrajectoryRecorder", "Window", "open_trajectory"],
        "geometry": ["PathGeometry", "path_geometry", "fourier_msd", "open_geometry"],
        "inference.characters": ["characterise"],
        "simulation.processes": ["PROCESSES"],
        "diffusion.analysis": ["open_diffusion"],
        "diffusion.parts.store": ["open_parts"],
        "settings.run": ["RunSettings"],
        "settings.loading": ["load_config"],
        "sweep.runs": ["sweep_runs"],
        "errors": ["AnodiffError"],
    },
)
