"""What does the table of runs beside the published numbers hold, and how much of it agrees?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.jumps import QUANTITY_UNIT
from anodiff.errors import ConfigError
from anodiff.storage.columns import COUNT, TEXT, Column, write_parquet
from anodiff.storage.stores import writing_all
from anodiff.sweep.published.readings import WINDOW
from anodiff.sweep.published.rows import ROW_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the comparison.
BESIDE_PUBLISHED_COLUMNS = {
    "configuration": Column("name of the runs without their seed; if they differ in length, of the longest", TEXT),
    **ROW_COLUMNS,
    **{name: WINDOW_COLUMNS[name] for name in WINDOW},
    "reading": Column(
        "fitted: the regimes of exponents.csv; two_parts: a power law of two parts, as an eye would put it, "
        "over lags up to nine tenths of the window",
        TEXT,
    ),
    "order": Column(
        "published: first is at the shortest lags, second follows; reversed: first is at the longest lags, second is before it",
        TEXT,
    ),
    "regimes": Column("number of regimes of the window; of several seeds, the most frequent", COUNT),
    "quantity": Column("the number that is compared: exponent_first, exponent_second or crossover_lag", TEXT),
    "seeds": Column(
        "number of seeds whose mean the value is; with 1, the interval is that of its path if fitted, and missing in two_parts",
        COUNT,
    ),
    **interval_columns("value", "the number in this window", QUANTITY_UNIT),
    "published": Column("the published number", QUANTITY_UNIT),
    "published_low": Column("lower bound of the tolerance for reading it by eye", QUANTITY_UNIT),
    "published_high": Column("upper bound of the tolerance for reading it by eye", QUANTITY_UNIT),
    **interval_columns("difference", "value − published, for exponents; both errors in quadrature"),
    **interval_columns("ratio", "value / published, for the crossover lag; both errors in quadrature, in the logarithm"),
    "agrees": Column("whether the interval of difference holds 0, or that of ratio 1; missing if it is not compared"),
    "others_agree": Column("share of the other published rows with which the value agrees too; near 1, agreement says little"),
    "others_agree_at_once": Column(
        "share of the other published rows with which all numbers of the window agree, in this reading and order"
    ),
    "note": Column("why it is not compared, or what to know of the value", TEXT),
}

#: The columns that tell a window of a configuration in one reading and order.
CASE = ("configuration", "shortcut", *WINDOW, "reading", "order")


@dataclass(frozen=True)
class Summary:
    """What agrees in one reading and order.

    Attributes
    ----------
    compared, agreeing
        Number of comparisons, and of those that agree.
    others_agree
        Mean share of the other published rows with which the same numbers agree: what chance gives.
    windows, windows_agreeing
        Number of windows of configurations in which something was compared, and of those in which
        every published number was compared and agrees.
    others_agree_at_once
        Mean share of the other published rows with which all numbers of a window agree.
    """

    reading: str
    order: str
    compared: int
    agreeing: int
    others_agree: float
    windows: int
    windows_agreeing: int
    others_agree_at_once: float


def summarise(table: pd.DataFrame, reading: str, order: str) -> Summary:
    """Return what agrees in one reading and order of a table of `BESIDE_PUBLISHED_COLUMNS`."""
    rows = table[(table["reading"] == reading) & (table["order"] == order)]
    known, agrees = rows["agrees"].notna(), rows["agrees"].fillna(False)
    windows = rows.assign(known=known, agrees=agrees).groupby(list(CASE), sort=False)
    in_question = windows["known"].any()
    return Summary(
        reading,
        order,
        compared=int(known.sum()),
        agreeing=int(agrees.sum()),
        others_agree=float(rows["others_agree"].mean()),
        windows=int(in_question.sum()),
        windows_agreeing=int(windows["agrees"].all()[in_question].sum()),
        others_agree_at_once=float(windows["others_agree_at_once"].first().mean()),
    )


def write_published(table: pd.DataFrame, output: str | Path, columns: Mapping[str, Column], *, overwrite: bool = False) -> None:
    """Write a table as CSV, and as Parquet with the meaning of each column next to it.

    Raises
    ------
    ConfigError
        If the name does not end in .csv.
    OutputExistsError, StorageError
    """
    output = Path(output)
    if output.suffix != ".csv":
        raise ConfigError(f"{output}: the table's name must end in .csv; Parquet goes next to it")
    parquet = output.with_suffix(".parquet")
    with writing_all([output, parquet], overwrite=overwrite) as temporary:
        table.to_csv(temporary[output], index=False)
        write_parquet(table, temporary[parquet], columns)
