"""Which tables does a sweep have, and what do they hold? Each kind is an entry of `TABLES`, made from the runs' small results.

Every row that belongs to a run, or to a group of runs, begins with the columns of
`anodiff.sweep.run_columns`: what names the run, its settings, and how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anodiff.diffusion.columns import EXPONENT_COLUMNS, WINDOW_COLUMNS
from anodiff.diffusion.jumps import TAIL_COLUMNS
from anodiff.diffusion.parts.columns import PART_COLUMNS
from anodiff.errors import ConfigError, did_you_mean
from anodiff.inference.runs.character_columns import CHARACTER_COLUMNS
from anodiff.learning.columns import CURVE_COLUMNS
from anodiff.simulation.surfaces.columns import MODEL_COLUMNS
from anodiff.storage.columns import Column, markdown_table, write_parquet
from anodiff.storage.stores import writing_all
from anodiff.storage.tables import read_table
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.sweep.claims import CLAIM_COLUMNS, claim_rows
from anodiff.sweep.connections import LANDSCAPE_COLUMNS
from anodiff.sweep.learning_relations import RELATION_COLUMNS, learning_relations
from anodiff.sweep.results import is_finished, missing_rows, read_runs
from anodiff.sweep.run_columns import RUN_COLUMNS, SETTING_COLUMNS, setting_column
from anodiff.sweep.seeds import CONFIGURATION_COLUMNS, ENSEMBLE_COLUMNS
from anodiff.sweep.table_makers import (
    BESIDE_CHARACTERS,
    LEARNING_OF_WINDOWS,
    characters_table,
    configuration_table,
    ensemble_table,
    exponents_table,
    landscape_table,
    learning_table,
    learning_windows_table,
    parts_table,
    tails_table,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableKind:
    """A kind of table of a sweep.

    Attributes
    ----------
    title
        Its heading on the page.
    row
        What has a row, in words that follow "a row for".
    holds
        What a row holds, in words that follow "it holds".
    columns
        Its columns; of a table made from runs those behind the columns of
        `anodiff.sweep.run_columns`.
    made_from
        ``runs``; ``tables``, CSV files of other kinds; or ``settings``, by a command of its own and
        as CSV alone.
    make
        Makes it from runs, or from the paths of tables; None if it has a command of its own.
    for_claims
        Whether the claims are judged by it: they need it, take it if it is there, or do not look at
        it.
    """

    title: str
    row: str
    holds: str
    columns: Mapping[str, Column]
    made_from: Literal["runs", "tables", "settings"] = "runs"
    make: Callable[[Sequence[Any]], pd.DataFrame] | None = None
    for_claims: Literal["needed", "optional", "unused"] = "unused"

    def describe(self, table: pd.DataFrame) -> dict[str, Column]:
        """Return what each column of a table of this kind means, those of the runs' settings included."""
        known = dict(self.columns)
        if self.made_from == "runs":
            known = RUN_COLUMNS | SETTING_COLUMNS | known
        return {name: known.get(name) or setting_column(name, table[name]) for name in map(str, table)}


def claims_table(tables: Sequence[str | Path]) -> pd.DataFrame:
    """Judge the claims by tables of a sweep, CSV files named after their kinds; see `anodiff.sweep.claims.claim_rows`.

    Raises
    ------
    ConfigError, StoreMissingError
        If a file is not such a table or is missing, or a table that the claims need is not given.
    """
    judging = {kind: table.for_claims for kind, table in TABLES.items() if table.for_claims != "unused"}
    files = {Path(table).stem: Path(table) for table in tables}
    for name, file in files.items():
        if name not in judging or file.suffix != ".csv":
            raise ConfigError(f"{file}: claims are judged by the tables {', '.join(f'{kind}.csv' for kind in judging)}")
    for kind, need in judging.items():
        if need == "needed" and kind not in files:
            raise ConfigError(f"no {kind}.csv among the given tables; the claims need it")
    made = {name: read_table(file, make=f"anodiff tables RUNS --kind {name} -o {file}") for name, file in files.items()}
    for name, table in made.items():
        lacking = [column for column in TABLES[name].columns if column not in table] if judging[name] == "optional" else []
        if lacking:
            raise ConfigError(
                f"{files[name]}: no column {lacking[0]!r}; another version of anodiff made this table, make it again"
            )
    return claim_rows(**made)


#: The kinds of tables, in the order of the page.
TABLES = {
    "exponents": TableKind(
        "Exponents",
        "each window of each run",
        "the run's settings and end, and the exponents of the window",
        EXPONENT_COLUMNS,
        make=exponents_table,
        for_claims="needed",
    ),
    "ensembles": TableKind(
        "Means over seeds",
        "each window of each configuration (runs that differ only in their seed)",
        "means over the seeds with Student's intervals, the ergodicity-breaking parameter and the ageing ratio",
        ENSEMBLE_COLUMNS,
        make=ensemble_table,
    ),
    "configurations": TableKind(
        "Configurations",
        "each configuration (runs that differ only in their seed)",
        "means over the seeds with Student's intervals, early and late in the run and at its end",
        CONFIGURATION_COLUMNS,
        make=configuration_table,
    ),
    "tails": TableKind(
        "Tails and jumps",
        "each window of each run and each quantity",
        "the stable law, tail indices and power law of step lengths, gradients, gradient noise or loss avalanches",
        WINDOW_COLUMNS | TAIL_COLUMNS,
        make=tails_table,
        for_claims="needed",
    ),
    "characters": TableKind(
        "Kinds of motion",
        "each window of each run and each sort of coordinate",
        "exponent and kind of motion of the coordinates by a trained network, and the exponent and flags of the window",
        CHARACTER_COLUMNS
        | {name: EXPONENT_COLUMNS[name] for name in BESIDE_CHARACTERS if name != "flags"}
        | {"window_flags": EXPONENT_COLUMNS["flags"]},
        make=characters_table,
    ),
    "parts": TableKind(
        "Parts and the optimiser",
        "each window of each run with groups or walks, and each part: the whole path, a group, a walk",
        "share of the displacement, exponents of the part, and beside them those of the path and of the gradients' walk",
        PART_COLUMNS,
        make=parts_table,
    ),
    "landscape": TableKind(
        "Landscape",
        "each run, point of its path and kind of directions",
        "roughness and curvature of the loss at the point, and the exponents of the window that holds it",
        LANDSCAPE_COLUMNS,
        make=landscape_table,
        for_claims="optional",
    ),
    "learning": TableKind(
        "Learning curves",
        "each run and each curve: all samples, each mode, class, group and probe",
        "when it is learned, how long that takes, the law of its curve, and where it ends",
        CURVE_COLUMNS,
        make=learning_table,
        for_claims="optional",
    ),
    "learning_windows": TableKind(
        "Learning by window",
        "each window of each run whose learning was measured",
        "what is learned within the window, and how the path moves in it",
        LEARNING_OF_WINDOWS,
        make=learning_windows_table,
    ),
    "learning_relations": TableKind(
        "Learning and motion",
        "each question about learning, within the whole sweep, a configuration or a run",
        "a correlation or a ratio with its test: of learning and motion, of seeds among each other, of steps while learning",
        RELATION_COLUMNS,
        make=learning_relations,
    ),
    "simplified_model": TableKind(
        "Simplified model",
        "each generated surface",
        "exponents of its walkers' displacement, how soon they reach its lowest hundredth, and the tail of its gradients",
        MODEL_COLUMNS,
        made_from="settings",
        for_claims="optional",
    ),
    "claims": TableKind(
        "Claims",
        "each part of each claim, of the study and on learning dynamics",
        "the measured number with its interval, the test and its verdict; a claim holds if all of its parts do",
        CLAIM_COLUMNS,
        made_from="tables",
        make=claims_table,
    ),
}


def reference(kind: str) -> list[str]:
    """Return the lines of docs/format.md that describe the columns of a kind of table."""
    return markdown_table(TABLES[kind].columns)


def write_tables(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    kinds: Sequence[str] = ("exponents",),
    logs: str | Path | None = None,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> dict[str, pd.DataFrame]:
    """Write tables as CSV and Parquet, all of them or none, and return them by kind.

    The runs are read once.

    Parameters
    ----------
    sources
        Folders of runs; for the claims, the tables that they are judged by.
    output
        For one table, its CSV file, next to which Parquet goes; or a folder, which gets
        ``<kind>.csv`` and ``<kind>.parquet``.
    kinds
        Keys of `TABLES`, those with a maker.
    logs
        Folder of the sweep's logs. If it is given, runs may be missing; the exponents then have a
        row for each of them, with status ``missing`` and the last line of its log as the note.
    report
        Called with the tables done, their number and the kind of the next one.

    Raises
    ------
    ConfigError
        For an unknown kind, without runs, for several tables in one file, and for claims together
        with tables of runs.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    import pandas as pd

    makers = {name: table.make for name, table in TABLES.items() if table.make}
    if not kinds:
        raise ConfigError(f"--kind names no table; name some of {', '.join(makers)}")
    for kind in kinds:
        if kind not in makers:
            raise ConfigError(f"--kind {kind}: {did_you_mean(kind, makers)}")
    if len({TABLES[kind].made_from for kind in kinds}) != 1:
        raise ConfigError(f"--kind {','.join(kinds)}: make the tables of runs first, then claims from them")
    files = _files(list(dict.fromkeys(kinds)), Path(output))
    with writing_all([file for own in files.values() for file in own], overwrite=overwrite) as temporary, one_blas_thread():
        missing: list[Path] = []
        read: Sequence[Any] = sources
        if TABLES[kinds[0]].made_from == "runs":
            folders = [Path(source) for source in sources]
            missing = [folder for folder in folders if logs is not None and not is_finished(folder)]
            read = [] if missing == folders != [] else read_runs([folder for folder in folders if folder not in missing])
        tables = {}
        for number, (kind, (csv, parquet)) in enumerate(files.items()):
            report(number, len(files), kind)
            table = makers[kind](read) if read or not missing else pd.DataFrame()
            if missing and logs is not None and kind == "exponents":
                table = pd.concat([table, missing_rows(missing, Path(logs))], ignore_index=True)
            table.to_csv(temporary[csv], index=False)
            write_parquet(table, temporary[parquet], TABLES[kind].describe(table))
            tables[kind] = table
        report(len(files), len(files), "done")
    return tables


def _files(kinds: Sequence[str], output: Path) -> dict[str, tuple[Path, Path]]:
    """Return the CSV and the Parquet file of each table."""
    if output.is_dir() or not output.suffix:
        return {kind: (output / f"{kind}.csv", output / f"{kind}.parquet") for kind in kinds}
    if output.suffix != ".csv":
        raise ConfigError(f"{output}: a table's name must end in .csv; Parquet goes next to it")
    if len(kinds) > 1:
        raise ConfigError(f"{output}: {len(kinds)} tables do not fit into one file; name a folder, such as tables/")
    return {kinds[0]: (output, output.with_suffix(".parquet"))}
