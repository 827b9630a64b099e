"""Which exponents has a stationary Gaussian path with the window's own update autocorrelation?

The mean product C(m) of updates that are m apart fixes the MSD of such a path,

    Δr²(τ) = Σ_{|m|<τ} (τ − |m|) C(m),

so its exponents follow without further assumption. It is the ideal gas of velocity autocorrelations:
what the window has and this null has not is order that changes in time, such as ageing or a mean that
relaxes, and what is not Gaussian.

A stationary path has β ≤ 2 at every lag in the limit of small steps of lag, because its spectrum is
not negative: Δr²(2τ) ≤ 4 Δr²(τ). A larger exponent is not superdiffusion: the motion is not stationary.

The pitfall: far lags of C rest on few products, so they are tapered, C(m) (1 − |m|/T), except for the
mean update. A bounded path then keeps a little diffusion at long lags: of an Ornstein-Uhlenbeck walk
with relaxation time θ, about θ/T of that at short ones.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from anodiff.storage.types import FloatArray

#: The most paths whose MSDs are averaged for a draw; with more dimensions only the scatter falls.
MOST_PATHS = 20


def ideal_gas_msd(
    gram: FloatArray, lags: NDArray[np.int64], dimension: FloatArray, draws: int, generator: np.random.Generator
) -> FloatArray:
    """Draw time-averaged MSDs of Gaussian paths with the update autocorrelation of ``gram``, (draws, lags).

    Paths are drawn by circulant embedding. A draw is the mean of as many one-dimensional ones as there
    are effective dimensions.

    Parameters
    ----------
    gram
        Update Gram matrix, shape (T, T).
    lags
        In updates, shape (lags,).
    dimension
        Effective dimension at each lag, shape (lags,), from `anodiff.diffusion.sampling`.
    """
    spectrum = stationary_spectrum(gram)
    updates = len(gram)
    alike = np.clip(np.floor(dimension), 1, MOST_PATHS).astype(int)
    paths = _paths(spectrum, updates, draws * int(alike.max()), generator)
    expected = _expected_msd(spectrum, lags)
    msd = np.empty((draws, len(lags)))
    for column, (lag, number) in enumerate(zip(lags, alike, strict=True)):
        moved = paths[: draws * number, lag:] - paths[: draws * number, : updates + 1 - lag]
        mean = (np.einsum("pt,pt->p", moved, moved) / moved.shape[1]).reshape(draws, number).mean(axis=1)
        # With more dimensions than paths the scatter about the expected MSD is smaller.
        msd[:, column] = expected[column] + (mean - expected[column]) * np.sqrt(min(1.0, number / dimension[column]))
    return np.maximum(msd, 0.0)


def stationary_spectrum(gram: FloatArray) -> FloatArray:
    """Return the spectrum of the update autocorrelation on a ring of 2T updates, shape (2T,).

    With the mean update v taken out, Σ_k G_{k,k+m} / T has a spectrum that is not negative; a constant
    |v|² is added to it. Without the division by T instead of T − m, negative parts would have to be cut
    off, and every subdiffusive path would get diffusion at long lags.
    """
    updates = len(gram)
    drift = gram.mean()
    centred = gram - gram.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    products = np.array([np.trace(centred, lag) for lag in range(updates)]) / updates
    ring = np.concatenate([products, [0.0], products[:0:-1]])
    spectrum = np.maximum(scipy.fft.fft(ring).real, 0.0)  # below 0 by rounding only
    spectrum[0] += len(ring) * max(float(drift), 0.0)
    return spectrum


def _expected_msd(spectrum: FloatArray, lags: NDArray[np.int64]) -> FloatArray:
    """Return Σ_{|m|<τ} (τ − |m|) C(m), with C of a spectrum, shape (lags,)."""
    products = scipy.fft.ifft(spectrum).real
    sums = np.cumsum(2 * products) - products[0]  # Σ_{|m| ≤ k} C(m)
    return np.concatenate([[0.0], np.cumsum(sums)])[lags]


def _paths(spectrum: FloatArray, updates: int, count: int, generator: np.random.Generator) -> FloatArray:
    """Return Gaussian paths whose updates have a spectrum, shape (count, T+1)."""
    size, pairs = len(spectrum), -(-count // 2)
    noise = generator.normal(size=(pairs, size)) + 1j * generator.normal(size=(pairs, size))
    waves = scipy.fft.fft(noise * np.sqrt(spectrum / size), axis=1)[:, :updates]
    paths = np.zeros((2 * pairs, updates + 1))
    np.cumsum(waves.real, axis=1, out=paths[:pairs, 1:])
    np.cumsum(waves.imag, axis=1, out=paths[pairs:, 1:])
    return paths[:count]
