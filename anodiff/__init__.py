"""anodiff measures the training of a neural network as anomalous diffusion.

Public names are imported when they are first used, so that ``import anodiff`` is fast.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "TrajectoryRecorder": "anodiff.trajectory",
    "Window": "anodiff.trajectory",
    "open_trajectory": "anodiff.trajectory",
    "PathGeometry": "anodiff.geometry",
    "path_geometry": "anodiff.geometry",
    "fourier_msd": "anodiff.geometry",
    "open_geometry": "anodiff.geometry",
    "PROCESSES": "anodiff.simulation.processes",
    "open_diffusion": "anodiff.diffusion.analysis",
    "RunSettings": "anodiff.settings.run",
    "load_config": "anodiff.settings.loading",
    "sweep_runs": "anodiff.sweep.runs",
    "AnodiffError": "anodiff.errors",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'anodiff' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
