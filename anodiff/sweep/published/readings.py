"""Which numbers of a window are the published ones? Two readings, each in two orders of lags.

A reading makes two exponents and the lag between them out of a window:

- ``fitted``: the regimes of exponents.csv, one to three, with intervals;
- ``two_parts``: always two, and without an interval, closer to what an eye sees
  (`anodiff.diffusion.two_parts`), from the MSD of diffusion.zarr up to nine tenths of the window.

An order says which of them are the published first and second:

- ``published``: first is at the shortest lags, and second follows at longer lags;
- ``reversed``: first is at the longest lags, and second is before it, at shorter lags.

Of three regimes, the published order takes the first two, and the reversed order the last two.

The pitfall: to try more readings and orders is to find more agreement by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anodiff.diffusion.columns import EXPONENT_COLUMNS
from anodiff.diffusion.two_parts import two_parts
from anodiff.sweep.published.agreement import QUANTITIES
from anodiff.sweep.results import RunResult

if TYPE_CHECKING:
    import pandas as pd

#: The columns that tell a window from the others of its run.
WINDOW = ("waiting_time", "length", "stride")

#: Names of readings and orders.
FITTED, TWO_PARTS = "fitted", "two_parts"
PUBLISHED, REVERSED = "published", "reversed"
ORDERS = (PUBLISHED, REVERSED)

#: Longest lag of two parts, as a fraction of the window.
LARGEST = 0.9

#: Beginnings of the names of the columns of exponents.csv that regimes have.
REGIME_NAMES = ("exponent_first", "exponent_second", "exponent_third", "crossover_lag", "second_crossover_lag")

#: By order and number of regimes, the columns of exponents.csv that are the published `QUANTITIES`.
_OF_TWO = {PUBLISHED: QUANTITIES, REVERSED: ("exponent_second", "exponent_first", "crossover_lag")}
_OF_THREE = {PUBLISHED: QUANTITIES, REVERSED: ("exponent_third", "exponent_second", "second_crossover_lag")}


def fitted(run: RunResult) -> pd.DataFrame:
    """Return the regimes of a run's windows as they are in exponents.csv."""
    return run.exponents


def read_two_parts(run: RunResult) -> pd.DataFrame:
    """Return two parts of the MSD of a run's windows, in the columns of exponents.csv that regimes have.

    Intervals and what belongs to a third regime are missing.
    """
    import pandas as pd

    columns = [*WINDOW, "regimes", *(name for name in EXPONENT_COLUMNS if name.startswith(REGIME_NAMES)), "note"]
    lags, rows = run.curves["lag"].values, []
    windows = run.exponents[[*WINDOW, "note"]].to_dict("records")
    for window, msd in zip(windows, run.curves["msd"].values, strict=True):
        found = two_parts(lags, msd, LARGEST * window["length"])
        row: dict[str, Any] = {str(name): value for name, value in window.items()}
        row |= {"exponent_first": found.short, "exponent_second": found.long, "crossover_lag": found.knee}
        if math.isfinite(found.short):
            row |= {"regimes": 2, "note": None}
        elif pd.isna(row["note"]):
            row["note"] = "too few lags for two parts"
        rows.append(row)
    numbers = dict.fromkeys(columns[len(WINDOW) : -1], float)
    return pd.DataFrame(rows, columns=columns).astype(numbers | {"note": "string"})


#: The readings: name, and from a run to a row for each window with the columns of regimes of exponents.csv.
READINGS: dict[str, Callable[[RunResult], pd.DataFrame]] = {FITTED: fitted, TWO_PARTS: read_two_parts}


def in_order(windows: pd.DataFrame, order: str) -> pd.DataFrame:
    """Return windows with one kind of regimes whose columns `QUANTITIES`, with their intervals, are in an order.

    Parameters
    ----------
    windows
        Rows of a reading, all with the same number of regimes.
    order
        One of `ORDERS`.
    """
    three = bool(len(windows)) and bool((windows["regimes"] == 3).all())
    sources = (_OF_THREE if three else _OF_TWO)[order]
    return windows.assign(
        **{
            quantity + end: windows[source + end]
            for quantity, source in zip(QUANTITIES, sources, strict=True)
            for end in ("", "_low", "_high")
        }
    )
