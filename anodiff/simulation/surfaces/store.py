"""What does simplified_model.zarr contain, and how are it and its table written and read?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anodiff.settings.stages import SimplifiedModelSettings
from anodiff.simulation.surfaces.columns import MODEL_COLUMNS, MODEL_TEXTS, raised_flags
from anodiff.simulation.surfaces.ensemble import WAITING, Ensemble, measure_ensembles
from anodiff.simulation.surfaces.surface import Surface
from anodiff.storage.arrays import create_array
from anodiff.storage.stores import create_store, finish_store, open_store, writing_all
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import ProgressCallback, no_progress

KIND = "anodiff simplified model"
VERSION = 3

#: Arrays in the group of each kind: dimensions, meaning. The columns of the table are there too, by
#: surface.
ARRAYS = {
    "lag": (("lag",), "lag in steps"),
    "waiting_time": (("waiting_time",), "waiting time in steps"),
    "ageing_msd": (("surface", "waiting_time", "lag"), "squared displacement from the waiting time on, mean over walkers"),
    "time_averaged_msd": (("surface", "lag"), "time-averaged MSD, mean over walkers"),
    "gradient": (("sample",), "sample of the gradients' first components, in their standard deviation"),
    "height": (("x", "y"), "heights of the first surface"),
    "path": (("step", "walker", "axis"), "paths of some walkers on the first surface"),
}


def write_model(
    settings: SimplifiedModelSettings,
    output: str | Path,
    table: str | Path,
    *,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> pd.DataFrame:
    """Measure walkers on all surfaces; write store and table (CSV), or neither; return the table.

    Raises
    ------
    ConfigError
        If surfaces or walks do not fit into memory.
    OutputExistsError, StorageError
    """
    with writing_all([output, table], overwrite=overwrite) as temporary, one_blas_thread():
        ensembles = measure_ensembles(settings, report=report)
        attributes = {"settings": settings.model_dump(mode="json"), "kinds": [ensemble.kind for ensemble in ensembles]}
        group = create_store(temporary[Path(output)], KIND, VERSION, attributes)
        for number, ensemble in enumerate(ensembles):
            about = {"setting": ensemble.setting, "kind": ensemble.kind, "periodic": ensemble.example.periodic}
            subgroup = group.create_group(str(number), attributes=about)
            for name, values in _arrays(ensemble, settings.steps).items():
                dimensions, meaning = ARRAYS[name] if name in ARRAYS else (("surface",), MODEL_COLUMNS[name].meaning)
                create_array(subgroup, name, dimensions, {"long_name": meaning}, data=values)
        finish_store(group)
        rows = pd.concat([ensemble.rows for ensemble in ensembles], ignore_index=True)
        rows.to_csv(temporary[Path(table)], index=False)
    return rows


def open_model(path: str | Path) -> list[Ensemble]:
    """Return the ensembles of a finished simplified_model.zarr, in the order of its kinds.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, StoreDamagedError
    """
    group = open_store(path, KIND, VERSION)
    attributes: dict[str, Any] = dict(group.attrs)
    found = []
    for number, kind in enumerate(attributes["kinds"]):
        arrays = {
            name: np.asarray(group[f"{number}/{name}"][...])  # type: ignore[index]
            for name in [*ARRAYS, *_numeric_columns()]
        }
        about: dict[str, Any] = dict(group[str(number)].attrs)
        setting = str(about.get("setting", attributes["settings"]["name"]))
        rows = pd.DataFrame({"setting": setting, "kind": kind} | {name: arrays[name] for name in _numeric_columns()})
        rows["flags"] = rows.apply(raised_flags, axis=1)
        hurst = arrays["hurst"][0]
        example = Surface(
            arrays["height"], str(kind), None if np.isnan(hurst) else float(hurst),
            bool(about["periodic"]),
        )  # fmt: skip
        curves = arrays["lag"], arrays["ageing_msd"], arrays["time_averaged_msd"], arrays["gradient"]
        found.append(Ensemble(setting, str(kind), rows[list(MODEL_COLUMNS)], *curves, example, arrays["path"]))
    return found


def _numeric_columns() -> list[str]:
    return [name for name in MODEL_COLUMNS if name not in MODEL_TEXTS]


def _arrays(ensemble: Ensemble, steps: int) -> dict[str, NDArray[Any]]:
    return {
        "lag": ensemble.lags,
        "waiting_time": np.round(np.array(WAITING) * steps).astype(np.int64),
        "ageing_msd": ensemble.ageing_msd,
        "time_averaged_msd": ensemble.time_averaged_msd,
        "gradient": ensemble.gradients,
        "height": ensemble.example.heights,
        "path": ensemble.paths,
    } | {name: ensemble.rows[name].to_numpy(np.float64) for name in _numeric_columns()}
