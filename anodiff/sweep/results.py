"""What are the results of a run? Its curves, exponents, tails and settings, read together."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.diffusion.analysis import open_diffusion
from anodiff.diffusion.pairs import Binned, displacement_by_contour, loss_difference_by_distance
from anodiff.diffusion.parts.store import open_parts
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.geometry.store import Geometries, open_geometry
from anodiff.learning.columns import ARRAYS, KIND, VERSION
from anodiff.settings.base import dotted
from anodiff.storage.stored_arrays import StoredArrays
from anodiff.storage.tables import read_table
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


#: Tables of a run that a config may omit.
CHARACTERS, LEARNING, LEARNING_WINDOWS, PARTS = "characters.csv", "learning.csv", "learning_windows.csv", "parts.csv"

#: Columns of text in the tables of learning.
LEARNING_TEXTS = ("curve", "sort", "split", "law", "note")

#: Columns of text in the table of parts.
PART_TEXTS = ("kind", "part", "regime_lags", "flags", "note")

#: Points of a window whose pairs are taken, at most; they are evenly spaced.
MOST_POINTS = 1001

#: Rows of a Gram matrix that are read at once for its diagonal.
BLOCK = 1000


@dataclass(frozen=True)
class PairMeans:
    """Means over pairs of a window's points: Δr² by contour length, and the squared loss difference
    by distance.
    """

    displacement: Binned
    loss_difference: Binned


@dataclass(frozen=True)
class RunResult:
    """The small results of a finished run; ``settings`` are by dotted key.

    What comes from its geometry.zarr is read when it is first needed, and kept.
    """

    folder: Path
    name: str
    curves: xr.Dataset
    exponents: pd.DataFrame
    tails: pd.DataFrame
    settings: dict[str, Any]
    _pairs: dict[int, PairMeans] = field(default_factory=dict, repr=False)

    @cached_property
    def windows(self) -> list[tuple[int, int, int]]:
        """First step, stride and length of each window, in optimiser steps."""
        return [(*row,) for row in self.exponents[["waiting_time", "stride", "length"]].to_numpy(int).tolist()]

    @cached_property
    def geometries(self) -> Geometries:
        """The geometry of the windows; raises what `open_geometry` raises."""
        return open_geometry(self.folder / "geometry.zarr")

    @cached_property
    def characters(self) -> pd.DataFrame:
        """What kind of walk each coordinate is, `anodiff.inference.runs.character_columns.CHARACTER_COLUMNS`; raises what
        `read_table` raises.
        """
        make = f"anodiff characters {self.folder / 'geometry.zarr'}"
        return read_table(self.folder / CHARACTERS, make=make, dtype=dict.fromkeys(["kind", "flags"], "string"))

    @cached_property
    def learning(self) -> pd.DataFrame:
        """Which part is learned when, `anodiff.learning.columns.CURVE_COLUMNS`; raises what `read_table` raises."""
        return self._learning_table(LEARNING)

    @cached_property
    def learning_windows(self) -> pd.DataFrame:
        """What is learned in each window, `anodiff.learning.columns.LEARNING_WINDOW_COLUMNS`; raises what `read_table`
        raises.
        """
        return self._learning_table(LEARNING_WINDOWS)

    @cached_property
    def learning_curves(self) -> StoredArrays:
        """The arrays of learning.zarr, `anodiff.learning.columns.ARRAYS`; raises what `StoredArrays.read` raises."""
        return StoredArrays.read(self.folder / "learning.zarr", KIND, VERSION, ARRAYS)

    @property
    def has_learning(self) -> bool:
        """Whether it was measured which part is learned when."""
        return "learning" in self.__dict__ or (self.folder / LEARNING).exists()

    @cached_property
    def parts(self) -> pd.DataFrame:
        """The exponents of the run's groups and walks, `anodiff.diffusion.parts.columns.PART_COLUMNS`; raises what
        `read_table` raises.
        """
        make = f"anodiff parts {self.folder / 'geometry.zarr'}"
        texts: dict[str, Any] = dict.fromkeys(PART_TEXTS, "string")  # a group may be called NA
        table = read_table(self.folder / PARTS, make=make, dtype=texts, keep_default_na=False, na_values=[""])
        return table.assign(part=table["part"].fillna(""))

    @cached_property
    def part_curves(self) -> xr.Dataset:
        """MSD and local exponents of the parts, by part, window and lag; raises what `open_parts` raises."""
        return open_parts(self.folder / "parts.zarr")

    @property
    def has_parts(self) -> bool:
        """Whether groups or walks were measured."""
        return "parts" in self.__dict__ or (self.folder / PARTS).exists()

    def step_lengths(self, window: int) -> FloatArray:
        """Return the lengths of a window's updates, (T,); NaN where the run did not get. Only the diagonal of the Gram
        matrix is read, in blocks.
        """
        gram = self.geometries.group["gram"]
        updates = self.geometries.windows[window].updates
        lengths = np.empty(updates)
        for first in range(0, updates, BLOCK):
            rows = slice(first, min(first + BLOCK, updates))
            lengths[rows] = np.asarray(gram[window, rows, rows], np.float64).diagonal()  # type: ignore[index]
        return np.sqrt(np.maximum(lengths, 0))

    def _learning_table(self, name: str) -> pd.DataFrame:
        make = f"anodiff learning {self.folder / 'trajectory.zarr'}"
        return read_table(self.folder / name, make=make, dtype=dict.fromkeys(LEARNING_TEXTS, "string"))

    def pairs(self, window: int) -> PairMeans:
        """Return the means over pairs of a window's points, at most `MOST_POINTS` of them."""
        if window not in self._pairs:
            path = self.geometries.read(window)
            every = math.ceil(len(path.gram) / (MOST_POINTS - 1))
            squared, losses = path.squared_displacements[::every, ::every], self.geometries.point_series("loss", window)
            self._pairs[window] = PairMeans(
                displacement_by_contour(squared, path.contour_length[::every]),
                loss_difference_by_distance(squared, losses[::every]),
            )
        return self._pairs[window]

    @property
    def group(self) -> str:
        """The name without the seed."""
        return re.sub(r"-seed\d+", "", self.name, count=1)

    def final(self, series: str) -> float:
        """Return the last measured value of a series over epochs, such as ``test_loss``; NaN if there is none."""
        values = self.curves[series].values if series in self.curves else np.empty(0)
        measured = values[np.isfinite(values)]
        return float(measured[-1]) if len(measured) else math.nan


def read_run(folder: str | Path) -> RunResult:
    """Read ``diffusion.zarr``, ``exponents.csv`` and ``tails.csv`` of a run's folder; raises what `open_diffusion` raises."""
    folder = Path(folder)
    curves = open_diffusion(folder / "diffusion.zarr")
    tables = []
    for name, texts in (("exponents.csv", ["note", "flags"]), ("tails.csv", ["tail_note"])):
        make = f"anodiff diffusion {folder / 'geometry.zarr'}"
        tables.append(read_table(folder / name, make=make, dtype=dict.fromkeys(texts, "string")))
    exponents, tails = tables
    return RunResult(folder, folder.resolve().name, curves, exponents, tails, dotted(curves.attrs["settings"]))


def read_runs(folders: Sequence[str | Path]) -> list[RunResult]:
    """Read the folders of several runs; `ConfigError` if there are none."""
    if not folders:
        raise ConfigError("no runs given; name their folders, such as results/demo/runs/*")
    return [read_run(folder) for folder in folders]


def read_sweep(folder: str | Path) -> list[RunResult]:
    """Read the finished runs in a folder such as ``results/demo``; `StoreMissingError` if there are none."""
    folders = sorted(path.parent for path in Path(folder).glob("**/run.yaml") if is_finished(path.parent))
    if not folders:
        raise StoreMissingError(f"{folder}: no finished run in it; name a run's folder, or a sweep's such as results/demo")
    return read_runs(folders)


def read_folders(folders: Sequence[str | Path]) -> list[RunResult]:
    """Read folders of runs, and of sweeps those of their finished runs; raises what `read_run` and `read_sweep` raise."""
    parts = [[read_run(folder)] if Path(folder, "run.yaml").exists() else read_sweep(folder) for folder in folders]
    return [run for part in parts for run in part]


def by_group(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Return the runs of each group, in the order of their first runs; they differ only in their seed."""
    groups: dict[str, list[RunResult]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    return groups


def is_finished(folder: Path) -> bool:
    """Return whether a run's folder has everything that the tables need."""
    return all((folder / name).exists() for name in ("diffusion.zarr", "exponents.csv", "tails.csv"))


def missing_rows(folders: Sequence[Path], logs: Path) -> pd.DataFrame:
    """Return a row for each run that is not finished, with the last line of its log as the note."""
    import pandas as pd

    rows = [{"run": folder.name, "status": "missing", "note": _last_log_line(folder.name, logs)} for folder in folders]
    return pd.DataFrame(rows).astype({"note": "string"})


def _last_log_line(run: str, logs: Path) -> str:
    """Return the last line that a run's latest stage has logged."""
    for stage in ("diffusion", "geometry", "train"):
        log = logs / stage / f"{run}.log"
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
        if lines:
            return f"{stage}: {lines[-1].strip().removeprefix('anodiff: ')}"
    return "not started"
