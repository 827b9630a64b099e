"""How do commands print for a person, and for a program?

Tables without lines, numbers with intervals, JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def wide_console() -> Console:
    """Return a console that does not cut tables off when its output goes to a file or a pipe."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 1000
    return console


def plain_table(*columns: str) -> Table:
    """Return a table without lines, whose cells are not wrapped."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """Write an exponent and its interval.

    Examples
    --------
    >>> with_interval({"beta_max": 1.661, "beta_max_low": 0.704, "beta_max_high": 1.672}, "beta_max")
    '1.66 (0.70–1.67)'
    """
    value, low, high = (row.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if low is None or high is None else f" ({low:.2f}–{high:.2f})")


def print_json(value: Any) -> None:
    """Print a value as JSON; what JSON cannot hold, such as a date, is printed as text."""
    print(json.dumps(value, indent=2, default=str))
