"""How sure may a network be? Intervals that hold, probabilities that come true, tracks unlike all it learned.

All of it is kept at lengths of `NODES` points, and interpolated in the logarithm of the length
between them. `anodiff.inference.teaching.calibrating` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from anodiff.inference.answers.familiarity import ForeignClassifier, foreign_score
from anodiff.inference.answers.logits import Single
from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.cells import FAMILIES
from anodiff.storage.types import FloatArray

#: Lengths at which a network is calibrated, in points.
NODES = np.array([10, 16, 25, 40, 63, 100, 158, 251, 398, 631, 1000])

#: Standard deviations of localisation noise at which it is calibrated, in units of that of a displacement.
NOISE_NODES = np.array([0.0, 0.5, 1.0])

#: Share of true exponents that an interval holds.
COVERAGE = 0.9

#: Shares at which the scores of tracks of the five kinds are kept.
SHARES: FloatArray = np.concatenate([np.linspace(0, 0.9, 19), 1 - np.geomspace(0.1, 1e-3, 21)[1:]])


@dataclass(frozen=True)
class Calibration:
    """What is measured of a network's answers on simulated tracks, to correct them.

    Attributes
    ----------
    levels, noise_levels
        At each node, (nodes, 5), and at each of `NOISE_NODES`, (3, 5), for each kind. An interval of α is
        between the quantiles (1 ± Σ_k p_k (levels_k + noise_levels_k)) / 2 of the network's distribution,
        where p_k are the probabilities of the kinds. Levels are those of the track's length and of its
        estimated noise. So the intervals of each kind hold its own exponents, however noisy it is.
    noise
        Coefficients of the estimate of the noise: of each feature, standardised as the classifier does
        it, and a constant, (features + 1,).
    temperatures
        At each node, (nodes,): probabilities of kinds are taken to the power of 1/temperature.
    scores
        Quantiles of the foreign score of tracks of each kind at `SHARES`, (nodes, 5, shares).
    classifier
        It tells the five kinds from walks that are none of them.
    """

    levels: Single
    noise_levels: Single
    noise: Single
    temperatures: Single
    scores: Single
    classifier: ForeignClassifier

    def interval(self, posterior: Posterior, features: Single, points: int) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the 90 % interval of α, (N,) each."""
        noise = estimated_noise(self.classifier.standardised(features), self.noise)
        levels = node_weights(points) @ self.levels + noise_weights(noise) @ self.noise_levels
        level = np.clip((posterior.kinds * levels).sum(axis=1), 0, 1)
        return posterior.quantile((1 - level) / 2), posterior.quantile((1 + level) / 2)

    def kinds(self, posterior: Posterior, points: int) -> FloatArray:
        """Return the probability of each kind, (N, 5)."""
        return tempered(posterior.kinds, float(node_weights(points) @ self.temperatures))

    def familiarity(self, posterior: Posterior, features: Single, points: int) -> tuple[FloatArray, list[str]]:
        """Return the share of simulated tracks that are less familiar, (N,), and the name of the family
        that each track resembles most.

        The share is the mean of those of the kinds, by their probability. So tracks of a kind that is
        easily taken for a foreign one are not called foreign more often.
        """
        logits = self.classifier.logits(features)
        quantiles = np.tensordot(node_weights(points), self.scores, axes=1)  # (5, shares)
        shares = np.stack([np.interp(foreign_score(logits), each, SHARES) for each in quantiles], axis=1)
        share = (self.kinds(posterior, points) * shares).sum(axis=1)
        return 1 - share, [FAMILIES[number] for number in logits[:, 1:].argmax(axis=1)]

    def tensors(self) -> dict[str, Single]:
        """Return all numbers by name."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "classifier"}
        return own | {f"classifier.{field.name}": getattr(self.classifier, field.name) for field in fields(self.classifier)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Single]) -> Calibration:
        """Return the calibration with the numbers that `tensors` returned.

        Raises
        ------
        KeyError
            If one is missing.
        """
        classifier = ForeignClassifier(
            **{field.name: tensors[f"classifier.{field.name}"] for field in fields(ForeignClassifier)}
        )
        own = {field.name: tensors[field.name] for field in fields(cls) if field.name != "classifier"}
        return cls(**own, classifier=classifier)


def tempered(kinds: FloatArray, temperature: float | FloatArray) -> FloatArray:
    """Return probabilities, (N, 5), to the power of 1/temperature, normalised.

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    powers = np.maximum(kinds, 1e-12) ** (1 / np.asarray(temperature)).reshape(-1, 1)
    return powers / powers.sum(axis=1, keepdims=True)


def node_weights(points: int) -> FloatArray:
    """Return the weights of the nodes at a length, (nodes,): linear interpolation in its logarithm."""
    return np.array([np.interp(np.log(points), np.log(NODES), one) for one in np.eye(len(NODES))])


def noise_weights(noise: FloatArray) -> FloatArray:
    """Return the weights of `NOISE_NODES` at each noise, (N, 3): linear interpolation."""
    return np.stack([np.interp(noise, NOISE_NODES, one) for one in np.eye(len(NOISE_NODES))], axis=1)


def estimated_noise(seen: Single, coefficients: Single) -> FloatArray:
    """Return the standard deviation of localisation noise, between 0 and 1, (N,), that a linear fit gives
    to standardised features, (N, features).
    """
    return np.clip(seen @ coefficients[:-1] + coefficients[-1], 0, 1).astype(np.float64)
