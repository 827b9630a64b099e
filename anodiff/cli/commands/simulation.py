"""What needs no run: the simplified model, the calibration on processes of known law."""

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
    table: Annotated[Path | None, typer.Option(help="Default: beside the store, as CSV.")] = None,
    config: Annotated[Path | None, typer.Option(help="Config file whose 'simplified_model' section holds.")] = None,
    settings: Annotated[str, typer.Option(help='Settings as YAML over the config\'s, such as "{noise: 0.0}".')] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Let walkers descend generated surfaces, and measure their diffusion: -> simplified_model.zarr and its table.

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
    output: Annotated[Path, typer.Option("--output", "-o", help="The table, .csv.")] = Path("calibration.csv"),
    figure: Annotated[
        Path | None, typer.Option(help="The picture: .svg, .pdf or .png; default: beside the table, as SVG.")
    ] = None,
    process: Annotated[
        list[str] | None,
        typer.Option(
            help="A process of anodiff.simulation.processes; once for each, default: all.",
            autocompletion=completion.process_names,
        ),
    ] = None,
    dimensions: Annotated[list[int] | None, typer.Option(min=1, help="Once for each; default: 1, 3 and 1000.")] = None,
    paths: Annotated[int, typer.Option(min=2, help="Paths of each process, in each number of dimensions.")] = 50,
    steps: Annotated[int, typer.Option(min=100, help="Steps of a path.")] = 1000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure processes of known law: bias, spread and interval coverage of every estimator, as a table and a picture.

    Example: anodiff calibrate --process fbm-0.75 --paths 20
    """
    from anodiff.cli.calibration import write_calibration

    with progress("calibrate", "paths") as report:
        write_calibration(
            output,
            figure or output.with_suffix(".svg"),
            process or [],
            dimensions=dimensions or [1, 3, 1000],
            paths=paths,
            steps=steps,
            seed=seed,
            overwrite=overwrite,
            report=report,
        )
