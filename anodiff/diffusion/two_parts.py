"""Which two powers of the lag would an eye put to the MSD? One at short lags, one at long lags, and where they meet.

A continuous power law of two parts (`anodiff.diffusion.regimes`), fitted to ln Δr² by plain least
squares over lags that are evenly spaced in ln τ. So each stretch of a logarithmic plot counts by
its length, as it does for an eye.

The pitfalls: there are two parts whether the curve has one, two or three. If their exponents are
nearly the same, the knee may be anywhere. The errors of Δr² are large and correlated at long lags,
which an eye and these least squares both ignore. So the exponents have no interval.
`anodiff.diffusion.window_exponents` has exponents with intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anodiff.diffusion.regimes import MIN_LAGS, fit_law, found_inside
from anodiff.storage.numbers import real_numbers

#: Number of lags, evenly spaced in ln τ, to each of which the nearest lag of the curve is taken.
EVEN_LAGS = 60


@dataclass(frozen=True)
class TwoParts:
    """A continuous power law of two parts; all NaN if nothing could be fitted.

    Attributes
    ----------
    short, long
        Exponents at short and at long lags.
    knee
        Lag at which they meet; NaN if it is at an end of the search, half a decade from the ends of
        the curve, so that one of the parts is not really there.
    """

    short: float
    long: float
    knee: float


NO_PARTS = TwoParts(math.nan, math.nan, math.nan)


def two_parts(lags: ArrayLike, msd: ArrayLike, largest: float = math.inf) -> TwoParts:
    """Fit a continuous power law of two parts to a curve, as an eye would.

    Parameters
    ----------
    lags
        Lags of the curve, shape (n,), in any unit.
    msd
        The MSD at these lags, shape (n,). Lags at which it is not finite and positive are left out.
    largest
        Longer lags are left out.

    Raises
    ------
    ConfigError
        If lags or msd are no real numbers of shape (n,).

    Examples
    --------
    >>> lags = np.arange(1, 901)
    >>> found = two_parts(lags, np.where(lags < 100, lags**1.5, 1000 * (lags / 100) ** 0.5))
    >>> round(found.short, 3), round(found.long, 3), round(found.knee)
    (1.5, 0.5, 100)
    """
    tau, displacement = real_numbers(lags, "lags", "(n,)"), real_numbers(msd, "msd", "(n,)", finite=False)
    usable = np.isfinite(displacement) & (displacement > 0) & (tau > 0) & (tau <= largest)
    if usable.sum() < MIN_LAGS:
        return NO_PARTS
    tau, displacement = tau[usable], displacement[usable]
    x = np.log(tau)
    even = np.linspace(x.min(), x.max(), EVEN_LAGS)
    chosen = np.unique(np.abs(x - even[:, None]).argmin(axis=1))
    fit = fit_law(tau[chosen], np.log(displacement[chosen])[:, None], 2)
    if fit is None:
        return NO_PARTS
    (short, long), knee = fit.exponents[:, 0], fit.crossovers[0]
    return TwoParts(float(short), float(long), float(knee[0]) if found_inside(knee, tau[chosen]) else math.nan)
