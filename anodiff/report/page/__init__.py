"""The sweep on one page of HTML that needs nothing else: the claims, its runs, every figure with its explanation, the tables.

The page is a single file: style, script and figures are in it, and it asks nothing of the network. Figures are compressed, and
unpacked by the browser when they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from anodiff.errors import ConfigError, StoreMissingError
from anodiff.report.figures.catalogue import ALL_FIGURES
from anodiff.report.page.claims import read_claims
from anodiff.report.page.embedding import MOST_BYTES, embedded, find_run_figures, packed
from anodiff.report.page.overview import WINDOWS, lost_runs, model_summaries, read_table, run_rows, run_sheets
from anodiff.report.page.tables import TABLES, as_json, page_table, read_page_table
from anodiff.report.page.topics import with_figures
from anodiff.storage.stores import writing

__all__ = ["write_page"]

#: Third-party files in templates/vendor, see its README.md.
SCRIPTS = ("vendor/dataTables.min.js", "vendor/dataTables.columnControl.min.js")
STYLES = ("vendor/dataTables.dataTables.min.css", "vendor/columnControl.dataTables.min.css", "page.css")


def write_page(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    title: str,
    runs: str | Path | None = None,
    most_bytes: int = MOST_BYTES,
    overwrite: bool = False,
) -> None:
    """Write the page of a sweep.

    Parameters
    ----------
    sources
        Tables and figures of the sweep: ``exponents.csv`` and any further of `page.tables.TABLES`, as `anodiff tables` writes
        them, ``claims.csv``, and SVG files named after their kind, such as ``msd.svg``.
    runs
        Folder of the runs; what it holds as ``<run>/figures/<kind>.svg`` is shown where a run is opened.
    most_bytes
        A page that would be larger with the figures of its runs in it links to these instead.

    Raises
    ------
    StoreMissingError, ConfigError, OutputExistsError, StorageError
        If a file is missing, is no table of a sweep, or a figure is of no known kind.
    """
    tables, figures = _sorted_by_kind([Path(source) for source in sources])
    rows = read_table(tables["exponents"])
    sheets = run_sheets(rows)
    of_sweep = [packed(figures[kind], ALL_FIGURES[kind]) for kind in ALL_FIGURES if kind in figures]
    room = most_bytes - sum(len(figure.data) for figure in of_sweep)
    found = find_run_figures(runs, list(sheets), Path(output).parent)
    of_runs = embedded(found, room)
    shown = [page_table(kind, read_page_table(tables[kind])) for kind in TABLES if kind in tables]
    environment = Environment(
        loader=PackageLoader("anodiff.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    html = environment.get_template("page.html").render(
        title=title,
        version=version("anodiff"),
        styles=[_bundled(name) for name in STYLES],
        scripts=[_bundled(name) for name in SCRIPTS],
        page_script=_bundled("page.js"),
        claims=read_claims(tables["claims"]) if "claims" in tables else [],
        runs=run_rows(rows),
        number_of_runs=rows["run"].nunique(),
        windows=len(rows),
        models=model_summaries(rows),
        lost=lost_runs(rows),
        topics=with_figures(of_sweep, {figure.kind for figure in found}),
        sheets=Markup(as_json({name: sheet | {"figures": of_runs.by_run.get(name, [])} for name, sheet in sheets.items()})),
        run_figures=of_runs,
        tables=shown,
        window_columns=WINDOWS,
    )
    with writing(output, overwrite=overwrite) as temporary:
        temporary.write_text(html, encoding="utf-8")


def typeset(text: str) -> Markup:
    """Return text with t_w and powers such as τ^α as they are printed."""
    return Markup(re.sub(r"([τrs])\^(\w)", r"\1<sup>\2</sup>", re.sub(r"\bt_w\b", "t<sub>w</sub>", str(escape(text)))))


def _sorted_by_kind(sources: Sequence[Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Tell tables from figures, by name."""
    tables, figures = {}, {}
    known_tables = (*TABLES, "claims")
    for source in sources:
        if not source.exists():
            raise StoreMissingError(f"{source}: no such file")
        if source.suffix == ".csv" and source.stem in known_tables:
            tables[source.stem] = source
        elif source.suffix == ".svg" and source.stem in ALL_FIGURES:
            figures[source.stem] = source
        elif source.suffix == ".csv":
            raise ConfigError(f"{source}: the page takes tables called {', '.join(f'{name}.csv' for name in known_tables)}")
        else:
            raise ConfigError(f"{source}: the page takes SVG files called {', '.join(f'{name}.svg' for name in ALL_FIGURES)}")
    if "exponents" not in tables:
        raise ConfigError("the page needs the sweep's table exponents.csv; write it with: anodiff tables")
    return tables, figures


def _bundled(name: str) -> Markup:
    """Return a style or script of the package, to be put into the page as it is."""
    return Markup(files("anodiff.report.page").joinpath("templates", name).read_text(encoding="utf-8"))
