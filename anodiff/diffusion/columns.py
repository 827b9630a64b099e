"""What do diffusion.zarr and exponents.csv hold? Their curves and columns, each with its meaning.

The columns of tails.csv are `anodiff.diffusion.jumps.TAIL_COLUMNS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from anodiff.diffusion.explanations import EXPLANATION_COLUMNS, EXPLANATION_CURVES
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.nulls import NULLS
from anodiff.diffusion.procedure import MIN_DISPLACEMENTS
from anodiff.storage.columns import COUNT, OPTIMISER_STEPS, TEXT, Column

#: Curves over lag: meaning.
CURVES = {
    "msd": "time-averaged mean squared displacement",
    "ageing_msd": "squared displacement from the window's first point",
    "beta": "local exponent d ln MSD / d ln lag of the time-averaged MSD",
    "beta_low": "lower end of the 95 % interval of beta",
    "beta_high": "upper end of the 95 % interval of beta",
    "effective_samples": "number of independent one-dimensional displacements whose MSD would be as certain",
    "effective_dimension": "effective number of directions in which the path moves over the lag, by the scatter of its MSD",
    "update_autocorrelation": "correlation of updates that are a lag apart",
    "excursion_ratio": "mean squared transverse excursion of fragments as long as the lag, divided by their mean squared chord",
    **EXPLANATION_CURVES,
} | {
    f"beta_{null}{end}": f"local exponent of the null, {meaning}: {what}"
    for null, what in NULLS.items()
    for end, meaning in (("", "mean over draws"), ("_low", "2.5 % quantile of draws"), ("_high", "97.5 % quantile of draws"))
}


def _null_columns(name: str, meaning: str) -> dict[str, Column]:
    """Return the columns that compare an exponent with each null."""
    means = {f"{name}_{null}": Column(f"{meaning}, mean over draws of the null: {what}") for null, what in NULLS.items()}
    differences = {
        f"{name}_above_{null}": Column(f"{meaning}, minus its mean over the null: {what}") for null, what in NULLS.items()
    }
    sigmas = {
        f"{name}_sigma_{null}": Column(
            f"{name}_above_{null} divided by its standard deviation; beyond ±2 it is unlikely to be chance"
        )
        for null in NULLS
    }
    return means | differences | sigmas


#: Below this number of independent samples an exponent is not determined.
FEW_SAMPLES = 10

#: From this step_length_variation on, the window is not one motion.
UNSTEADY = 1.0

#: The exponent of a straight path, with the error of a local slope.
BALLISTIC = 2.01

#: From this trend_share_long on, most of the displacement is the mean.
MOSTLY_TREND = 0.5

#: What a reader of a window's exponents should know first: flag, meaning. A flag may end in what it is about.
FLAGS = {
    "few samples": f"fewer than {FEW_SAMPLES} independent samples at the fit's largest lag",
    "largest at the end of the search": "the local exponent still rises at beta_max_to, so a larger one may follow",
    "exponent rises": "an exponent is above that of the regime before: not the same knee as a crossover at which it falls",
    "crossover above": "the fit puts the crossover at the largest lag that was tried, so it is at this lag or later",
    "crossover below": "the fit puts the crossover at the smallest lag that was tried, so it is at this lag or earlier",
    "crossover undetermined": "there are two or three regimes, but a crossover could be at any lag that was tried",
    "outside its interval": "the value of the named column is outside its own interval, which has no bias: read the interval",
    "no interval": "the named column has a value without an interval: too few lags or stretches with a displacement",
    "unsteady steps": f"step_length_variation is {UNSTEADY:g} or more: the motion changes within the window",
    "one regime": "a single power law was enough: exponent_second repeats exponent_first",
    "non-stationary": "no stationary increments allow a local exponent above 2: beta_max is, and above its ideal gas, or "
    "beta_steepest is and the window ages",
    "ageing": "the interval of ageing_ratio excludes 1: the motion slows down or speeds up within the window",
    "mostly trend": f"trend_share_long is above {MOSTLY_TREND:g}: a mean that relaxes explains most of Δr² at the long lags",
    "relaxation": "the interval of bowl_against_power_law is below 0: relaxation in a bowl explains the curve better",
}

#: Columns that say which window, of exponents.csv and tails.csv.
WINDOW_COLUMNS = {
    "window": Column("number of the window, from 0"),
    "waiting_time": Column("optimiser step of the window's first point", OPTIMISER_STEPS),
    "length": Column("length of the window", OPTIMISER_STEPS),
    "stride": Column("optimiser steps between two points of the window", OPTIMISER_STEPS),
}

#: Columns of exponents.csv.
EXPONENT_COLUMNS = {
    **WINDOW_COLUMNS,
    **interval_columns("beta_max", "largest local exponent β at lags up to beta_max_to, corrected for the bias of a maximum"),
    "beta_max_lag": Column("lag of the largest measured local exponent", OPTIMISER_STEPS),
    "beta_max_to": Column(
        f"largest lag searched: {MIN_DISPLACEMENTS} displacements over it fit into the window without overlap", OPTIMISER_STEPS
    ),
    **interval_columns("beta_long", "exponent over the long lags, which analysis.long_lags sets"),
    "regimes": Column("number of regimes, chosen by the information criterion", COUNT),
    **interval_columns("exponent_first", "exponent of the first regime"),
    **interval_columns("exponent_second", "exponent of the second regime; if there is one regime, equal to exponent_first"),
    **interval_columns("exponent_third", "exponent of the third regime; empty if there are fewer"),
    **interval_columns(
        "crossover_lag",
        "lag at which the first regime ends and the second begins; empty if it is not determined",
        OPTIMISER_STEPS,
    ),
    **interval_columns(
        "second_crossover_lag",
        "lag at which the second regime ends and the third begins; empty if there is none",
        OPTIMISER_STEPS,
    ),
    "regime_lags": Column("the lags of each regime, in optimiser steps, with its exponent; ? where it is not determined", TEXT),
    "fit_from": Column("smallest lag of the fit", OPTIMISER_STEPS),
    "fit_to": Column("largest lag of the fit; beyond it, too few independent samples are left", OPTIMISER_STEPS),
    "fit_samples": Column("effective number of independent samples in the MSD at the fit's largest lag"),
    "fit_dimension": Column("effective dimension at the fit's largest lag"),
    **_null_columns("beta_max", "local exponent at beta_max_lag"),
    "beta_max_ideal_gas_high": Column("97.5 % quantile over draws of the ideal gas of the local exponent at beta_max_lag"),
    **_null_columns("beta_long", "beta_long"),
    **{
        f"superdiffusion_p_{null}": Column(
            "share of draws of the null that are as superdiffusive as the window at some lag, the window counted as a draw: "
            f"{what}"
        )
        for null, what in NULLS.items()
        if null != "detrended"
    },
    **EXPLANATION_COLUMNS,
    "step_length_variation": Column("standard deviation of the step lengths divided by their mean"),
    **interval_columns("path_dimension", "path dimension D_f: MSD ~ contour length^(2/D_f), over all pairs of points"),
    **interval_columns("excursion_exponent", "slope of ln excursion² against ln chord²; about 1 for a self-similar path"),
    **interval_columns("loss_roughness", "H: mean squared loss difference ~ distance^(2H), over all pairs of points"),
    "flags": Column("; ".join(f"{flag}: {meaning}" for flag, meaning in FLAGS.items()), TEXT),
    "note": Column("why a value is missing", TEXT),
}


#: Columns of exponents.csv that have an interval.
WITH_INTERVAL = tuple(name for name in EXPONENT_COLUMNS if f"{name}_low" in EXPONENT_COLUMNS)


def raised_flags(row: Mapping[str, Any], crossover_problem: str = "") -> str:
    """Return the `FLAGS` that apply to a row of exponents.csv, separated by ``; ``."""
    ageing = row.get("ageing_ratio_low", 1) > 1 or row.get("ageing_ratio_high", 1) < 1
    known = {name: tuple(row.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high")) for name in WITH_INTERVAL}
    outside = [name for name, (value, low, high) in known.items() if value < low or value > high]
    without = [name for name, ends in known.items() if math.isfinite(ends[0]) and any(map(math.isnan, ends[1:]))]
    raised = {
        "few samples": row.get("fit_samples", FEW_SAMPLES) < FEW_SAMPLES,
        "largest at the end of the search": row["beta_max_lag"] == row["beta_max_to"],
        "exponent rises": row["exponent_second"] > row["exponent_first"]
        or row.get("exponent_third", 0) > row["exponent_second"],
        crossover_problem: bool(crossover_problem),
        f"outside its interval: {', '.join(outside)}": bool(outside),
        f"no interval: {', '.join(without)}": bool(without),
        "unsteady steps": row["step_length_variation"] >= UNSTEADY,
        "one regime": row["regimes"] == 1,
        "non-stationary": (ageing and row.get("beta_steepest", 0) > BALLISTIC)
        or row["beta_max"] > max(BALLISTIC, row.get("beta_max_ideal_gas_high", math.inf)),
        "ageing": ageing,
        "mostly trend": row.get("trend_share_long", 0) > MOSTLY_TREND,
        "relaxation": row.get("bowl_against_power_law_high", 0) < 0,
    }
    return "; ".join(name for name, applies in raised.items() if applies)
