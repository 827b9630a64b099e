"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output where it exists.")]
ConfigFile = Annotated[Path, typer.Argument(help="Config file of the sweep, such as config/config.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")]
DataRoot = Annotated[Path, typer.Option(envvar="ANODIFF_DATA", help="Folder of the data sets, as torchvision lays them out.")]
Device = Annotated[str, typer.Option(help="auto (a free GPU, or the CPU), cpu, cuda, cuda:1, mps …")]
