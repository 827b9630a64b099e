"""A sweep before and while it runs: plan, status."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import ConfigFile, Json
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def plan(
    config: ConfigFile,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure steps here; otherwise all times are estimates.")
    ] = True,
    device: Annotated[str, typer.Option(help="Where to measure: auto (a free GPU, or the CPU), cpu, cuda, mps …")] = "auto",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure each kind of run, about.")] = 3.0,
    json: Json = False,
) -> None:
    """Say what a sweep will take before it is submitted: runs, steps, disk, memory, hours by stage, the longest job.

    A few steps of every kind of run (network, data, batch size) are trained on this machine's device, recorded as they would
    be, and thrown away; the times are extrapolated from these. Other stages are estimated.

    Example: anodiff plan config/config.yaml
    """
    from anodiff.cli.plan_text import print_plan
    from anodiff.settings.loading import load_config
    from anodiff.sweep.plan import plan_sweep

    settings = load_config(config)
    with progress("plan", "kinds of runs") as report:
        found = plan_sweep(settings, measuring=measure, device=device, seconds=seconds, report=report)
    if json:
        import json as encoder

        typer.echo(encoder.dumps(found.values(), indent=2))
        return
    print_plan(found)


@commands.command()
def status(
    sweep: Annotated[
        Path,
        typer.Argument(
            help="The sweep's folder, such as results/digits, or its config file, which knows the runs not begun yet too.",
            autocompletion=completion.folders_of_runs,
        ),
    ],
    scratch: Annotated[
        Path | None,
        typer.Option(help="Its folder of trainings in progress; default: scratch/<sweep>, or as the config says."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every few seconds, until all are done or Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="With --watch: seconds between two looks.")] = 5.0,
    everything: Annotated[bool, typer.Option("--all", help="List the runs that are done or waiting too.")] = False,
    json: Json = False,
) -> None:
    """Say how far a sweep is: runs done, running (stage, step, rate, host), waiting, interrupted, failed (last log line).

    It reads files only, so it works beside a running sweep, on a cluster from the login node too.

    Example: anodiff status config/config.yaml --watch
    """
    from anodiff.cli.status import as_values, rendered, sweep_status

    results, default_scratch, names = _places(sweep)
    where = scratch or default_scratch
    if json:
        import json as encoder

        typer.echo(encoder.dumps(as_values(sweep_status(results, where, names)), indent=2))
        return
    from anodiff.cli.inspection_text import wide_console

    console = wide_console()
    runs = sweep_status(results, where, names)
    if not watch:
        console.print(rendered(str(results), runs, everything=everything))
        return
    from rich.live import Live

    with Live(rendered(str(results), runs, everything=everything), console=console, auto_refresh=False) as live:
        while any(run.state in ("running", "waiting", "interrupted") for run in runs):
            time.sleep(every)
            runs = sweep_status(results, where, names)
            live.update(rendered(str(results), runs, everything=everything), refresh=True)


def _places(sweep: Path) -> tuple[Path, Path, list[str] | None]:
    """Return a sweep's folder of results, that of its trainings in progress, and its runs where the config is known."""
    if sweep.is_dir():
        return sweep, Path("scratch", sweep.resolve().name), None
    from anodiff.settings.loading import load_config
    from anodiff.sweep.runs import sweep_runs

    settings = load_config(sweep)
    name = settings.sweep.name
    return Path(settings.paths.results, name), Path(settings.paths.scratch, name), list(sweep_runs(settings))
