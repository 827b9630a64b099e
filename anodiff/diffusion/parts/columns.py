"""What do parts.zarr and parts.csv hold? Their curves and columns, each with its meaning."""

from __future__ import annotations

from anodiff.diffusion.columns import EXPONENT_COLUMNS, WINDOW_COLUMNS
from anodiff.diffusion.intervals import interval_columns
from anodiff.storage.columns import COUNT, TEXT, Column

KIND = "anodiff parts"
VERSION = 1

#: Walks whose exponents stand in every row of a window, where they were recorded.
GRADIENT, PRECONDITIONED = "gradient", "preconditioned"

#: Curves over part, window and lag: meaning.
CURVES = {
    "msd": "time-averaged mean squared displacement of the part; over the groups it adds up to that of the whole",
    "beta": "local exponent d ln MSD / d ln lag of the part",
    "beta_low": "lower end of the 95 % interval of beta",
    "beta_high": "upper end of the 95 % interval of beta",
}

#: Columns of exponents.csv that are measured of every part in the same way.
WITH_INTERVAL = ("beta_max", "beta_long", "exponent_first", "exponent_second", "exponent_third", "crossover_lag")
MEASURED = {
    *(name for first in WITH_INTERVAL for name in interval_columns(first, "")),
    *("beta_max_lag", "beta_max_to", "regimes", "regime_lags", "fit_samples", "fit_dimension", "step_length_variation"),
}

#: Columns of parts.csv, a row for each window and part: the whole path, the groups, the walks.
PART_COLUMNS = {
    **WINDOW_COLUMNS,
    "kind": Column("whole, group or walk: the path itself, a group of its parameters, or what its updates are made of", TEXT),
    "part": Column("name of the group or walk; whole for the path itself", TEXT),
    "part_parameters": Column("number of parameters that the part has", COUNT),
    "step_share": Column(
        "its mean squared step over that of the whole path, the share of Δr² at lag 1; over the groups it adds up to 1"
    ),
    "msd_share_long": Column("its share of Δr², summed over the long lags; over the groups it adds up to 1"),
    **{name: column for name, column in EXPONENT_COLUMNS.items() if name in MEASURED},
    **interval_columns("whole_beta_long", "beta_long of the whole path in the same window"),
    **interval_columns("difference_long", "whole_beta_long minus beta_long: what the rest adds to the exponent of this part"),
    **interval_columns("gradient_beta_long", "beta_long of the walk Σ −η g_k: the same gradients without momentum"),
    **interval_columns("preconditioned_beta_long", "beta_long of the updates without the decoupled weight decay"),
    **interval_columns(
        "optimiser_long", "preconditioned_beta_long minus gradient_beta_long: what momentum and preconditioning add"
    ),
    "flags": EXPONENT_COLUMNS["flags"],
    "note": EXPONENT_COLUMNS["note"],
}
