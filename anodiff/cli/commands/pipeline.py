"""The stages of one run: `train`, `geometry`, `diffusion` and `parts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import CheckpointEvery, DataRoot, Device, Overwrite, Restart, Scratch
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def train(
    run: Annotated[Path, typer.Argument(help="The run's settings: its run.yaml.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The store; default: trajectory.zarr next to run.yaml.")
    ] = None,
    scratch: Scratch = Path("scratch"),
    data_root: DataRoot = Path("data"),
    download: Annotated[
        bool,
        typer.Option("--download", envvar="ANODIFF_DOWNLOAD", help="Let torchvision download the data set if it is missing."),
    ] = False,
    device: Device = "auto",
    checkpoint_every: CheckpointEvery = 300.0,
    restart: Restart = False,
    overwrite: Overwrite = False,
) -> None:
    """Train one run and record its path.

    run.yaml -> trajectory.zarr. An interrupted run resumes from its last checkpoint.

    Example: anodiff train results/demo/runs/RUN/run.yaml
    """
    from anodiff.settings.loading import load_run

    settings = load_run(run)
    from anodiff.training import train_run
    from anodiff.training.host_memory import keep_freed_memory

    keep_freed_memory()
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
            notify=lambda line: typer.echo(f"{name}: {line}", err=True),
        )
    if outcome.status == "diverged":
        typer.echo(
            f"{name}: diverged: the loss of step {outcome.steps_completed} is not finite; the path up to this step is kept",
            err=True,
        )


@commands.command()
def geometry(
    trajectory: Annotated[Path, typer.Argument(help="trajectory.zarr of a run.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The store; default: geometry.zarr next to the trajectory.")
    ] = None,
    memory: Annotated[
        int, typer.Option(min=1, metavar="MIB", help="Memory for the weights that are read at a time, in MiB.")
    ] = 512,
    device: Annotated[str, typer.Option(help="Where to multiply matrices: auto, cpu or cuda.")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Reduce a path to one Gram matrix per window.

    trajectory.zarr -> geometry.zarr. The matrix of a window has the inner products of its updates.

    Example: anodiff geometry results/demo/runs/RUN/trajectory.zarr
    """
    from anodiff.geometry.reduce import compute_geometry

    with progress("geometry", "parameters") as report:
        compute_geometry(
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
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The store; default: diffusion.zarr next to the geometry.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="The table of exponents; default: exponents.csv next to the geometry.")
    ] = None,
    tails: Annotated[Path | None, typer.Option(help="The table of tails; default: tails.csv next to the geometry.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'analysis' section is used; without it, anodiff's defaults are.")
    ] = None,
    analysis: Annotated[
        str, typer.Option(help='Analysis settings as YAML, such as "{slope_width: 0.3}"; they override the config.')
    ] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Compute MSD and exponents of every window.

    geometry.zarr -> diffusion.zarr, exponents.csv, tails.csv.

    Example: anodiff diffusion results/demo/runs/RUN/geometry.zarr --overwrite
    """
    from anodiff.diffusion.analysis import compute_diffusion
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import AnalysisSettings

    settings = load_stage(AnalysisSettings, "analysis", config, analysis)
    with progress("diffusion", "windows") as report:
        compute_diffusion(
            geometry,
            output or geometry.parent / "diffusion.zarr",
            table or geometry.parent / "exponents.csv",
            tails or geometry.parent / "tails.csv",
            settings,
            overwrite=overwrite,
            report=report,
        )


@commands.command()
def parts(
    geometry: Annotated[Path, typer.Argument(help="geometry.zarr of a run with groups or walks.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The store; default: parts.zarr next to the geometry.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="The table; default: parts.csv next to the geometry.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'analysis' section is used; without it, anodiff's defaults are.")
    ] = None,
    analysis: Annotated[
        str, typer.Option(help='Analysis settings as YAML, such as "{slope_width: 0.3}"; they override the config.')
    ] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Compute MSD and exponents of each group of parameters and each walk.

    geometry.zarr -> parts.zarr, parts.csv: which layers move anomalously, and what momentum and
    preconditioning add to the walk of the same gradients.

    Example: anodiff parts results/demo/runs/RUN/geometry.zarr
    """
    from anodiff.diffusion.parts.analysis import compute_parts
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import AnalysisSettings

    settings = load_stage(AnalysisSettings, "analysis", config, analysis)
    with progress("parts", "parts") as report:
        compute_parts(
            geometry,
            output or geometry.parent / "parts.zarr",
            table or geometry.parent / "parts.csv",
            settings,
            overwrite=overwrite,
            report=report,
        )
