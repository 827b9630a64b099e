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
    "truth": Column("value of the estimator's target for this process", ESTIMATOR_UNIT),
    "truth_from": Column("exact: for the expectation at these lags; asymptotic: for infinite times", TEXT),
    "mean": Column("mean over the paths", ESTIMATOR_UNIT),
    "bias": Column("mean minus truth", ESTIMATOR_UNIT),
    "bias_error": Column("standard error of the bias", ESTIMATOR_UNIT),
    "spread": Column("standard deviation over the paths", ESTIMATOR_UNIT),
    "interval_width": Column("median width of the 95 % intervals", ESTIMATOR_UNIT),
    "with_interval": Column("fraction of the paths that have an interval"),
    "coverage": Column("fraction of these intervals that hold the truth"),
    "coverage_low": Column("lower end of the 95 % interval of coverage (Wilson)"),
    "coverage_high": Column("upper end of the 95 % interval of coverage (Wilson)"),
}


@dataclass(frozen=True)
class Truth:
    """The value that an estimator should give, and how it is known: ``exact`` or ``asymptotic``."""

    value: float
    source: str = "exact"


def summary(estimator: str, truth: Truth, estimates: Sequence[Interval]) -> dict[str, object]:
    """Return the table's columns for an estimator's values and intervals over several paths."""
    values, low, high = np.array([(one.value, one.low, one.high) for one in estimates], float).T
    found = values[np.isfinite(values)]
    known = np.isfinite(low) & ~np.isnan(high)
    intervals = int(known.sum())
    holding = int(((low <= truth.value) & (truth.value <= high))[known].sum())
    wilson = scipy.stats.binomtest(holding, intervals).proportion_ci(COVERAGE, "wilson") if intervals else None
    spread = float(found.std(ddof=1)) if len(found) > 1 else math.nan
    return {
        "estimator": estimator,
        "truth": truth.value,
        "truth_from": truth.source,
        "mean": float(found.mean()) if len(found) else math.nan,
        "bias": float(found.mean()) - truth.value if len(found) else math.nan,
        "bias_error": spread / math.sqrt(len(found)) if len(found) else math.nan,
        "spread": spread,
        "interval_width": float(np.median((high - low)[known])) if intervals else math.nan,
        "with_interval": float(known.mean()),
        "coverage": holding / intervals if intervals else math.nan,
        "coverage_low": float(wilson.low) if wilson else math.nan,
        "coverage_high": float(wilson.high) if wilson else math.nan,
    }
