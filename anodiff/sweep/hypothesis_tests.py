"""Does a measured number support a claim? Each part of a claim is judged by an exact test against its null.

The sample size is the number of independent clusters of runs (`anodiff.sweep.clusters`), or of
surfaces; windows and pairs of points do not count. The tests are exact for any distribution, and
tests and intervals agree: the sign test of a median with the interval between two order statistics,
and Mann and Whitney's test of two samples.

A claim supports if all of its parts do, which needs no correction: an intersection-union test. It
contradicts if one of them does, so contradictions are corrected for their number (Holm 1979).

The pitfall: the smallest two-sided p-value of n values is 2 / 2^n. With five or fewer no result is
significant, however clear it looks, and the part stays undecided.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.diffusion.intervals import COVERAGE, UNKNOWN, Interval
from anodiff.storage.types import FloatArray
from anodiff.sweep.readings import Reading

#: A row of the table of claims, by column.
Row = dict[str, Any]

SUPPORTS, CONTRADICTS, UNDECIDED, NOT_MEASURED = VERDICTS = ("supports", "contradicts", "undecided", "not measured")

#: A part is decided if its p-value is below this.
LEVEL = 1 - COVERAGE

#: Fewest values with which the sign test can decide.
FEWEST = 6


@dataclass(frozen=True)
class Judgement:
    """A tested number: its interval, the number of independent values, the test with its p-value, and the verdict."""

    interval: Interval
    n: int
    test: str
    p: float
    verdict: str
    note: str

    def only_for(self, blind: str) -> Judgement:
        """Return the judgement of a test that can support a claim but not contradict it, because of what it is blind to."""
        if self.verdict != CONTRADICTS:
            return self
        return replace(self, verdict=UNDECIDED, note="; ".join(filter(None, [self.note, f"not against the claim: {blind}"])))

    def row(self, part: str, measure: str, reading: Reading, further_note: str = "") -> Row:
        """Return the row of a part of a claim: what is measured, in words and by column, and this judgement."""
        return {
            "part": part,
            "measure": measure,
            **asdict(self.interval),
            "n": self.n,
            "test": self.test,
            "p": self.p,
            "verdict": self.verdict,
            "note": "; ".join(text for text in (self.note, further_note) if text),
            **asdict(reading),
        }


def not_measured(reason: str) -> Judgement:
    """Return the judgement of a part that this sweep has no numbers for."""
    return Judgement(UNKNOWN, 0, "", math.nan, NOT_MEASURED, reason)


def sign_test(differences: ArrayLike) -> float:
    """Return the exact two-sided p-value of a median of 0. Zeros and NaNs are left out; NaN if nothing remains.

    Examples
    --------
    >>> sign_test([0.1, 0.3, 0.2, 0.4, 0.1, 0.2])
    0.03125
    """
    known = _finite(differences)
    known = known[known != 0]
    return float(scipy.stats.binomtest(int((known > 0).sum()), len(known)).pvalue) if len(known) else math.nan


def median_interval(values: ArrayLike) -> Interval:
    """Return the median with its exact 95 % interval between two order statistics.

    The ends are NaN for fewer than `FEWEST` values.

    Examples
    --------
    >>> median_interval([1, 2, 3, 4, 5, 6])
    Interval(value=3.5, low=1.0, high=6.0)
    """
    known = np.sort(_finite(values))
    if not len(known):
        return UNKNOWN
    if len(known) < FEWEST:
        return Interval(float(np.median(known)), math.nan, math.nan)
    k = int(scipy.stats.binom.ppf(LEVEL / 2, len(known), 0.5))  # the k-th value: P(fewer than k below the median) ≤ 2.5 %
    return Interval(float(np.median(known)), float(known[k - 1]), float(known[-k]))


def welch_interval(first: ArrayLike, second: ArrayLike) -> Interval:
    """Return the difference of two means, mean(first) − mean(second), with Welch's 95 % interval.

    The ends are NaN from fewer than two values each; all is NaN without values.
    """
    one, other = _finite(first), _finite(second)
    if not (len(one) and len(other)):
        return UNKNOWN
    difference = float(one.mean() - other.mean())
    if min(len(one), len(other)) < 2:
        return Interval(difference, math.nan, math.nan)
    if not (np.ptp(one) or np.ptp(other)):  # without any scatter the difference is exact
        return Interval(difference, difference, difference)
    welch = scipy.stats.ttest_ind(one, other, equal_var=False).confidence_interval(COVERAGE)
    return Interval(difference, float(welch.low), float(welch.high))


def verdict_of_test(p: float, side: float) -> str:
    """Return the verdict of a test; ``side`` is above 0 if the result is on the claim's side, below 0 if on the other."""
    if not p < LEVEL or side == 0:
        return UNDECIDED
    return SUPPORTS if side > 0 else CONTRADICTS


def combined_verdict(verdicts: Iterable[str]) -> str:
    """Return the verdict of a claim from those of its parts, each of which must hold.

    ``contradicts`` if one part contradicts, ``supports`` if every part supports, ``not measured``
    if no part was measured, and ``undecided`` otherwise, even if some parts support and the others
    were not measured.
    """
    found = set(verdicts)
    if CONTRADICTS in found:
        return CONTRADICTS
    if not found or found == {NOT_MEASURED}:
        return NOT_MEASURED
    return SUPPORTS if found == {SUPPORTS} else UNDECIDED


def judge_median(
    values: ArrayLike,
    differences: ArrayLike,
    *,
    claimed: int,
    beyond: float,
    against: str,
    over: str = "runs",
    further: str = "",
    advice: str = "",
) -> Judgement:
    """Judge a median over independent values by the sign test.

    Parameters
    ----------
    values
        The quantity of each run, surface or cluster; NaN if it has none.
    differences
        Difference of each from the null; the sign test is theirs.
    claimed
        +1 if the claim says above the null, −1 if below.
    beyond
        The number beyond which the median must be as well, such as 1 for a diffusion exponent.
    against, over
        The null, and what has one value each, in words.
    further
        What the note says of their number.
    advice
        The line of a config file with which there would be enough of them.
    """
    numbers, distances = np.asarray(values, np.float64), np.asarray(differences, np.float64)
    both = np.isfinite(numbers) & np.isfinite(distances)
    numbers, distances = numbers[both], distances[both]
    if not len(numbers):
        return not_measured(f"none of the finished {over} has it")
    median, p = median_interval(numbers), sign_test(distances)
    side = claimed * float(np.sign(np.median(distances)))
    agrees = side * claimed * (median.value - beyond) > 0
    on_side = int((claimed * distances > 0).sum())
    note = f"{on_side} of {len(numbers)} {over}{further} on the claim's side{too_few(len(numbers), advice)}"
    verdict = verdict_of_test(p, side if agrees else 0)
    return Judgement(median, len(numbers), f"exact sign test over {over}, against {against}", p, verdict, note)


def judge_difference(first: ArrayLike, second: ArrayLike, *, over: str) -> Judgement:
    """Judge the claim that one sample is above another, by Mann and Whitney's exact test."""
    one, other = _finite(first), _finite(second)
    if min(len(one), len(other)) < 2:
        return not_measured(f"fewer than two {over} of a kind")
    difference = welch_interval(one, other)
    p = float(scipy.stats.mannwhitneyu(one, other, method="exact").pvalue)
    test = f"Mann and Whitney's exact test over {over}; Welch's interval of the difference of the means"
    return Judgement(difference, len(one) + len(other), test, p, verdict_of_test(p, difference.value), "")


def too_few(n: int, advice: str = "") -> str:
    """Return the end of a note if n values are too few for any verdict, and what would be enough."""
    if n >= FEWEST:
        return ""
    return f"; nothing is significant with fewer than {FEWEST}{f': set {advice}' if advice else ''}"


def without_chance_contradictions(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a claim's parts; of those that contradict, the ones that chance explains are undecided.

    So many tests were made as there are p-values, and by Holm's step-down method none of them
    contradicts by chance in more than 5 % of sweeps (Holm, Scand. J. Stat. 6 (1979) 65).
    """
    tests = sorted(row["p"] for row in rows if math.isfinite(row["p"]))
    refused = [p * (len(tests) - number) >= LEVEL for number, p in enumerate(tests)]
    largest = tests[refused.index(True)] if True in refused else math.inf
    return [
        row | {"verdict": UNDECIDED, "note": f"{row['note']}; on the other side, but that may be chance in {len(tests)} tests"}
        if row["verdict"] == CONTRADICTS and row["p"] >= largest
        else row
        for row in rows
    ]


def _finite(values: ArrayLike) -> FloatArray:
    array = np.asarray(values, np.float64)
    return array[np.isfinite(array)]
