"""Which arguments and options do several commands share?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
ConfigFile = Annotated[Path, typer.Argument(help="Config file of the sweep, such as config/config.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DataRoot = Annotated[Path, typer.Option(envvar="ANODIFF_DATA", help="Folder of the data sets, in torchvision's layout.")]
Device = Annotated[str, typer.Option(help="Where to compute: auto (a free GPU, or the CPU), cpu, cuda, cuda:1, mps …")]

Scratch = Annotated[
    Path, typer.Option(envvar="ANODIFF_SCRATCH", help="Folder for unfinished training: each run or network has a subfolder.")
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        envvar="ANODIFF_CHECKPOINT_EVERY",
        min=0,
        metavar="SECONDS",
        help="Seconds between checkpoints; 0: write one only on SIGTERM, SIGUSR1 and Ctrl-C.",
    ),
]
Restart = Annotated[bool, typer.Option("--restart", help="Discard the checkpoints and start at step 0.")]


def listed(text: str) -> list[str]:
    """Return the words of an option that takes several, separated by commas."""
    return [word for part in text.split(",") if (word := part.strip())]
