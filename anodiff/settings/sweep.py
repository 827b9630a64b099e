"""A whole config file: the sweep, the places of its files, and every stage's settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from anodiff.settings.base import Settings
from anodiff.settings.stages import (
    AnalysisSettings,
    CurvatureSettings,
    LandscapeSettings,
    RoughnessSettings,
    SimplifiedModelSettings,
)


class SweepSettings(Settings):
    """Which runs: a grid, explicit entries, or both."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the sweep: its results lie in ``<results>/<name>/``."""
    defaults: dict[str, Any] = {}
    """Settings shared by all runs; any part of a run's settings (data, model, optimiser, training, recording, seed)."""
    grid: list[dict[str, Any]] = []
    """Blocks of axes: dotted keys with lists, such as ``training.batch_size: [64, 128]``. A block is every combination."""
    runs: list[dict[str, Any]] = []
    """Single runs, written as in ``defaults`` or with dotted keys."""


class PathSettings(Settings):
    """Where things lie; relative to the folder that Snakemake runs in."""

    results: str = "results"
    """Folder of finished results."""
    scratch: str = "scratch"
    """Folder of training in progress; fastest on the file system of ``results``, where publishing is one rename."""
    data: str = "data"
    """Folder of data sets, as torchvision lays them out."""


class Config(Settings):
    """A config file."""

    sweep: SweepSettings
    """Which runs."""
    paths: PathSettings = PathSettings()
    """Where things lie."""
    download: bool = False
    """Let torchvision download a missing data set."""
    longest_job: Annotated[int, Field(ge=10)] = 1440
    """Minutes of a cluster's job at most, as its partition's time limit has it; a longer training goes on in the next job."""
    analysis: AnalysisSettings = AnalysisSettings()
    """How the path is analysed."""
    simplified_model: SimplifiedModelSettings = SimplifiedModelSettings()
    """Walkers on generated surfaces, beside the sweep."""
    landscape: LandscapeSettings = LandscapeSettings()
    """The loss landscape along the path."""
    roughness: RoughnessSettings = RoughnessSettings()
    """Its roughness."""
    curvature: CurvatureSettings = CurvatureSettings()
    """Its curvature."""
