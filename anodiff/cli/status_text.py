"""How does `anodiff status` print the state of a sweep for a person?"""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anodiff.cli.console import plain_table
from anodiff.cli.status import STATES, RunStatus


def render_status(title: str, runs: list[RunStatus], *, everything: bool = False) -> RenderableType:
    """Return the number of runs in each state, and a table of the runs that are not simply done or
    waiting.

    Parameters
    ----------
    title
        Name of the sweep.
    everything
        List the runs that are done or waiting, too.
    """
    counts = Counter(run.state for run in runs)
    numbers = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    headline = Text.from_markup(f"[bold]{escape(title)}[/bold]: {len(runs)} runs: {numbers}")
    listed = [run for run in runs if everything or run.state not in ("done", "waiting")]
    if not listed:
        return headline
    table = plain_table("run", "state", "stage", "progress", "rate", "left", "where, or the last line of its log")
    for run in sorted(listed, key=lambda run: STATES.index(run.state)):
        checkpoint = f"checkpoint at step {run.step}" if run.step is not None else ""
        where = run.owner if run.state == "running" else run.last_line
        table.add_row(run.name, run.state, run.stage, run.progress or checkpoint, run.rate, run.left, escape(where))
    return Group(headline, table)
