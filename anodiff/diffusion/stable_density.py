"""What density does a Lévy-stable law have? By the inverse Fourier transform of its characteristic function, for curves."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from anodiff.diffusion.stable import StableLaw
from anodiff.storage.types import FloatArray

#: Points of the transform; −ln|φ| where it ends; the widest spacing of points of the density, in scales.
POINTS, DECAY, SPACING = 2**17, 28.0, 0.02


def stable_density(law: StableLaw, x: ArrayLike) -> FloatArray:
    """Return the density at each of ``x``, of any shape, in the inverse of the values' unit; NaN where nothing was fitted.

    The transform is discrete and so periodic: beyond some hundred scales tails of neighbouring periods add up, and NaN is
    returned from half a period on.

    Examples
    --------
    >>> cauchy = StableLaw(alpha=1.0, beta=0.0, scale=2.0, location=0.0)
    >>> (stable_density(cauchy, [0, 2]) * math.pi).round(4)
    array([0.5 , 0.25])
    """
    at = np.asarray(x, np.float64)
    if not math.isfinite(law.alpha):
        return np.full(at.shape, np.nan)
    spacing = min(SPACING, math.pi / DECAY ** (1 / law.alpha))
    frequencies = 2 * math.pi * np.fft.rfftfreq(POINTS, spacing)
    unit = StableLaw(law.alpha, law.beta, 1.0, 0.0)
    characteristic = unit.characteristic_function(frequencies) * np.exp(-1j * unit.centre * frequencies)
    density = np.fft.fftshift(np.fft.irfft(np.conj(characteristic), POINTS)) / spacing
    places = (np.arange(POINTS) - POINTS // 2) * spacing
    standard = (at - law.centre) / law.scale
    found = np.interp(standard, places, np.maximum(density, 0), left=np.nan, right=np.nan)
    return np.asarray(found / law.scale)
