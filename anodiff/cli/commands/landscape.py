"""The commands that look at a run's loss landscape: slices, roughness, curvature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import DataRoot, Device, Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)

Trajectory = Annotated[Path, typer.Argument(help="trajectory.zarr of a run with full weights.")]
Config = Annotated[Path | None, typer.Option(help="Config file whose 'landscape', 'roughness' and 'curvature' sections hold.")]
Landscape = Annotated[str, typer.Option(help='Landscape settings as YAML over the config\'s, such as "{samples: 1000}".')]


@commands.command()
def landscape(
    trajectory: Trajectory,
    geometry: Annotated[Path | None, typer.Option(help="Default: geometry.zarr beside the trajectory.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder; default: landscape/slices beside it.")
    ] = None,
    config: Config = None,
    landscape: Landscape = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Slice the loss landscape in planes of the path and in a random one: trajectory.zarr, geometry.zarr -> slices/.

    Example: anodiff landscape results/digits/runs/mlp-bs64-lr0.1-seed0-width128/trajectory.zarr -o slices
    """
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import LandscapeSettings

    settings = load_stage(LandscapeSettings, "landscape", config, landscape)
    from anodiff.landscape.planes import slices

    with progress("landscape", "points") as report:
        slices(
            trajectory,
            geometry or trajectory.parent / "geometry.zarr",
            output or trajectory.parent / "landscape" / "slices",
            settings,
            data_root=data_root,
            device=device,
            overwrite=overwrite,
            report=report,
        )


@commands.command()
def roughness(
    trajectory: Trajectory,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: landscape/roughness.zarr beside it.")] = None,
    table: Annotated[Path | None, typer.Option(help="Default: beside the store, as CSV.")] = None,
    config: Config = None,
    landscape: Landscape = "{}",
    settings: Annotated[str, typer.Option(help='Roughness settings as YAML, such as "{directions: 20}".')] = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Measure how rough the loss is around points of the path: trajectory.zarr -> roughness.zarr, roughness.csv.

    Example: anodiff roughness results/digits/runs/mlp-bs64-lr0.1-seed0-width128/trajectory.zarr -o roughness.zarr
    """
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import LandscapeSettings, RoughnessSettings

    whose = load_stage(LandscapeSettings, "landscape", config, landscape)
    chosen = load_stage(RoughnessSettings, "roughness", config, settings, "--settings")
    from anodiff.landscape.planes import roughness as measure

    store = output or trajectory.parent / "landscape" / "roughness.zarr"
    with progress("roughness", "directions") as report:
        measure(
            trajectory,
            store,
            table or store.with_suffix(".csv"),
            whose,
            chosen,
            data_root=data_root,
            device=device,
            overwrite=overwrite,
            report=report,
        )


@commands.command()
def curvature(
    trajectory: Trajectory,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: landscape/curvature.zarr beside it.")] = None,
    config: Config = None,
    landscape: Landscape = "{}",
    settings: Annotated[str, typer.Option(help='Curvature settings as YAML, such as "{eigenvalues: 20}".')] = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Measure Hessian eigenvalues, spectral density and trace along the path: trajectory.zarr -> curvature.zarr.

    Example: anodiff curvature results/digits/runs/mlp-bs64-lr0.1-seed0-width128/trajectory.zarr -o curvature.zarr
    """
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import CurvatureSettings, LandscapeSettings

    whose = load_stage(LandscapeSettings, "landscape", config, landscape)
    chosen = load_stage(CurvatureSettings, "curvature", config, settings, "--settings")
    from anodiff.landscape.planes import curvature as measure

    with progress("curvature", "points") as report:
        measure(
            trajectory,
            output or trajectory.parent / "landscape" / "curvature.zarr",
            whose,
            chosen,
            data_root=data_root,
            device=device,
            overwrite=overwrite,
            report=report,
        )
