"""This installation and machine: doctor, and the schema of a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import Json
from anodiff.errors import ConfigError, did_you_mean

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def doctor(
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'paths' section names the folders; the options below go before it.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(envvar="ANODIFF_DATA", help="Folder of the data sets; default: data.")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="Folder of results; default: results.")] = None,
    scratch: Annotated[Path | None, typer.Option(help="Folder of trainings in progress; default: scratch.")] = None,
    json: Json = False,
) -> None:
    """Check this installation and machine: versions, devices, memory, disks, locks, SLURM, data sets.

    A line for each check says ok, warn or problem, and what mends it. The exit status is 1 where there is a problem, which
    nothing works with; a warning is of what some sweeps need.

    Example: anodiff doctor --config config/config.yaml
    """
    from anodiff.cli.doctor import as_values, examine, is_broken, print_findings
    from anodiff.settings.loading import load_config

    paths = load_config(config).paths if config is not None else None
    findings = examine(
        data_root=data_root or Path(paths.data if paths else "data"),
        results=results or Path(paths.results if paths else "results"),
        scratch=scratch or Path(paths.scratch if paths else "scratch"),
    )
    if json:
        import json as encoder

        typer.echo(encoder.dumps(as_values(findings), indent=2))
    else:
        print_findings(findings)
    if is_broken(findings):
        raise typer.Exit(1)


@commands.command()
def schema(
    form: Annotated[str, typer.Option("--format", help="json: the schema, for editors; markdown: config/README.md.")] = "json",
) -> None:
    """Print what a config file may hold; workflow/schemas/config.schema.json and config/README.md hold it.

    Example: anodiff schema --format markdown
    """
    from anodiff.settings.reference import config_reference, config_schema

    forms = {"json": config_schema, "markdown": config_reference}
    if form not in forms:
        raise ConfigError(f"--format {form}: {did_you_mean(form, forms)}")
    typer.echo(forms[form](), nl=False)
