"""What the shell proposes behind a half-typed command: kinds of tables and figures, folders of runs, stages."""

from __future__ import annotations

from pathlib import Path


def figure_kinds(incomplete: str) -> list[str]:
    """Return the figures whose names begin so."""
    from anodiff.report.figures.catalogue import ALL_FIGURES

    return _beginning(ALL_FIGURES, incomplete)


def table_kinds(incomplete: str) -> list[str]:
    """Return the tables whose names begin so."""
    from anodiff.sweep.tables import TABLES

    return _beginning(TABLES, incomplete)


def process_names(incomplete: str) -> list[str]:
    """Return the reference processes whose names begin so."""
    from anodiff.simulation.processes import PROCESSES

    return _beginning(PROCESSES, incomplete)


def contents(incomplete: str) -> list[str]:
    """Return what can be exported whose name begins so."""
    from anodiff.cli.export import CONTENTS

    return _beginning(CONTENTS, incomplete)


def folders_of_runs(incomplete: str) -> list[str]:
    """Return paths that begin so; where nothing is typed yet the runs and sweeps under ``results``."""
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


def _beginning(names: object, incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]  # type: ignore[attr-defined]
