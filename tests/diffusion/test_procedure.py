"""The numbers taken of a curve are the same whether it is measured, drawn or exactly known."""

import math

import numpy as np
import pytest

from anodiff.diffusion.exponents import local_exponents, slope
from anodiff.diffusion.procedure import MIN_DISPLACEMENTS, NAMES, Procedure
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import trapped_brownian_msd

T = 1000
LAGS, EVERY = logarithmic_lags(T, 20, 0.9), np.arange(T + 1)
MSD = trapped_brownian_msd(EVERY, 3, relaxation=60.0)


def procedure(regimes):
    fitted = LAGS <= 600
    return Procedure(LAGS, T, 0.25, (200.0, 900.0), fitted, 1e-3 * np.diag(LAGS[fitted].astype(float)), regimes)


@pytest.mark.parametrize("regimes", [1, 2, 3])
def test_a_drawn_curve_without_error_gives_the_values_of_the_curve(regimes):
    taken = procedure(regimes)
    drawn = taken.of_draws(np.log(MSD[LAGS])[:, None], MSD)[:, 0]
    np.testing.assert_allclose(drawn, taken.of_curve(MSD), rtol=1e-9)


def test_the_values_are_the_slopes_and_the_fit_of_the_curve():
    taken = procedure(2)
    values = dict(zip(NAMES, taken.of_curve(MSD), strict=False))
    beta = local_exponents(MSD, LAGS, 0.25)
    assert values["long"] == pytest.approx(slope(EVERY[200:901], MSD[200:901]))
    assert values["largest"] == pytest.approx(beta[LAGS <= T / MIN_DISPLACEMENTS].max())
    assert values["first"] > values["second"]
    assert 20 < math.exp(values["log_crossover"]) < 200


def test_a_tilt_of_a_curve_moves_every_exponent_by_itself():
    tilted = MSD * np.where(EVERY > 0, np.maximum(EVERY, 1.0) ** 0.2, 0)
    change = procedure(2).of_curve(tilted) - procedure(2).of_curve(MSD)
    at = NAMES.index("log_crossover")
    without = [NAMES.index("third"), NAMES.index("log_second_crossover")]
    np.testing.assert_allclose(np.delete(change, [at, *without]), 0.2, atol=1e-6)
    assert change[at] == pytest.approx(0, abs=1e-6)
    assert np.isnan(change[without]).all()
