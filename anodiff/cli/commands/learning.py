"""Which part is learned when: `learning`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import DataRoot, Device, Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def learning(
    trajectory: Annotated[Path, typer.Argument(help="trajectory.zarr of a run with full weights.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The store, tables next to it; default: learning.zarr next to the trajectory."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'learning' section is used; without it, anodiff's defaults are.")
    ] = None,
    settings: Annotated[str, typer.Option(help='Settings as YAML, such as "{points: 80}"; they override the config.')] = "{}",
    data_root: DataRoot = Path("data"),
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Measure which part of the data a run learns when.

    trajectory.zarr -> learning.zarr, learning.csv, learning_windows.csv: curves of modes, classes
    and groups of samples with their learning times, and what each window learns.

    Example: anodiff learning results/demo/runs/RUN/trajectory.zarr
    """
    from anodiff.settings.learning import LearningSettings
    from anodiff.settings.loading import load_stage

    chosen = load_stage(LearningSettings, "learning", config, settings, "--settings")
    from anodiff.learning.measure import measure_learning

    with progress("learning", "points") as report:
        measure_learning(
            trajectory,
            output or trajectory.parent / "learning.zarr",
            chosen,
            data_root=data_root,
            device=device,
            overwrite=overwrite,
            report=report,
        )
