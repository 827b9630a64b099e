"""What does a trained network say of tracks of one length? One answer for each, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.inference.answers.calibration import Calibration
from anodiff.inference.answers.logits import answer
from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.answers.weights import read_network, shipped_weights
from anodiff.inference.cells import KINDS
from anodiff.inference.networks.build import TrackNetwork
from anodiff.inference.simulated.tracks import FEWEST_POINTS, MOST_POINTS
from anodiff.storage.types import FloatArray


@dataclass(frozen=True)
class Answers:
    """What a network says of N tracks.

    Attributes
    ----------
    posterior
        Probability of each kind with each exponent, as the network gives it.
    low, high
        Ends of the calibrated 90 % interval of α, (N,).
    kinds
        Calibrated probability of each kind, in the order of `cells.KINDS`, (N, 5).
    familiarity
        Share of simulated tracks of its kind, of about this length, that are less like the five kinds
        than this one, (N,). It is small for a walk that is none of the five. NaN if the network is not
        calibrated.
    resembles
        Which of `cells.FAMILIES` each track would be if it is none of the five kinds, N names; empty
        texts if the network is not calibrated.
    """

    posterior: Posterior
    low: FloatArray
    high: FloatArray
    kinds: FloatArray
    familiarity: FloatArray
    resembles: list[str]

    @property
    def exponent(self) -> FloatArray:
        """Median of α of each track, (N,)."""
        return self.posterior.median

    @property
    def kind(self) -> list[str]:
        """The most likely kind of each track."""
        return [KINDS[number] for number in self.kinds.argmax(axis=1)]


@dataclass(frozen=True)
class TrackReader:
    """A trained network and its calibration, for tracks of one number of dimensions.

    Without a calibration, intervals and probabilities are the network's own.
    """

    network: TrackNetwork
    calibration: Calibration | None
    dimensions: int

    @classmethod
    def load(cls, dimensions: int, weights: str | Path | None = None) -> TrackReader:
        """Return the reader of a file of weights, default: of the network that anodiff ships.

        Raises
        ------
        ConfigError
            If the file is for other dimensions, or none is given and anodiff ships none for these.
        StoreMissingError, StoreDamagedError, StoreFormatError
            If the weights cannot be read.
        """
        weights = shipped_weights(dimensions) if weights is None else weights
        network, calibration, card = read_network(weights)
        if dimensions != card["dimensions"]:
            raise ConfigError(f"{weights}: a network for tracks of {card['dimensions']} dimensions; these have {dimensions}")
        return cls(network, calibration, dimensions)

    def read(self, positions: FloatArray | NDArray[np.float32]) -> Answers:
        """Return the answers to tracks of one length.

        Parameters
        ----------
        positions
            (N, dimensions, points), finite, of any unit and origin, at equal times; 10 to 1000
            points, and every track moves.

        Raises
        ------
        ConfigError
            If the shape is another one.
        """
        if positions.ndim != 3 or positions.shape[1] != self.dimensions:
            raise ConfigError(f"tracks of shape {positions.shape}; expected (tracks, {self.dimensions}, points)")
        points = positions.shape[2]
        if not FEWEST_POINTS <= points <= MOST_POINTS:
            raise ConfigError(f"tracks of {points} points; a network reads {FEWEST_POINTS} to {MOST_POINTS}")
        logits, features = answer(self.network, _single_precision(positions))
        posterior = Posterior.from_logits(logits)
        if self.calibration is None:
            low, high = posterior.quantile(0.05), posterior.quantile(0.95)
            return Answers(posterior, low, high, posterior.kinds, np.full(len(logits), np.nan), [""] * len(logits))
        return Answers(
            posterior,
            *self.calibration.interval(posterior, features, points),
            self.calibration.kinds(posterior, points),
            *self.calibration.familiarity(posterior, features, points),
        )


def _single_precision(positions: FloatArray | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return tracks about their first points, in units of their largest distance from it.

    So single precision loses nothing, wherever the tracks are.
    """
    moved = positions.astype(np.float64) - positions[..., :1]
    return (moved / abs(moved).max(axis=(1, 2), keepdims=True)).astype(np.float32)
