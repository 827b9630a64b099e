"""What are the figures of a sweep drawn from? Its runs, and the store of its simplified model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError
from anodiff.geometry.parts import GROUP, WALK
from anodiff.learning.columns import PROBE
from anodiff.report.figures.catalogue import (
    CHARACTER_FIGURES,
    FIGURES,
    LANDSCAPE_FIGURES,
    LEARNING_FIGURES,
    MODEL_FIGURES,
    PART_FIGURES,
)
from anodiff.sweep.results import CHARACTERS, LEARNING, PARTS, RunResult, read_runs
from anodiff.sweep.table_makers import with_learning, with_parts

if TYPE_CHECKING:
    from anodiff.simulation.surfaces.ensemble import Ensemble


class Sources:
    """What figures are drawn from: runs and the simplified model. Each is read when it is first
    needed.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._stores = [path for path in paths if path.suffix == ".zarr"]
        self._folders = [path for path in paths if path not in self._stores]

    @property
    def kinds(self) -> list[str]:
        """The figures that there is data for."""
        landscapes = any(map(_has_landscape, self._folders))
        return [
            *(FIGURES if self._folders else ()),
            *(CHARACTER_FIGURES if any(map(_has_characters, self._folders)) else ()),
            *(self._part_kinds if any(map(_has_parts, self._folders)) else ()),
            *(self._learning_kinds if any(map(_has_learning, self._folders)) else ()),
            *(LANDSCAPE_FIGURES if landscapes else ()),
            *(MODEL_FIGURES if self._stores else ()),
        ]

    def data(self, kind: str, *, every: bool) -> Sequence[RunResult] | Sequence[Ensemble]:
        """Return what a figure is drawn from: of landscape and characters every run, or those that have them."""
        if kind in MODEL_FIGURES:
            return self._ensembles
        if kind in LANDSCAPE_FIGURES and not every:
            return [run for run in self._runs if _has_landscape(run.folder)]
        if kind in CHARACTER_FIGURES and not every:
            return [run for run in self._runs if _has_characters(run.folder)]
        if kind in PART_FIGURES:
            return with_parts(self._runs)
        if kind in LEARNING_FIGURES:
            return with_learning(self._runs)
        return self._runs

    @property
    def _part_kinds(self) -> list[str]:
        """The figures of groups and walks that there is data for."""
        there = {kind for run in with_parts(self._runs) for kind in run.parts["kind"].unique()}
        return [kind for kind, of in (("layers", GROUP), ("walks", WALK)) if of in there]

    @property
    def _learning_kinds(self) -> list[str]:
        """The figures of learning that there is data for."""
        cue = any((run.learning["sort"] == PROBE).any() for run in with_learning(self._runs))
        return [kind for kind in LEARNING_FIGURES if cue or kind != "starvation"]

    @cached_property
    def _runs(self) -> list[RunResult]:
        return read_runs(self._folders)

    @cached_property
    def _ensembles(self) -> Sequence[Ensemble]:
        if len(self._stores) != 1:
            raise ConfigError(
                f"figures of the simplified model are drawn from one simplified_model.zarr; {len(self._stores)} were given"
            )
        from anodiff.simulation.surfaces.store import open_model

        return open_model(self._stores[0])


def _has_characters(folder: Path) -> bool:
    return (folder / CHARACTERS).exists()


def _has_parts(folder: Path) -> bool:
    return (folder / PARTS).exists()


def _has_learning(folder: Path) -> bool:
    return (folder / LEARNING).exists()


def _has_landscape(folder: Path) -> bool:
    stores = ("slices", "roughness.zarr", "roughness.csv", "curvature.zarr")
    return all((folder / "landscape" / name).exists() for name in stores)
