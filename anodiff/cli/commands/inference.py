"""What one track says, by a trained network: `characterise` somebody's tracks, and `inference`, which trains one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import CheckpointEvery, Device, Overwrite, Restart, Scratch, listed
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def characterise(
    file: Annotated[
        Path,
        typer.Argument(
            help="The tracks: CSV (.csv, .tsv, .txt, also .gz) or Parquet with columns particle, frame, x, y, z or as "
            "TrackMate exports them; NumPy (.npy, .npz), HDF5 (.h5, .hdf5) or Zarr."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder, which gets the table characters.csv and figures; or the table alone, .csv or .parquet. Default: "
            "the folder NAME-characters, here.",
        ),
    ] = None,
    columns: Annotated[str, typer.Option(help='Columns with other names than these, such as "particle=id,frame=t,x=X".')] = "",
    coordinates: Annotated[str, typer.Option(help="Coordinates to use, such as x,y; default: all that the file has.")] = "",
    key: Annotated[
        str | None,
        typer.Option(help="Array, table or group of an .npz, HDF5 or Zarr file that holds several; / means all its arrays."),
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of the positions, for the figures, such as µm.")] = "",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of a network, .safetensors, its card beside; default: those of anodiff.")
    ] = None,
    formats: Annotated[
        str, typer.Option(help='Formats of the figures, svg, pdf, png, or several, such as svg,pdf; "" for none.')
    ] = "svg",
    overwrite: Overwrite = False,
) -> None:
    """Tell exponent and kind of motion of each track in a file.

    A trained network reads them off: anomalous exponent α with its 90 % interval, the probability
    of each of five kinds, and how familiar the track is. A track is split where frames are missing.

    Example: anodiff characterise tracks.csv --columns "particle=id,frame=t" -o characters
    """
    from anodiff.cli.characters import named_columns, write_characters

    name = file.name.partition(".")[0] or file.resolve().name.partition(".")[0]
    with progress(f"characterise {name}", "tracks") as report:
        write_characters(
            file,
            output or Path(f"{name}-characters"),
            columns=named_columns(listed(columns)),
            coordinates=listed(coordinates),
            key=key,
            unit=unit,
            weights=weights,
            formats=listed(formats),
            overwrite=overwrite,
            report=report,
            notify=lambda line: typer.echo(line, err=True),
        )


@commands.command()
def inference(
    dimensions: Annotated[int, typer.Argument(min=1, max=3, help="Coordinates of a point: 1, 2 or 3.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The weights; default: such as 2d.safetensors. Their card is beside.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'inference' section is used; without it, anodiff's defaults are.")
    ] = None,
    settings: Annotated[
        str, typer.Option(help='Settings as YAML, such as "{tracks: 64000}"; they override the config.')
    ] = "{}",
    scratch: Scratch = Path("scratch"),
    device: Device = "auto",
    checkpoint_every: CheckpointEvery = 300.0,
    restart: Restart = False,
    overwrite: Overwrite = False,
) -> None:
    """Train the network that reads exponent and kind of motion off a track.

    It learns from simulated tracks, made as it goes: -> weights (safetensors) and their card (JSON)
    with data, seeds, hours and scores. An interrupted training resumes from its last checkpoint.

    Example: anodiff inference 2 --settings "{tracks: 64000}" -o 2d.safetensors
    """
    from anodiff.settings.inference import InferenceSettings
    from anodiff.settings.loading import load_stage

    chosen = load_stage(InferenceSettings, "inference", config, settings, "--settings")
    from anodiff.inference.teaching.training import train_network

    name = f"inference-{dimensions}d"
    with progress(name, "tracks") as report:
        card = train_network(
            chosen,
            dimensions,
            output or Path(f"{dimensions}d.safetensors"),
            scratch=scratch / name,
            device=device,
            overwrite=overwrite,
            restart=restart,
            checkpoint_every=checkpoint_every,
            report=report,
            notify=lambda line: typer.echo(f"{name}: {line}", err=True),
        )
    found = card["scores"]
    typer.echo(f"{name}: mean absolute error of α {found['mae']['all']:.3f}, F1 of the kind {found['f1']['all']:.3f}", err=True)
