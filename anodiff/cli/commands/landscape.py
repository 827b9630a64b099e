"""The stages that examine a run's loss landscape: `landscape`, `roughness` and `curvature`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anodiff.cli.commands.options import DataRoot, Device, Overwrite
from anodiff.cli.progress import progress

if TYPE_CHECKING:
    from anodiff.settings.stages import LandscapeSettings

commands = typer.Typer(rich_markup_mode=None)

Trajectory = Annotated[Path, typer.Argument(help="trajectory.zarr of a run with full weights.")]
Config = Annotated[Path | None, typer.Option(help="Config file with the sections 'landscape', 'roughness' and 'curvature'.")]
Landscape = Annotated[
    str, typer.Option(help='Landscape settings as YAML; they override the config, such as "{samples: 1000}".')
]


@commands.command()
def landscape(
    trajectory: Trajectory,
    geometry: Annotated[Path | None, typer.Option(help="Default: geometry.zarr next to the trajectory.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder; default: landscape/slices next to the trajectory.")
    ] = None,
    config: Config = None,
    landscape: Landscape = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Slice the loss landscape in planes of the path, the Hessian and a random one: trajectory.zarr, geometry.zarr -> slices/.

    Example: anodiff landscape results/demo/runs/mlp-bs64-lr0.1-seed0-width64/trajectory.zarr -o slices
    """
    settings = _landscape_settings(config, landscape)
    from anodiff.landscape.planes import slice_planes

    with progress("landscape", "points") as report:
        slice_planes(
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
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The store; default: landscape/roughness.zarr next to the trajectory."),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="The table, CSV; default: next to the store.")] = None,
    config: Config = None,
    landscape: Landscape = "{}",
    settings: Annotated[
        str, typer.Option(help='Roughness settings as YAML; they override the config, such as "{directions: 20}".')
    ] = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Measure how rough the loss is around points of the path: trajectory.zarr -> roughness.zarr, roughness.csv.

    Example: anodiff roughness results/demo/runs/mlp-bs64-lr0.1-seed0-width64/trajectory.zarr -o roughness.zarr
    """
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import RoughnessSettings

    of_landscape = _landscape_settings(config, landscape)
    of_roughness = load_stage(RoughnessSettings, "roughness", config, settings, "--settings")
    from anodiff.landscape.roughness import measure_roughness

    store = output or trajectory.parent / "landscape" / "roughness.zarr"
    with progress("roughness", "directions") as report:
        measure_roughness(
            trajectory,
            store,
            table or store.with_suffix(".csv"),
            of_landscape,
            of_roughness,
            data_root=data_root,
            device=device,
            overwrite=overwrite,
            report=report,
        )


@commands.command()
def curvature(
    trajectory: Trajectory,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The store; default: landscape/curvature.zarr next to the trajectory."),
    ] = None,
    config: Config = None,
    landscape: Landscape = "{}",
    settings: Annotated[
        str, typer.Option(help='Curvature settings as YAML; they override the config, such as "{eigenvalues: 20}".')
    ] = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Measure Hessian eigenvalues, spectral density and trace along the path: trajectory.zarr -> curvature.zarr.

    Example: anodiff curvature results/demo/runs/mlp-bs64-lr0.1-seed0-width64/trajectory.zarr -o curvature.zarr
    """
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import CurvatureSettings

    of_landscape = _landscape_settings(config, landscape)
    of_curvature = load_stage(CurvatureSettings, "curvature", config, settings, "--settings")
    from anodiff.landscape.curvature import measure_curvature

    with progress("curvature", "points") as report:
        measure_curvature(
            trajectory,
            output or trajectory.parent / "landscape" / "curvature.zarr",
            of_landscape,
            of_curvature,
            data_root=data_root,
            device=device,
            overwrite=overwrite,
            report=report,
        )


def _landscape_settings(config: Path | None, changes: str) -> LandscapeSettings:
    """Return the section 'landscape' of the config, or the defaults, with changes in YAML."""
    from anodiff.settings.loading import load_stage
    from anodiff.settings.stages import LandscapeSettings

    return load_stage(LandscapeSettings, "landscape", config, changes)
