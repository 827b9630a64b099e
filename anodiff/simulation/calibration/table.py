"""What does the table of the calibration contain, and how is an estimator summarised in it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from anodiff.diffusion.intervals import COVERAGE, Interval
from anodiff.storage.columns import COUNT, TEXT, Column

#: Unit of a column that is in the unit of the estimator of its row.
ESTIMATOR_UNIT = "that of the estimator"

#: Columns of the calibration's table.
CALIBRATION_COLUMNS = {
    "process": Column("name of the process", TEXT),
    "dimensions": Column("number of dimensions in which it moves", COUNT),
    "steps": Column("length of each path", "steps"),
    "paths": Column("number of paths measured", COUNT),
    "gaussian": Column("whether it is Gaussian with stationary increments, as the intervals assume"),
    "estimator": Column("what was measured", TEXT),
    "truth": Column("value of the estimator's target for this process, mean over the paths", ESTIMATOR_UNIT),
    "truth_from": Column(
        "exact: for the expectation at these lags; asymptotic: for infinite times; simulated: mean over further paths", TEXT
    ),
    "with_truth": Column(
        "number of paths that have a true value: not, for example, that of a crossover where nothing bends", COUNT
    ),
    "mean": Column("mean over the paths", ESTIMATOR_UNIT),
    "bias": Column("mean minus truth", ESTIMATOR_UNIT),
    "bias_error": Column("standard error of the bias", ESTIMATOR_UNIT),
    "spread": Column("standard deviation of the value minus its truth over the paths", ESTIMATOR_UNIT),
    "interval_width": Column("median width of the 95 % intervals", ESTIMATOR_UNIT),
    "with_interval": Column("fraction of the paths with a truth that have an interval"),
    "coverage": Column("fraction of these intervals that hold the truth"),
    "coverage_low": Column("lower end of the 95 % interval of coverage (Wilson)"),
    "coverage_high": Column("upper end of the 95 % interval of coverage (Wilson)"),
}


@dataclass(frozen=True)
class Truth:
    """The value that an estimator should give, and how it is known.

    Attributes
    ----------
    value
        One number, or one for each path; NaN where the path has none.
    source
        ``exact``, ``asymptotic`` or ``simulated``.
    """

    value: float | Sequence[float]
    source: str = "exact"


def summary(estimator: str, truth: Truth, estimates: Sequence[Interval]) -> dict[str, object]:
    """Return the table's columns for an estimator's values and intervals over several paths.

    Paths that have no true value are left out.
    """
    values, low, high = np.array([(one.value, one.low, one.high) for one in estimates], float).T
    true = np.broadcast_to(np.asarray(truth.value, float), values.shape)
    values, low, high, true = (each[np.isfinite(true)] for each in (values, low, high, true))
    away, found = (values - true)[np.isfinite(values)], values[np.isfinite(values)]
    known = np.isfinite(low) & ~np.isnan(high)
    intervals = int(known.sum())
    holding = int(((low <= true) & (true <= high))[known].sum())
    wilson = scipy.stats.binomtest(holding, intervals).proportion_ci(COVERAGE, "wilson") if intervals else None
    spread = float(away.std(ddof=1)) if len(away) > 1 else math.nan
    return {
        "estimator": estimator,
        "truth": float(true.mean()) if len(true) else math.nan,
        "truth_from": truth.source,
        "with_truth": len(true),
        "mean": float(found.mean()) if len(found) else math.nan,
        "bias": float(away.mean()) if len(away) else math.nan,
        "bias_error": spread / math.sqrt(len(away)) if len(away) else math.nan,
        "spread": spread,
        "interval_width": float(np.median((high - low)[known])) if intervals else math.nan,
        "with_interval": float(known.mean()) if len(known) else math.nan,
        "coverage": holding / intervals if intervals else math.nan,
        "coverage_low": float(wilson.low) if wilson else math.nan,
        "coverage_high": float(wilson.high) if wilson else math.nan,
    }
