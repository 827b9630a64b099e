"""The command line: one command for each rule of the workflow, and commands that look at results.

The commands of a topic are in one module of `anodiff.cli.commands`. Each imports what it needs when
it is called, so commands that do not need torch start at once.
"""

from __future__ import annotations

import os

import typer

from anodiff.cli.commands import (
    characters,
    inference,
    installation,
    landscape,
    learning,
    pipeline,
    planning,
    report,
    results,
    simulation,
)
from anodiff.cli.job import describe_job
from anodiff.cli.streams import guarded_streams
from anodiff.errors import AnodiffError

app = typer.Typer(
    name="anodiff",
    help="Measure the training of a neural network as anomalous diffusion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _log_job(context: typer.Context) -> None:
    """Within a job of the workflow, print where it runs and which attempt it is: the first line of
    the rule's log.
    """
    if "ANODIFF_ATTEMPT" in os.environ and context.invoked_subcommand:
        typer.echo(f"anodiff {context.invoked_subcommand}: {describe_job()}", err=True)


for topic in (planning, pipeline, characters, landscape, learning, report, results, simulation, inference, installation):
    app.add_typer(topic.commands)


def main() -> None:
    """Run the command line.

    Whatever standard output and error are, there is no traceback: see `anodiff.cli.streams`. A
    mistake of the user is one line on standard error, with exit status 2. An interruption is one
    line too, with the exit status of `anodiff.errors.Interrupted`.
    """
    try:
        with guarded_streams():
            app()
    except AnodiffError as error:
        if str(error):
            with guarded_streams():
                typer.echo(f"anodiff: {error}", err=True)
        raise SystemExit(error.exit_status) from None
