"""What stands in diffusion.zarr and exponents.csv? The names of their curves and columns, each with its meaning.

Those of tails.csv: `anodiff.diffusion.jumps.TAIL_COLUMNS`.
"""

from __future__ import annotations

from anodiff.diffusion.flags import FLAGS
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.nulls import NULLS

#: Curves over lag: meaning.
CURVES = {
    "msd": "time-averaged mean squared displacement",
    "ageing_msd": "squared displacement from the window's first point",
    "beta": "local exponent d ln MSD / d ln lag of the time-averaged MSD",
    "beta_low": "lower end of its 95 % interval",
    "beta_high": "upper end of its 95 % interval",
    "effective_samples": "number of independent one-dimensional displacements that would give the MSD as well",
    "effective_dimension": "number of directions in which the path moves over the lag, as the MSD's scatter goes",
    "update_autocorrelation": "correlation of updates a lag apart",
    "excursion_ratio": "mean squared transverse excursion of fragments as long as the lag, over their mean squared chord",
} | {
    f"beta_{null}{end}": f"local exponent of the null, {meaning}: {what}"
    for null, what in NULLS.items()
    for end, meaning in (("", "mean over draws"), ("_low", "2.5 % quantile of draws"), ("_high", "97.5 % quantile of draws"))
}


def _above_nulls(name: str, meaning: str) -> dict[str, str]:
    return (
        {f"{name}_{null}": f"{meaning} of the null, mean over draws: {what}" for null, what in NULLS.items()}
        | {f"{name}_above_{null}": f"{meaning} minus its mean over the null: {what}" for null, what in NULLS.items()}
        | {
            f"{name}_sigma_{null}": "that difference in standard deviations of both; beyond ±2 it is hardly chance"
            for null in NULLS
        }
    )


#: Columns that say which window, of both tables.
WINDOW_COLUMNS = {
    "window": "number of the window, from 0",
    "waiting_time": "optimiser step of its first point",
    "length": "its length in optimiser steps",
    "stride": "optimiser steps between its points",
}

#: Columns of exponents.csv: meaning. docs/format.md and the page show the same.
COLUMNS = {
    **WINDOW_COLUMNS,
    **interval_columns("beta_max", "largest local exponent β"),
    "beta_max_lag": "lag at which it stands, in optimiser steps",
    **interval_columns("beta_long", "exponent over the long lags set in analysis.long_lags"),
    "regimes": "number of regimes chosen by the information criterion",
    **interval_columns("exponent_first", "exponent of the first regime"),
    **interval_columns("exponent_second", "exponent of the second regime; the first again where there is one"),
    **interval_columns("crossover_lag", "lag between them, in optimiser steps"),
    "fit_from": "smallest lag of the fit, in optimiser steps",
    "fit_to": "largest lag of the fit: beyond, too few independent samples are left",
    "fit_samples": "effective number of independent samples in the MSD at the fit's largest lag",
    "fit_dimension": "effective dimension there",
    **_above_nulls("beta_max", "local exponent at beta_max_lag"),
    **_above_nulls("beta_long", "beta_long"),
    **{
        f"superdiffusion_p_{null}": "share of the null's draws, the window among them, that are as superdiffusive as it at "
        f"some lag: {what}"
        for null, what in NULLS.items()
        if null != "detrended"
    },
    "step_length_variation": "standard deviation of the step lengths over their mean",
    **interval_columns("path_dimension", "path dimension D_f of MSD ~ contour length^(2/D_f), over all pairs of points"),
    **interval_columns("excursion_exponent", "slope of ln excursion² against ln chord²; about 1 for a self-similar path"),
    **interval_columns("loss_roughness", "H of mean squared loss difference ~ distance^(2H), over all pairs of points"),
    "flags": "; ".join(f"{flag}: {meaning}" for flag, meaning in FLAGS.items()),
    "note": "why a value is missing",
}
