"""How well can an exponent be known at best? The Cramér–Rao bound for fractional Brownian motion.

No unbiased estimate has a smaller standard deviation, whatever the method. The pitfall: an estimate
that is drawn towards the middle of a prior has a bias, and may spread less. So compare with the
bound where it is far below the prior's width, or divide by the slope of the mean estimate.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, toeplitz
from scipy.special import xlogy

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray


def fractional_brownian_bound(
    exponent: float, displacements: int, *, noise: float = 0.0, noise_known: bool = False, scale_known: bool = False
) -> float:
    """Return the smallest standard deviation of an unbiased estimate of α from one coordinate of a track.

    The displacements are Gaussian with covariance D γ_α(k) + s n(k) at distance k, where
    γ_α(k) = (|k+1|^α − 2|k|^α + |k−1|^α)/2, and localisation noise of variance s gives n(0) = 2,
    n(1) = −1. The Fisher information of α, D and s is tr(C⁻¹ ∂C C⁻¹ ∂C)/2 (Kay, Fundamentals of
    Statistical Signal Processing I, 1993, section 3.9). What is not known is estimated with α. Cost:
    O(displacements³).

    Parameters
    ----------
    exponent
        α, between 0 and 2, neither included.
    displacements
        Their number, at least 2: one less than points.
    noise
        Standard deviation of the localisation noise, in units of that of a displacement without it.
    noise_known, scale_known
        Whether an estimate may use the variance of the noise, and of a displacement without it.

    Raises
    ------
    ConfigError
        If a number is out of bounds.

    Examples
    --------
    >>> round(fractional_brownian_bound(1.0, 100, noise_known=True), 3)
    0.126
    >>> round(fractional_brownian_bound(1.0, 100, noise=0.5), 3)
    0.279
    """
    if not 0 < exponent < 2:
        raise ConfigError(f"exponent {exponent}: fractional Brownian motion has one between 0 and 2")
    if displacements < 2 or not 0 <= noise < np.inf:
        raise ConfigError(f"{displacements} displacements, noise {noise}; write at least 2, and a noise of at least 0")
    lags = np.arange(float(displacements))
    motion = _second_difference(exponent, lags)
    by_exponent = _second_difference_slope(exponent, lags)
    localisation = np.where(lags == 0, 2.0, np.where(lags == 1, -1.0, 0.0))
    covariance = cho_factor(toeplitz(motion + noise**2 * localisation))
    derivatives = [by_exponent] + [motion] * (not scale_known) + [localisation] * (not noise_known)
    relative = [cho_solve(covariance, toeplitz(each)) for each in derivatives]  # C⁻¹ ∂C
    information = np.array([[(one * other.T).sum() / 2 for other in relative] for one in relative])
    return float(np.sqrt(np.linalg.inv(information)[0, 0]))


def _second_difference(exponent: float, lags: FloatArray) -> FloatArray:
    """Return γ_α at given distances."""
    return ((lags + 1) ** exponent - 2 * lags**exponent + abs(lags - 1) ** exponent) / 2


def _second_difference_slope(exponent: float, lags: FloatArray) -> FloatArray:
    """Return ∂γ_α/∂α at given distances; |k|^α ln|k| is 0 at k = 0."""
    ahead, here, behind = (xlogy(each**exponent, each) for each in (lags + 1, lags, abs(lags - 1)))
    slope: FloatArray = (ahead - 2 * here + behind) / 2
    return slope
