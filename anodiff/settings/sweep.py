"""What does a config file hold? The sweep, its folders, and the settings of every stage."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from anodiff.settings.base import Settings
from anodiff.settings.stages import (
    AnalysisSettings,
    CurvatureSettings,
    FigureSettings,
    LandscapeSettings,
    RoughnessSettings,
    SimplifiedModelSettings,
)


class SweepSettings(Settings):
    """The runs of the sweep: a grid, explicit entries, or both."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the sweep; its results are in ``<results>/<name>/``."""
    defaults: dict[str, Any] = {}
    """Settings that all runs share: any part of a run's settings (data, model, optimiser, training,
    recording, seed)."""
    grid: list[dict[str, Any]] = []
    """Blocks of axes: dotted keys with lists of values, such as ``training.batch_size: [64, 128]``.
    Each block gives every combination of its values."""
    runs: list[dict[str, Any]] = []
    """Single runs, written as in ``defaults`` or with dotted keys."""


class PathSettings(Settings):
    """Folders, relative to the one that Snakemake runs in."""

    results: str = "results"
    """Folder of finished results."""
    scratch: str = "scratch"
    """Folder of unfinished training. Fastest on the file system of ``results``, where publishing is
    one rename."""
    data: str = "data"
    """Folder of data sets, in torchvision's layout."""


class Config(Settings):
    """A config file."""

    sweep: SweepSettings
    """The runs."""
    paths: PathSettings = PathSettings()
    """The folders of data and results."""
    download: bool = False
    """Let torchvision download missing data sets."""
    longest_job: Annotated[int, Field(ge=10)] = 1440
    """Longest cluster job in minutes: the time limit of the partition. A longer training resumes in
    the next job."""
    analysis: AnalysisSettings = AnalysisSettings()
    """How the path is analysed."""
    simplified_model: SimplifiedModelSettings = SimplifiedModelSettings()
    """Walkers on generated surfaces, next to the sweep."""
    landscape: LandscapeSettings = LandscapeSettings()
    """Slices of the loss landscape along the path."""
    roughness: RoughnessSettings = RoughnessSettings()
    """How rough the loss is around the path."""
    curvature: CurvatureSettings = CurvatureSettings()
    """How curved the loss is at points of the path."""
    figures: FigureSettings = FigureSettings()
    """Formats of the figures."""
