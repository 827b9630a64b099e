"""The stages of one run: train, geometry, diffusion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import DataRoot, Device, Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def train(
    run: Annotated[Path, typer.Argument(help="run.yaml: the run's settings, complete.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the store goes; default: trajectory.zarr beside run.yaml.")
    ] = None,
    scratch: Annotated[
        Path,
        typer.Option(envvar="ANODIFF_SCRATCH", help="Folder for trainings in progress, each in a folder of its run's name."),
    ] = Path("scratch"),
    data_root: DataRoot = Path("data"),
    download: Annotated[
        bool, typer.Option("--download", envvar="ANODIFF_DOWNLOAD", help="Let torchvision download a missing data set.")
    ] = False,
    device: Device = "auto",
    checkpoint_every: Annotated[
        float,
        typer.Option(
            envvar="ANODIFF_CHECKPOINT_EVERY",
            min=0,
            metavar="SECONDS",
            help="Seconds between two checkpoints; 0: only after SIGTERM, SIGUSR1 and Ctrl-C.",
        ),
    ] = 300.0,
    restart: Annotated[bool, typer.Option("--restart", help="Discard a training in progress and begin at step 0.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Train one run and record its path: run.yaml -> trajectory.zarr. A run that was interrupted goes on where it was.

    Example: anodiff train results/digits/runs/mlp-bs64-lr0.1-seed0-width128/run.yaml
    """
    from anodiff.settings.loading import load_run

    settings = load_run(run)
    from anodiff.training import train_run

    name = run.resolve().parent.name
    with progress(f"train {name}", "steps") as report:
        outcome = train_run(
            settings,
            output or run.parent / "trajectory.zarr",
            scratch=scratch / name,
            data_root=data_root,
            download=download,
            device=device,
            overwrite=overwrite,
            restart=restart,
            checkpoint_every=checkpoint_every,
            report=report,
            tell=lambda line: typer.echo(f"{name}: {line}", err=True),
        )
    if outcome.status == "diverged":
        typer.echo(
            f"{name}: diverged: the loss of step {outcome.steps_completed} is not finite; the path up to it is kept", err=True
        )


@commands.command()
def geometry(
    trajectory: Annotated[Path, typer.Argument(help="trajectory.zarr of a run.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: geometry.zarr beside the trajectory.")] = None,
    memory: Annotated[int, typer.Option(min=1, help="MiB for the weights held at a time.")] = 512,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda: where to multiply.")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Reduce the path to its geometry, one update Gram matrix a window: trajectory.zarr -> geometry.zarr.

    Example: anodiff geometry results/digits/runs/mlp-bs64-lr0.1-seed0-width128/trajectory.zarr
    """
    from anodiff import geometry as package

    with progress("geometry", "parameters") as report:
        package.geometry(
            trajectory,
            output or trajectory.parent / "geometry.zarr",
            memory=memory * 2**20,
            device=device,
            overwrite=overwrite,
            report=report,
        )


@commands.command()
def diffusion(
    geometry: Annotated[Path, typer.Argument(help="geometry.zarr of a run.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: diffusion.zarr beside the geometry.")] = None,
    table: Annotated[Path | None, typer.Option(help="Default: exponents.csv beside the geometry.")] = None,
    tails: Annotated[Path | None, typer.Option(help="Default: tails.csv beside the geometry.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'analysis' section holds; default: the defaults of anodiff.")
    ] = None,
    analysis: Annotated[
        str, typer.Option(help='Analysis settings as YAML over the config\'s, such as "{slope_width: 0.3}".')
    ] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Compute MSDs and exponents of every window: geometry.zarr -> diffusion.zarr, exponents.csv, tails.csv.

    Example: anodiff diffusion results/digits/runs/mlp-bs64-lr0.1-seed0-width128/geometry.zarr --overwrite
    """
    from anodiff.diffusion.analysis import diffusion as compute
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import AnalysisSettings

    settings = load_stage(AnalysisSettings, "analysis", config, analysis)
    with progress("diffusion", "windows") as report:
        compute(
            geometry,
            output or geometry.parent / "diffusion.zarr",
            table or geometry.parent / "exponents.csv",
            tails or geometry.parent / "tails.csv",
            settings,
            overwrite=overwrite,
            report=report,
        )
