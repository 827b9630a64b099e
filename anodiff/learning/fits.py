"""Which law does a learning curve follow? Four laws fitted to one curve, and how probable each is.

The laws are those of one mode, as a function of the step t, up to their plateau: with a margin u
that grows from a small start by u' = r u (C − 1)/(C − 1 + eᵘ), the cross-entropy of C classes, of
which (p − 1/C)/(1 − 1/C) is learned (`anodiff.learning.laws.one_mode`); by u' = r u up to 1, hinge; by
u' = r u (1 − u), logistic; and 1 − e^(−rt), exponential, which linear models follow. Each is
measured from its start and has a free rate and plateau, the first three also a free start.

Residuals e of neighbouring points are alike: noise of training lasts for many steps, many points lie
close together, and no law is exact. So they are taken as autoregressive over the points, e_i = ρ e_{i−1}
+ noise, with a variance and ρ ≥ 0 fitted for each law (Gaussian likelihood), and the laws are weighed
by AICc (Hurvich & Tsai, Biometrika 76 (1989) 297). Sampling errors of the curve count as weights, but
gently: the same samples are measured at all points, so such errors move the whole curve and are no
noise of single points. The variance of a point is in proportion to its squared error plus the largest
of these, so that no point weighs more than twice another.

Pitfalls. Whether a curve is sigmoidal is told reliably, which law it is, not. A curve is a mean over
samples: if their rates scatter by 30 %, that of the hinge loss is never called hinge, and half of the
logistic ones are called cross-entropy (docs/calibration.md). Points that are evenly spaced in the
logarithm of the step leave few to a late, steep rise, and then laws are alike. A plateau is found only
if the curve reaches it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.learning.columns import EXPONENTIAL, LAWS
from anodiff.learning.laws.shapes import durations, rises
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

#: The smallest number of points that are fitted, the first included.
MIN_POINTS = 8

#: An advantage of sigmoids above this is significant. Of simulated exponential curves with correlated noise of
#: 2, 5 and 10 % of the plateau, 0, 1.2 and 2.2 % exceed it, but 0, 4.2 and 12 % exceed 0
#: (`python benchmarks/learning_laws.py`).
ADVANTAGE = 6.0

#: Bounds of the margin at the start, of u or of the part learned: the rise of a larger one has no
#: slow beginning, a smaller one is sharper than any network's.
STARTS = (1e-12, 0.2)

#: Bounds of the step of half the plateau, in units of the first and the last step after the start.
HALVES = (0.5, 4.0)

#: Points of the grid on which least squares start: steps of half the plateau, and starts.
GRID = 64, 16

#: The number of the curve's points that the grid is compared with, at most.
GRID_POINTS = 200

#: How often the parameters of a law and ρ are fitted, in turn.
TURNS = 3

#: Keeps a curve of zeros from a division by 0.
TINY = 1e-300

#: Values of ρ.
CORRELATIONS = np.linspace(0, 0.95, 20)

#: Residuals below this part of the curve are rounding.
ROUNDING = 1e-9

NO_FIT = math.nan


@dataclass(frozen=True)
class LawFit:
    """The laws that were fitted to a curve.

    Attributes
    ----------
    law
        The law with the smallest AICc; empty if none was fitted.
    law_weight
        Its Akaike weight among the four.
    weights
        Akaike weight of each law.
    rate
        Its rate r, per step.
    start
        Its margin at the start, NaN for the exponential.
    plateau
        Its value after infinite time.
    fitted
        Its values at the points, shape (S,), in units of the curve.
    misfit
        Root mean squared residual, in units of the curve, without weights.
    correlation
        ρ, the correlation of its residuals at neighbouring points.
    sigmoid_advantage
        AICc of the exponential minus the smallest of the other three; see `ADVANTAGE`.
    note
        Why nothing was fitted; else empty.
    """

    law: str
    law_weight: float
    weights: dict[str, float]
    rate: float
    start: float
    plateau: float
    fitted: FloatArray
    misfit: float
    correlation: float
    sigmoid_advantage: float
    note: str = ""


@dataclass(frozen=True)
class _Fit:
    """One law at its best: values after the first point, ρ, and AICc."""

    rate: float
    start: float
    plateau: float
    values: FloatArray
    correlation: float
    criterion: float


def fit_laws(steps: ArrayLike, values: ArrayLike, errors: ArrayLike | None = None, *, classes: int = 2) -> LawFit:
    """Fit the laws of `anodiff.learning.columns.LAWS` to one learning curve.

    Parameters
    ----------
    steps
        Steps of the points, shape (S,), rising; the first is where learning begins.
    values
        The curve, shape (S,), in any unit. Laws are fitted to its rise from the first point, where
        all are 0. Fewer than `MIN_POINTS` points, a value that is not finite, or no rise give a fit
        with a note and no law.
    errors
        Standard deviation of each value over samples, shape (S,). Without it, or where none is
        above 0, all points weigh the same.
    classes
        Number of classes C of the cross-entropy.

    Raises
    ------
    ConfigError
        If shapes differ, steps do not rise, or there are fewer than 2 classes.

    Examples
    --------
    >>> steps = np.unique(np.geomspace(1, 1001, 40).astype(int)) - 1
    >>> noise = np.random.default_rng(0).normal(scale=0.01, size=len(steps))
    >>> fit = fit_laws(steps, 1 / (1 + np.exp(6 - steps / 20)) + noise)
    >>> fit.law, round(1 / fit.rate), fit.sigmoid_advantage > ADVANTAGE
    ('logistic', 20, True)
    """
    t, curve = real_numbers(steps, "steps", "(S,)"), real_numbers(values, "values", "(S,)", finite=False)
    if classes < 2:
        raise ConfigError(f"{classes} classes; give at least 2")
    deviations = None if errors is None else real_numbers(errors, "errors", "(S,)", finite=False)
    if any(each is not None and each.shape != t.shape for each in (curve, deviations)):
        counts = " ".join(str(len(each)) for each in (t, curve, deviations) if each is not None)
        raise ConfigError(f"numbers of steps, values and errors differ: {counts}; give one of each for each point")
    if (np.diff(t) <= 0).any():
        raise ConfigError("steps of a learning curve do not rise; give each point once, in order")
    if len(t) < MIN_POINTS:
        return _no_fit(len(t), f"fewer than {MIN_POINTS} points")
    if not np.isfinite(curve).all():
        return _no_fit(len(t), "the curve has values that are not finite")
    scale = float(np.abs(curve - curve[0]).max())
    if scale <= ROUNDING * max(abs(float(curve[0])), 1e-300):
        return _no_fit(len(t), "the curve is constant")
    since, rise = t[1:] - t[0], (curve[1:] - curve[0]) / scale
    fits = {law: _fit(law, since, rise, _weights(deviations, len(rise)), classes) for law in LAWS}
    if max(each.plateau for each in fits.values()) <= 0:
        return _no_fit(len(t), "the curve does not rise")
    return _weighed(fits, rise, float(curve[0]), scale)


def _weighed(fits: dict[str, _Fit], rise: FloatArray, first: float, scale: float) -> LawFit:
    """Return the best of the laws, back in units of the curve."""
    criteria = {law: each.criterion for law, each in fits.items()}
    smallest = min(criteria.values())
    likelihoods = {law: math.exp((smallest - value) / 2) for law, value in criteria.items()}
    weights = {law: value / sum(likelihoods.values()) for law, value in likelihoods.items()}
    law = max(weights, key=weights.__getitem__)
    best = fits[law]
    return LawFit(
        law=law,
        law_weight=weights[law],
        weights=weights,
        rate=best.rate,
        start=best.start,
        plateau=first + scale * best.plateau,
        fitted=first + scale * np.concatenate([[0.0], best.values]),
        misfit=float(scale * np.sqrt(np.mean((rise - best.values) ** 2))),
        correlation=best.correlation,
        sigmoid_advantage=criteria[EXPONENTIAL] - min(value for name, value in criteria.items() if name != EXPONENTIAL),
    )


def _no_fit(points: int, note: str) -> LawFit:
    none = dict.fromkeys(LAWS, NO_FIT)
    return LawFit("", NO_FIT, none, NO_FIT, NO_FIT, NO_FIT, np.full(points, NO_FIT), NO_FIT, NO_FIT, NO_FIT, note)


def _weights(errors: FloatArray | None, points: int) -> FloatArray:
    """Return 1/σ of the points after the first, the largest 1."""
    if errors is None:
        return np.ones(points)
    squared = errors[1:] ** 2
    largest = squared.max()
    if not (np.isfinite(largest) and largest > 0):
        return np.ones(points)
    return np.sqrt((largest + squared.min()) / (largest + squared))


def _fit(law: str, t: FloatArray, rise: FloatArray, weights: FloatArray, classes: int) -> _Fit:
    """Return the maximum of the likelihood: in turn over the law's parameters and over ρ.

    The parameters are ln(half) and −ln ln(1/start), in which the relative width of a sigmoid is even:
    first the best of a grid without ρ, then least squares from there.
    """
    count = 1 if law == EXPONENTIAL else 2
    lowest = np.array([math.log(HALVES[0] * t[0]), -math.log(-math.log(STARTS[0]))])
    highest = np.array([math.log(HALVES[1] * t[-1]), -math.log(-math.log(STARTS[1]))])
    axes = [np.linspace(lowest[axis], highest[axis], GRID[axis]) for axis in range(count)]

    def project(points: FloatArray, correlation: float, every: int = 1) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return curves, plateaus of least squares and whitened residuals of parameters (points, count)."""
        halves, *starts = np.exp(np.clip(points, lowest[:count], highest[:count])).T
        shapes = rises(law, t[::every], halves, np.exp(-1 / starts[0]) if starts else np.full(len(halves), 0.5), classes)
        curves, wanted = (_whitened(each * weights[::every], correlation) for each in (shapes, rise[::every]))
        squares = (curves**2).sum(axis=1)
        plateaus = np.maximum(curves @ wanted / np.maximum(squares, TINY), 0.0)
        return shapes, plateaus, wanted - plateaus[:, None] * curves

    grid = np.stack([each.ravel() for each in np.meshgrid(*axes)], axis=1)
    best = grid[(project(grid, 0.0, every=-(-len(t) // GRID_POINTS))[2] ** 2).sum(axis=1).argmin()]
    correlation = 0.0
    for _ in range(TURNS):
        best = _least_squares(partial(project, correlation=correlation), best)
        shapes, plateaus, _ = project(best[None], correlation)
        correlation, likelihood = _correlation((rise - plateaus[0] * shapes[0]) * weights)
    parameters = count + 3
    criterion = 2 * parameters - 2 * likelihood + 2 * parameters * (parameters + 1) / (len(t) - parameters - 1)
    half, *start = np.exp(np.clip(best, lowest[:count], highest[:count]))
    first = float(np.exp(-1 / start[0])) if start else NO_FIT
    rate = float(durations(law, np.array([first]), classes)[0] / half)
    return _Fit(rate, first, float(plateaus[0]), plateaus[0] * shapes[0], correlation, criterion)


def _least_squares(project: Callable[[FloatArray], tuple[FloatArray, ...]], start: FloatArray) -> FloatArray:
    """Return the parameters of the smallest residuals near a start, by Levenberg and Marquardt's algorithm."""
    found, *_ = scipy.optimize.leastsq(
        lambda point: project(point[None])[-1][0], start, full_output=True, ftol=1e-5, xtol=1e-5, epsfcn=1e-10, factor=0.3
    )
    return np.asarray(found, np.float64)


def _whitened(residuals: FloatArray, correlation: float) -> FloatArray:
    """Return residuals, (…, points), without their correlation with the point before; the first scaled alike."""
    first = math.sqrt(1 - correlation**2) * residuals[..., :1]
    return np.concatenate([first, residuals[..., 1:] - correlation * residuals[..., :-1]], axis=-1)


def _correlation(residuals: FloatArray) -> tuple[float, float]:
    """Return the most likely ρ of `CORRELATIONS`, and the logarithm of the likelihood up to a constant."""
    count = len(residuals)
    squares = np.array([(_whitened(residuals, each) ** 2).sum() for each in CORRELATIONS])
    likelihoods = (np.log1p(-(CORRELATIONS**2)) - count * np.log(squares / count + ROUNDING**2)) / 2
    best = int(likelihoods.argmax())
    return float(CORRELATIONS[best]), float(likelihoods[best])
