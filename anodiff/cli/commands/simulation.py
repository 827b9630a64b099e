"""Simulations, which need no run: `simplified-model`, and the calibration, `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def simplified_model(
    output: Annotated[Path, typer.Option("--output", "-o", help="The store.")] = Path("simplified_model.zarr"),
    table: Annotated[Path | None, typer.Option(help="The table as CSV; default: next to the store, under its name.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Config file whose 'simplified_model' section is used; without it, anodiff's defaults are."),
    ] = None,
    settings: Annotated[str, typer.Option(help='Settings as YAML, such as "{noise: 0.0}"; they override the config.')] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Measure the diffusion of walkers on surfaces.

    Walkers descend generated surfaces: -> simplified_model.zarr and its table.

    Example: anodiff simplified-model --settings "{name: ly2025}" -o ly2025.zarr
    """
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import SimplifiedModelSettings
    from anodiff.simulation.surfaces.store import write_model

    chosen = load_stage(SimplifiedModelSettings, "simplified_model", config, settings, "--settings")
    with progress("simplified model", "surfaces") as report:
        write_model(chosen, output, table or output.with_suffix(".csv"), overwrite=overwrite, report=report)


@commands.command()
def calibrate(
    output: Annotated[Path, typer.Option("--output", "-o", help="The table, a .csv file.")] = Path("calibration.csv"),
    figure: Annotated[
        Path | None, typer.Option(help="The picture: .svg, .pdf or .png; default: an SVG next to the table.")
    ] = None,
    process: Annotated[
        list[str] | None,
        typer.Option(
            help="A process of anodiff.simulation.processes; repeat it for several, default: all.",
            autocompletion=completion.process_names,
        ),
    ] = None,
    dimensions: Annotated[
        list[int] | None, typer.Option(min=1, help="Dimensions of a path; repeat it for several, default: 3 and 300.")
    ] = None,
    paths: Annotated[int, typer.Option(min=2, help="Paths of each process in each number of dimensions.")] = 50,
    steps: Annotated[int, typer.Option(min=100, help="Steps of a path.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Test estimators on processes of known law.

    This writes bias, spread and interval coverage as a table and a picture.

    Example: anodiff calibrate --process fbm-0.75 --paths 20
    """
    from anodiff.cli.calibration import write_calibration

    with progress("calibrate", "paths") as report:
        write_calibration(
            output,
            figure or output.with_suffix(".svg"),
            process or [],
            dimensions=dimensions or [3, 300],
            paths=paths,
            steps=steps,
            seed=seed,
            overwrite=overwrite,
            report=report,
        )
