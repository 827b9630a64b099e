"""Does a walker on a rough surface move as the weights do? Walkers on surfaces of all kinds.

Several surfaces of each kind are drawn. The walkers on a surface give one row of the table:
exponents of the ensemble's displacement early and late, the exponent of the time averages, the time
that walkers need to reach the lowest hundredth of the surface, and a stable law of the gradients.
Walkers on one surface are not independent, so intervals are over surfaces.

The pitfalls: the walkers are confined. At long lags every MSD levels off at the size of the square
or of a basin. An exponent below 1 there is confinement first; the convex bowl shows how much of it.
And on a grid no surface is rough below a cell. A step that crosses a cell overshoots what is in it,
so the early exponent begins where walkers have moved beyond both (`early_lags`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.stable import fit_stable
from anodiff.geometry.msd import logarithmic_lags, msd_of_walkers
from anodiff.settings.stages import SimplifiedModelSettings
from anodiff.simulation.surfaces.columns import MODEL_COLUMNS, raised_flags
from anodiff.simulation.surfaces.generators import bowl, diamond_square, fractional_surface, multifractional_surface, shuffled
from anodiff.simulation.surfaces.surface import Surface
from anodiff.simulation.surfaces.walkers import Walk, walk
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd

#: The early exponent begins at the lag from which on the walkers have moved, in root mean square, so
#: many cells, and so many times their first step. It is over so many times that lag.
CLEAR, EARLY_SPAN = 2.0, 10.0

#: Ranges of the lags of the exponent of time averages, and of the late exponent, as fractions of the
#: walk.
SHORT, LATE = (0.0, 0.01), (0.05, 0.45)

#: Waiting times of the ageing MSD, as fractions of the walk.
WAITING = (0.0, 0.01, 0.1, 0.5)

#: The lowest part of a surface, as a fraction of its area.
LOWEST = 0.01

#: Number of gradients that the stable law is fitted to, and of walkers whose paths are kept for the
#: figure.
GRADIENTS, SHOWN = 20_000, 12


@dataclass(frozen=True)
class Ensemble:
    """All surfaces of a kind, measured with the walkers of a setting.

    Attributes
    ----------
    setting, kind, rows
        Name of the walkers' setting, name of the kind, and a row of `MODEL_COLUMNS` for each
        surface.
    lags
        Lags in steps, shape (lags,).
    ageing_msd
        Mean squared displacement over each lag from each waiting time, shape (surfaces, waiting
        times, lags); NaN beyond the end of the walk.
    time_averaged_msd
        Mean over walkers, shape (surfaces, lags).
    gradients
        Sample of the gradients' first components on all surfaces, in standard deviations, shape
        (n,).
    example, paths
        The first surface, and the paths of some walkers on it, shape (steps + 1, walkers, 2).
    """

    setting: str
    kind: str
    rows: pd.DataFrame
    lags: NDArray[np.int64]
    ageing_msd: FloatArray
    time_averaged_msd: FloatArray
    gradients: FloatArray
    example: Surface
    paths: FloatArray

    def exponent(self, column: str) -> Interval:
        """Return the mean of a column over the surfaces with Student's interval."""
        return ensemble_mean(self.rows[column])


def surface_kinds(settings: SimplifiedModelSettings) -> dict[str, tuple[float | None, Callable[[int], Surface]]]:
    """Return the kinds of surfaces: name → Hurst exponent, function from a seed to a surface."""
    n, last = settings.points, settings.hurst[-1]
    found: dict[str, tuple[float | None, Callable[[int], Surface]]] = {}
    for hurst in settings.hurst:

        def fractional(seed: int, hurst: float = hurst) -> Surface:
            return fractional_surface(n, seed, hurst=hurst)

        found[f"fractional, H = {hurst:g}"] = hurst, fractional
    low, high = settings.multifractional
    found["multifractional"] = None, lambda seed: multifractional_surface(n - 1, seed, hurst=(low, high))
    found[f"diamond-square, H = {last:g}"] = None, lambda seed: diamond_square(n, seed, hurst=last)
    found["bowl"] = None, lambda seed: bowl(n)
    found["shuffled"] = None, lambda seed: shuffled(fractional_surface(n, seed, hurst=last), seed)
    return found


def measure_ensembles(settings: SimplifiedModelSettings, *, report: ProgressCallback = no_progress) -> list[Ensemble]:
    """Let walkers descend all surfaces, and measure them (0.2 s for 300 walkers of 1,000 steps).

    The ensembles of the settings come first, then those of the further named settings on the same
    surfaces.
    """
    ensembles = [(each, kind) for each in settings.by_name().values() for kind in surface_kinds(each)]
    total, done = sum(each.surfaces for each, _ in ensembles), 0
    found = []
    for each, kind in ensembles:

        def report_surface(index: int, before: int = done, message: str = f"{each.name}: {kind}") -> None:
            report(before + index, total, message)

        found.append(_measure_kind(each, kind, report_surface))
        done += each.surfaces
    report(total, total, "done")
    return found


def _measure_kind(settings: SimplifiedModelSettings, kind: str, report: Callable[[int], None]) -> Ensemble:
    """Measure the walkers on all surfaces of a kind."""
    import pandas as pd

    hurst, make = surface_kinds(settings)[kind]
    lags = logarithmic_lags(settings.steps, 20, 1.0)
    ageing, averaged, gradients = [], [], []
    rows: list[dict[str, object]] = []
    for index in range(settings.surfaces):
        report(index)
        surface = make(_seed(settings.seed, kind, index)).scaled(settings.deviation)
        result = _run_walkers(surface, settings, _seed(settings.seed, f"walkers, {kind}", index))
        if index == 0:
            example, paths = surface, result.positions[:, :SHOWN].copy()
        ageing.append(_ageing_msd(result.positions, lags))
        averaged.append(msd_of_walkers(result.positions, lags))
        random = np.random.default_rng(_seed(settings.seed, f"gradients, {kind}", index))
        slopes = random.choice(result.gradients[..., 0].ravel(), min(GRADIENTS, result.gradients[..., 0].size), replace=False)
        gradients.append(slopes / slopes.std())
        labels: dict[str, object] = {"setting": settings.name, "kind": kind, "surface": index}
        labels["hurst"] = math.nan if hurst is None else hurst
        rows.append(labels | _row(surface, settings.learning_rate, result, lags, ageing[-1], averaged[-1], slopes))
    table = pd.DataFrame(rows, columns=list(MODEL_COLUMNS))
    pooled = np.concatenate(gradients)[:: settings.surfaces]
    return Ensemble(settings.name, kind, table, lags, np.array(ageing), np.array(averaged), pooled, example, paths)


def _seed(seed: int, what: str, index: int) -> int:
    """Return a seed that depends on the kind's name, so that a new kind leaves the others alone."""
    digest = hashlib.blake2b(f"{seed} {what} {index}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def _run_walkers(surface: Surface, settings: SimplifiedModelSettings, seed: int) -> Walk:
    return walk(
        surface,
        walkers=settings.walkers,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        noise=settings.noise,
        noise_index=settings.noise_index,
        boundary=settings.boundary,
        order=settings.interpolation,
        seed=seed,
    )


def _ageing_msd(positions: FloatArray, lags: NDArray[np.int64]) -> FloatArray:
    """Return the mean squared displacement from each waiting time, shape (waiting times, lags)."""
    steps = len(positions) - 1
    found = np.full((len(WAITING), len(lags)), np.nan)
    for row, fraction in enumerate(WAITING):
        start = round(fraction * steps)
        inside = lags <= steps - start
        moved = positions[start + lags[inside]] - positions[start]
        found[row, inside] = (moved**2).sum(axis=2).mean(axis=1)
    return found


def largest_exponent(positions: FloatArray, lags: NDArray[np.int64]) -> float:
    """Return the largest exponent of the displacement from the start over half a decade, or NaN.

    The largest of many estimates is too large: it is 1.14 for 300 Brownian walkers of 1,000 steps.
    So one half of the walkers finds the half decade, and the other half measures the exponent
    there. The mean over both ways round is 1 for Brownian walkers.

    Parameters
    ----------
    positions
        Shape (steps + 1, walkers, 2), at least two walkers.
    lags
        Lags in steps, shape (lags,).
    """
    squares = ((positions[lags] - positions[0]) ** 2).sum(axis=2)
    ranges = [inside for lag in lags if (inside := (lags >= lag) & (lags <= lag * 10**0.5)).sum() > 3]
    halves = squares[:, ::2].mean(axis=1), squares[:, 1::2].mean(axis=1)
    one, other = ([slope(lags[inside], msd[inside]) for inside in ranges] for msd in halves)
    if not (np.isfinite(one).any() and np.isfinite(other).any()):
        return math.nan
    return (other[int(np.nanargmax(one))] + one[int(np.nanargmax(other))]) / 2


def early_lags(lags: NDArray[np.int64], msd: FloatArray, cell: float, first_step: float) -> NDArray[np.bool_]:
    """Return which of the lags are those of the early exponent, shape (lags,); none if it begins too late.

    Parameters
    ----------
    lags
        Lags in steps, shape (lags,).
    msd
        Mean squared displacement from the start, shape (lags,).
    cell, first_step
        Spacing of the grid, and the root mean square of the first step down the gradient.
    """
    clear = np.flatnonzero(msd >= (CLEAR * max(cell, first_step)) ** 2)
    if not len(clear):
        return np.zeros(len(lags), bool)
    begin = lags[clear[0]]
    within = np.asarray((lags >= begin) & (lags <= EARLY_SPAN * begin))
    return within & (EARLY_SPAN * begin <= lags[-1])


def _row(
    surface: Surface,
    learning_rate: float,
    result: Walk,
    lags: NDArray[np.int64],
    ageing: FloatArray,
    averaged: FloatArray,
    slopes: FloatArray,
) -> dict[str, object]:
    """Return the row's columns that hold the measurements on one surface."""
    steps = len(result.gradients)
    first_step = learning_rate * math.sqrt((result.gradients[0] ** 2).sum(axis=1).mean())
    early = early_lags(lags, ageing[0], surface.spacing, first_step)

    def exponent(fractions: tuple[float, float], msd: FloatArray) -> float:
        inside = (lags >= fractions[0] * steps) & (lags <= max(fractions[1] * steps, 3))
        return slope(lags[inside], msd[inside])

    low = result.heights <= np.quantile(surface.heights, LOWEST)
    arrival = np.where(low.any(axis=0), low.argmax(axis=0), math.inf)
    median = float(np.sort(arrival)[math.ceil(len(arrival) / 2) - 1])
    spread = surface.heights.std()
    row = {
        "step_in_cells": first_step / surface.spacing,
        "early_from": float(lags[early][0]) if early.any() else math.nan,
        "exponent_early": slope(lags[early], ageing[0][early]),
        "exponent_late": exponent(LATE, ageing[-1]),
        "exponent_largest": largest_exponent(result.positions, lags),
        "exponent_time_averaged": exponent(SHORT, averaged),
        "reached": float(low.any(axis=0).mean()),
        "median_time": median if math.isfinite(median) else math.nan,
        "final_height": float((result.heights[-1].mean() - surface.heights.mean()) / spread) if spread > 0 else math.nan,
        "gradient_alpha": fit_stable(slopes).alpha,
    }
    return {**row, "flags": raised_flags(row)}
