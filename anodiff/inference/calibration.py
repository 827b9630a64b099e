"""How sure may a network be? Intervals that hold, probabilities that come true, and tracks unlike all learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anodiff.inference.posterior import Posterior
from anodiff.storage.types import FloatArray


@dataclass(frozen=True)
class Calibration:
    """What is measured of a network's answers on simulated tracks, to correct them."""

    def interval(self, posterior: Posterior, points: int) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the 90 % interval of α, (N,) each."""
        return posterior.quantile(0.05), posterior.quantile(0.95)

    def kinds(self, posterior: Posterior, points: int) -> FloatArray:
        """Return the probability of each kind, (N, 5)."""
        return posterior.kinds

    def familiarity(self, features: FloatArray, points: int) -> FloatArray:
        """Return the share of simulated tracks that are less familiar, (N,)."""
        return np.full(len(features), np.nan)
