"""This installation, this machine and its results: `doctor`, and the `schema` of a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands.options import Json
from anodiff.errors import ConfigError, did_you_mean

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def doctor(
    sweep: Annotated[
        Path | None,
        typer.Argument(help="Results of a sweep, such as results/demo: check these instead of the machine."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Config file whose 'paths' section names the folders; the options below override it. With results: the "
            "sweep's config; without it, the run.yaml of each run says what is wanted."
        ),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(envvar="ANODIFF_DATA", help="Folder of the data sets; default: data.")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="Folder of results; default: results.")] = None,
    scratch: Annotated[Path | None, typer.Option(help="Folder of unfinished training; default: scratch.")] = None,
    json: Json = False,
) -> None:
    """Check this installation and machine, or results.

    The checks cover versions, devices, memory, disks, locks, SLURM and data sets. Each prints ok,
    warn or problem, and how to fix it. With a problem nothing works, and the exit status is 1. A
    warning concerns something that only some sweeps need.

    With the results of a sweep, it says what of them would be made again, and why.

    Example: anodiff doctor --config config/config.yaml
    """
    from anodiff.cli.doctor import check_all, has_problem, print_findings
    from anodiff.settings.loading import load_config

    settings = load_config(config) if config is not None else None
    if sweep is not None:
        from anodiff.cli.results_check import check_results

        findings = check_results(sweep, settings)
    else:
        paths = settings.paths if settings else None
        findings = check_all(
            data_root=data_root or Path(paths.data if paths else "data"),
            results=results or Path(paths.results if paths else "results"),
            scratch=scratch or Path(paths.scratch if paths else "scratch"),
        )
    if json:
        from dataclasses import asdict

        from anodiff.cli.console import print_json

        print_json([asdict(finding) for finding in findings])
    else:
        print_findings(findings)
    if has_problem(findings):
        raise typer.Exit(1)


@commands.command()
def schema(
    form: Annotated[
        str, typer.Option("--format", help="json: the JSON schema, for editors; markdown: the reference, config/README.md.")
    ] = "json",
) -> None:
    """List all settings of a config file.

    The form is a JSON schema, or a reference in Markdown.

    Example: anodiff schema --format markdown
    """
    from anodiff.settings.reference import config_reference, config_schema

    forms = {"json": config_schema, "markdown": config_reference}
    if form not in forms:
        raise ConfigError(f"--format {form}: {did_you_mean(form, forms)}")
    typer.echo(forms[form](), nl=False)
