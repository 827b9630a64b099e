"""A sweep as a whole: its runs, tables, figures and page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import ConfigFile, Overwrite
from anodiff.report.figures.catalogue import ALL_FIGURES

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def runs(config: ConfigFile) -> None:
    """Check a config file and list the runs of its sweep.

    Example: anodiff runs config/config.yaml
    """
    from anodiff.settings.loading import load_config
    from anodiff.sweep.runs import sweep_runs

    for name in sweep_runs(load_config(config)):
        typer.echo(name)


@commands.command()
def tables(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of finished runs, such as results/digits/runs/*; of the claims, the sweep's tables: exponents.csv, "
            "tails.csv, and landscape.csv and simplified_model.csv where there are."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table as CSV; Parquet goes beside it.")],
    kind: Annotated[
        str,
        typer.Option(
            help="exponents, tails, ensembles (over seeds, by window), configurations (over seeds), landscape, "
            "or claims (the study's, judged).",
            autocompletion=completion.table_kinds,
        ),
    ] = "exponents",
    logs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the sweep's logs: unfinished runs are let through, and exponents say why they are missing."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Gather the sweep's results in one table: exponents.csv, tails.csv … -> CSV and Parquet.

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
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture; its ending says the format: svg, pdf, png.")],
    formats: Annotated[str, typer.Option(help="Further formats, written beside it under the same name, such as pdf,png.")] = "",
    overwrite: Overwrite = False,
) -> None:
    """Draw one figure over the runs of a sweep, or of its simplified model.

    Example: anodiff figures beta results/digits/runs/* -o beta.pdf
    """
    from anodiff.report.figures.drawing import draw

    draw(kind, runs, output, formats=formats.split(",") if formats else (), overwrite=overwrite)


@commands.command()
def page(
    sources: Annotated[
        list[Path],
        typer.Argument(help="The sweep's tables (exponents.csv, claims.csv …) and figures as SVG (msd.svg, beta.svg …)."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")],
    title: Annotated[str, typer.Option(help="Name of the sweep.")] = "sweep",
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the runs; the page shows their figures, <run>/figures/*.svg.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Put claims, runs, figures with explanations, and tables on one self-contained page of HTML.

    Example: anodiff page results/digits/tables/*.csv results/digits/figures/*.svg --runs results/digits/runs -o index.html
    """
    from anodiff.report.page import write_page

    write_page(sources, output, title=title, runs=runs, overwrite=overwrite)
