"""What does a sweep show? One page of HTML: the claims, the runs, every figure with its explanation, and the tables.

`write_page` writes it, and `early` one of the runs so far. The other modules make its parts:
`claims`, `overview` (the runs), `topics` and `embedding` (the figures), and `tables`. The page is a
single file that loads nothing from the network. Figures are compressed, and the browser unpacks
them when needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from anodiff.errors import ConfigError, StoreMissingError
from anodiff.report.figures.catalogue import ALL_FIGURES
from anodiff.report.page.claims import answer_sections, read_claims
from anodiff.report.page.embedding import MAX_BYTES, embed_run_figures, find_run_figures, pack_figure
from anodiff.report.page.overview import WINDOW_HEADINGS, diverged_runs, model_summaries, read_exponents, run_sheets, run_table
from anodiff.report.page.tables import as_json, page_table, read_page_table
from anodiff.report.page.topics import topics_with
from anodiff.report.page_state import RENEW_EVERY
from anodiff.storage.files import LONG_AGO
from anodiff.storage.stores import writing
from anodiff.sweep.tables import TABLES

__all__ = ["SoFar", "write_page"]

#: Third-party files in templates/vendor, see its README.md.
SCRIPTS = ("vendor/dataTables.min.js", "vendor/dataTables.columnControl.min.js")
STYLES = ("vendor/dataTables.dataTables.min.css", "vendor/columnControl.dataTables.min.css", "page.css")


@dataclass(frozen=True)
class SoFar:
    """What an early page says of itself: how many of how many runs it shows, and when it was made."""

    runs: int
    all_runs: int
    renewed: str
    every: int = RENEW_EVERY


def write_page(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    title: str,
    runs: str | Path | None = None,
    max_bytes: int = MAX_BYTES,
    overwrite: bool = False,
    so_far: SoFar | None = None,
) -> None:
    """Write the page of a sweep.

    Parameters
    ----------
    sources
        Tables and figures of the sweep: CSV files named after the kinds in
        `anodiff.sweep.tables.TABLES`, exponents.csv among them, and SVG files named after their
        kind, such as ``msd.svg``.
    runs
        Folder of the runs. The sheet of a run shows its figures, ``<run>/figures/<kind>.svg``.
    max_bytes
        A page that would be larger with the figures of its runs links to them instead.
    so_far
        Of an unfinished sweep: the page says so, loads itself again, and its time of change is
        `anodiff.storage.files.LONG_AGO`, so that Snakemake always makes the whole one.

    Raises
    ------
    StoreMissingError, ConfigError, OutputExistsError, StorageError
        If a file is missing, is not a table of a sweep, or is a figure of no known kind.
    """
    tables, figures = _sorted_by_kind([Path(source) for source in sources])
    rows = read_exponents(tables["exponents"])
    sheets = run_sheets(rows)
    sweep_figures = [pack_figure(figures[kind], ALL_FIGURES[kind]) for kind in ALL_FIGURES if kind in figures]
    room = max_bytes - sum(len(figure.data) for figure in sweep_figures)
    found = find_run_figures(runs, list(sheets), Path(output).parent)
    run_figures = embed_run_figures(found, room)
    environment = Environment(
        loader=PackageLoader("anodiff.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    claims = read_claims(tables["claims"]) if "claims" in tables else []
    html = environment.get_template("page.html").render(
        title=title,
        so_far=so_far,
        version=version("anodiff"),
        styles=[_bundled(name) for name in STYLES],
        scripts=[_bundled(name) for name in SCRIPTS],
        page_script=_bundled("page.js"),
        claims=claims,
        sections=answer_sections(claims),
        runs=run_table(rows),
        number_of_runs=rows["run"].nunique(),
        windows=len(rows),
        models=model_summaries(rows),
        diverged=diverged_runs(rows),
        topics=topics_with(sweep_figures, {figure.kind for figure in found}),
        sheets=Markup(as_json({name: sheet | {"figures": run_figures.by_run.get(name, [])} for name, sheet in sheets.items()})),
        run_figures=run_figures,
        tables=[page_table(kind, read_page_table(tables[kind])) for kind in TABLES if kind in tables and kind != "claims"],
        window_columns=WINDOW_HEADINGS,
    )
    with writing(output, overwrite=overwrite) as temporary:
        temporary.write_text(html, encoding="utf-8")
        if so_far:
            os.utime(temporary, (LONG_AGO, LONG_AGO))


def typeset(text: str) -> Markup:
    """Return text with t_w and powers such as τ^α as they are printed."""
    return Markup(re.sub(r"([τrs])\^(\w)", r"\1<sup>\2</sup>", re.sub(r"\bt_w\b", "t<sub>w</sub>", str(escape(text)))))


def _sorted_by_kind(sources: Sequence[Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Tell tables from figures, by name."""
    tables, figures = {}, {}
    for source in sources:
        if not source.exists():
            raise StoreMissingError(f"{source}: no such file")
        if source.suffix == ".csv" and source.stem in TABLES:
            tables[source.stem] = source
        elif source.suffix == ".svg" and source.stem in ALL_FIGURES:
            figures[source.stem] = source
        elif source.suffix == ".csv":
            raise ConfigError(f"{source}: the page takes tables called {', '.join(f'{name}.csv' for name in TABLES)}")
        else:
            raise ConfigError(f"{source}: the page takes SVG files called {', '.join(f'{name}.svg' for name in ALL_FIGURES)}")
    if "exponents" not in tables:
        raise ConfigError("the page needs the sweep's table exponents.csv; write it with: anodiff tables")
    return tables, figures


def _bundled(name: str) -> Markup:
    """Return a style or script of the package, to be put into the page as it is."""
    return Markup(files("anodiff.report.page").joinpath("templates", name).read_text(encoding="utf-8"))
