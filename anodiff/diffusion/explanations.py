"""What else could explain a window's exponents? A relaxing mean, a bowl, ageing, a changing scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.bowl_fit import bowl_against_power_law
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.non_gaussian import non_gaussian_parameter
from anodiff.diffusion.relaxing_mean import RESIDUAL_COLUMNS, RESIDUAL_CURVES, measure_relaxing_mean
from anodiff.diffusion.stationarity import window_ageing
from anodiff.diffusion.window_exponents import WindowExponents
from anodiff.geometry.path import PathGeometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.columns import OPTIMISER_STEPS, Column
from anodiff.storage.types import FloatArray

#: Curves over the lag: meaning.
EXPLANATION_CURVES = RESIDUAL_CURVES | {
    "non_gaussian": "non-Gaussian parameter of the displacements; 0 if Gaussian, above 0 if their common scale changes in time",
}

#: Columns of exponents.csv.
EXPLANATION_COLUMNS = RESIDUAL_COLUMNS | {
    "beta_steepest": Column(
        "largest local exponent at any lag, as measured; beyond beta_max_to it says only whether it is above 2, as no "
        "stationary increments allow"
    ),
    **interval_columns(
        "bowl_against_power_law",
        "log-likelihood ratio of a power law to relaxation in a bowl, parameters penalised; above 0 a power law wins",
    ),
    **interval_columns(
        "ageing_ratio", "MSD over ageing_lag in the window's first half, divided by that in its second half; 1 if stationary"
    ),
    "ageing_lag": Column("lag of ageing_ratio, a fiftieth of the window", OPTIMISER_STEPS),
}


def other_explanations(
    path: PathGeometry,
    lags: NDArray[np.int64],
    msd: FloatArray,
    exponents: WindowExponents,
    settings: AnalysisSettings,
    *,
    seed: int,
) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return a window's `EXPLANATION_CURVES` and `EXPLANATION_COLUMNS`; those that are unknown are left out.

    Parameters
    ----------
    lags, msd
        Lags in updates, and the MSD there.
    exponents
        The window's exponents, effective dimension and fitted law.
    seed
        Seed of the null's random signs.
    """
    stride, updates = path.window.stride, len(path.gram)
    long = (settings.long_lags[0] / stride, settings.long_lags[1] / stride)
    random = np.random.default_rng([seed, 2])
    curves, row = measure_relaxing_mean(path, lags, msd, settings.slope_width, long, settings.null_draws, random)
    curves["non_gaussian"] = non_gaussian_parameter(path.squared_displacements, lags)
    bowl = bowl_against_power_law(lags, msd, exponents.regimes, exponents.dimension, updates)
    lag, ageing = window_ageing(path, exponents.regimes, lags, exponents.dimension)
    row |= bowl.columns("bowl_against_power_law") | ageing.columns("ageing_ratio") | {"ageing_lag": stride * lag}
    return curves, row
