"""The results of a sweep: `tables`, `figures`, `run-figures` and `page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import Overwrite
from anodiff.cli.progress import progress
from anodiff.report.figures.catalogue import ALL_FIGURES
from anodiff.report.figures.run.catalogue import RUN_FIGURES

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def tables(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of finished runs, such as results/digits/runs/*. For claims: the sweep's tables, exponents.csv and "
            "tails.csv, and landscape.csv and simplified_model.csv if the sweep has them."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table as CSV; a Parquet file is written next to it.")],
    kind: Annotated[
        str,
        typer.Option(
            help="exponents, tails, ensembles (over seeds, by window), configurations (over seeds), landscape, "
            "or claims (those of the study, each with a verdict).",
            autocompletion=completion.table_kinds,
        ),
    ] = "exponents",
    logs: Annotated[
        Path | None,
        typer.Option(help="Folder of the sweep's logs. With it, runs may be unfinished, and the table of exponents says why."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Gather the results of a sweep in one table.

    The table is written as CSV and as Parquet.

    Example: anodiff tables results/digits/runs/* --kind tails -o tails.csv
    """
    from anodiff.sweep.tables import write_tables

    write_tables(runs, output, kind=kind, logs=logs, overwrite=overwrite)


@commands.command()
def figures(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(ALL_FIGURES)}.", autocompletion=completion.figure_kinds)],
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs, such as results/digits/runs/*, or simplified_model.zarr.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture; its ending is its format: .svg, .pdf or .png.")],
    formats: Annotated[
        str, typer.Option(help="More formats, such as pdf,png; each is written next to the output, under the same name.")
    ] = "",
    overwrite: Overwrite = False,
) -> None:
    """Draw one figure of a sweep.

    The figure is drawn from the sweep's runs, or from its simplified model.

    Example: anodiff figures beta results/digits/runs/* -o beta.pdf
    """
    from anodiff.report.figures.drawing import draw

    draw(kind, runs, output, formats=formats.split(",") if formats else (), overwrite=overwrite)


@commands.command()
def run_figures(
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of a finished run, such as results/digits/runs/RUN.", autocompletion=completion.run_folders
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the figures; default: figures in the run's folder.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help=f"One of {', '.join(RUN_FIGURES)}; repeat it for several, default: all.",
            autocompletion=completion.run_figure_kinds,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the figures of one run.

    They show all its windows, and are written as SVG, PDF and PNG.

    Example: anodiff run-figures results/digits/runs/RUN --kind msd
    """
    from anodiff.report.figures.drawing import draw_run

    with progress(f"figures {run.name}", "figures") as report:
        draw_run(run, output, kinds=kind or [], overwrite=overwrite, report=report)


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
