"""Do all steps of a window weigh the same? The profile of their energies, and their scatter.

The energy of a step is its squared length, divided by the mean over the window. Two things make
them unequal. Their scale may change within the window: then the MSD is mostly that of the larger
steps, and the window is worth fewer samples. Or single steps are much longer than others, as with
heavy tails. That changes the MSD at all lags by nearly the same factor, which no exponent sees;
what is left is that the steps near the window's ends are in fewer displacements over a long lag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.types import FloatArray

#: Number of stretches of the window whose mean energies are compared.
STRETCHES = 10


@dataclass(frozen=True)
class Energies:
    """How the energies of a window's steps differ.

    Attributes
    ----------
    profile
        Smooth mean energy along the window, of mean 1, shape (T,); 1 where nothing changes beyond
        the scatter of single steps.
    excess
        Variance of a step's energy about the profile, beyond that of Gaussian steps.
    """

    profile: FloatArray
    excess: float

    @property
    def single(self) -> float:
        """Share of the energies' variance that is due to single steps, not to the profile."""
        variance = self.excess + self.profile.var()
        return float(self.excess / variance) if variance > 0 else 0.0

    def inequality(self, lags: NDArray[np.int64]) -> FloatArray:
        """Return by how much the profile enlarges Var(Δr²)/Δr⁴ at each lag, shape (lags,), ≥ 1.

        It is ⟨p²⟩/⟨p⟩² of the profile averaged over the lag.
        """
        sums = np.concatenate([[0.0], np.cumsum(self.profile)])
        means = [(sums[lag:] - sums[: len(sums) - lag]) / lag for lag in lags]
        return np.array([(mean**2).mean() / mean.mean() ** 2 for mean in means])

    def covariance(self, lags: NDArray[np.int64]) -> FloatArray:
        """Return the covariance of ln Δr² that the excess causes, shape (lags, lags).

        Step k is in w_a(k) of the displacements over lag a, so that
        Cov(a, b) = excess · Σ_k w_a(k) w_b(k) / (Σ_k w_a(k) Σ_k w_b(k)).
        """
        step = np.arange(len(self.profile))
        before, after = step + 1, len(step) - step
        weights = np.minimum(np.minimum(before, after), np.minimum(lags, len(step) + 1 - lags)[:, None]) * self.profile
        weights = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray(self.excess * weights @ weights.T)


def step_energies(step_lengths: FloatArray, dimension: float) -> Energies:
    """Return the `Energies` of steps of some lengths, (T,), in so many effective dimensions.

    The means of the stretches are drawn towards 1 by as much of their variance as the scatter of
    single steps explains (James and Stein 1961).
    """
    updates = len(step_lengths)
    energies = step_lengths**2 / np.mean(step_lengths**2)
    parts = np.array_split(energies, min(STRETCHES, max(1, updates // 20)))
    means, variances = np.array([part.mean() for part in parts]), np.array([part.var() for part in parts])
    relative = float((variances / np.maximum(means, 1e-12) ** 2).mean())
    if len(parts) < 3:
        return Energies(np.ones(updates), max(0.0, relative - 2 / dimension))
    chance = float((variances / [len(part) for part in parts]).mean())
    found = means.var(ddof=1)
    kept = max(0.0, 1 - 2 * chance / found) if found > 0 else 0.0
    centres = np.array([(part[0] + part[-1]) / 2 for part in np.array_split(np.arange(updates), len(parts))])
    profile = np.interp(np.arange(updates), centres, 1 + kept * (means - 1))
    return Energies(profile / profile.mean(), max(0.0, relative - 2 / dimension))
