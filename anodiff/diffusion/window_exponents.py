"""How sure is an exponent? All exponents of a window, each with its 95 % interval.

Curves are drawn about the smooth law that follows the measured MSD (`anodiff.diffusion.smooth_law`),
with the sampling error of one window (`anodiff.diffusion.sampling`). More are drawn about the same
law with all its exponents changed, and, for the crossovers, with the law moved along ln τ. Each
curve is measured as the window was (`anodiff.diffusion.procedure`), and the interval inverts the test
(`anodiff.diffusion.intervals.invert`). How certain a regime's exponent is depends on where the regime
ends, so its interval is the widest over the plausible moves (Berger & Boos, J. Am. Stat. Assoc. 89
(1994) 1012). This removes bias, such as that of the largest of many local
exponents. It also allows for an error that depends on the exponent: persistent paths scatter more
than the subdiffusive ones that a window of them may resemble.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.effective_dimension import effective_dimension
from anodiff.diffusion.energies import step_energies
from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import LOWER, UNKNOWN, UPPER, Interval, invert, median_unbiased
from anodiff.diffusion.procedure import NAMES, SHORTEST, Procedure, within_search
from anodiff.diffusion.regimes import (
    MIN_LAGS,
    MOST_REGIMES,
    Regimes,
    fit_regimes,
    found_inside,
    select_regimes,
)
from anodiff.diffusion.sampling import (
    Participating,
    relative_covariance,
    with_energies,
)
from anodiff.diffusion.simulated_windows import Simulation
from anodiff.diffusion.smooth_law import SmoothLaw, fit_smooth_law
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from anodiff.geometry.path import PathGeometry

#: The fit ends at the lag at which the local exponent's standard error exceeds this. Beyond it the
#: window holds few samples, and their MSDs are far from normal.
MAX_ERROR = 0.25

#: Number of iterations in which law and covariance are found from each other.
ROUNDS = 3

#: Changes of the exponents, in standard errors of the least certain local exponent; that error
#: counts as at most MAX_SHIFT.
SHIFTS, MAX_SHIFT = (-3.0, -1.5, -0.75, 0.0, 0.75, 1.5, 3.0), 0.6

#: A power law that is less probable than this is not allowed for.
IMPROBABLE = 0.05

#: Moves of the law along ln τ, in standard errors of the crossover; that error counts as at most
#: MAX_MOVE.
MOVES, MAX_MOVE = (-3.0, -1.5, 0.0, 1.5, 3.0), 0.6

#: Moves up to this are plausible.
PLAUSIBLE = 1.5

BROWNIAN = SmoothLaw(np.zeros(1), np.ones(1), 0.0)


@dataclass(frozen=True)
class WindowExponents:
    """The exponents of a window.

    Attributes
    ----------
    regimes
        The fitted law, with lags in updates.
    first, second, third, crossover, second_crossover
        Its parameters with intervals; unknown beyond the number of regimes, but if there is one
        regime, it counts as the first and the second.
    beta_low, beta_high
        Ends of the intervals of the local exponents, shape (lags,).
    largest, long
        The largest local exponent within the range searched, corrected for the bias of a maximum,
        and the slope over the long lags.
    overall
        The slope over all lags from `SHORTEST` on, with weights 1/τ, like the slope against contour
        length (`path_dimension`).
    dimension
        Effective dimension at each lag, shape (lags,).
    samples
        Effective number of independent samples in the MSD at each lag, 2 Δr⁴ / Var(Δr²), shape
        (lags,): the MSD of this many independent displacements in one dimension would be as
        certain.
    largest_at
        Index of the lag at which the measured local exponent is largest, within the range searched.
    searched_to
        Index of the largest lag searched for it.
    censored
        Why a crossover is missing although there are regimes: ``above`` or ``below`` and the lag
        in updates at the end of the range searched, where it is pinned; or ``undetermined`` and NaN
        if it could be anywhere in this range.
    procedure
        How they were taken; None if there are no intervals.
    single_steps
        Share of the inequality of the steps' energies that is due to single steps, not to a scale that
        changes slowly; see `anodiff.diffusion.energies.Energies`.
    """

    regimes: Regimes
    first: Interval
    second: Interval
    third: Interval
    crossover: Interval
    second_crossover: Interval
    beta_low: FloatArray
    beta_high: FloatArray
    largest: Interval
    long: Interval
    overall: Interval
    dimension: FloatArray
    samples: FloatArray
    largest_at: int
    searched_to: int
    censored: tuple[str, float] | None = None
    procedure: Procedure | None = None
    single_steps: float = 0.0

    def crossover_problem(self, stride: int) -> str:
        """Return why regimes have no crossover, with lags in optimiser steps, or an empty text."""
        if self.censored is None:
            return ""
        side, lag = self.censored
        return f"crossover {side} {stride * lag:g}" if math.isfinite(lag) else f"crossover {side}"

    def regime_lags(self, stride: int) -> str:
        """Return the lags of each regime with its exponent, such as ``1–57: 1.00; 57–900: 0.40``, in optimiser steps."""
        law = self.regimes
        known = (self.crossover, self.second_crossover)[: len(law.crossovers)]
        inner = [f"{stride * lag.value:.3g}" if math.isfinite(lag.value) else "?" for lag in known]
        ends = [f"{stride * law.fit_from:g}", *inner, f"{stride * law.fit_to:g}"]
        spans = zip(ends[:-1], ends[1:], law.exponents, strict=True) if law.count else ()
        return "; ".join(f"{first}–{last}: {exponent:.2f}" for first, last, exponent in spans)


def measure_exponents(
    path: PathGeometry,
    every_msd: FloatArray,
    lags: NDArray[np.int64],
    beta: FloatArray,
    width: float,
    long: tuple[float, float],
    seed: int,
) -> WindowExponents:
    """Measure the exponents of a window with their intervals.

    Parameters
    ----------
    every_msd
        Time-averaged MSD at lags 0 … T, shape (T+1,).
    lags
        Logarithmically spaced lags in updates, shape (L,).
    beta
        Local exponents at these lags, shape (L,).
    width
        Width of the local slope in decades.
    long
        Smallest and largest of the long lags, in updates.
    seed
        Seed of the drawn curves.
    """
    updates, msd = len(path.gram), every_msd[lags]
    usable = np.isfinite(msd) & (msd > 0)
    everything = Procedure(lags, updates, width, long, usable, np.eye(int(usable.sum())), 1)
    if usable.sum() < MIN_LAGS or not usable.all():
        return _without_intervals(
            fit_regimes(lags, msd), beta, everything.long_slope(every_msd), lags, msd, everything.searched
        )
    dimension = effective_dimension(path, lags)
    energies = step_energies(path.step_lengths, float(dimension[0]))
    errors = weights = with_energies(relative_covariance(lags, BROWNIAN, updates), lags, dimension, energies)
    for _ in range(ROUNDS):  # the covariance needs the law, and the law the covariance
        fit = fit_smooth_law(lags.astype(float), np.log(msd), errors, updates)
        one = relative_covariance(lags, Participating(fit.law, lags, dimension), updates)
        errors = with_energies(one, lags, dimension, energies)
    local_errors = everything.errors(errors)
    fitted = np.logical_and.accumulate(local_errors <= MAX_ERROR)
    fitted[:MIN_LAGS] = True
    chosen = np.ix_(fitted, fitted)
    count = select_regimes(lags[fitted].astype(float), np.log(msd[fitted]), errors[chosen]).count
    alone = np.diag(np.diagonal(weights[chosen]))
    procedure = Procedure(lags, updates, width, long, fitted, weights[chosen] if count == 1 else alone, count)
    if count == MOST_REGIMES and not found_inside(procedure.law(every_msd).crossovers, lags[fitted]):
        procedure = replace(procedure, regimes=count - 1)
    simulation = Simulation(procedure, fit, dimension, energies, seed)
    shift = min(float(local_errors.max()), MAX_SHIFT)
    truths, drawn, of_power_laws = simulation.measured([fit.law.tilted(shift * factor) for factor in SHIFTS])
    values = procedure.of_curve(every_msd)
    low, high = invert(values, truths, drawn)
    at = slice(NAMES.index("largest"), NAMES.index("largest") + 1)
    raw, true = values[at].copy(), truths[:, at]
    values[at] = median_unbiased(raw, true, drawn[:, at])
    if fit.probabilities[0] > IMPROBABLE:  # noise may look like a bend, and a bend like noise: both are allowed for
        ends = invert(raw, true, of_power_laws[:, None])
        low[at], high[at] = np.minimum(low[at], ends[0]), np.maximum(high[at], ends[1])
    if procedure.regimes > 1:
        _allow_for_moves(simulation, values, low, high, drawn[SHIFTS.index(0.0)])
    first, second, third, log_crossover, log_second, long_interval, overall, largest = (
        Interval(float(values[at]), float(low[at]), float(high[at])) for at in range(len(NAMES))
    )
    surest = len(NAMES) + int(np.where(procedure.searched, local_errors, np.inf).argmin())
    largest = replace(largest, high=max(largest.high, float(high[surest])))  # a maximum is not below any of the others
    if long[1] <= lags[procedure.searched][-1]:  # nor below an average
        largest = Interval(*(max(end, long_interval.low) for end in (largest.value, largest.low, largest.high)))
    crossover, censored = within_search(procedure, log_crossover)
    second_crossover, second_censored = within_search(procedure, log_second)
    return WindowExponents(
        procedure.law(every_msd),
        first,
        second,
        third,
        crossover,
        second_crossover,
        low[len(NAMES) :],
        high[len(NAMES) :],
        largest,
        long_interval,
        overall,
        dimension,
        2 / np.diagonal(errors),
        _largest_at(beta, procedure.searched),
        int(procedure.searched.sum()) - 1,
        censored or second_censored,
        procedure,
        energies.single,
    )


def _allow_for_moves(simulation: Simulation, values: FloatArray, low: FloatArray, high: FloatArray, drawn: FloatArray) -> None:
    """Set the ends of the crossovers' intervals, and widen those of the regimes' exponents, by laws moved along ln τ.

    ``values``, ``low`` and ``high`` are (quantities,); ``drawn``, (quantities, draws), is about the law itself.
    """
    regimes = simulation.procedure.regimes
    exponents, crossovers = slice(0, regimes), slice(MOST_REGIMES, MOST_REGIMES + regimes - 1)
    move = min(float(drawn[crossovers].std(axis=-1).max()), MAX_MOVE)
    truths, moved, _ = simulation.measured([simulation.fit.law.shifted(move * factor) for factor in MOVES])
    low[crossovers], high[crossovers] = invert(values[crossovers], truths[:, crossovers], moved[:, crossovers])
    plausible = np.abs(MOVES) <= PLAUSIBLE
    errors = moved[plausible, exponents] - truths[plausible, exponents, None]
    below, above = np.quantile(errors, (UPPER, LOWER), axis=-1)
    low[exponents] = np.minimum(low[exponents], values[exponents] - below.max(axis=0))
    high[exponents] = np.maximum(high[exponents], values[exponents] - above.min(axis=0))


def _without_intervals(
    law: Regimes, beta: FloatArray, long_slope: float, lags: NDArray[np.int64], msd: FloatArray, searched: NDArray[np.bool_]
) -> WindowExponents:
    """Return the exponents of a window whose MSD is not positive at all lags, or has too few."""
    nothing = np.full(len(beta), np.nan)
    at = _largest_at(beta, searched)
    largest = Interval(float(beta[at]), math.nan, math.nan) if np.isfinite(beta[at]) else UNKNOWN
    overall = slope(lags[lags >= SHORTEST], msd[lags >= SHORTEST])
    ends = [law.exponents[at] if law.count else math.nan for at in (0, -1)]
    lag = law.crossovers[0] if law.crossovers else math.nan
    first, second, crossover, long_interval, overall_interval = (
        Interval(value, math.nan, math.nan) for value in (*ends, lag, long_slope, overall)
    )
    return WindowExponents(
        law,
        first,
        second,
        UNKNOWN,
        crossover,
        UNKNOWN,
        nothing,
        nothing,
        largest,
        long_interval,
        overall_interval,
        nothing,
        nothing,
        at,
        int(searched.sum()) - 1,
    )


def _largest_at(beta: FloatArray, searched: NDArray[np.bool_]) -> int:
    return int(np.where(searched & np.isfinite(beta), beta, -np.inf).argmax())
