"""How does one feature keep another from being learned? Two features that share their samples.

Gradient starvation (Pezeshki et al., NeurIPS 2021, arXiv 2011.09468): once a strong feature makes
the margin of a sample large, the sample's gradient is gone, and a weaker feature of the same sample
is never learned. The smallest system that shows it has two features at right angles, of strengths
s₁ and s₂, which agree with the class wherever they are present: both in a share q₁₂ of the samples,
the first alone in q₁, the second alone in q₂. Let u₁ and u₂ be what each adds to the margin of a
sample that has it. For a linear model (L = 1), or a linear network of L layers whose balanced
weights keep one path for each feature, gradient flow is

    u_k' = L s_k^(2/L) u_k^(2 − 2/L) (q₁₂ h(u₁ + u₂) + q_k h(u_k)),   h(m) = 1/(1 + eᵐ) − λ m.

The first term of h is the cross-entropy of two classes. The second is spectral decoupling, a penalty
λ/2 m² on the output of each sample. The system is integrated numerically; this is no closed form.

If both features are always present, a linear model that starts at 0 has u₁ : u₂ = s₁² : s₂² at all
times. So the second's share of the margin is s₂²/(s₁² + s₂²), however long it learns, with or without
decoupling: no penalty on outputs can tell two features that are never seen apart.

The pitfall: layers that features share are not in this system. It shows the mechanism, and no
number of a deep network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

#: Tolerances of the integration, of ln u (of u in a linear model).
TOLERANCE = 1e-10


@dataclass(frozen=True)
class TwoFeatures:
    """Two features that compete for the same samples.

    Attributes
    ----------
    strengths
        s₁ and s₂, above 0.
    both, first_alone, second_alone
        Shares q₁₂, q₁ and q₂ of the samples, 0 or more, together at most 1. Samples without either
        teach nothing.
    decoupling
        λ of spectral decoupling, 0 or more.
    depth
        Number of layers L, 1 or more.
    start
        u₁ and u₂ at time 0, 0 or more; above 0 if there is more than one layer.

    Raises
    ------
    ConfigError
        If a value is out of bounds.

    Examples
    --------
    A cue of ten times the strength, in all samples, starves the shape; in half of them, it slows it:

    >>> alone, always = TwoFeatures((10, 1), both=0, second_alone=1), TwoFeatures((10, 1), both=1)
    >>> half = TwoFeatures((10, 1), both=0.5, second_alone=0.5)
    >>> [round(float(each.curves([10.0])[0, 1]), 3) for each in (alone, half, always)]
    [2.177, 1.527, 0.068]
    """

    strengths: tuple[float, float]
    both: float = 1.0
    first_alone: float = 0.0
    second_alone: float = 0.0
    decoupling: float = 0.0
    depth: float = 1
    start: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        strengths, start = (real_numbers(each, "strengths and starts", "(2,)") for each in (self.strengths, self.start))
        if len(strengths) != 2 or len(start) != 2:
            raise ConfigError(f"{len(strengths)} strengths and {len(start)} starts; give two of each")
        if (strengths <= 0).any():
            raise ConfigError(f"strengths {strengths.tolist()}; give numbers above 0")
        shares = self.both, self.first_alone, self.second_alone
        if min(shares) < 0 or sum(shares) > 1 + 1e-12 or not math.isfinite(sum(shares)):
            raise ConfigError(f"shares {shares} of the samples; give numbers from 0 on that add to at most 1")
        if not (math.isfinite(self.decoupling) and self.decoupling >= 0):
            raise ConfigError(f"decoupling {self.decoupling:g}; give 0 or more")
        if not (math.isfinite(self.depth) and self.depth >= 1):
            raise ConfigError(f"a network of {self.depth:g} layers; give 1 or more")
        if (start < 0).any() or (self.depth > 1 and (start == 0).any()):
            raise ConfigError(f"start {start.tolist()}; give 0 or more, and more than 0 to a network with layers")

    def curves(self, times: ArrayLike) -> FloatArray:
        """Return u₁ and u₂, (T, 2), at times (T,), 0 or later, in any order.

        Raises
        ------
        ConfigError
            If a time is below 0.
        """
        t = real_numbers(times, "times", "(T,)")
        if (t < 0).any():
            raise ConfigError(f"time {t.min():g}; give 0 or later")
        if not len(t) or t.max() == 0:
            return np.tile(np.asarray(self.start, np.float64), (len(t), 1))
        layered = self.depth > 1
        start = np.log(self.start) if layered else np.asarray(self.start, np.float64)
        reached, back = np.unique(t, return_inverse=True)
        solution = scipy.integrate.solve_ivp(
            self._slope, (0.0, float(t.max())), start, method="LSODA", t_eval=reached, rtol=TOLERANCE, atol=TOLERANCE
        )
        if not solution.success:
            raise ConfigError(f"two features cannot be integrated up to time {t.max():g}: {solution.message}")
        found = np.exp(solution.y) if layered else solution.y
        return np.asarray(found.T[back], np.float64)

    def shares(self, times: ArrayLike) -> FloatArray:
        """Return the second feature's share of the margin of samples with both, u₂/(u₁ + u₂), (T,); NaN where it is 0."""
        found = self.curves(times)
        total = found.sum(axis=1)
        return np.divide(found[:, 1], total, out=np.full(len(found), np.nan), where=total != 0)

    def _slope(self, _: float, state: FloatArray) -> FloatArray:
        """Return du/dt of a linear model, d ln u/dt with layers."""
        u = np.exp(state) if self.depth > 1 else state
        pull = self.both * self._force(u.sum()) + np.array([self.first_alone, self.second_alone]) * self._force(u)
        speed = np.asarray(self.strengths) ** (2 / self.depth)
        return np.asarray(self.depth * speed * pull * (u ** (1 - 2 / self.depth) if self.depth > 1 else 1))

    def _force(self, margin: FloatArray | float) -> FloatArray:
        return np.asarray(scipy.special.expit(-np.asarray(margin)) - self.decoupling * np.asarray(margin))


def share_of_second(strengths: tuple[float, float]) -> float:
    """Return the second feature's share of the margin, s₂²/(s₁² + s₂²), if both are always present.

    Of a linear model under any loss of the margin alone, from 0.

    Examples
    --------
    >>> round(share_of_second((1.0, 0.3)), 4)
    0.0826
    """
    first, second = strengths
    return float(second**2 / (first**2 + second**2))


def decoupled_margin(decoupling: float) -> float:
    """Return the margin m at which spectral decoupling stops a sample: 1/(1 + eᵐ) = λ m.

    Raises
    ------
    ConfigError
        If λ is not above 0: without a penalty the margin grows for ever.

    Examples
    --------
    >>> [round(decoupled_margin(weight), 3) for weight in (0.01, 0.1, 1)]
    [3.359, 1.634, 0.401]
    """
    if not (math.isfinite(decoupling) and decoupling > 0):
        raise ConfigError(f"decoupling {decoupling:g}; give a number above 0: without a penalty the margin grows for ever")
    largest = 1 + math.log1p(1 / decoupling)  # λ m > 1/(1 + eᵐ) there
    return float(scipy.optimize.brentq(lambda m: scipy.special.expit(-m) - decoupling * m, 0.0, largest, xtol=1e-14))
