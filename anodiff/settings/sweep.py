"""What does a config file hold? The sweep, its folders, and the settings of every stage."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from anodiff.errors import quoted
from anodiff.settings.base import Folder, Settings
from anodiff.settings.inference import InferenceSettings
from anodiff.settings.learning import LearningSettings
from anodiff.settings.stages import (
    AnalysisSettings,
    CharacterSettings,
    CurvatureSettings,
    FigureSettings,
    LandscapeSettings,
    RoughnessSettings,
    SimplifiedModelSettings,
)

#: Bounds of a sweep: its runs; the values of all of their settings together; characters of a run's name without its seed,
#: which with it, and the ending of a log, fits into the 255 bytes of a file's name.
MOST_RUNS, MOST_SETTINGS, LONGEST_RUN_NAME = 20_000, 1_000_000, 200


class SweepSettings(Settings):
    """The runs of the sweep: a grid, explicit entries, or both."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
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
    """Folders, relative to the one that Snakemake runs in. ``~`` and ``$NAME`` are not replaced."""

    results: Folder = "results"
    """Folder of finished results."""
    scratch: Folder = "scratch"
    """Folder of unfinished training. Fastest on the file system of ``results``, where publishing is
    one rename."""
    data: Folder = "data"
    """Folder of data sets, in torchvision's layout."""

    @field_validator("results")
    @classmethod
    def _no_pattern(cls, results: str) -> str:
        """Refuse what Snakemake reads as a pattern, or a command as an option."""
        if set(results) & set("{}") or results.startswith("-") or results != results.strip():
            raise ValueError(f"{quoted(results)} has braces, which Snakemake reads as wildcards, or begins with - or a space")
        return results


class Config(Settings):
    """A config file."""

    sweep: SweepSettings
    """The runs."""
    paths: PathSettings = PathSettings()
    """The folders of data and results."""
    download: bool = False
    """Let torchvision download missing data sets."""
    longest_job: Annotated[int, Field(ge=10, le=5_000_000)] = 1440
    """Longest cluster job in minutes: the time limit of the partition. A longer training resumes in
    the next job."""
    analysis: AnalysisSettings = AnalysisSettings()
    """How the path is analysed."""
    characters: CharacterSettings = CharacterSettings()
    """What kind of walk each coordinate of the path is."""
    simplified_model: SimplifiedModelSettings = SimplifiedModelSettings()
    """Walkers on generated surfaces, next to the sweep."""
    landscape: LandscapeSettings = LandscapeSettings()
    """Slices of the loss landscape along the path."""
    roughness: RoughnessSettings = RoughnessSettings()
    """How rough the loss is around the path."""
    curvature: CurvatureSettings = CurvatureSettings()
    """How curved the loss is at points of the path."""
    learning: LearningSettings = LearningSettings()
    """Which part is learned when: learning curves of modes, classes and groups of samples."""
    figures: FigureSettings = FigureSettings()
    """Formats of the figures."""
    inference: InferenceSettings = InferenceSettings()
    """Networks that read exponent and kind of motion off one track. Only the target ``inference``
    trains them."""
