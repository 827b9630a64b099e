"""How does `anodiff published` print the study's numbers, and runs beside them?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from anodiff.cli.console import plain_table, wide_console
from anodiff.sweep.published.agreement import CROSSOVER, QUANTITIES
from anodiff.sweep.published.comparison import PublishedComparison
from anodiff.sweep.published.rows import (
    CROSSOVER_FACTOR,
    EXPONENT_TOLERANCE,
    published_rows,
    published_source,
    published_table,
)
from anodiff.sweep.published.table import CASE

#: What is printed of the rows of the table beside the three numbers.
HEAD = ("waiting_time", "length", "reading", "order", "regimes", "seeds")


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
    """Print each window's numbers below the published ones, what agrees, and what that does not say."""
    console = console or wide_console()
    columns = ("from step", "length", "reading", "order", "regimes", "seeds", "first", "second", "crossover lag", "note")
    for (configuration, shortcut), rows in comparison.table.groupby(["configuration", "shortcut"], sort=False):
        printed = plain_table(*columns)
        published = rows.drop_duplicates("quantity").set_index("quantity")["published"]
        numbers = (f"{published[name]:.4g}" if name in published else "-" for name in QUANTITIES)
        printed.add_row("", "", "published", *[""] * 3, *numbers, "")
        for _, case in rows.groupby(list(CASE), sort=False):
            printed.add_row(*_line(case))
        console.print(f"{escape(str(configuration))}, {'with' if shortcut else 'without'} shortcuts")
        console.print(printed, "")
    _print_summaries(comparison, console)
    console.print(
        f"agrees: within both errors (published: ±{EXPONENT_TOLERANCE:g}, lags within a factor of {CROSSOVER_FACTOR:g}); "
        "with other rows: how often the same numbers agree with the other published rows, which is chance"
    )
    console.print("order: published, first at the shortest lags; reversed, first at the longest lags")
    console.print(
        "the published numbers were read by eye off plots, from windows of about 1,000 steps that are not named; of many "
        "comparisons some agree by chance, and one window that agrees is no repetition"
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
        "summaries": _records(pd.DataFrame([asdict(summary) for summary in comparison.summaries.values()])),
        "matched": comparison.matched,
        "unmatched": comparison.unmatched,
    }


def _print_summaries(comparison: PublishedComparison, console: Console) -> None:
    printed = plain_table("reading", "order", "numbers agree", "with other rows", "whole windows agree", "with other rows")
    for summary in comparison.summaries.values():
        printed.add_row(
            summary.reading,
            summary.order,
            _of(summary.agreeing, summary.compared),
            _share(summary.others_agree),
            _of(summary.windows_agreeing, summary.windows),
            _share(summary.others_agree_at_once),
        )
    console.print(printed)


def _line(case: pd.DataFrame) -> list[str]:
    """Return the cells of a window in one reading and order: its numbers with their verdicts, and every note once."""
    rows = {str(row["quantity"]): row for row in case.to_dict("records")}
    head = case.iloc[0].to_dict() | {"seeds": case["seeds"].max()}
    numbers = [_number(rows[name]) if name in rows else "-" for name in QUANTITIES]
    notes = dict.fromkeys(note for row in rows.values() if not pd.isna(row["note"]) for note in row["note"].split("; "))
    return [*("-" if pd.isna(head[key]) else str(head[key]) for key in HEAD), *numbers, escape("; ".join(notes))]


def _number(row: Mapping[Any, Any]) -> str:
    value, low, high = (row["value" + end] for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return "-"
    digits = ".0f" if row["quantity"] == CROSSOVER else ".2f"
    words = f"{value:{digits}}" + (f" ({low:{digits}}–{high:{digits}})" if math.isfinite(low) and math.isfinite(high) else "")
    return words + ("" if pd.isna(row["agrees"]) else " yes" if row["agrees"] else " no")


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).to_dict("records")
    return [{str(name): None if pd.isna(value) else value for name, value in row.items()} for row in rows]
