"""Does a measured number speak for a claim? One part of a claim, judged by an exact test against its null.

What counts is the number of independent things: runs, or surfaces, never windows or pairs of points. Tests and intervals are
exact for any law and fit together: the sign test of the median, and the interval of the median that it gives (order
statistics); Mann and Whitney's test of two samples. The pitfall: of five things or fewer no result is significant, the smallest
two-sided p-value of n being 2 / 2^n, so that such a part stays undecided, however clear it looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, binomtest, mannwhitneyu

from anodiff.diffusion.intervals import COVERAGE, UNKNOWN, Interval
from anodiff.storage.types import FloatArray

#: Columns of a row of the table of claims.
Row = dict[str, Any]

SUPPORTS, CONTRADICTS, UNDECIDED, NOT_MEASURED = VERDICTS = ("supports", "contradicts", "undecided", "not measured")

#: A part is decided where its p-value is below.
LEVEL = 1 - COVERAGE

#: Fewest things whose sign test can decide.
FEWEST = 6


def sign_test(differences: ArrayLike) -> float:
    """Return the exact two-sided p-value of the median being 0; zeros and NaNs left out, NaN where nothing remains.

    Examples
    --------
    >>> sign_test([0.1, 0.3, 0.2, 0.4, 0.1, 0.2])
    0.03125
    """
    known = np.asarray(differences, np.float64)
    known = known[np.isfinite(known) & (known != 0)]
    return float(binomtest(int((known > 0).sum()), len(known)).pvalue) if len(known) else math.nan


def median_interval(values: ArrayLike) -> Interval:
    """Return the median with its exact 95 % interval between two order statistics, NaN ends for fewer than `FEWEST` values.

    Examples
    --------
    >>> median_interval([1, 2, 3, 4, 5, 6])
    Interval(value=3.5, low=1.0, high=6.0)
    """
    known = np.sort(_known(values))
    if not len(known):
        return UNKNOWN
    left_out = int(binom.ppf(LEVEL / 2, len(known), 0.5))  # the k-th value: P(fewer than k below the median) ≤ 2.5 %
    if len(known) < FEWEST:
        return Interval(float(np.median(known)), math.nan, math.nan)
    return Interval(float(np.median(known)), float(known[left_out - 1]), float(known[-left_out]))


def difference_of_means(first: ArrayLike, second: ArrayLike) -> tuple[Interval, float]:
    """Return the difference of two samples' means with Welch's interval, and Mann and Whitney's exact p-value.

    NaN where a sample has fewer than two values.
    """
    one, other = _known(first), _known(second)
    if min(len(one), len(other)) < 2:
        return UNKNOWN, math.nan
    from scipy.stats import ttest_ind

    welch = ttest_ind(one, other, equal_var=False).confidence_interval(COVERAGE)
    value = float(one.mean() - other.mean())
    return Interval(value, float(welch.low), float(welch.high)), float(mannwhitneyu(one, other, method="exact").pvalue)


def decide(p: float, speaks: float) -> str:
    """Return the verdict of a test: ``speaks`` is above 0 where the result is on the claim's side, below 0 on the other."""
    if not p < LEVEL or speaks == 0:
        return UNDECIDED
    return SUPPORTS if speaks > 0 else CONTRADICTS


def judge_median(
    shown: ArrayLike, differences: ArrayLike, *, claimed: int, beyond: float, against: str, things: str = "runs"
) -> dict[str, Any]:
    """Return value, interval, n, test, p, verdict and note of a median over runs.

    Parameters
    ----------
    shown
        The quantity in each run; NaN where it has none.
    differences
        From the null, in each run; the sign test is theirs.
    claimed
        +1 where the claim says above the null, −1 where below.
    beyond
        The number beyond which the shown median must lie as well, such as 1 of a diffusion exponent.
    against, things
        The null, and what a value belongs to, in words.
    """
    values, distances = np.asarray(shown, np.float64), np.asarray(differences, np.float64)
    both = np.isfinite(values) & np.isfinite(distances)
    values, distances = values[both], distances[both]
    if not len(values):
        return not_measured(f"no finished one of the {things} has it")
    median = median_interval(values)
    p = sign_test(distances)
    side = claimed * float(np.sign(np.median(distances)))
    agrees = side * claimed * (median.value - beyond) > 0
    agreeing = int((claimed * distances > 0).sum())
    note = f"{agreeing} of {len(values)} {things} on the claim's side"
    if len(values) < FEWEST:
        note += f"; nothing is significant with fewer than {FEWEST}"
    return {
        "value": median.value,
        "low": median.low,
        "high": median.high,
        "n": len(values),
        "test": f"exact sign test over {things}, against {against}",
        "p": p,
        "verdict": decide(p, side if agrees else 0),
        "note": note,
    }


def not_measured(reason: str) -> dict[str, Any]:
    """Return what stands in a part that this sweep has no numbers for."""
    nothing = dict.fromkeys(("value", "low", "high", "p"), math.nan)
    return nothing | {"n": 0, "test": "", "verdict": NOT_MEASURED, "note": reason}


def part_row(part: str, measure: str, judged: Row, note: str = "") -> Row:
    """Return the row of a part: what is measured, what came out of judging it, and a further note."""
    notes = "; ".join(text for text in (judged["note"], note) if text)
    return {"part": part, "measure": measure} | judged | {"note": notes}


def together(verdicts: Iterable[str]) -> str:
    """Return the verdict of all parts together, each of which must hold.

    ``contradicts`` where one part contradicts; ``supports`` where every part supports; ``not measured`` where none was;
    ``undecided`` otherwise, so also where some parts support and others were not measured.
    """
    found = set(verdicts)
    if CONTRADICTS in found:
        return CONTRADICTS
    if not found or found == {NOT_MEASURED}:
        return NOT_MEASURED
    return SUPPORTS if found == {SUPPORTS} else UNDECIDED


def _known(values: ArrayLike) -> FloatArray:
    array = np.asarray(values, np.float64)
    return array[np.isfinite(array)]
