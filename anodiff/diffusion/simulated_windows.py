"""What would be measured if another law were true? Simulated curves, measured as the window was.

A curve is the law, what the law may deviate from it, and the sampling error of one window. The error
of a value is that about the deviating law. So it allows for bends that the window cannot exclude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anodiff.diffusion.energies import Energies
from anodiff.diffusion.intervals import DRAWS
from anodiff.diffusion.procedure import NAMES, Procedure
from anodiff.diffusion.sampling import Participating, draw_log_msd, relative_covariances
from anodiff.diffusion.smooth_law import SmoothFit, SmoothLaw
from anodiff.storage.types import FloatArray


@dataclass(frozen=True)
class Simulation:
    """Simulated windows that are like a measured one.

    Attributes
    ----------
    procedure
        How the window was measured.
    fit
        The laws that it may follow.
    dimension
        Its effective dimension at each lag, shape (lags,).
    energies
        How the energies of its steps differ.
    seed
        Seed of the draws, which all laws share.
    """

    procedure: Procedure
    fit: SmoothFit
    dimension: FloatArray
    energies: Energies
    seed: int

    def measured(self, laws: list[SmoothLaw]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the true values of laws, (laws, quantities), the measured, (laws, quantities, draws), and the largest β.

        The last result is the measured largest exponent if the law is a power law, (laws, draws).
        """
        procedure, lags = self.procedure, self.procedure.lags
        bent, straight = (
            self.fit.draw_deviations(DRAWS, np.random.default_rng([self.seed, 1]), straight=power) for power in (False, True)
        )
        scatter = [Participating(law, lags, self.dimension) for law in laws]
        noise = draw_log_msd(
            lags,
            scatter,
            procedure.updates,
            relative_covariances(lags, scatter, procedure.updates),
            self.dimension,
            DRAWS,
            np.random.default_rng(self.seed),
            self.energies,
        )
        truths, drawn, largest = [], [], []
        for law, own, curves in zip(laws, scatter, noise, strict=True):
            exact = law.msd(np.arange(procedure.updates + 1))
            truth, mean = procedure.of_curve(exact), np.log(exact[lags])[:, None]
            away = curves - np.log(own.msd(lags))[:, None]
            error = procedure.of_draws(mean + bent + away, exact) - procedure.of_draws(mean + bent, exact)
            rise = procedure.largest_of_draws(mean + straight + away) - procedure.largest_of_draws(mean + straight)
            truths.append(truth)
            drawn.append(truth[:, None] + error)
            largest.append(truth[NAMES.index("largest")] + rise)
        return np.array(truths), np.array(drawn), np.array(largest)
