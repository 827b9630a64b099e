"""What do exponents cost without a network? A fit of the time-averaged MSD, and Whittle's likelihood of fBm."""

import numpy as np

from anodiff import fourier_msd
from anodiff.inference.cells import kind_exponents
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE

#: Range of α that every estimate is cut to.
LOWEST, HIGHEST = 0.05, 2.0


def time_averaged(positions):
    """α of tracks (N, dimensions, points): slope of log MSD against log lag, at lags to a tenth of the points, at least 4."""
    lags = np.arange(1, max(4, positions.shape[2] // 10) + 1)
    curves = np.array([fourier_msd(track.T.astype(np.float64))[lags] for track in positions])
    slopes = np.polyfit(np.log(lags), np.log(np.maximum(curves, np.finfo(float).tiny)).T, 1)[0]
    return np.clip(slopes, LOWEST, HIGHEST)


def whittle(positions, noises=(0.0, *CHALLENGE_NOISE)):
    """α of tracks (N, dimensions, points) under which Whittle's likelihood of fBm with one of the noises is largest."""
    inside = kind_exponents("fbm")
    exponents = np.arange(inside[0], inside[-1], 0.025)
    likelihood = np.max([log_likelihood(positions, exponents, noise) for noise in noises], axis=0)
    return exponents[likelihood.argmax(axis=1)]


def log_likelihood(positions, exponents, noise):
    """Whittle's log-likelihood of fBm with noise, (N, exponents), of the best scale for each track.

    Displacements have the expected periodogram of their finite length, so that short tracks do not
    bias it (Sykulski et al., Biometrika 106 (2019) 251). ``noise`` is in displacements.
    """
    moves = np.diff(positions.astype(np.float64), axis=2)
    frequencies = slice(1, moves.shape[2] // 2 + 1)
    power = (abs(np.fft.rfft(moves, axis=2)) ** 2).sum(axis=1)[:, frequencies]  # over coordinates
    expected = _expected(exponents, noise, moves.shape[2])[:, frequencies]
    weighted = np.maximum(power @ (1 / expected).T, np.finfo(float).tiny)  # (N, exponents)
    return -moves.shape[1] * (power.shape[1] * np.log(weighted) + np.log(expected).sum(axis=1))


def _expected(exponents, noise, number):
    """Expected periodograms of ``number`` displacements of unit variance with noise, (exponents, number)."""
    lags, exponents = np.arange(float(number)), exponents[:, None]
    covariance = ((lags + 1) ** exponents - 2 * lags**exponents + abs(lags - 1) ** exponents) / 2
    covariance[:, :2] += noise**2 * np.array([2, -1])
    tapered = covariance * (1 - lags / number)
    return 2 * np.fft.fft(tapered).real - tapered[:, :1]
