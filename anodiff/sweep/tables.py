"""What came out of the whole sweep? Six tables, from the small results alone.

- exponents: a row per run and window, with `anodiff.diffusion.columns.COLUMNS`;
- tails: a row per run, window and quantity, with `anodiff.diffusion.jumps.TAIL_COLUMNS`;
- ensembles: a row per group of runs that differ in their seed alone and window, with `anodiff.sweep.seeds.ENSEMBLE_COLUMNS`;
- configurations: a row per such group, with `anodiff.sweep.seeds.CONFIGURATION_COLUMNS`;
- landscape: a row per run, point and kind of directions, see `anodiff.sweep.connections`;
- claims: a row per part of each of the study's claims, from the other tables, with `anodiff.sweep.claims.CLAIM_COLUMNS`.

Before all of these but the claims stands what names the run (run, group, data set, model, batch size, learning rate, seed),
every further setting that differs between the runs and how the run ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anodiff.diffusion.columns import COLUMNS as WINDOW_EXPONENTS
from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.jumps import TAIL_COLUMNS
from anodiff.errors import ConfigError, StoreMissingError, did_you_mean
from anodiff.storage.stores import writing
from anodiff.sweep.claims import claim_rows
from anodiff.sweep.columns import RUN_COLUMNS as RUN_COLUMNS
from anodiff.sweep.columns import write_parquet
from anodiff.sweep.connections import landscape_rows
from anodiff.sweep.results import RunResult, is_finished, read_runs
from anodiff.sweep.seeds import configuration_row, ensemble_rows

#: Columns that name a run, and the setting that each holds.
NAMING = {
    "data": "data.name",
    "model": "model.name",
    "batch_size": "training.batch_size",
    "learning_rate": "optimiser.learning_rate",
    "seed": "seed",
}


def sweep_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return the sweep's exponents, in the order of the runs and their windows; what an earlier version had not is empty."""
    return _gather(runs, [run.exponents.reindex(columns=list(WINDOW_EXPONENTS)) for run in runs])


def tails_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return the sweep's tails, in the order of the runs, their windows and the quantities."""
    return _gather(runs, [run.tails[list(WINDOW_COLUMNS | TAIL_COLUMNS)] for run in runs])


def ensemble_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return means over seeds and the ergodicity of each group, in the order of the groups' first runs and their windows."""
    groups = {run.group: [other for other in runs if other.group == run.group] for run in runs}
    firsts = [members[0] for members in groups.values()]
    return _of_groups(_gather(firsts, [ensemble_rows(members) for members in groups.values()]))


def configuration_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return one row for each group: what its seeds agree on, early and late in the run and at its end."""
    groups = {run.group: [other for other in runs if other.group == run.group] for run in runs}
    firsts = [members[0] for members in groups.values()]
    exponents = sweep_table(runs)
    rows = [configuration_row(exponents[exponents["group"] == group]) for group in groups]
    return _of_groups(_gather(firsts, rows))


def _of_groups(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what belongs to a single run."""
    own = [column for column in ("seed", *RUN_COLUMNS) if column not in ("group", "parameters")]
    return table.drop(columns=[column for column in own if column in table])


def landscape_table(runs: Sequence[RunResult]) -> pd.DataFrame:
    """Return roughness and curvature of the landscape beside the exponents of the same windows."""
    return _gather(runs, [landscape_rows(run.folder, run.exponents) for run in runs])


#: Tables that the claims are judged by: exponents and tails always, the others where there are any.
JUDGED = ("exponents", "tails", "landscape", "simplified_model")


def claims_table(tables: Sequence[str | Path]) -> pd.DataFrame:
    """Judge the study's claims by tables of a sweep, CSV files named as in `JUDGED`; see `anodiff.sweep.claims.claim_rows`.

    Raises
    ------
    ConfigError, StoreMissingError
        If a file is no such table, is missing, or exponents or tails are not among them.
    """
    files = {Path(table).stem: Path(table) for table in tables}
    for name, file in files.items():
        if name not in JUDGED or file.suffix != ".csv":
            raise ConfigError(f"{file}: claims are judged by the tables {', '.join(f'{known}.csv' for known in JUDGED)}")
        if not file.exists():
            raise StoreMissingError(f"{file}: no such table; make it with: anodiff tables RUNS --kind {name} -o {file}")
    for needed in JUDGED[:2]:
        if needed not in files:
            raise ConfigError(f"no {needed}.csv among the tables given; claims need it")
    return claim_rows(**{name: pd.read_csv(file) for name, file in files.items()})


#: The tables of runs by name: what makes each.
TABLES: dict[str, Callable[[Sequence[RunResult]], pd.DataFrame]] = {
    "exponents": sweep_table,
    "tails": tails_table,
    "ensembles": ensemble_table,
    "configurations": configuration_table,
    "landscape": landscape_table,
}


def write_tables(
    folders: Sequence[str | Path],
    output: str | Path,
    *,
    kind: str = "exponents",
    logs: str | Path | None = None,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Write one of `TABLES`, or the claims, as CSV to ``output`` and as Parquet beside it, and return it.

    Parameters
    ----------
    folders
        Folders of runs; of the claims, the tables that they are judged by.
    logs
        Folder of the sweep's logs. Where it is given runs may be missing, and the exponents have a row for each of them
        with status ``missing`` and, as the note, the last line of its log.
    """
    output = Path(output)
    kinds = [*TABLES, "claims"]
    if kind not in kinds:
        raise ConfigError(f"--kind {kind}: {did_you_mean(kind, kinds)}")
    if output.suffix != ".csv":
        raise ConfigError(f"{output}: the table's name must end in .csv; Parquet goes beside it")
    table = claims_table(folders) if kind == "claims" else _runs_table(folders, kind, logs)
    parquet = output.with_suffix(".parquet")
    with writing(output, overwrite=overwrite) as csv_path, writing(parquet, overwrite=overwrite) as parquet_path:
        table.to_csv(csv_path, index=False)
        write_parquet(table, parquet_path, kind)
    return table


def _runs_table(folders: Sequence[str | Path], kind: str, logs: str | Path | None) -> pd.DataFrame:
    missing = [] if logs is None else [folder for folder in map(Path, folders) if not is_finished(folder)]
    finished = [folder for folder in map(Path, folders) if folder not in missing]
    table = TABLES[kind](read_runs(finished)) if finished or not missing else pd.DataFrame()
    if logs is not None and missing and kind == "exponents":
        table = pd.concat([table, _missing_rows(missing, Path(logs))], ignore_index=True)
    return table


def _missing_rows(folders: Sequence[Path], logs: Path) -> pd.DataFrame:
    rows = [{"run": folder.name, "status": "missing", "note": _last_words(folder.name, logs)} for folder in folders]
    return pd.DataFrame(rows).astype({"note": "string"})


def _last_words(run: str, logs: Path) -> str:
    """Return the last line that a run's latest stage has logged."""
    for stage in ("diffusion", "geometry", "train"):
        log = logs / stage / f"{run}.log"
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
        if lines:
            return f"{stage}: {lines[-1].strip().removeprefix('anodiff: ')}"
    return "not begun"


def _gather(runs: Sequence[RunResult], rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of each run behind what names it."""
    varying = [key for key in _keys(runs) if key not in NAMING.values() and _varies(key, runs)]
    table = pd.concat([_named(run, varying, own) for run, own in zip(runs, rows, strict=True)], ignore_index=True)
    for key in varying:
        if _mixed(key, runs):
            table[key] = table[key].map(str, na_action="ignore")
    return table


def _named(run: RunResult, varying: Sequence[str], rows: pd.DataFrame) -> pd.DataFrame:
    attributes = run.curves.attrs
    about: dict[str, Any] = {"run": run.name, "group": run.group}
    about |= {column: run.settings[key] for column, key in NAMING.items()}
    about |= {key: _cell(run.settings.get(key)) for key in varying}
    about |= {"parameters": attributes["parameters"], "status": attributes["status"]}
    about |= {"steps_completed": attributes["steps_completed"], "diverged_at": attributes.get("diverged_at", math.nan)}
    about |= {name: _last(run.curves[name].values) for name in RUN_COLUMNS if name in run.curves}
    return pd.concat([pd.DataFrame([about] * len(rows), index=rows.index), rows], axis=1)


def _last(series: np.ndarray) -> float:
    measured = series[np.isfinite(series)]
    return float(measured[-1]) if len(measured) else math.nan


def _keys(runs: Sequence[RunResult]) -> list[str]:
    return list(dict.fromkeys(key for run in runs for key in run.settings))


def _varies(key: str, runs: Sequence[RunResult]) -> bool:
    return len({repr(run.settings.get(key)) for run in runs}) > 1


def _mixed(key: str, runs: Sequence[RunResult]) -> bool:
    """Return whether a setting is a number here and a text there, which no column of a Parquet file can be."""
    kinds = {type(_cell(run.settings.get(key))) for run in runs} - {type(None)}
    return len(kinds) > 1 and not kinds <= {int, float}


def _cell(value: Any) -> Any:
    """Keep what a table holds as it is; write the rest, such as lists, as text."""
    return value if isinstance(value, (int, float, str, type(None))) else str(value)
