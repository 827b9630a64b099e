"""How is a network calibrated? By its answers to simulated tracks that it did not learn from.

Exponents are uniform, not only those of the grid. So an interval holds any exponent of the range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from anodiff.inference.answers.calibration import (
    COVERAGE,
    NODES,
    SHARES,
    Calibration,
    estimated_noise,
    node_weights,
    noise_weights,
    tempered,
)
from anodiff.inference.answers.familiarity import foreign_score
from anodiff.inference.answers.logits import Single
from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.cells import KINDS
from anodiff.inference.simulated.foreign import FOREIGN, observed
from anodiff.inference.simulated.tracks import FEWEST_POINTS, MOST_POINTS, draw_noise, draw_tracks
from anodiff.inference.teaching.classifying import learned_classifier
from anodiff.storage.types import FloatArray

#: Tracks of the five kinds that are made together, all of one length.
TOGETHER = 60

#: Sizes of the steps that find the levels, the largest level that is tried, and how strongly the levels
#: of a node are pulled to their mean: else levels of kinds that are never told apart run away.
LEVEL_STEPS, LARGEST_LEVEL, PULL = np.geomspace(0.5, 0.005, 300), 1.5, 0.05

#: Penalty of the squared coefficients of the noise's estimate, in units of the features' variance.
RIDGE = 1e-3

#: From positions (N, dimensions, points) to logits (N, 140) and features (N, features).
Passed = Callable[[NDArray[np.float32]], tuple[Single, Single]]


@dataclass(frozen=True)
class Known:
    """Tracks of the five kinds, and what a network says of them: rows of all arrays are tracks."""

    logits: Single
    features: Single
    kinds: NDArray[np.int64]
    exponents: FloatArray
    noise: FloatArray
    points: NDArray[np.int64]


def calibrate(passed: Passed, tracks: int, dimensions: int, seed: int) -> Calibration:
    """Return the calibration of a network.

    Parameters
    ----------
    passed
        What the network says; it may raise to stop.
    tracks
        Tracks of the five kinds. Half of them calibrate. The others teach the classifier, together
        with as many that are none of the five.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, dimensions]))
    known, taught = (known_tracks(passed, tracks // 2, dimensions, rng) for _ in range(2))
    features, families = foreign_tracks(passed, tracks // 2, dimensions, rng)
    classifier = learned_classifier(
        np.concatenate([taught.features, features]),
        np.concatenate([np.zeros(len(taught.features), np.int64), families + 1]),
        int(rng.integers(2**31)),
    )
    noise = _noise_coefficients(classifier.standardised(taught.features), taught.noise)
    posterior, seen = Posterior.from_logits(known.logits), classifier.standardised(known.features)
    weights = np.stack([node_weights(points) for points in known.points])
    by_noise = [noise_weights(each) for each in (estimated_noise(seen, noise), known.noise)]
    levels = interval_levels(posterior, known, *(np.concatenate([weights, each], axis=1) for each in by_noise))
    return Calibration(
        levels[: len(NODES)].astype(np.float32),
        levels[len(NODES) :].astype(np.float32),
        noise,
        _temperatures(posterior, known, weights).astype(np.float32),
        _quantiles(foreign_score(classifier.logits(known.features)), known.kinds, weights).astype(np.float32),
        classifier,
    )


def known_tracks(passed: Passed, number: int, dimensions: int, rng: np.random.Generator) -> Known:
    """Return about ``number`` tracks of the five kinds, of lengths that are uniform in the logarithm."""
    parts = []
    for points in _lengths(-(-number // TOGETHER), rng):
        tracks = draw_tracks(TOGETHER, points, dimensions, rng, between=True)
        answers = passed(tracks.positions)
        parts.append((*answers, tracks.kinds, tracks.exponents, tracks.noise, np.full(TOGETHER, points)))
    return Known(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def foreign_tracks(passed: Passed, number: int, dimensions: int, rng: np.random.Generator) -> tuple[Single, NDArray[np.int64]]:
    """Return the features of about ``number`` tracks that are none of the five kinds, and the number of
    each one's family in `foreign.FOREIGN`.
    """
    each = TOGETHER // len(FOREIGN)
    families = np.repeat(np.arange(len(FOREIGN)), each)
    features = []
    for points in _lengths(-(-number // len(families)), rng):
        walks = np.concatenate([draw(each, points, dimensions, rng) for draw in FOREIGN.values()])
        features.append(passed(observed(walks, draw_noise(len(walks), rng), rng))[1])
    return np.concatenate(features), np.tile(families, len(features))


def _lengths(number: int, rng: np.random.Generator) -> list[int]:
    """Return lengths that are uniform in their logarithm, one in each of ``number`` equal parts."""
    places = (np.arange(number) + rng.random(number)) / number
    ends = np.log([FEWEST_POINTS, MOST_POINTS + 1])
    return [int(each) for each in np.exp(ends[0] + places * (ends[1] - ends[0]))]


def interval_levels(posterior: Posterior, known: Known, seen: FloatArray, true: FloatArray) -> FloatArray:
    """Return the levels, (M, 5), with which intervals hold `COVERAGE` of the exponents of each kind in
    each of M overlapping groups of tracks.

    A track's score is the level at which its interval begins to hold the truth (split conformal
    prediction; for groups, see Gibbs, Cherian & Candès, arXiv 2305.12616). A track says neither its kind
    nor its noise, so its level is the sum over groups, of the mean over kinds by their probability. The
    level of a kind in a group rises as long as its tracks there are held too rarely.

    Parameters
    ----------
    seen, true
        Weight of each group for each track, (N, M): as it can be known from the track, and as it is.
        The first groups are those of the length, with a sum of weights of 1.
    """
    scores = abs(2 * posterior.cumulative(known.exponents) - 1)
    groups = true[:, :, None] * (known.kinds[:, None] == np.arange(len(KINDS)))[:, None]  # (N, M, 5)
    size = np.maximum(groups.sum(axis=0), 1)
    mixture = seen[:, :, None] * posterior.kinds[:, None]
    levels = np.zeros((true.shape[1], len(KINDS)))
    levels[: len(NODES)] = COVERAGE
    for step in LEVEL_STEPS:
        held = scores <= np.einsum("nmk,mk->n", mixture, levels)
        missing = COVERAGE - np.einsum("n,nmk->mk", held, groups) / size
        pull = PULL * (levels - levels.mean(axis=1, keepdims=True))
        levels = np.clip(levels + step * (missing - pull), -LARGEST_LEVEL, LARGEST_LEVEL)
    return levels


def _noise_coefficients(seen: Single, noise: FloatArray) -> Single:
    """Return the coefficients of a linear fit of the noise to standardised features, (features + 1,)."""
    with_constant = np.concatenate([seen, np.ones((len(seen), 1), np.float32)], axis=1)
    ridge = np.diag(np.full(with_constant.shape[1], RIDGE * len(seen)))
    normal = with_constant.T.astype(np.float64) @ with_constant + ridge
    return np.linalg.solve(normal, with_constant.T @ noise).astype(np.float32)


def _temperatures(posterior: Posterior, known: Known, weights: FloatArray) -> FloatArray:
    """Return the temperatures, (nodes,), with which the true kinds are likeliest."""
    kinds = posterior.kinds

    def surprise(logarithms: FloatArray) -> float:
        right = tempered(kinds, np.exp(weights @ logarithms))[np.arange(len(kinds)), known.kinds]
        return float(-np.log(right).mean())

    temperatures: FloatArray = np.exp(scipy.optimize.minimize(surprise, np.zeros(len(NODES)), method="L-BFGS-B").x)
    return temperatures


def _quantiles(scores: FloatArray, kinds: NDArray[np.int64], weights: FloatArray) -> FloatArray:
    """Return the quantiles of the scores of each kind at `calibration.SHARES` about each node, (nodes, 5, shares)."""
    return np.stack(
        [
            [
                np.quantile(scores[kinds == kind], SHARES, weights=each[kinds == kind], method="inverted_cdf")
                for kind in range(len(KINDS))
            ]
            for each in weights.T
        ]
    )
