"""Which true values would have given what was measured? Intervals by inverting a test.

For several true values of a quantity it is simulated what would be measured. The interval holds those under which the measured
value lies within the central 95 % of the simulated ones (Neyman, Phil. Trans. R. Soc. A 236 (1937) 333). Unlike the scatter
about one fitted value turned round, this knows that the error may depend on the truth, and removes bias.
"""

from __future__ import annotations

import numpy as np

from anodiff.storage.types import FloatArray


def invert(measured: FloatArray, truths: FloatArray, drawn: FloatArray, coverage: float) -> tuple[FloatArray, FloatArray]:
    """Return the lower and upper ends of the intervals of several quantities, each of shape (quantities,).

    The error's quantiles are interpolated linearly between the true values looked at and are constant beyond them.

    Parameters
    ----------
    measured
        What was measured, shape (quantities,).
    truths
        The true values looked at, shape (laws, quantities), rising from law to law.
    drawn
        What is measured under each law, shape (laws, quantities, draws).
    coverage
        Nominal coverage, such as 0.95.
    """
    tails = (1 - coverage) / 2, (1 + coverage) / 2
    low, high = np.quantile(drawn, tails, axis=2)
    pairs = zip(measured, truths.T, low.T, high.T, strict=True)
    ends = np.array([(_crossing(m, t, h), -_crossing(-m, -t[::-1], -below[::-1])) for m, t, below, h in pairs])
    return ends[:, 0], ends[:, 1]


def _crossing(measured: float, truths: FloatArray, quantiles: FloatArray) -> float:
    """Return the smallest truth whose quantile reaches the measured value; both rise."""
    reached = np.flatnonzero(quantiles >= measured)
    if not np.isfinite(quantiles).all() or not np.isfinite(measured):
        return float("nan")
    if not len(reached):
        return float(measured - (quantiles[-1] - truths[-1]))
    k = int(reached[0])
    if k == 0:
        return float(measured - (quantiles[0] - truths[0]))
    share = (measured - quantiles[k - 1]) / (quantiles[k] - quantiles[k - 1])
    return float(truths[k - 1] + share * (truths[k] - truths[k - 1]))
