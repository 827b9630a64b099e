"""When is one mode learned? The margin of a mode that no other mode disturbs, for each loss and depth.

A mode is a direction x of the inputs that occurs in a share p of the samples, at right angles to all
others. Its margin u is the output of its class along x. A linear network of L layers that learns
under gradient flow from balanced weights (W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ) has

    u' = L p |x|^(2/L) u^(2 − 2/L) g(u),

where g is minus the derivative of the loss with respect to the margin: (C − 1)/(C − 1 + eᵘ) for the
cross-entropy of C classes whose other outputs are equal, 1 for the hinge loss below its margin of 1
and 0 above, 1 − u for half the squared error. For two layers and two classes this is Tachet des
Combes et al., arXiv 1809.06848: u' = 2 p|x| u/(1 + eᵘ), so that ln u + Ei(u) = 2 p|x| t + constant.
Two-layer ReLU networks follow it while each mode has units of its own.

Time is the learning rate times the number of steps, if steps are small. The pitfall: weights that
are drawn at random are not balanced. They change the time by a factor near 1 that no formula here
holds. Without layers (L = 1) nothing is sigmoidal: the margin grows fastest at the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError, did_you_mean
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

CROSS_ENTROPY, HINGE, SQUARED_ERROR = LOSSES = ("cross_entropy", "hinge", "mse")

#: The largest margin under cross-entropy: beyond, the time has no float64.
LARGEST = 700.0

#: Halvings of the bracket of ln u, or of ln(u/(1 − u)): to the last bit of float64.
HALVINGS = 64


@dataclass(frozen=True)
class OneMode:
    """The margin of one mode as it is learned.

    Attributes
    ----------
    loss
        ``cross_entropy``, ``hinge`` or ``mse``, half the squared error.
    strength
        Length |x| of the mode.
    frequency
        Share p of the samples that have it.
    depth
        Number of layers L, 1 or more.
    start
        Margin at time 0, above 0; below 1 unless the loss is cross-entropy.
    classes
        Number of classes C, for cross-entropy.

    Raises
    ------
    ConfigError
        If the loss is unknown, or a value out of bounds.

    Examples
    --------
    Time until the margin is 1, for both losses of arXiv 1809.06848, and the margin then:

    >>> [round(float(OneMode(loss).time(1.0)), 6) for loss in ("cross_entropy", "hinge")]
    [7.566206, 3.453878]
    >>> OneMode("cross_entropy").margin([0, 5, 7.566206]).round(4).tolist()
    [0.001, 0.1382, 1.0]
    """

    loss: str
    strength: float = 1.0
    frequency: float = 1.0
    depth: float = 2
    start: float = 1e-3
    classes: int = 2

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ConfigError(f"loss {self.loss}: {did_you_mean(self.loss, LOSSES)}")
        for name in ("strength", "frequency", "start"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} {value:g} of a mode; give a number above 0")
        if not (math.isfinite(self.depth) and self.depth >= 1):
            raise ConfigError(f"a network of {self.depth:g} layers; give 1 or more")
        if self.classes < 2:
            raise ConfigError(f"{self.classes} classes; give at least 2")
        if self.start >= (LARGEST if self.loss == CROSS_ENTROPY else 1):
            raise ConfigError(f"margin {self.start:g} at the start; it is learned already, give a smaller one")

    @property
    def rate(self) -> float:
        """L p |x|^(2/L), per unit of time."""
        return float(self.depth * self.frequency * self.strength ** (2 / self.depth))

    def time(self, margin: ArrayLike) -> FloatArray:
        """Return the times at which the mode has some margins, in the shape of these.

        They are negative below the start, and infinite from 1 on under squared error and above 1
        under the hinge loss.

        Raises
        ------
        ConfigError
            If a margin is not above 0, or under cross-entropy above 700.
        """
        u = real_numbers(margin, "margin")
        if (u <= 0).any():
            raise ConfigError(f"margin {u.min():g}; a mode that is learned from {self.start:g} has margins above 0")
        if self.loss == CROSS_ENTROPY and (u > LARGEST).any():
            raise ConfigError(f"margin {u.max():g}; the time of margins above {LARGEST:g} is too large for a float64")
        if self.loss == CROSS_ENTROPY:
            return np.asarray((self._integral(u) - self._integral(self.start)) / self.rate)
        beyond = u > 1 if self.loss == HINGE else u >= 1
        inside = np.where(beyond, self.start, u)
        return np.where(beyond, np.inf, (self._integral(inside) - self._integral(self.start)) / self.rate)

    def margin(self, times: ArrayLike) -> FloatArray:
        """Return the margin at some times, 0 or later, in the shape of these.

        Raises
        ------
        ConfigError
            If a time is below 0.
        """
        t = real_numbers(times, "times")
        if (t < 0).any():
            raise ConfigError(f"time {t.min():g}; give 0 or later")
        target = self._integral(self.start) + self.rate * t
        if self.loss == HINGE:
            return self._exponential(target)
        if self.loss == CROSS_ENTROPY:
            bracket, margin_of = (math.log(self.start), math.log(LARGEST)), np.exp
        else:
            bracket, margin_of = (scipy.special.logit(self.start), -math.log(np.finfo(float).eps)), scipy.special.expit
        low, high = (np.full(t.shape, end) for end in bracket)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            short = self._integral(margin_of(middle)) < target
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.where(t == 0, self.start, margin_of((low + high) / 2))

    def _integral(self, margin: FloatArray | float) -> FloatArray:
        """Return ∫ du u^(2/L − 2) / g(u), up to a constant.

        With a = 2/L − 1 it is uᵃ/a for the hinge loss; uᵃ/a ₂F₁(1, a; a + 1; u) for squared error;
        for cross-entropy uᵃ/a (1 + ₁F₁(a; a + 1; u)/(C − 1)). For two layers, a = 0: ln u,
        ln u/(1 − u) and ln u + Ei(u)/(C − 1).
        """
        u, a = np.asarray(margin, np.float64), 2 / self.depth - 1
        power = np.log(u) if a == 0 else u**a / a
        if self.loss == HINGE:
            return power
        if self.loss == SQUARED_ERROR:
            return power - np.log1p(-u) if a == 0 else power * scipy.special.hyp2f1(1, a, a + 1, u)
        rest = scipy.special.expi(u) if a == 0 else power * scipy.special.hyp1f1(a, a + 1, u)
        return power + rest / (self.classes - 1)

    def _exponential(self, target: FloatArray) -> FloatArray:
        """Return the margin under the hinge loss, from uᵃ/a or ln u, at most 1."""
        a = 2 / self.depth - 1
        if a == 0:
            return np.exp(np.minimum(target, 0.0))
        return np.power(a * np.minimum(target, 1 / a), 1 / a)


def part_learned(margin: ArrayLike, loss: str, classes: int = 2) -> FloatArray:
    """Return how much of a mode with some margin is learned, from 0 without any to 1.

    It is the margin itself, and under cross-entropy (p − 1/C)/(1 − 1/C), where the probability of
    the class is p = eᵘ/(eᵘ + C − 1).

    Examples
    --------
    >>> part_learned([0.0, np.log(3)], "cross_entropy").round(12).tolist()
    [0.0, 0.5]
    """
    u = real_numbers(margin, "margin")
    if loss != CROSS_ENTROPY:
        return u
    return (scipy.special.expit(u - math.log(classes - 1)) - 1 / classes) / (1 - 1 / classes)


def probability_learned(units: int) -> float:
    """Return the probability that a class of its own direction is learned at all by n ReLU units, 1 − (5/8)ⁿ.

    The output of a unit is z max(0, w·x). With a = w·x, gradient flow has a' = |x|² z g and z' = a g
    while a > 0, with g > 0 for any loss without an optimum. So a² − |x|² z² stays, and the unit is
    learned if a > 0 and a + |x| z > 0 at the start; otherwise a reaches 0 and the unit is dead for
    this input. If a and |x| z are independent with the same symmetric normal law, that is three
    eighths of the plane. The units share g alone, which changes their speed but not where they go.

    Raises
    ------
    ConfigError
        If the number is negative.

    Examples
    --------
    >>> probability_learned(1), round(probability_learned(10), 4)
    (0.375, 0.9909)
    """
    if units < 0:
        raise ConfigError(f"{units} units; give 0 or more")
    return float(1 - (5 / 8) ** units)
