"""The command that draws the figures of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def run_figures(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, such as results/digits/runs/RUN.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A folder; default: figures in the run's.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="A figure, such as msd; once for each, default: all.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw a run's figures, all its windows: its stores -> figures/*.svg, *.pdf, *.png.

    Example: anodiff run-figures results/digits/runs/mlp-bs64-lr0.1-seed0-width128 --kind msd
    """
    from anodiff.report.figures.run.drawing import draw_run

    with progress(f"figures {run.name}", "figures") as report:
        draw_run(run, output, kinds=kind or [], overwrite=overwrite, report=report)
