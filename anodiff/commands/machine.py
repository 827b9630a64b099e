"""This installation and machine: the schema of a config file."""

from __future__ import annotations

from typing import Annotated

import typer

from anodiff.errors import ConfigError, did_you_mean

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def schema(
    form: Annotated[str, typer.Option("--format", help="json: the schema, for editors; markdown: config/README.md.")] = "json",
) -> None:
    """Print what a config file may hold; workflow/schemas/config.schema.json and config/README.md hold it."""
    from anodiff.reference import config_reference, config_schema

    forms = {"json": config_schema, "markdown": config_reference}
    if form not in forms:
        raise ConfigError(f"--format {form}: {did_you_mean(form, forms)}")
    typer.echo(forms[form](), nl=False)
