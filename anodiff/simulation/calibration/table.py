"""What does the table of the calibration hold, and how are an estimator's values summed up in it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from anodiff.diffusion.intervals import COVERAGE, Interval

_ENDS = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)


#: Columns of the table: meaning.
COLUMNS = {
    "process": "name of the process",
    "dimensions": "in which it moves",
    "steps": "length of each path",
    "paths": "how many paths were measured",
    "gaussian": "whether it is Gaussian with stationary increments, as the intervals suppose",
    "estimator": "what was measured",
    "truth": "its value for this process",
    "truth_from": "exact: of the expectation at these lags; asymptotic: at infinite times",
    "mean": "mean over the paths",
    "bias": "mean minus truth",
    "bias_error": "standard error of the bias",
    "spread": "standard deviation over the paths",
    "interval_width": "median width of the 95 % intervals",
    "with_interval": "fraction of the paths that have one",
    "coverage": "fraction of these that hold the truth",
    "coverage_low": "lower end of that fraction's 95 % interval (Wilson)",
    "coverage_high": "its upper end",
}


@dataclass(frozen=True)
class Truth:
    """What an estimator should give, and from where that is known."""

    value: float
    source: str = "exact"


def summary(estimator: str, truth: Truth, estimates: Sequence[Interval]) -> dict[str, object]:
    """Return what the table says of an estimator's values and intervals over several paths."""
    values, low, high = np.array([(one.value, one.low, one.high) for one in estimates], float).T
    found = values[np.isfinite(values)]
    having = np.isfinite(low) & ~np.isnan(high)
    held = int(((low <= truth.value) & (truth.value <= high))[having].sum())
    spread = float(found.std(ddof=1)) if len(found) > 1 else math.nan
    return {
        "estimator": estimator,
        "truth": truth.value,
        "truth_from": truth.source,
        "mean": float(found.mean()) if len(found) else math.nan,
        "bias": float(found.mean()) - truth.value if len(found) else math.nan,
        "bias_error": spread / math.sqrt(len(found)) if len(found) else math.nan,
        "spread": spread,
        "interval_width": float(np.median((high - low)[having])) if having.any() else math.nan,
        "with_interval": float(having.mean()),
        **dict(zip(("coverage", "coverage_low", "coverage_high"), wilson(held, int(having.sum())), strict=True)),
    }


def wilson(held: int, of: int) -> tuple[float, float, float]:
    """Return a fraction with its 95 % interval (Wilson, JASA 22 (1927) 209); NaN of nothing.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(19, 20)]
    [0.95, 0.764, 0.991]
    """
    if not of:
        return math.nan, math.nan, math.nan
    z, p = float(ndtri(_ENDS[1])), held / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return p, middle - half, middle + half
