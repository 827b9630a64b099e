"""Prints the plan of a sweep for a person."""

from __future__ import annotations

from anodiff.cli.inspection_text import plain_table, size, wide_console
from anodiff.cli.progress import duration
from anodiff.sweep.plan import Plan


def print_plan(plan: Plan) -> None:
    """Print a plan for a person: a line for each stage, then sums, disk and what else to know."""
    console = wide_console()
    known = "nothing measured: estimates of anodiff.sweep.costs, chosen for one GPU"
    if plan.device:
        known = f"steps measured on {plan.device} and extrapolated: other devices take other times"
    console.print(f"[bold]{plan.sweep}[/bold]: {plan.runs} runs, {plan.steps:,} optimiser steps; {known}")
    table = plain_table("stage", "jobs", "time in all", "longest job", "which", "memory", "how known")
    for stage in plan.stages:
        times = (duration(stage.seconds), duration(stage.longest))
        table.add_row(
            stage.stage, str(stage.jobs), *times, stage.longest_job or "-", f"up to {size(1e6 * stage.memory)}", stage.known
        )
    console.print(table)
    console.print(f"in all {duration(plan.seconds)} for one job after another; jobs side by side share it")
    room = "enough" if plan.disk < 0.9 * plan.free else "not enough: make room, or record less (recording.windows, weights)"
    console.print(f"disk {size(plan.disk)} of {size(plan.free)} free: {room}")
    for note in plan.notes:
        console.print(f"note: {note}", markup=False)
