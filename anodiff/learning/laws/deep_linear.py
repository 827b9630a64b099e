"""When does a deep linear network learn each singular mode of what it is taught?

Saxe, McClelland & Ganguli, ICLR 2014 (arXiv 1312.6120): a linear network of two layers, squared
error, inputs that are white (Σ_xx = 1), small and balanced weights that are aligned with the
singular vectors of the correlation Σ_yx between inputs and outputs. Then modes do not disturb each
other, and the mode of singular value s grows as

    τ a' = 2 a (s − a),   a(t) = s e^(2 s t/τ) / (e^(2 s t/τ) − 1 + s/a₀).

So it is learned at t_½ = τ/(2s) ln(s/a₀ − 1), in a time ∝ 1/s up to a logarithm, and the rise from
10 % to 90 % takes τ ln 9/s. Modes of different strength are learned one after another, in stages,
if a₀ is so small that t_½ is much longer than the rise. With L layers τ a' = L a^(2 − 2/L) (s − a),
the published law with N_l − 1 = L: `one_mode.OneMode` with L p |x|^(2/L) = L s^(2 − 2/L)/τ and u = a/s.

The pitfall: images are not white. With correlated inputs, modes of Σ_yx and of Σ_xx mix, and
what decides is not s alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.learning.laws.one_mode import SQUARED_ERROR, OneMode
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray


@dataclass(frozen=True)
class DeepLinear:
    """The singular modes of a deep linear network as they are learned.

    Attributes
    ----------
    singular_values
        s of each mode, above 0.
    start
        a₀ of each mode at time 0, above 0 and below all s.
    tau
        Time constant τ: 1/(learning rate) in units of steps, for the mean over samples of half the
        squared error.
    depth
        Number of layers L, 1 or more; 2 is the published closed form.

    Raises
    ------
    ConfigError
        If a value is out of bounds.

    Examples
    --------
    >>> network = DeepLinear((2.0, 1.0))
    >>> network.learning_times().round(3).tolist(), network.widths().round(3).tolist()
    ([1.9, 3.453], [1.099, 2.197])
    >>> network.curves([0.0, 1.9, 3.453, 9.0]).round(2).tolist()
    [[0.0, 0.0], [1.0, 0.04], [2.0, 0.5], [2.0, 1.0]]
    """

    singular_values: tuple[float, ...]
    start: float = 1e-3
    tau: float = 1.0
    depth: float = 2

    def __post_init__(self) -> None:
        values = real_numbers(self.singular_values, "singular values", "(modes,)")
        if not len(values) or (values <= self.start).any():
            raise ConfigError(f"singular values {values.tolist()}; give at least one, all above the start {self.start:g}")
        if not (math.isfinite(self.tau) and self.tau > 0):
            raise ConfigError(f"tau {self.tau:g}; give a number above 0")
        self._modes()

    def curves(self, times: ArrayLike) -> FloatArray:
        """Return a(t) of each mode, (T, modes), at times (T,), 0 or later."""
        t = real_numbers(times, "times", "(T,)")
        return np.stack([s * mode.margin(t) for s, mode in zip(self.singular_values, self._modes(), strict=True)], axis=1)

    def learning_times(self, part: float = 0.5) -> FloatArray:
        """Return the times at which a part of each mode is learned, (modes,).

        Raises
        ------
        ConfigError
            If the part is not between 0 and 1.
        """
        if not 0 < part < 1:
            raise ConfigError(f"a part {part:g} of a mode; give a number between 0 and 1")
        return np.array([float(mode.time(part)) for mode in self._modes()])

    def widths(self) -> FloatArray:
        """Return the times from 10 % to 90 %, (modes,)."""
        return self.learning_times(0.9) - self.learning_times(0.1)

    def _modes(self) -> list[OneMode]:
        return [
            OneMode(SQUARED_ERROR, frequency=s ** (2 - 2 / self.depth) / self.tau, depth=self.depth, start=self.start / s)
            for s in map(float, self.singular_values)
        ]
