"""How does `anodiff compare` print two runs or sweeps for a person?"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from anodiff.cli.console import plain_table, wide_console
from anodiff.sweep.comparison import Comparison


def print_comparison(
    comparison: Comparison, names: tuple[str, str], *, everything: bool = False, console: Console | None = None
) -> None:
    """Print settings, differences, and how many of them to expect by chance.

    Parameters
    ----------
    names
        Names of the two.
    everything
        Print every row. Otherwise, for two sweeps, only losses, accuracies and differences beyond
        their interval are printed.
    """
    console = console or wide_console()
    console.print(f"a  {escape(names[0])}\nb  {escape(names[1])}")
    _print_settings(comparison, console)
    for side, only in (("a", comparison.only_a), ("b", comparison.only_b)):
        if only:
            what = "windows" if comparison.kind == "runs" else "configurations"
            console.print(f"{what} only in {side}: {escape(', '.join(only))}")
    table = comparison.table
    brief = comparison.kind == "sweeps" and not everything
    shown = table[table["beyond"].fillna(False) | table["waiting_time"].isna()] if brief else table
    head = ["configuration", "seeds"] if comparison.kind == "sweeps" else []
    printed = plain_table(*head, "from step", "length", "quantity", "a", "b", "b − a", "interval excludes 0")
    for row in shown.to_dict("records"):
        whose = [escape(row["configuration"]), f"{row['seeds_a']}, {row['seeds_b']}"] if head else []
        where = ["" if pd.isna(row[key]) else str(row[key]) for key in ("waiting_time", "length")]
        values = [_interval(row, name) for name in ("a", "b", "difference")]
        printed.add_row(*whose, *where, row["quantity"], *values, _yes_or_no(row["beyond"]))
    console.print(printed)
    if comparison.kind == "runs":
        console.print(
            "each interval comes from one path; another seed may differ by more, so compare sweeps with several seeds"
        )
    console.print(
        f"{comparison.beyond} of {comparison.judged} differences have a 95 % interval that excludes 0; "
        f"about {comparison.judged * 0.05:.0f} are expected by chance alone"
        + (f"; {len(table) - len(shown)} rows are not shown (see --all)" if len(shown) < len(table) else "")
    )


def _print_settings(comparison: Comparison, console: Console) -> None:
    if not comparison.settings:
        console.print("settings: all the same" + (" in runs with the same name" if comparison.kind == "sweeps" else ""))
        return
    table = plain_table("setting", "a", "b")
    for key, (a, b) in comparison.settings.items():
        table.add_row(escape(key), escape(str(a)), escape(str(b)))
    console.print(table)


def _interval(row: dict[Any, Any], name: str) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return "-"
    sign = "+" if name == "difference" else ""
    words = f"{value:{sign}.4g}"
    return words + (f" ({low:.3g} … {high:.3g})" if math.isfinite(low) and math.isfinite(high) else "")


def _yes_or_no(beyond: Any) -> str:
    return "-" if pd.isna(beyond) else ("yes" if beyond else "no")
