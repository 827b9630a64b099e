"""What is a Lévy-stable law? Its parameters, its characteristic function and its density.

A stable law keeps its shape when independent copies are added. Its tail exponent α is 2 for a
Gaussian; for α < 2 the tails fall as P(|x| > r) ~ r^−α and the variance is infinite. The
parametrisation is S1, that of scipy's levy_stable(alpha, beta, loc, scale):

    E exp(iux) = exp(iδu − |γu|^α (1 − iβ sign(u) tan(πα/2))),   with −(2/π) ln|u| for tan(πα/2) where α = 1,

with skewness β, scale γ (σ/√2 for a Gaussian) and location δ. The location in Nolan's S0, near the
mode, is δ₀ = δ + βγ tan(πα/2), here ``centre``. It is continuous at α = 1, whereas δ goes to ±∞ as
α → 1 wherever β ≠ 0. So a fit near α = 1 hardly determines δ: compare laws by their centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.storage.types import FloatArray

ComplexArray = NDArray[np.complex128]

#: For the density: points of the Fourier transform, −ln|φ| at its end, and the largest spacing of
#: the density's points in scales.
POINTS, DECAY, SPACING = 2**17, 28.0, 0.02


@dataclass(frozen=True)
class StableLaw:
    """A stable law in S1, scipy's ``levy_stable(alpha, beta, location, scale)``.

    All parameters are NaN if nothing was fitted.

    Attributes
    ----------
    alpha, beta
        Tail exponent in (0, 2] and skewness in [−1, 1]. At alpha = 2 the law does not depend on
        beta, and fits return 0.
    scale, location
        γ and δ, in the values' unit.
    """

    alpha: float
    beta: float
    scale: float
    location: float

    @property
    def centre(self) -> float:
        """Location in S0, δ₀, in the values' unit."""
        return self.location + self.beta * float(centre_offset(np.array(self.alpha), np.array(self.scale)))

    def characteristic_function(self, t: ArrayLike) -> ComplexArray:
        """Return E exp(itx) at each of ``t``, of any shape, in the inverse of the values' unit.

        Examples
        --------
        >>> StableLaw(alpha=1.0, beta=0.0, scale=2.0, location=0.0).characteristic_function([0, 0.5]).real.round(4)
        array([1.    , 0.3679])
        """
        t = np.asarray(t, float)
        logs = np.log(np.abs(t), out=np.zeros_like(t), where=t != 0)
        skew = -2 / math.pi * logs if self.alpha == 1 else math.tan(math.pi * self.alpha / 2)
        decay = np.abs(self.scale * t) ** self.alpha
        return np.exp(1j * self.location * t - decay * (1 - 1j * self.beta * np.sign(t) * skew))

    def density(self, x: ArrayLike) -> FloatArray:
        """Return the density at each of ``x``, of any shape, in the inverse of the values' unit.

        It is the inverse Fourier transform of the characteristic function; NaN if nothing was
        fitted. The transform is discrete and so periodic: beyond some hundred scales the tails of
        neighbouring periods add up, and from half a period on the result is NaN.

        Examples
        --------
        >>> cauchy = StableLaw(alpha=1.0, beta=0.0, scale=2.0, location=0.0)
        >>> (cauchy.density([0, 2]) * math.pi).round(4)
        array([0.5 , 0.25])
        """
        at = np.asarray(x, np.float64)
        if not math.isfinite(self.alpha):
            return np.full(at.shape, np.nan)
        spacing = min(SPACING, math.pi / DECAY ** (1 / self.alpha))
        frequencies = 2 * math.pi * np.fft.rfftfreq(POINTS, spacing)
        unit = StableLaw(self.alpha, self.beta, 1.0, 0.0)
        characteristic = unit.characteristic_function(frequencies) * np.exp(-1j * unit.centre * frequencies)
        density = np.fft.fftshift(np.fft.irfft(np.conj(characteristic), POINTS)) / spacing
        grid = (np.arange(POINTS) - POINTS // 2) * spacing
        standardised = (at - self.centre) / self.scale
        found = np.interp(standardised, grid, np.maximum(density, 0), left=np.nan, right=np.nan)
        return np.asarray(found / self.scale)


NO_LAW = StableLaw(math.nan, math.nan, math.nan, math.nan)


def centre_offset(alpha: FloatArray, scale: FloatArray) -> FloatArray:
    """Return (δ₀ − δ) / β."""
    return np.where(alpha == 1, 2 / math.pi * scale * np.log(scale), scale * np.tan(math.pi / 2 * alpha))
