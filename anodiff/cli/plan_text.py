"""How does `anodiff plan` print its estimates for a person?"""

from __future__ import annotations

from humanize import naturalsize

from anodiff.cli.console import plain_table, wide_console
from anodiff.cli.progress import duration
from anodiff.sweep.plan import Plan


def print_plan(plan: Plan) -> None:
    """Print a plan: a line for each stage, then the total time, the disk and notes."""
    console = wide_console()
    known = "nothing measured: times are the estimates of anodiff.sweep.costs, for one GPU"
    if plan.device:
        known = f"step times are measured on {plan.device} and extrapolated; other devices differ"
    console.print(f"[bold]{plan.sweep}[/bold]: {plan.runs} runs, {plan.steps:,} optimiser steps; {known}")
    table = plain_table("stage", "jobs", "total time", "longest job", "which", "memory", "source")
    for stage in plan.stages:
        times = (duration(stage.seconds), duration(stage.longest))
        table.add_row(
            stage.stage,
            str(stage.jobs),
            *times,
            stage.longest_job or "-",
            f"up to {naturalsize(1e6 * stage.memory)}",
            stage.known,
        )
    console.print(table)
    console.print(f"total {duration(plan.seconds)} if jobs run one after another; less if several run at once")
    verdict = (
        "enough"
        if plan.disk < 0.9 * plan.free
        else "not enough: free some, or record less (recording.windows, recording.weights)"
    )
    console.print(f"disk {naturalsize(plan.disk)} of {naturalsize(plan.free)} free: {verdict}")
    for note in plan.notes:
        console.print(f"note: {note}", markup=False)
