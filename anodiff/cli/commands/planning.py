"""A sweep before and while it runs: `runs`, `plan`, `follow` and `status`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import ConfigFile, Json
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def runs(config: ConfigFile) -> None:
    """Check a config file and list its runs.

    Networks of torchvision's and your own are built, to see that they fit the data.

    Example: anodiff runs config/config.yaml
    """
    from anodiff.settings.loading import load_config
    from anodiff.sweep.run_size import check_networks
    from anodiff.sweep.runs import sweep_runs

    found = sweep_runs(load_config(config))
    check_networks(run.settings for run in found.values())
    for name in found:
        typer.echo(name)


@commands.command()
def plan(
    config: ConfigFile,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Time a few steps here; otherwise all times are estimates.")
    ] = True,
    device: Annotated[str, typer.Option(help="Where to time steps: auto (a free GPU, or the CPU), cpu, cuda, mps …")] = "auto",
    seconds: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long to time each kind of run, approximately.")
    ] = 3.0,
    json: Json = False,
) -> None:
    """Estimate a sweep's disk, memory and hours.

    This also counts runs and steps, and names the longest job of each stage.

    For every kind of run (network, data, batch size) this command trains and records a few steps on
    this machine, throws them away and extrapolates from their time. Times of the other stages are
    estimates.

    Example: anodiff plan config/config.yaml
    """
    from anodiff.cli.console import print_json
    from anodiff.cli.plan_text import print_plan
    from anodiff.settings.loading import load_config
    from anodiff.sweep.plan import plan_sweep

    settings = load_config(config)
    with progress("plan", "kinds of runs") as report:
        found = plan_sweep(settings, measuring=measure, device=device, seconds=seconds, report=report)
    if json:
        print_json(found.values())
    else:
        print_plan(found)


@commands.command()
def follow(
    config: ConfigFile,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="The command that computes the sweep, such as snakemake, with its options; best after --."),
    ] = None,
) -> None:
    """Run a sweep and show how far it is.

    This shows the runs and results of each stage that are done, running and waiting, the time left,
    and where the page is. The output of the command goes to logs/snakemake.log in the sweep's
    folder. If it fails, the essential lines are shown. The exit status is that of the command.

    Without a command it shows a sweep that another process computes, until all is done or Ctrl-C.

    Example: anodiff follow config/config.yaml -- snakemake
    """
    from anodiff.cli.follow import follow as follow_command
    from anodiff.cli.follow import watch
    from anodiff.cli.sweep_parts import sweep_parts
    from anodiff.settings.loading import load_config

    sweep = sweep_parts(load_config(config))
    if not command:
        watch(sweep)
        return
    raise typer.Exit(follow_command(sweep, command))


@commands.command()
def status(
    sweep: Annotated[
        Path,
        typer.Argument(
            help="The sweep's folder, such as results/demo, or its config file, which also lists runs that have not started.",
            autocompletion=completion.run_folders,
        ),
    ],
    scratch: Annotated[
        Path | None,
        typer.Option(help="The sweep's folder of unfinished training; default: the config's, or scratch/<sweep>."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Update the status every few seconds, until all runs are done or Ctrl-C.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="With --watch: seconds between updates.")] = 5.0,
    everything: Annotated[bool, typer.Option("--all", help="Also list the runs that are done or waiting.")] = False,
    json: Json = False,
) -> None:
    """Show how far a sweep is.

    This counts the runs in each state, and lists those that are running (stage, step, rate, host),
    interrupted or failed (last log line).

    This command only reads files. You can use it while the sweep runs, also from the login node of
    a cluster.

    Example: anodiff status config/config.yaml --watch
    """
    from anodiff.cli.status import sweep_status

    results, default_scratch, names = _folders_and_runs(sweep)
    where = scratch or default_scratch
    found = sweep_status(results, where, names)
    if json:
        from dataclasses import asdict

        from anodiff.cli.console import print_json

        print_json([asdict(run) for run in found])
        return
    from anodiff.cli.console import wide_console
    from anodiff.cli.status_text import render_status

    console = wide_console()
    if not watch:
        console.print(render_status(str(results), found, everything=everything))
        return
    from rich.live import Live

    with Live(render_status(str(results), found, everything=everything), console=console, auto_refresh=False) as live:
        while any(run.state in ("running", "waiting", "interrupted") for run in found):
            time.sleep(every)
            found = sweep_status(results, where, names)
            live.update(render_status(str(results), found, everything=everything), refresh=True)


def _folders_and_runs(sweep: Path) -> tuple[Path, Path, list[str] | None]:
    """Return a sweep's folder of results, its folder of unfinished training, and the names of its
    runs if its config is given.
    """
    if os.path.isdir(sweep):  # noqa: PTH112 - unlike Path.is_dir, false for a name that no folder can have
        return sweep, Path("scratch", sweep.resolve().name), None
    from anodiff.settings.loading import load_config
    from anodiff.sweep.runs import sweep_runs

    settings = load_config(sweep)
    name = settings.sweep.name
    return Path(settings.paths.results, name), Path(settings.paths.scratch, name), list(sweep_runs(settings))
