"""What does an unfinished sweep show? The page of the runs so far, renewed as runs finish."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from anodiff.errors import StoreMissingError
from anodiff.report.figures.catalogue import (
    CHARACTER_FIGURES,
    FIGURES,
    LANDSCAPE_FIGURES,
    LEARNING_FIGURES,
    MODEL_FIGURES,
    PART_FIGURES,
)
from anodiff.report.page import SoFar, write_page
from anodiff.report.page_state import RUN_LIST, renewal_is_due
from anodiff.storage.tables import read_table, write_table
from anodiff.sweep.claims import claim_rows
from anodiff.sweep.results import CHARACTERS, LEARNING, LEARNING_WINDOWS, PARTS, RunResult, is_finished, read_runs
from anodiff.sweep.tables import TABLES, exponents_table, tails_table

#: Tables of which stages beside the runs' diffusion are the source, and the claims that rest on each.
BY_OTHER_STAGES = {"landscape": (4,), "simplified_model": (5,), "learning": (6, 7, 8, 9)}

#: Stores of a run that the table and the figures of the landscape are made from.
LANDSCAPE = ("landscape/slices", "landscape/roughness.zarr", "landscape/curvature.zarr")


def renew_page(page: str | Path, now: Callable[[], float] = time.time) -> bool:
    """Write the page of a sweep's finished runs if `renewal_is_due` and no other process does it;
    return whether it was written.

    A run is finished once it has figures. A whole page stays as it is. An early page is published
    by one rename, with the time of change `anodiff.storage.files.LONG_AGO`.

    Parameters
    ----------
    page
        The page in the sweep's folder, which has the list of the runs, runs.txt.
    now
        Returns the time in seconds since 1970.

    Raises
    ------
    StoreMissingError
        If there is no list of the runs.
    """
    page = Path(page)
    with _claimed(page, now) as claimed:
        if not claimed:
            return False
        names = _listed_runs(page.parent / RUN_LIST)
        folders = [page.parent / "runs" / name for name in names]
        folders = [folder for folder in folders if (folder / "figures").is_dir() and is_finished(folder)]
        if not folders:
            return False
        runs = read_runs(folders)
        with TemporaryDirectory(prefix="anodiff-page-") as scratch:
            sources = _write_tables(runs, page.parent, Path(scratch)) + _finished_figures(folders, page.parent)
            so_far = SoFar(len(runs), len(names), time.strftime("%H:%M", time.localtime(now())))
            write_page(
                sources, page, title=page.parent.name, runs=page.parent / "runs", max_bytes=0, overwrite=True, so_far=so_far
            )
    return True


@contextmanager
def _claimed(page: Path, now: Callable[[], float]) -> Iterator[bool]:
    """Yield whether this process may renew the page; no other one on this machine does until then.

    The kernel's lock ends with its process. Where there is none, two renewals do the same work, and
    the later one stays: each page is published by one rename.
    """
    claim = page.with_name(f".{page.name}.renewing")
    with claim.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        try:
            yield renewal_is_due(page, now)
        finally:
            claim.unlink(missing_ok=True)


def _listed_runs(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise StoreMissingError(f"{file}: no list of the sweep's runs; Snakemake writes it as it starts") from None


def _write_tables(runs: list[RunResult], results: Path, folder: Path) -> list[Path]:
    """Write exponents, tails and claims of the runs so far into a folder; return their paths, and
    those of the sweep's other tables that are finished.
    """
    exponents, tails = exponents_table(runs), tails_table(runs)
    finished = _finished_tables([run.folder for run in runs], results)
    others = {name: read_table(finished[name]) for name in BY_OTHER_STAGES if name in finished}
    claims = claim_rows(exponents, tails, **others)
    unknown = [claim for name, own in BY_OTHER_STAGES.items() if name not in others for claim in own]
    tables = {"exponents": exponents, "tails": tails, "claims": claims[~claims["claim"].isin(unknown)]}
    for kind, table in tables.items():
        write_table(table, folder / f"{kind}.csv")
    return [folder / f"{kind}.csv" for kind in tables] + [path for kind, path in finished.items() if kind not in tables]


def _finished_tables(folders: list[Path], results: Path) -> dict[str, Path]:
    """Return the sweep's tables that are not older than what they are made from."""
    inputs = dict.fromkeys(TABLES, _inputs(folders)) | {
        "characters": _inputs(folders, CHARACTERS),
        "parts": _inputs(folders, PARTS),
        "landscape": _inputs(folders, *LANDSCAPE),
        "learning": _inputs(folders, LEARNING),
        "learning_windows": _inputs(folders, LEARNING_WINDOWS, *LANDSCAPE),
        "learning_relations": _inputs(folders, LEARNING, LEARNING_WINDOWS, *LANDSCAPE),
        "simplified_model": [],
    }
    tables = {kind: results / "tables" / f"{kind}.csv" for kind in TABLES}
    return {kind: table for kind, table in tables.items() if _is_current(table, inputs[kind])}


def _finished_figures(folders: list[Path], results: Path) -> list[Path]:
    """Return the sweep's figures that are not older than what they are drawn from."""
    inputs = (
        dict.fromkeys(FIGURES, _inputs(folders))
        | dict.fromkeys(CHARACTER_FIGURES, _inputs(folders, CHARACTERS))
        | dict.fromkeys(PART_FIGURES, _inputs(folders, PARTS))
        | dict.fromkeys(LEARNING_FIGURES, _inputs(folders, LEARNING))
        | dict.fromkeys(LANDSCAPE_FIGURES, _inputs(folders, *LANDSCAPE))
        | {kind: [results / "simplified_model.zarr"] for kind in MODEL_FIGURES}
    )
    figures = {kind: results / "figures" / f"{kind}.svg" for kind in inputs}
    return [figure for kind, figure in figures.items() if _is_current(figure, inputs[kind])]


def _inputs(folders: list[Path], *further: str) -> list[Path]:
    """Return what of the runs a table or figure is made from: curves, and further stores and tables."""
    return [path for folder in folders for name in ("diffusion.zarr", *further) if (path := folder / name).exists()]


def _is_current(file: Path, inputs: list[Path]) -> bool:
    return file.exists() and all(file.stat().st_mtime >= path.stat().st_mtime for path in inputs)
