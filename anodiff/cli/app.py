"""The command line: one command per rule of the workflow, each of use by hand as well.

Each topic's commands stand in a module of `anodiff.cli.commands`; each imports what it needs, so that those
without tensors start at once.
"""

from __future__ import annotations

import os

import typer

from anodiff.cli.commands import installation as machine
from anodiff.cli.commands import landscape, pipeline, results
from anodiff.cli.commands import planning as overview
from anodiff.cli.commands import report as sweep
from anodiff.cli.commands import run_figures as run
from anodiff.cli.commands import simulation as references
from anodiff.cli.host import whereabouts
from anodiff.errors import AnodiffError

app = typer.Typer(
    name="anodiff",
    help="Measure the training of a neural network as anomalous diffusion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _introduce(context: typer.Context) -> None:
    """Within a job of a cluster, say first where and for the how-manieth time; the rule's log begins with it."""
    if "ANODIFF_ATTEMPT" in os.environ and context.invoked_subcommand:
        typer.echo(f"anodiff {context.invoked_subcommand}: {whereabouts()}", err=True)


for topic in (
    pipeline.commands,
    landscape.commands,
    references.commands,
    sweep.commands,
    overview.commands,
    run.commands,
    results.commands,
    machine.commands,
):
    app.add_typer(topic)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2, an interruption one and 75."""
    try:
        app()
    except AnodiffError as error:
        typer.echo(f"anodiff: {error}", err=True)
        raise SystemExit(error.exit_status) from None
