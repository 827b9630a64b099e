"""What do Gaussian paths of a known power law look like? Three kinds of Brownian motion.

All coordinates are independent, so one path in many dimensions is as good as many paths in one
dimension.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.simulation.processes.arguments import check_between, check_not_negative, checked_generator
from anodiff.storage.types import FloatArray, Seed


def brownian(steps: int, dimensions: int, seed: Seed, *, diffusivity: float = 0.5, drift: float = 0.0) -> FloatArray:
    """Return a Brownian path with a drift along the diagonal, (steps+1, dimensions), first point 0.

    With ``drift`` v per step, its MSD is 2dDτ + v²τ² (`brownian_msd`) and its local exponent is
    1 + v²τ / (v²τ + 2dD).

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, the diffusivity is negative, or the drift is not finite.

    Examples
    --------
    >>> brownian(2, 1, seed=0, diffusivity=0.0, drift=3.0).tolist()
    [[0.0], [3.0], [6.0]]
    """
    rng = checked_generator("brownian", steps, dimensions, seed)
    check_not_negative("brownian", "diffusivity", diffusivity)
    if not math.isfinite(drift):
        raise ConfigError(f"brownian: drift = {drift!r}; write a finite number")
    return _cumulative(drift / math.sqrt(dimensions) + math.sqrt(2 * diffusivity) * rng.standard_normal((steps, dimensions)))


def brownian_msd(lags: ArrayLike, dimensions: int, *, diffusivity: float = 0.5, drift: float = 0.0) -> FloatArray:
    """Return the exact MSD 2dDτ + v²τ² of `brownian`, of the shape of ``lags``.

    Examples
    --------
    >>> brownian_msd([1, 2], 3, drift=2.0)
    array([ 7., 22.])
    """
    tau = np.asarray(lags, np.float64)
    return 2 * dimensions * diffusivity * tau + (drift * tau) ** 2


def fractional_brownian(steps: int, dimensions: int, seed: Seed, *, hurst: float, diffusivity: float = 0.5) -> FloatArray:
    """Return fractional Brownian motion, exact in law, (steps+1, dimensions), first point 0.

    Its MSD is 2dDτ^(2H) (`fractional_brownian_msd`), both over time and over the ensemble. The
    steps are fractional Gaussian noise by circulant embedding (Davies & Harte, Biometrika 74 (1987)
    95; Wood & Chan, J. Comput. Graph. Stat. 3 (1994) 409). The real and imaginary parts of one
    Fourier transform are two independent coordinates. Cost: O(dimensions · T log T).

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, ``hurst`` is outside (0, 1), or the diffusivity is
        negative.
    """
    rng = checked_generator("fractional_brownian", steps, dimensions, seed)
    check_between("fractional_brownian", "hurst", hurst, 0, 1)
    check_not_negative("fractional_brownian", "diffusivity", diffusivity)
    eigenvalues = circulant_eigenvalues(steps, hurst)
    size = len(eigenvalues)
    white = rng.standard_normal(((dimensions + 1) // 2, size, 2)).view(np.complex128)[..., 0]  # (pairs, 2T)
    coloured = np.fft.fft(np.sqrt(eigenvalues / size) * white, axis=1)[:, :steps]
    noise = np.concatenate([coloured.real, coloured.imag])[:dimensions]  # (dimensions, T)
    return _cumulative(math.sqrt(2 * diffusivity) * noise.T)


def fractional_brownian_msd(lags: ArrayLike, dimensions: int, *, hurst: float, diffusivity: float = 0.5) -> FloatArray:
    """Return the exact MSD 2dDτ^(2H) of `fractional_brownian`, of the shape of ``lags``.

    Examples
    --------
    >>> fractional_brownian_msd([1, 4], 1, hurst=0.75)
    array([1., 8.])
    """
    return 2 * dimensions * diffusivity * np.asarray(lags, np.float64) ** (2 * hurst)


def fractional_noise_covariance(lags: ArrayLike, hurst: float) -> FloatArray:
    """Return γ(k) = (|k+1|^(2H) − 2|k|^(2H) + |k−1|^(2H)) / 2 of fractional Gaussian noise.

    This is the covariance of noise of unit variance at ``lags`` k. Source: Mandelbrot & Van Ness,
    SIAM Review 10 (1968) 422.

    Examples
    --------
    >>> fractional_noise_covariance([0, 1, 2], 0.5)
    array([1., 0., 0.])
    """
    lag = np.abs(np.asarray(lags, np.float64))
    return ((lag + 1) ** (2 * hurst) - 2 * lag ** (2 * hurst) + np.abs(lag - 1) ** (2 * hurst)) / 2


def circulant_eigenvalues(steps: int, hurst: float) -> FloatArray:
    """Return the eigenvalues, (2T,), of the circulant matrix of γ(0) … γ(T), γ(T−1) … γ(1).

    Its upper left T × T block is the covariance of T steps. No eigenvalue is negative, for any H in
    (0, 1) (Craigmile, J. Time Ser. Anal. 24 (2003) 505, for H < 1/2; Dietrich & Newsam, SIAM J.
    Sci. Comput. 18 (1997) 1088, for H ≥ 1/2). Values that are negative from rounding are set to
    zero.

    Examples
    --------
    >>> circulant_eigenvalues(2, 0.5)
    array([1., 1., 1., 1.])
    """
    covariance = fractional_noise_covariance(np.arange(steps + 1), hurst)
    row = np.concatenate([covariance, covariance[-2:0:-1]])
    return np.maximum(np.fft.fft(row).real, 0.0)


def scaled_brownian(steps: int, dimensions: int, seed: Seed, *, exponent: float, diffusivity: float = 0.5) -> FloatArray:
    """Return Brownian motion of diffusivity ~ t^(α−1), (steps+1, dimensions), first point 0.

    Its displacement from the start is ⟨x²(t)⟩ = 2dDt^α (`scaled_brownian_msd`). Its time average
    over T steps grows as τ¹, up to corrections of order (τ/T)^α and τ/T. Source: Jeon, Chechkin &
    Metzler, Phys. Chem. Chem. Phys. 16 (2014) 15811.

    Raises
    ------
    ConfigError
        If a size or the seed is invalid, the exponent α is not above 0, or the diffusivity is
        negative.
    """
    rng = checked_generator("scaled_brownian", steps, dimensions, seed)
    check_between("scaled_brownian", "exponent", exponent, 0)
    check_not_negative("scaled_brownian", "diffusivity", diffusivity)
    variances = 2 * diffusivity * np.diff(np.arange(steps + 1.0) ** exponent)
    return _cumulative(np.sqrt(variances)[:, None] * rng.standard_normal((steps, dimensions)))


def scaled_brownian_msd(times: ArrayLike, dimensions: int, *, exponent: float, diffusivity: float = 0.5) -> FloatArray:
    """Return `scaled_brownian`'s exact ensemble average 2dDt^α, of the shape of ``times``."""
    return 2 * dimensions * diffusivity * np.asarray(times, np.float64) ** exponent


def _cumulative(increments: FloatArray) -> FloatArray:
    """Return the points whose differences are ``increments``; the first point is 0."""
    points = np.zeros((len(increments) + 1, increments.shape[1]))
    np.cumsum(increments, axis=0, out=points[1:])
    return points
