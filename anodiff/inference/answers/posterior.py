"""What does a network's answer say of a track? Exponent, interval and kind, from one distribution.

The network gives a probability to each of the 140 cells. The sum over kinds is the distribution of
α, the sum over exponents that of the kind. A cell stands for the exponents within half a grid
distance of its own, all equally likely. So quantiles are continuous.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from anodiff.errors import ConfigError
from anodiff.inference.cells import CELL_COLUMN, CELL_KIND, EXPONENTS, GRID, KINDS, balanced_prior
from anodiff.storage.types import FloatArray


@dataclass(frozen=True)
class Posterior:
    """The probability of every cell for each track.

    Attributes
    ----------
    cells
        (N, 140); each row sums to 1.
    """

    cells: FloatArray

    @classmethod
    def from_logits(cls, logits: ArrayLike) -> Posterior:
        """Return the softmax of logits, (N, 140).

        Raises
        ------
        ConfigError
            If the last axis has not one number for each cell.
        """
        values = np.asarray(logits, np.float64)
        if values.ndim != 2 or values.shape[1] != len(CELL_KIND):
            raise ConfigError(f"logits of shape {values.shape}; expected (tracks, {len(CELL_KIND)})")
        return cls(scipy.special.softmax(values, axis=1))

    @property
    def kinds(self) -> FloatArray:
        """Probability of each kind, in the order of `cells.KINDS`, (N, 5)."""
        return _summed(self.cells, CELL_KIND, len(KINDS))

    @property
    def kind(self) -> NDArray[np.int64]:
        """Number of the most likely kind in `cells.KINDS`, (N,)."""
        return self.kinds.argmax(axis=1)

    @property
    def exponents(self) -> FloatArray:
        """Probability of each exponent 0.05, 0.10 … 2, (N, 40)."""
        return _summed(self.cells, CELL_COLUMN, len(EXPONENTS))

    @property
    def median(self) -> FloatArray:
        """Median of α, (N,): the estimate with the smallest expected absolute error."""
        return self.quantile(0.5)

    def cumulative(self, exponent: FloatArray) -> FloatArray:
        """Return the probability that α is below ``exponent``, (N,) both."""
        upto = np.concatenate([np.zeros((len(self.cells), 1)), np.cumsum(self.exponents, axis=1)], axis=1)
        place = np.clip((exponent - EXPONENTS[0]) / GRID + 0.5, 0, len(EXPONENTS))
        column, row = np.minimum(place.astype(np.int64), len(EXPONENTS) - 1), np.arange(len(upto))
        below: FloatArray = upto[row, column] + (place - column) * (upto[row, column + 1] - upto[row, column])
        return below

    def quantile(self, probability: float | FloatArray) -> FloatArray:
        """Return the quantile of α, (N,), between 0.025 and 2.025.

        Parameters
        ----------
        probability
            One for all tracks, or one for each, (N,).

        Raises
        ------
        ConfigError
            If a probability is not between 0 and 1.

        Examples
        --------
        >>> cells = np.zeros((1, 140)); cells[0, 19] = 1.0  # ATTM at α = 1
        >>> float(Posterior(cells).quantile(0.5)[0].round(6))
        1.0
        """
        if not np.all((np.asarray(probability) >= 0) & (np.asarray(probability) <= 1)):
            raise ConfigError(f"a quantile's probability is {probability!r}; write a number from 0 to 1")
        each = self.exponents
        upto = np.cumsum(each, axis=1)
        target = np.reshape(probability, (-1, 1)) * upto[:, -1:]
        column = np.minimum(((upto < target) | (upto <= 0)).sum(axis=1), len(EXPONENTS) - 1)
        row = np.arange(len(each))
        within = each[row, column]
        missing = target[:, 0] - (upto[row, column] - within)
        fraction = np.divide(missing, within, out=np.full(len(each), 0.5), where=within > 0)
        return EXPONENTS[column] + GRID * (np.clip(fraction, 0, 1) - 0.5)

    def with_prior(self, prior: FloatArray) -> Posterior:
        """Return the distribution under another prior: each cell times prior over `cells.balanced_prior`,
        that of the training.

        Parameters
        ----------
        prior
            Probability of each cell, (140,), or its multiple; 0 excludes a cell.

        Raises
        ------
        ConfigError
            If the prior is not 140 numbers of at least 0, one of them above.
        """
        prior = np.asarray(prior, np.float64)
        if prior.shape != CELL_KIND.shape or not (np.all(prior >= 0) and 0 < prior.sum() < np.inf):
            raise ConfigError(f"a prior needs {len(CELL_KIND)} numbers of at least 0, with a finite sum above 0")
        weighted = self.cells * (prior / balanced_prior())
        return Posterior(weighted / weighted.sum(axis=1, keepdims=True))


def _summed(cells: FloatArray, group: NDArray[np.int64], groups: int) -> FloatArray:
    """Return the sums over the cells of each group, (N, groups)."""
    return cells @ (group[:, None] == np.arange(groups)).astype(np.float64)
