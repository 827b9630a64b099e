"""What is the mean of a curve over the seeds of a configuration?

Window by window, with intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anodiff.storage.types import FloatArray
from anodiff.sweep.results import RunResult


@dataclass(frozen=True, order=True)
class WindowKey:
    """What identifies the same window in several seeds: first step, stride and length, in optimiser
    steps.
    """

    start: int
    stride: int
    length: int

    def __str__(self) -> str:
        return f"{self.start:,}" + (f" (every {self.stride:,})" if self.stride > 1 else "")


@dataclass(frozen=True)
class MeanCurve:
    """The mean of a curve over the seeds that reached the window.

    Attributes
    ----------
    lags
        Lags in optimiser steps at which all of these seeds have a finite value, shape (lags,).
    mean
        Mean over seeds, shape (lags,).
    low, high
        Ends of its 95 % interval, shape (lags,); NaN if a seed has none. Its half width is sqrt(Σ
        h²) / n for n seeds with independent intervals of half width h.
    seeds
        Number of these seeds.
    """

    lags: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    seeds: int

    def from_lag(self, first: float) -> MeanCurve:
        """Return the part of the curve at lags of at least ``first``."""
        long = self.lags >= first
        return MeanCurve(self.lags[long], self.mean[long], self.low[long], self.high[long], self.seeds)


def windows(runs: Sequence[RunResult]) -> list[WindowKey]:
    """Return the windows of the runs, each once, sorted by waiting time."""
    return sorted({key for run in runs for key in window_numbers(run)})


def curve_values(group: Sequence[RunResult], name: str, key: WindowKey) -> tuple[FloatArray, FloatArray]:
    """Return lags and values, shape (seeds, lags), of a curve in a window, for the seeds with any
    finite value.

    Only lags that all of these seeds have are returned.
    """
    rows = []
    for run in group:
        number = window_numbers(run).get(key)
        if number is not None and np.isfinite(curve := run.curves[name].values[number]).any():
            rows.append((run.curves["lag"].values, curve))
    if not rows:
        return np.empty(0), np.empty((0, 0))
    lags = rows[0][0]
    for own, _ in rows[1:]:
        lags = np.intersect1d(lags, own)
    return lags.astype(float), np.array([curve[np.isin(own, lags)] for own, curve in rows])


def mean_curve(group: Sequence[RunResult], name: str, key: WindowKey) -> MeanCurve:
    """Return the mean over seeds of the curve ``name``, with its interval from ``name_low`` and
    ``name_high``.
    """
    lags, curves = curve_values(group, name, key)
    if not len(curves):
        return MeanCurve(np.empty(0), np.empty(0), np.empty(0), np.empty(0), 0)
    known = np.isfinite(curves).all(axis=0)
    (_, low), (_, high) = (curve_values(group, f"{name}_{end}", key) for end in ("low", "high"))
    if low.shape == high.shape == curves.shape:
        half = np.sqrt((((high - low) / 2) ** 2).sum(axis=0)) / len(curves)
    else:
        half = np.full(len(lags), math.nan)
    mean = curves.mean(axis=0)
    return MeanCurve(lags[known], mean[known], (mean - half)[known], (mean + half)[known], len(curves))


def null_band(group: Sequence[RunResult], null: str, key: WindowKey) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return lags and the ends of a null's band: means over seeds of the 2.5 % and 97.5 % quantiles
    of its draws.
    """
    (lags, low), (_, high) = (curve_values(group, f"beta_{null}_{end}", key) for end in ("low", "high"))
    if not len(low):
        return np.empty(0), np.empty(0), np.empty(0)
    known = np.isfinite(low).all(axis=0) & np.isfinite(high).all(axis=0)
    return lags[known], low.mean(axis=0)[known], high.mean(axis=0)[known]


def window_numbers(run: RunResult) -> dict[WindowKey, int]:
    """Return the number of each window in the run; if several windows are the same, the number of
    the first.
    """
    found: dict[WindowKey, int] = {}
    for number, window in enumerate(run.windows):
        found.setdefault(WindowKey(*window), number)
    return found


def exponent(run: RunResult, key: WindowKey | None, column: str) -> float:
    """Return a column of exponents.csv for a window; NaN if the run does not have the window."""
    number = None if key is None else window_numbers(run).get(key)
    return math.nan if number is None else float(run.exponents[column].iloc[number])
