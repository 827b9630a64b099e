"""Which parts of a model move anomalously, and what does the optimiser add? From geometry.zarr to parts.zarr and parts.csv.

Cost: for each window and part 0.15 to 0.45 s of one core at 1,000 updates, the more the fewer
directions the part moves in. Memory: about twelve matrices T × T, as for the whole path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.diffusion.parts.columns import KIND, PART_COLUMNS, VERSION
from anodiff.diffusion.parts.layout import part_attributes, part_layouts
from anodiff.diffusion.parts.window import measure_window, window_lags
from anodiff.errors import ConfigError, one_line
from anodiff.geometry.store import open_geometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.resumable import identity_hash, resumable_store, scratch_folder
from anodiff.storage.stores import refuse_existing, writing
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd

#: Attribute of an unfinished store: the rows of each finished window, as JSON. A finished store has none.
ROWS = "rows"


def compute_parts(
    geometry_path: str | Path,
    output: str | Path,
    table: str | Path,
    settings: AnalysisSettings,
    *,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> pd.DataFrame:
    """Analyse the groups and walks of geometry.zarr, write parts.zarr and parts.csv, and return the table.

    Their bits depend neither on the number of threads nor on that of cores. After an interruption,
    the same call resumes after the last finished window, see `anodiff.storage.resumable`.

    Parameters
    ----------
    report
        Called with the parts done in all windows, their total, and the window and part in work.

    Raises
    ------
    ConfigError
        If the run has neither groups nor walks, or both outputs have one name.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    output, table = Path(output), Path(table)
    if output.resolve() == table.resolve():
        raise ConfigError(f"{output} is named for two outputs; give each a name of its own")
    refuse_existing(output, overwrite=overwrite)
    # An analysis that was killed between table and store has left a table that may be replaced.
    replacing = overwrite or scratch_folder(output).exists()
    refuse_existing(table, overwrite=replacing)
    geometries = open_geometry(geometry_path)
    if not geometries.groups and not geometries.walks:
        raise ConfigError(
            f"{geometry_path}: no groups and no walks in it; train with recording.groups or recording.walks, such as "
            "groups: layer"
        )
    windows, parts = geometries.windows, (geometries.whole, *geometries.groups, *geometries.walks)
    lags = np.unique(np.concatenate([window_lags(window, settings) for window in windows]))
    total = len(windows) * len(parts)
    identity = identity_hash(settings, parts, VERSION, geometries.content, geometries.steps_completed)
    layouts = part_layouts(windows, len(parts), lags)
    attributes = part_attributes(geometries, settings, parts)
    with (
        resumable_store(output, KIND, VERSION, identity, layouts, [len(windows)], attributes, overwrite=overwrite) as store,
        writing(table, overwrite=replacing) as csv,
        one_blas_thread(),
    ):
        rows: dict[str, Any] = dict(store.group.attrs.get(ROWS, {}))  # type: ignore[arg-type]
        for number, window in enumerate(windows):
            if str(number) in rows:
                continue

            def before(place: int, number: int = number, start: int = window.start) -> None:
                said = f"window from step {start}, {one_line(parts[place].name, 40)}"
                report(number * len(parts) + place, total, said)

            found = measure_window(geometries, number, parts, lags, settings, before)
            for name, curve in found.curves.items():
                store.write(name, (slice(None), number), curve)
            rows[str(number)] = json.dumps(found.rows, default=lambda value: value.item())
            store.note(ROWS, str(number), rows[str(number)])
        result = _table([row for number in range(len(windows)) for row in json.loads(rows[str(number)])])
        result.to_csv(csv, index=False)
        store.group.attrs.pop(ROWS)
        report(total, total, "done")
    return result


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(PART_COLUMNS))
