"""Which words can complete a half-typed command?

Kinds of tables and figures, folders of runs, processes, contents.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def figure_kinds(incomplete: str) -> list[str]:
    """Return the figures of a sweep whose names begin with what is typed."""
    from anodiff.report.figures.catalogue import ALL_FIGURES

    return _matches(["all", *ALL_FIGURES], incomplete)


def run_figure_kinds(incomplete: str) -> list[str]:
    """Return the figures of a run whose names begin with what is typed."""
    from anodiff.report.figures.run.catalogue import RUN_FIGURES

    return _matches(RUN_FIGURES, incomplete)


def table_kinds(incomplete: str) -> list[str]:
    """Return the kinds of tables that `anodiff tables` makes whose names begin with what is typed."""
    from anodiff.sweep.tables import TABLES

    return _matches([kind for kind, table in TABLES.items() if table.make], incomplete)


def process_names(incomplete: str) -> list[str]:
    """Return the reference processes whose names begin with what is typed."""
    from anodiff.simulation.processes import PROCESSES

    return _matches(PROCESSES, incomplete)


def contents(incomplete: str) -> list[str]:
    """Return the contents that can be exported whose names begin with what is typed."""
    from anodiff.cli.export import CONTENTS

    return _matches(CONTENTS, incomplete)


def run_folders(incomplete: str) -> list[str]:
    """Return paths that begin with what is typed; if nothing is typed, the runs and sweeps in
    ``results``.
    """
    if not incomplete:
        runs = [*sorted(Path("results").glob("*/runs/*")), *sorted(Path("results").glob("*"))]
        if runs:
            return [str(path) for path in runs if path.is_dir()]
    typed = Path(incomplete).expanduser()
    folder, start = (typed, "") if incomplete.endswith("/") else (typed.parent, typed.name)
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.name.startswith(start) and not path.name.startswith("."))
    return [f"{path}/" if path.is_dir() and path.suffix != ".zarr" else str(path) for path in found]


def _matches(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that begin with what is typed after the last comma, behind what is typed before it."""
    done, comma, begun = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in names if name.startswith(begun)]
