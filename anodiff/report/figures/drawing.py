"""Draws one kind of figure over the runs of a sweep, or of the simplified model."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError, did_you_mean
from anodiff.report.figures.catalogue import ALL_FIGURES, MODEL_FIGURES

if TYPE_CHECKING:
    from anodiff.simulation.surfaces.ensemble import Ensemble


def draw(
    kind: str,
    folders: Sequence[str | Path],
    output: str | Path,
    *,
    formats: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Draw one kind of figure over the runs in ``folders``, or of the one simplified_model.zarr given.

    The ending of ``output`` says the format; ``formats`` names further ones, written beside it under the same name.

    Raises
    ------
    ConfigError
        For an unknown kind or format, and without runs.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    if kind not in ALL_FIGURES:
        raise ConfigError(f"unknown figure {kind!r}; {did_you_mean(kind, ALL_FIGURES)}")
    from anodiff.report.figures import style
    from anodiff.sweep.results import read_runs

    style.outputs(output, formats)
    drawn = _model(kind, folders) if kind in MODEL_FIGURES else read_runs(folders)
    module, function = ALL_FIGURES[kind].drawn_by.rsplit(".", 1)
    make = getattr(import_module(f"anodiff.report.figures.{module}"), function)
    style.publish(lambda: make(drawn), output, formats, overwrite=overwrite)


def _model(kind: str, stores: Sequence[str | Path]) -> Sequence[Ensemble]:
    if len(stores) != 1:
        raise ConfigError(f"figure {kind!r} is of one simplified_model.zarr; {len(stores)} were given")
    from anodiff.simulation.surfaces.store import open_model

    return open_model(stores[0])
