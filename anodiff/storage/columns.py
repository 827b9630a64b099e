"""What does a column of a table mean, and what is its unit?

A table's columns are declared once, next to the code that fills them. The documentation, the page
and the Parquet files repeat what is declared there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Units that many columns share.
COUNT, TEXT, LOSS, OPTIMISER_STEPS = "count", "text", "loss", "optimiser steps"


@dataclass(frozen=True)
class Column:
    """What a column means, and its unit: 1 for a pure number such as an exponent."""

    meaning: str
    unit: str = "1"


def markdown_table(columns: Mapping[str, Column]) -> list[str]:
    """Return the lines of a Markdown table that describes columns, as in docs/format.md."""
    rows = [(name, column.unit, column.meaning.replace("|", r"\|")) for name, column in columns.items()]
    return [
        "| column | unit | meaning |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {unit} | {meaning} |" for name, unit, meaning in rows),
    ]


def write_parquet(table: pd.DataFrame, path: Path, columns: Mapping[str, Column]) -> None:
    """Write a table as Parquet, with ``description`` and ``unit`` in the metadata of each column.

    ``pyarrow.parquet.read_schema(path).field("beta_max").metadata`` returns them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    for number, field in enumerate(arrow.schema):
        column = columns[field.name]
        metadata = {"description": column.meaning, "unit": column.unit}
        arrow = arrow.set_column(number, field.with_metadata(metadata), arrow.column(number))
    pq.write_table(arrow, path)
