"""How does a batch of tracks of one kind move? Displacements of the challenge's five kinds at once.

These are the laws of the AnDi challenge, as its package andi-datasets 2.1.13 draws them. The
pitfall: they are not all the laws of `anodiff.simulation.processes`. fBm and SBM are the same. The
challenge's CTRW waits for Pareto times of at least 1, its Lévy walk starts with a new flight and
turns at whole times, its ATTM draws γ, and in three dimensions jumps of CTRW and ATTM have a
Gaussian length, not Gaussian coordinates.

The package does not sum the jumps of ATTM in three dimensions, so its points scatter about one
place while a diffusivity lasts. Here they are summed, as its authors define the model.

Each function takes exponents α, (N,), and returns displacements, (N, dimensions, steps), in
float32, of any scale: `anodiff.inference.simulated.tracks` standardises them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.inference.cells import KINDS
from anodiff.storage.types import FloatArray

Displacements = NDArray[np.float32]

#: Tracks that are made together: enough to hide Python, few enough to stay in a processor's cache.
TOGETHER = 64


def annealed_transient_time(exponents: FloatArray, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return Brownian motion of randomly changing diffusivity.

    A stretch with the uniform number u in (0.01, 0.9) has diffusivity u^(1/σ) and lasts ⌊u^(−1/α)⌋
    steps; σ of a track is uniform in (0.03, 3.3), given that γ = σ/α lies in (σ, σ+1). Source:
    Massignan et al., Phys. Rev. Lett. 112 (2014) 150603, regime I.
    """
    with np.errstate(divide="ignore"):
        highest = np.minimum(3.3, exponents / (1 - exponents))  # σ/α ≤ σ + 1 is the same as σ ≤ α/(1−α)
    sigma = 0.03 + (highest - 0.03) * rng.random(len(exponents))
    drawn: list[NDArray[np.float32]] = []  # ln u of each stretch

    def durations(number: int) -> NDArray[np.int64]:
        drawn.append(np.log(0.01 + 0.89 * rng.random((len(exponents), number), np.float32)))
        return _whole_times(drawn[-1], -exponents, steps)

    stretch = _stretches(durations, steps)
    half_logarithms = np.concatenate(drawn, axis=1).take(stretch) / (2 * sigma[:, None])  # of √D, which may be below 1e-30
    half_logarithms -= half_logarithms.max(axis=1, keepdims=True)
    return _jumps(len(exponents), steps, dimensions, rng) * np.exp(half_logarithms.astype(np.float32))[:, None]


def continuous_time_random_walk(exponents: FloatArray, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return jumps after waiting times of at least 1 with P(W > t) = t^(−α), at whole times.

    A jump at time t shows at ⌊t⌋. Waiting times are at least 1, so no two jumps show at once.
    """
    tails = exponents[:, None].astype(np.float32)

    def waits(number: int) -> NDArray[np.float32]:
        logarithms = rng.standard_exponential((len(exponents), number), np.float32) / tails
        return np.exp(np.minimum(logarithms, np.float32(np.log(steps + 2))))

    jumped = _marks(_ends(waits, steps + 1), steps + 1)[:, 1:]
    return _jumps(len(exponents), steps, dimensions, rng) * jumped.astype(np.float32)[:, None]


def fractional_brownian(exponents: FloatArray, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return fractional Gaussian noise of Hurst exponent α/2, unit variance, by circulant embedding.

    Source: Davies & Harte, Biometrika 74 (1987) 95. The real and the imaginary part of a Fourier
    transform are two independent coordinates.
    """
    scales = np.stack([_spectrum(float(exponent), steps) for exponent in exponents])  # (N, size)
    white = rng.standard_normal((len(exponents), (dimensions + 1) // 2, scales.shape[1], 2), np.float32)
    coloured = scipy.fft.fft(scales[:, None] * white.view(np.complex64)[..., 0], axis=2, overwrite_x=True)[..., :steps]
    return np.concatenate([coloured.real, coloured.imag], axis=1)[:, :dimensions]


def levy_walk(exponents: FloatArray, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return flights of constant speed in isotropic directions, which last ⌊W⌋ steps, P(W > t) = t^(−σ).

    σ is 3 − α, and at α = 2 uniform in (0, 1) for each track.
    """
    tails = np.where(exponents == 2, 1 - rng.random(len(exponents)), 3 - exponents)
    flights = 0

    def durations(number: int) -> NDArray[np.int64]:
        nonlocal flights
        flights += number
        return _whole_times(rng.standard_exponential((len(exponents), number), np.float32), tails, steps)

    flight = _stretches(durations, steps + 1)[:, 1:]  # the first step of all leads to the first point
    directions = _directions(len(exponents), flights, dimensions, rng)
    return np.stack([directions[:, axis].take(flight) for axis in range(dimensions)], axis=1)


def scaled_brownian(exponents: FloatArray, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return Brownian motion whose mean squared displacement is t^α; the first point is at t = 1."""
    deviations = np.stack([_deviations(float(exponent), steps) for exponent in exponents])
    return deviations[:, None] * rng.standard_normal((len(exponents), dimensions, steps), np.float32)


_LAWS: dict[str, Callable[[FloatArray, int, int, np.random.Generator], Displacements]] = {
    "attm": annealed_transient_time,
    "ctrw": continuous_time_random_walk,
    "fbm": fractional_brownian,
    "lw": levy_walk,
    "sbm": scaled_brownian,
}


def displacements(
    kinds: NDArray[np.int64], exponents: FloatArray, steps: int, dimensions: int, rng: np.random.Generator
) -> Displacements:
    """Return displacements of tracks of several kinds, (N, dimensions, steps), of any scale.

    Parameters
    ----------
    kinds
        Number of each track's kind in `cells.KINDS`, (N,).
    exponents
        α of each track, (N,), within the range of its kind.

    Raises
    ------
    ConfigError
        If a size is below 1, or the arrays differ in length.
    """
    if steps < 1 or dimensions < 1:
        raise ConfigError(f"displacements: {steps} steps in {dimensions} dimensions; write whole numbers of at least 1")
    if kinds.shape != exponents.shape or kinds.ndim != 1:
        raise ConfigError(
            f"displacements: kinds of shape {kinds.shape}, exponents of shape {exponents.shape}; both must be (N,)"
        )
    made = np.empty((len(kinds), dimensions, steps), np.float32)
    for number, kind in enumerate(KINDS):
        chosen = np.flatnonzero(kinds == number)
        for few in np.split(chosen, range(TOGETHER, len(chosen), TOGETHER)) if len(chosen) else []:
            made[few] = _LAWS[kind](exponents[few], steps, dimensions, rng)
    return made


@lru_cache(maxsize=256)
def _spectrum(exponent: float, steps: int) -> NDArray[np.float32]:
    """Return the square roots of the circulant's eigenvalues over its size, (size,)."""
    half = scipy.fft.next_fast_len(steps)  # a longer circulant costs less than a size with large prime factors
    lags = np.arange(half + 1.0)
    covariance = ((lags + 1) ** exponent - 2 * lags**exponent + np.abs(lags - 1) ** exponent) / 2
    eigenvalues = scipy.fft.fft(np.concatenate([covariance, covariance[-2:0:-1]])).real
    return np.sqrt(np.maximum(eigenvalues, 0) / (2 * half)).astype(np.float32)


@lru_cache(maxsize=256)
def _deviations(exponent: float, steps: int) -> NDArray[np.float32]:
    """Return the standard deviations of scaled Brownian displacements, (steps,)."""
    return np.sqrt(np.diff(np.arange(1.0, steps + 2) ** exponent)).astype(np.float32)


def _whole_times(logarithms: NDArray[np.float32], tails: FloatArray, steps: int) -> NDArray[np.int64]:
    """Return ⌊exp(logarithms / tails)⌋, (N, number), capped above ``steps``."""
    capped = np.minimum(logarithms / tails[:, None].astype(np.float32), np.float32(np.log(steps + 2)))
    return np.exp(capped).astype(np.int64)


def _ends(draw: Callable[[int], NDArray[Any]], steps: int) -> NDArray[np.int64]:
    """Return ⌊sums⌋ of the durations that ``draw`` gives in blocks, (N, number), until all reach ``steps``."""
    block = steps // 4 + 1
    ends = np.cumsum(draw(block), axis=1)
    while ends[:, -1].min() < steps:
        ends = np.concatenate([ends, ends[:, -1:] + np.cumsum(draw(block), axis=1)], axis=1)
    return ends.astype(np.int64)


def _marks(ends: NDArray[np.int64], steps: int) -> NDArray[np.bool_]:
    """Return whether something ends at each step, (N, steps)."""
    marks = np.zeros((len(ends), steps + 1), np.bool_)
    rows = np.arange(len(ends))[:, None] * (steps + 1)
    marks.reshape(-1)[np.minimum(ends, steps) + rows] = True
    return marks[:, :steps]


def _stretches(draw: Callable[[int], NDArray[np.int64]], steps: int) -> NDArray[np.int64]:
    """Return which stretch each step belongs to, (N, steps), as an index of the flattened draws."""
    ends = _ends(draw, steps)
    return np.cumsum(_marks(ends, steps), axis=1) + np.arange(len(ends))[:, None] * ends.shape[1]


def _jumps(tracks: int, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return jumps, (N, dimensions, steps): Gaussian coordinates in one and two dimensions, a Gaussian length in three."""
    if dimensions < 3:
        return rng.standard_normal((tracks, dimensions, steps), np.float32)
    lengths = rng.standard_normal((tracks, 1, steps), np.float32)
    return lengths * _directions(tracks, steps, dimensions, rng)


def _directions(tracks: int, steps: int, dimensions: int, rng: np.random.Generator) -> Displacements:
    """Return unit vectors of uniform direction, (N, dimensions, steps); in one dimension ±1."""
    if dimensions == 1:
        return rng.integers(0, 2, (tracks, 1, steps)).astype(np.float32) * 2 - 1
    vectors = rng.standard_normal((tracks, dimensions, steps), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
