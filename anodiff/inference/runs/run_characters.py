"""What kind of walk is each coordinate of a run, in each window? From geometry.zarr to characters.csv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.geometry.store import Geometries, open_geometry
from anodiff.inference.runs.character_columns import CHARACTER_COLUMNS
from anodiff.inference.runs.window_characters import unread_rows, window_rows
from anodiff.inference.runs.window_tracks import window_tracks
from anodiff.inference.simulated.tracks import FEWEST_POINTS
from anodiff.settings.stages import CharacterSettings
from anodiff.storage.stores import writing
from anodiff.storage.threads import one_blas_thread, one_torch_thread
from anodiff.storage.types import ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd


def compute_characters(
    geometry_path: str | Path,
    output: str | Path,
    settings: CharacterSettings,
    *,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Read the coordinates of every window of geometry.zarr; write characters.csv.

    Its bits depend neither on the number of threads nor on that of cores.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, StoreDamagedError
        If geometry or networks cannot be read.
    OutputExistsError, StorageError
    """
    geometries = open_geometry(geometry_path)
    with writing(output, overwrite=overwrite) as temporary, one_blas_thread(), one_torch_thread():
        run_characters(geometries, settings, report).to_csv(temporary, index=False)


def run_characters(geometries: Geometries, settings: CharacterSettings, report: ProgressCallback = no_progress) -> pd.DataFrame:
    """Return a row for each window and sort of coordinate, with the columns `CHARACTER_COLUMNS`."""
    import pandas as pd

    from anodiff.inference.answers.reader import TrackReader

    files = [Path(settings.weights, f"{dimensions}d.safetensors") if settings.weights else None for dimensions in (1, 2)]
    single, pair = (TrackReader.load(dimensions, file) for dimensions, file in zip((1, 2), files, strict=True))
    rows: list[dict[str, Any]] = []
    for number, window in enumerate(geometries.windows):
        report(number, len(geometries.windows), f"window from step {window.start}")
        labels = {"window": number, "waiting_time": window.start, "length": window.length, "stride": window.stride}
        path, reason = geometries.moving_path(number)
        if path is not None and len(path.gram) + 1 < FEWEST_POINTS:
            path, reason = None, f"fewer than {FEWEST_POINTS} points"
        if path is None:
            found = unread_rows(settings.components, reason)
        else:
            found = window_rows(window_tracks(path, settings, number), settings.components, single, pair)
        rows += [labels | row for row in found]
    report(len(geometries.windows), len(geometries.windows), "done")
    return pd.DataFrame(rows, columns=list(CHARACTER_COLUMNS))
