"""What kind of walk each coordinate of a run is: `characters`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def characters(
    geometry: Annotated[Path, typer.Argument(help="geometry.zarr of a run.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The table; default: characters.csv next to the geometry.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'characters' section is used; without it, anodiff's defaults are.")
    ] = None,
    settings: Annotated[
        str, typer.Option(help='Settings as YAML, such as "{projections: 64}"; they override the config.')
    ] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Read what kind of walk each coordinate of a path is.

    geometry.zarr -> characters.csv: for every window random coordinates, pairs of them, and
    principal coordinates beside nulls, each with exponent and kind of motion by a trained network.

    Example: anodiff characters results/demo/runs/RUN/geometry.zarr
    """
    from anodiff.inference.runs.run_characters import compute_characters
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import CharacterSettings

    chosen = load_stage(CharacterSettings, "characters", config, settings, "--settings")
    with progress("characters", "windows") as report:
        compute_characters(geometry, output or geometry.parent / "characters.csv", chosen, overwrite=overwrite, report=report)
