"""The results of a sweep: `tables`, `figures`, `run-figures` and `page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import Overwrite, listed
from anodiff.cli.progress import progress
from anodiff.report.figures.catalogue import ALL_FIGURES
from anodiff.report.figures.run.catalogue import RUN_FIGURES

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def tables(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of finished runs, such as results/demo/runs/*. For claims: the sweep's tables, exponents.csv and "
            "tails.csv, and landscape.csv, learning.csv and simplified_model.csv if the sweep has them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The table, a CSV file; or a folder, which gets KIND.csv. Parquet files are written next to it.",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="exponents, tails, ensembles (over seeds, by window), configurations (over seeds), parts (groups and walks), "
            "characters, landscape, learning, learning_windows, learning_relations (with the motion), or claims (each with a "
            "verdict). Several, such as exponents,tails, need a folder.",
            autocompletion=completion.table_kinds,
        ),
    ] = "exponents",
    logs: Annotated[
        Path | None,
        typer.Option(help="Folder of the sweep's logs. With it, runs may be unfinished, and the table of exponents says why."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Gather the results of a sweep in tables.

    Each table is written as CSV and as Parquet. For several kinds the runs are read once.

    Example: anodiff tables results/demo/runs/* --kind exponents,tails -o tables/
    """
    from anodiff.sweep.tables import write_tables

    with progress("tables", "tables") as report:
        write_tables(runs, output, kinds=listed(kind), logs=logs, overwrite=overwrite, report=report)


@commands.command()
def figures(
    kind: Annotated[
        str,
        typer.Argument(
            help=f"One or several of {', '.join(ALL_FIGURES)}, such as msd,beta; or all, every figure that there is data for.",
            autocompletion=completion.figure_kinds,
        ),
    ],
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs, such as results/demo/runs/*, and simplified_model.zarr.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="A picture, whose ending is its format: .svg, .pdf or .png; or a folder, which gets KIND.svg.",
        ),
    ],
    formats: Annotated[
        str,
        typer.Option(
            help="Formats in a folder, such as svg,pdf; default: svg. For a picture more formats, each written next to it."
        ),
    ] = "",
    overwrite: Overwrite = False,
) -> None:
    """Draw figures of a sweep.

    They are drawn from the sweep's runs and their landscapes, or from its simplified model. For
    several kinds the runs are read once.

    Example: anodiff figures msd,beta results/demo/runs/* -o figures/
    """
    from anodiff.report.figures.drawing import draw

    with progress("figures", "figures") as report:
        draw(listed(kind), runs, output, formats=listed(formats), overwrite=overwrite, report=report)


@commands.command()
def run_figures(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of finished runs, such as results/demo/runs/RUN.", autocompletion=completion.run_folders),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the figures, for one run; default: figures in each run's folder."),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help=f"Some of {', '.join(RUN_FIGURES)}, such as msd,beta; default: all.",
            autocompletion=completion.run_figure_kinds,
        ),
    ] = "",
    formats: Annotated[str, typer.Option(help="Formats of each figure: svg, pdf, png, or several, such as svg,pdf.")] = "svg",
    page: Annotated[
        Path | None,
        typer.Option(
            help="The page of an unfinished sweep: afterwards show the runs so far on it, at most every minute. A whole "
            "page stays as it is."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the figures of single runs.

    They show all windows of a run. A figure for which a run has no data is left out.

    Example: anodiff run-figures results/demo/runs/RUN --kind msd
    """
    from anodiff.errors import ConfigError
    from anodiff.report.figures.drawing import draw_run

    if output is not None and len(runs) > 1:
        raise ConfigError(f"{output}: one folder for the figures of {len(runs)} runs; leave out --output, or name one run")
    for run in runs:
        with progress(f"figures {run.name}", "figures") as report:
            draw_run(run, output, kinds=listed(kind), formats=listed(formats), overwrite=overwrite, report=report)
    if page is not None:
        _renew(page)


@commands.command()
def page(
    sources: Annotated[
        list[Path],
        typer.Argument(help="The sweep's tables (exponents.csv, claims.csv …) and figures as SVG (msd.svg, beta.svg …)."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page, an HTML file.")],
    title: Annotated[str, typer.Option(help="Name of the sweep.")] = "sweep",
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the runs; the page shows their figures, <run>/figures/*.svg.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Put the results of a sweep on one HTML page.

    The page has claims, runs, explained figures and tables. It is self-contained.

    Example: anodiff page tables/*.csv figures/*.svg --runs runs -o index.html
    """
    from anodiff.report.page import write_page

    write_page(sources, output, title=title, runs=runs, overwrite=overwrite)


def _renew(page: Path) -> None:
    """Renew the page of an unfinished sweep. The run's figures are drawn, so a failure is only a
    line of the log.
    """
    from anodiff.errors import reason_of
    from anodiff.report.page_state import renewal_is_due

    try:
        if renewal_is_due(page):  # first, since the import takes most of a second
            from anodiff.report.page.early import renew_page

            if renew_page(page):
                typer.echo(f"renewed {page}", err=True)
    except Exception as error:
        typer.echo(f"{page} was not renewed: {type(error).__name__}: {reason_of(error)}", err=True)
