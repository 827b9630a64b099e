"""How does `anodiff published` print the study's numbers, and runs beside them?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from anodiff.cli.console import plain_table, wide_console
from anodiff.sweep.published_comparison import CROSSOVER, PublishedComparison
from anodiff.sweep.published_rows import CROSSOVER_FACTOR, EXPONENT_TOLERANCE, published_rows, published_source, published_table


def print_published(console: Console | None = None) -> None:
    """Print the published numbers and their source."""
    console = console or wide_console()
    table = plain_table("network", "shortcuts", "batch size", "learning rate", "first", "second", "crossover lag")
    for row in published_rows():
        shortcuts = {True: "with", False: "without", None: "not said"}[row.shortcut]
        lag = f"{row.crossover_lag:g}" if math.isfinite(row.crossover_lag) else "-"
        exponents = (f"{exponent:.3f}" for exponent in (row.exponent_first, row.exponent_second))
        table.add_row(f"resnet{row.depth}", shortcuts, str(row.batch_size), f"{row.learning_rate:g}", *exponents, lag)
    console.print(table)
    console.print(escape(published_source()))


def print_beside_published(comparison: PublishedComparison, console: Console | None = None) -> None:
    """Print each window's numbers beside the published ones, what agrees, and what that does not say."""
    console = console or wide_console()
    printed = plain_table(
        "configuration",
        "from step",
        "length",
        "regimes",
        "quantity",
        "seeds",
        "here",
        "published",
        "difference",
        "agrees",
        "note",
    )
    for row in comparison.table.to_dict("records"):
        ratio = row["quantity"] == CROSSOVER
        printed.add_row(
            escape(row["configuration"]),
            *("-" if pd.isna(row[key]) else str(row[key]) for key in ("waiting_time", "length", "regimes")),
            row["quantity"],
            str(row["seeds"]),
            _interval(row, "value"),
            f"{row['published']:.4g}",
            ("×" if ratio and math.isfinite(row["ratio"]) else "") + _interval(row, "ratio" if ratio else "difference"),
            "-" if pd.isna(row["agrees"]) else ("yes" if row["agrees"] else "no"),
            "" if pd.isna(row["note"]) else escape(row["note"]),
        )
    console.print(printed)
    windows, judged = comparison.windows, comparison.judged
    console.print(
        f"{comparison.agreeing} of {judged} numbers agree within both errors (published: ±{EXPONENT_TOLERANCE:g}, lags within "
        f"a factor of {CROSSOVER_FACTOR:g}); in {comparison.windows_agreeing} of {windows} windows all do"
    )
    console.print(
        "the published numbers were read by eye off plots, from windows of about 1,000 steps that are not named; those here "
        f"are fitted; of {judged} comparisons some agree by chance, and one window of many that agrees is no repetition"
    )
    if judged:
        console.print(
            f"chance: on average the same numbers agree with {comparison.others_agree:.0%} of the other published rows, "
            f"against {comparison.agreeing / judged:.0%} with their own"
        )
    if comparison.unmatched:
        name, why = next(iter(comparison.unmatched.items()))
        number = len(comparison.unmatched)
        console.print(
            f"{number} of {number + comparison.matched} runs repeat no published row and are left out, such as "
            f"{escape(name)}: {escape(why)}"
        )


def published_json(comparison: PublishedComparison | None) -> dict[str, Any]:
    """Return what `anodiff published --json` prints; a missing value is null."""
    if comparison is None:
        return {"source": published_source(), "published": _records(published_table().drop(columns="source"))}
    return {
        "source": published_source(),
        "rows": _records(comparison.table),
        "compared": comparison.judged,
        "agreeing": comparison.agreeing,
        "others_agree": None if math.isnan(comparison.others_agree) else comparison.others_agree,
        "windows": comparison.windows,
        "windows_agreeing": comparison.windows_agreeing,
        "matched": comparison.matched,
        "unmatched": comparison.unmatched,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).to_dict("records")
    return [{str(name): None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def _interval(row: Mapping[Any, Any], name: str) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return "-"
    words = f"{value:{'+' if name == 'difference' else ''}.3g}"
    return words + (f" ({low:.3g} … {high:.3g})" if math.isfinite(low) and math.isfinite(high) else "")
