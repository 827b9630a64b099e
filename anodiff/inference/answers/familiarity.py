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
import torch
from numpy.typing import NDArray
from torch import nn

from anodiff.inference.cells import FAMILIES
from anodiff.storage.types import FloatArray

#: Hidden width of the classifier, tracks of an optimiser step, how often each track is used, and
#: standard deviations beyond which a feature is cut.
HIDDEN, BATCH, EPOCHS, FAR = 64, 256, 20, 8.0

Single = NDArray[np.float32]


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

    @classmethod
    def learned(cls, features: Single, families: NDArray[np.int64], seed: int) -> ForeignClassifier:
        """Return the classifier that is trained on tracks.

        Parameters
        ----------
        features
            (N, features).
        families
            0 for tracks of the five kinds, else 1 + the number of the family, (N,).
        """
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread[spread == 0] = 1
        seen = torch.from_numpy(_standardised(features, centre, spread))
        true = torch.from_numpy(families)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = nn.Sequential(nn.Linear(features.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1 + len(FAMILIES)))
            optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
            steps = -(-EPOCHS * len(seen) // BATCH)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
            for _ in range(steps):
                chosen = torch.randint(len(seen), (BATCH,))
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(seen[chosen]), true[chosen]).backward()
                optimiser.step()
                schedule.step()
        inner, inner_bias, outer, outer_bias = (value.detach().numpy() for value in network.parameters())
        return cls(centre, spread, inner.T.copy(), inner_bias, outer.T.copy(), outer_bias)

    def standardised(self, features: Single) -> Single:
        """Return features less their means over their standard deviations, none beyond `FAR` of these."""
        return _standardised(features, self.centre, self.spread)


def foreign_score(logits: FloatArray) -> FloatArray:
    """Return the logarithm of the odds that tracks are none of the five kinds, (N,)."""
    odds: FloatArray = scipy.special.logsumexp(logits[:, 1:], axis=1) - logits[:, 0]
    return odds


def _standardised(features: Single, centre: Single, spread: Single) -> Single:
    return np.clip((features - centre) / spread, -FAR, FAR)
