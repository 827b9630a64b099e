"""Does a walker on a rough surface move as the weights do? Ensembles of walkers on surfaces of several kinds, measured alike.

For each kind several surfaces are drawn, and for each surface its walkers give one row of the table: exponents of the
ensemble's displacement early and late, the time averages' exponent, how long the walkers take to the lowest hundredth of the
surface, and a stable law of the gradients. Walkers on one surface see the same surface, so that intervals are over surfaces.

The pitfall: the walkers are confined. At long lags every MSD levels off at the size of the square or of a basin; an exponent
below 1 there is confinement first, and the convex bowl shows how much of it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anodiff.diffusion.ergodicity import over_ensemble
from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.stable import fit_stable
from anodiff.geometry.msd import logarithmic_lags
from anodiff.settings.stages import SimplifiedModelSettings
from anodiff.simulation.surfaces.generators import bowl, diamond_square, fractional_surface, multifractional_surface, shuffled
from anodiff.simulation.surfaces.surface import Surface
from anodiff.simulation.surfaces.walkers import Walk, walk
from anodiff.storage.types import FloatArray, Report, silent

#: Lags, as fractions of the walk, over which exponents are fitted: early, and late.
EARLY, LATE = (0.0, 0.01), (0.05, 0.45)

#: Waiting times of the ageing MSD, as fractions of the walk.
WAITING = (0.0, 0.01, 0.1, 0.5)

#: The lowest part of a surface, as a fraction of its area.
LOWEST = 0.01

#: Gradients that the stable law is fitted to, and the walkers whose paths are kept for the picture.
GRADIENTS, SHOWN = 20_000, 12

#: Columns of the table: meaning.
COLUMNS = {
    "setting": "named settings of the walkers",
    "kind": "kind of surface, with its Hurst exponent",
    "hurst": "Hurst exponent of the surface; none for those without one",
    "surface": "number of the surface among those of its kind",
    "exponent_early": "exponent of the ensemble's displacement from the start, over the first hundredth of the walk",
    "exponent_late": "the same from the middle of the walk, over lags of 5 % to 45 % of it",
    "exponent_largest": "slope of the ensemble's displacement from the start, over the half decade where it is largest",
    "exponent_time_averaged": "exponent of the walkers' mean time-averaged MSD over the first hundredth of the walk",
    "reached": "fraction of the walkers that ever came to the lowest hundredth of the surface",
    "median_time": "step at which half of the walkers had come there; missing where fewer did",
    "final_height": "mean height at the end, in standard deviations of the surface",
    "gradient_alpha": "tail exponent of a stable law of the gradients' first components; 2 is Gaussian",
}


@dataclass(frozen=True)
class Ensemble:
    """All surfaces of a kind, measured with the walkers of a setting.

    Attributes
    ----------
    setting, kind, rows
        Name of the walkers' setting, name of the kind, and a row of `COLUMNS` for each surface.
    lags
        In steps, shape (lags,).
    ageing_msd
        Ensemble's displacement over each lag from each of the waiting times, shape (surfaces, waiting times, lags); NaN beyond
        the walk's end.
    time_averaged_msd
        Mean over walkers, shape (surfaces, lags).
    gradients
        A sample of the gradients' first components, in standard deviations, of all surfaces, shape (n,).
    example, paths
        The first surface, and some walkers' paths on it, shape (steps + 1, walkers, 2).
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
        return over_ensemble(self.rows[column])


def kinds(settings: SimplifiedModelSettings) -> dict[str, tuple[float | None, Callable[[int], Surface]]]:
    """Return the kinds of surfaces: name → Hurst exponent and the function that makes one from a seed."""
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


def measure_ensembles(settings: SimplifiedModelSettings, *, report: Report = silent) -> list[Ensemble]:
    """Let walkers descend all surfaces and measure them; about 0.2 s for 300 walkers of 1,000 steps on a surface.

    Those of the settings themselves come first, then those of the ones beside them, on the same surfaces.
    """
    asked = [(each, kind) for each in settings.each().values() for kind in kinds(each)]
    total, done = sum(each.surfaces for each, _ in asked), 0
    found = []
    for each, kind in asked:

        def tell(index: int, before: int = done, what: str = f"{each.name}: {kind}") -> None:
            report(before + index, total, what)

        found.append(_measure(each, kind, tell))
        done += each.surfaces
    report(total, total, "done")
    return found


def _measure(settings: SimplifiedModelSettings, kind: str, tell: Callable[[int], None]) -> Ensemble:
    """Measure the walkers on all surfaces of a kind."""
    hurst, make = kinds(settings)[kind]
    lags = logarithmic_lags(settings.steps, 20, 1.0)
    ageing, averaged, gradients = [], [], []
    rows: list[dict[str, object]] = []
    for index in range(settings.surfaces):
        tell(index)
        surface = make(_seed(settings.seed, kind, index)).scaled(settings.deviation)
        walked = _walk(surface, settings, _seed(settings.seed, f"walkers, {kind}", index))
        if index == 0:
            example, paths = surface, walked.positions[:, :SHOWN].copy()
        ageing.append(_ageing(walked.positions, lags))
        averaged.append(_time_averaged(walked.positions, lags))
        random = np.random.default_rng(_seed(settings.seed, f"gradients, {kind}", index))
        slopes = random.choice(walked.gradients[..., 0].ravel(), min(GRADIENTS, walked.gradients[..., 0].size), replace=False)
        gradients.append(slopes / slopes.std())
        about: dict[str, object] = {"setting": settings.name, "kind": kind, "surface": index}
        about["hurst"] = math.nan if hurst is None else hurst
        rows.append(about | _row(surface, walked, lags, ageing[-1], averaged[-1], slopes))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    pooled = np.concatenate(gradients)[:: settings.surfaces]
    return Ensemble(settings.name, kind, table, lags, np.array(ageing), np.array(averaged), pooled, example, paths)


def _seed(seed: int, what: str, index: int) -> int:
    """Return a seed that depends on the kind's name, so that a further kind leaves the others as they are."""
    digest = hashlib.blake2b(f"{seed} {what} {index}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def _walk(surface: Surface, settings: SimplifiedModelSettings, seed: int) -> Walk:
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


def _ageing(positions: FloatArray, lags: NDArray[np.int64]) -> FloatArray:
    steps = len(positions) - 1
    found = np.full((len(WAITING), len(lags)), np.nan)
    for place, fraction in enumerate(WAITING):
        start = round(fraction * steps)
        inside = lags <= steps - start
        moved = positions[start + lags[inside]] - positions[start]
        found[place, inside] = (moved**2).sum(axis=2).mean(axis=1)
    return found


def _time_averaged(positions: FloatArray, lags: NDArray[np.int64]) -> FloatArray:
    squares = [((positions[lag:] - positions[: len(positions) - lag]) ** 2).sum(axis=2).mean() for lag in lags]
    return np.array(squares)


def largest_exponent(positions: FloatArray, lags: NDArray[np.int64]) -> float:
    """Return the exponent of the displacement from the start over the half decade where it is largest.

    The largest of many estimates is too large: of 300 Brownian walkers of 1,000 steps it is 1.14. So one half of the walkers
    says where, the other how much, and the mean is taken of both ways round: 1 for Brownian walkers. NaN where none moves.

    Parameters
    ----------
    positions
        Shape (steps + 1, walkers, 2), at least two walkers.
    lags
        In steps, shape (lags,).
    """
    squares = ((positions[lags] - positions[0]) ** 2).sum(axis=2)
    near = [places for lag in lags if (places := (lags >= lag) & (lags <= lag * 10**0.5)).sum() > 3]
    halves = squares[:, ::2].mean(axis=1), squares[:, 1::2].mean(axis=1)
    one, other = ([slope(lags[places], msd[places]) for places in near] for msd in halves)
    if not (np.isfinite(one).any() and np.isfinite(other).any()):
        return math.nan
    return (other[int(np.nanargmax(one))] + one[int(np.nanargmax(other))]) / 2


def _row(
    surface: Surface, walked: Walk, lags: NDArray[np.int64], ageing: FloatArray, averaged: FloatArray, slopes: FloatArray
) -> dict[str, object]:
    steps = len(walked.gradients)

    def over(fractions: tuple[float, float], msd: FloatArray) -> float:
        inside = (lags >= fractions[0] * steps) & (lags <= max(fractions[1] * steps, 3))
        return slope(lags[inside], msd[inside])

    lowest = np.quantile(surface.heights, LOWEST)
    there = walked.heights <= lowest
    arrival = np.where(there.any(axis=0), there.argmax(axis=0), math.inf)
    half = float(np.sort(arrival)[math.ceil(len(arrival) / 2) - 1])
    spread = surface.heights.std()
    return {
        "exponent_early": over(EARLY, ageing[0]),
        "exponent_late": over(LATE, ageing[-1]),
        "exponent_largest": largest_exponent(walked.positions, lags),
        "exponent_time_averaged": over(EARLY, averaged),
        "reached": float(there.any(axis=0).mean()),
        "median_time": half if math.isfinite(half) else math.nan,
        "final_height": float((walked.heights[-1].mean() - surface.heights.mean()) / spread) if spread > 0 else math.nan,
        "gradient_alpha": fit_stable(slopes).alpha,
    }
