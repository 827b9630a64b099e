"""Is a curve that bends down subdiffusion, or relaxation in a bowl? The two laws compared.

In a stationary quadratic bowl each direction forgets its past exponentially, so

    Δr²(τ) = Σ_j a_j (1 − e^{−λ_j τ}),   a_j, λ_j > 0,

which grows as τ at first, bends, and levels off: β goes from 1 to 0. Subdiffusion is a power law, here
of one or two regimes. Both are fitted to ln Δr² by generalised least squares with the covariance of
its sampling error (`anodiff.diffusion.sampling`). With χ² the misfit, k the number of parameters and n
that of lags,

    ln Λ = ½ (χ²_bowl − χ²_power) + ½ (k_bowl − k_power) ln n,

half the difference of the Bayesian information criteria, is positive if the power law wins. The number
of relaxations, one to `MOST_RELAXATIONS`, and of regimes are chosen by the same criterion. With f the
two fitted curves in units of the error, ln Λ has the standard deviation |f_bowl − f_power|.

The pitfall: a sum of many relaxations whose rates cover the window's lags is a power law over these
lags. Then no curve can tell, the criterion prefers the law with fewer parameters, and a power law that
wins says only that no few relaxations explain the window.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.diffusion.intervals import UNKNOWN, UPPER, Interval
from anodiff.diffusion.regimes import MIN_LAGS, RESOLUTION, Regimes, select_regimes
from anodiff.diffusion.sampling import relative_covariance
from anodiff.diffusion.smooth_law import LARGEST, SMALLEST
from anodiff.storage.types import FloatArray

#: The most relaxations of one bowl.
MOST_RELAXATIONS = 4

#: Number of rates that are tried for a further relaxation, and their range: the smallest times the
#: largest lag, and the largest times the smallest lag.
RATES, SLOWEST, FASTEST = 24, 0.1, 5.0


def bowl_against_power_law(
    lags: NDArray[np.int64], msd: FloatArray, law: Regimes, dimension: FloatArray, updates: int
) -> Interval:
    """Return ln Λ of a power law against relaxation in a bowl, with its interval; unknown for too few lags.

    Parameters
    ----------
    lags, msd
        Lags in updates, and the MSD there, shape (lags,).
    law
        The fitted power law: the comparison is up to its last lag, and its sampling error is used.
    dimension
        Effective dimension at the lags.
    updates
        Number of updates of the window.
    """
    used = (lags <= law.fit_to) & np.isfinite(msd) & (msd > 0) & np.isfinite(dimension) if law.count else np.zeros(0, bool)
    if used.sum() < 2 * MIN_LAGS:
        return UNKNOWN
    tau, y = lags[used].astype(float), np.log(msd[used])
    spread = np.sqrt(dimension[used])
    errors = relative_covariance(lags[used], law.within(SMALLEST, LARGEST), updates) / (spread[:, None] * spread)
    identity = np.eye(len(tau))
    root = scipy.linalg.cholesky(errors + RESOLUTION**2 * identity, lower=True)
    whitening = scipy.linalg.solve_triangular(root, identity, lower=True)
    power_law = select_regimes(tau, y, errors, most=2)
    power, power_size = np.log(power_law.msd(tau)), 2 * power_law.count
    bowl, bowl_size = fit_relaxations(tau, y, whitening)

    misfits = [float(((whitening @ (y - curve)) ** 2).sum()) for curve in (bowl, power)]
    ratio = 0.5 * (misfits[0] - misfits[1]) + 0.5 * (bowl_size - power_size) * math.log(len(tau))
    error = float(np.linalg.norm(whitening @ (bowl - power)))
    reach = error * float(scipy.special.ndtri(UPPER))
    return Interval(ratio, ratio - reach, ratio + reach)


def fit_relaxations(tau: FloatArray, log_msd: FloatArray, whitening: FloatArray) -> tuple[FloatArray, int]:
    """Fit Σ_j a_j (1 − e^{−λ_j τ}) to ln Δr², and return the fitted ln Δr² and the number of parameters.

    Relaxations are added one at a time: the rate of the next is the one of a grid that, with
    non-negative amplitudes, fits best to first order; then all rates and amplitudes are fitted together.

    Parameters
    ----------
    tau, log_msd
        Shape (lags,).
    whitening
        Inverse of the Cholesky factor of the covariance of ln Δr², shape (lags, lags).
    """
    grid = np.geomspace(SLOWEST / tau[-1], FASTEST / tau[0], RATES)
    target = whitening.sum(axis=1)

    def relative(rates: FloatArray) -> FloatArray:
        """Return 1 − e^{−λτ} over the MSD, in units of the error, shape (lags, rates)."""
        return np.asarray(whitening @ (-np.expm1(-tau[:, None] * rates) / np.exp(log_msd)[:, None]))

    further = relative(grid)
    rates: FloatArray = np.empty(0)
    best, best_size, lowest = log_msd, 0, math.inf
    slowest, fastest = math.log(grid[0] / 2), math.log(grid[-1] * 2)
    # No relaxation makes a part of Δr² that is 1e12 times smaller, or a hundred times larger, than what was measured.
    smallest = log_msd.min() - math.log(1e12)
    largest = log_msd.max() + math.log(100 / -math.expm1(-math.exp(slowest) * tau[-1]))
    for number in range(1, MOST_RELAXATIONS + 1):
        known = relative(rates)
        tried = [scipy.optimize.nnls(np.column_stack([known, column]), target) for column in further.T]
        chosen = int(np.argmin([misfit for _, misfit in tried]))
        amplitudes, rates = tried[chosen][0], np.append(rates, grid[chosen])
        start = np.log(np.concatenate([np.maximum(amplitudes, 1e-3 * amplitudes.max()), rates]))
        bounds = np.repeat([smallest, slowest], number), np.repeat([largest, fastest], number)
        found = scipy.optimize.least_squares(
            _residual, np.clip(start, *bounds), jac=_jacobian, method="trf", args=(tau, log_msd, whitening), max_nfev=60,
            bounds=bounds,
        )  # fmt: skip
        rates = np.exp(found.x[number:])
        criterion = 2 * found.cost + 2 * number * math.log(len(tau))
        if not criterion < lowest:
            break
        lowest, best_size = criterion, 2 * number
        best = _log_curve(found.x, tau)[0]
    return best, best_size


def _log_curve(parameters: FloatArray, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ln Σ_j a_j (1 − e^{−λ_j τ}), (lags,), and its derivatives by ln a_j and ln λ_j, (lags, 2J)."""
    amplitudes, rates = np.exp(parameters.reshape(2, -1))
    decay = np.exp(-tau[:, None] * rates)
    parts = amplitudes * -np.expm1(-tau[:, None] * rates)
    total = parts.sum(axis=1)
    return np.log(total), np.hstack([parts, amplitudes * rates * tau[:, None] * decay]) / total[:, None]


def _residual(parameters: FloatArray, tau: FloatArray, log_msd: FloatArray, whitening: FloatArray) -> FloatArray:
    return np.asarray(whitening @ (_log_curve(parameters, tau)[0] - log_msd))


def _jacobian(parameters: FloatArray, tau: FloatArray, log_msd: FloatArray, whitening: FloatArray) -> FloatArray:
    return np.asarray(whitening @ _log_curve(parameters, tau)[1])
