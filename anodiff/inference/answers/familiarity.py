"""Is a track one of the five kinds at all? A small classifier on what the network sees of it.

A network that tells five kinds apart is sure of itself also where the track is none of them: energy
and Mahalanobis distance of its features did not tell an Ornstein–Uhlenbeck process from fBm at any
length. So a classifier is shown such walks (outlier exposure: Hendrycks, Mazeika & Dietterich, "Deep
anomaly detection with outlier exposure", ICLR 2019). Its score is the logarithm of the odds that a
track is none of the five.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special

from anodiff.inference.answers.logits import Single
from anodiff.storage.types import FloatArray

#: Standard deviations beyond which a feature is cut.
FAR = 8.0


@dataclass(frozen=True)
class ForeignClassifier:
    """A perceptron from a network's features to logits: of the five kinds together, and of each family
    of `cells.FAMILIES`.

    Attributes
    ----------
    centre, spread
        Mean and standard deviation of each feature, (features,).
    inner, inner_bias
        (features, hidden) and (hidden,).
    outer, outer_bias
        (hidden, 1 + families) and (1 + families,).
    """

    centre: Single
    spread: Single
    inner: Single
    inner_bias: Single
    outer: Single
    outer_bias: Single

    def logits(self, features: Single) -> FloatArray:
        """Return the logits, (N, 1 + families)."""
        hidden = np.maximum(self.standardised(features) @ self.inner + self.inner_bias, 0)
        return (hidden @ self.outer + self.outer_bias).astype(np.float64)

    def standardised(self, features: Single) -> Single:
        """Return features as the classifier sees them, (N, features)."""
        return standardised(features, self.centre, self.spread)


def foreign_score(logits: FloatArray) -> FloatArray:
    """Return the logarithm of the odds that tracks are none of the five kinds, (N,)."""
    odds: FloatArray = scipy.special.logsumexp(logits[:, 1:], axis=1) - logits[:, 0]
    return odds


def standardised(features: Single, centre: Single, spread: Single) -> Single:
    """Return features less their means over their standard deviations, none beyond `FAR` of these."""
    return np.clip((features - centre) / spread, -FAR, FAR)
