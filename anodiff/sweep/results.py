"""What came out of a run? Its small results, read together: curves, exponents, tails and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from anodiff.diffusion.analysis import open_diffusion
from anodiff.errors import ConfigError, StoreMissingError


@dataclass(frozen=True)
class RunResult:
    """The small results of a finished run: curves, exponents, tails, and settings by dotted key."""

    folder: Path
    name: str
    curves: xr.Dataset
    exponents: pd.DataFrame
    tails: pd.DataFrame
    settings: dict[str, Any]

    @property
    def group(self) -> str:
        """The name without the seed."""
        return re.sub(r"-seed\d+", "", self.name, count=1)


def read_run(folder: str | Path) -> RunResult:
    """Read ``diffusion.zarr``, ``exponents.csv`` and ``tails.csv`` of a run's folder; raises what `open_diffusion` raises."""
    folder = Path(folder)
    curves = open_diffusion(folder / "diffusion.zarr")
    tables = []
    for name, texts in (("exponents.csv", ["note", "flags"]), ("tails.csv", ["tail_note"])):
        table = folder / name
        if not table.exists():
            raise StoreMissingError(f"{table}: no such table; run: anodiff diffusion {folder / 'geometry.zarr'}")
        tables.append(pd.read_csv(table, dtype=dict.fromkeys(texts, "string")))
    exponents, tails = tables
    return RunResult(folder, folder.resolve().name, curves, exponents, tails, dict(_dotted(curves.attrs["settings"])))


def read_runs(folders: Sequence[str | Path]) -> list[RunResult]:
    """Read several runs, at least one."""
    if not folders:
        raise ConfigError("no runs given; name their folders, such as results/digits/runs/*")
    return [read_run(folder) for folder in folders]


def is_finished(folder: Path) -> bool:
    """Return whether a run's folder holds all that the tables need."""
    return all((folder / name).exists() for name in ("diffusion.zarr", "exponents.csv", "tails.csv"))


def _dotted(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
