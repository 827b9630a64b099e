"""Looks at what is there: inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="A store, a run's folder, or the folder of a sweep.")],
) -> None:
    """Say what stores hold: runs, windows, shapes, sizes, compression, completeness."""
    from anodiff.inspection import describe

    for path in paths:
        describe(path)
