"""Unequal steps: their profile and what it does to the error of an MSD, compared with simulations."""

import numpy as np
import pytest

from anodiff.diffusion.energies import Energies, step_energies
from anodiff.diffusion.sampling import relative_covariance, with_energies
from anodiff.diffusion.smooth_law import SmoothLaw
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, slowing_brownian, student_walk

T, DIMENSIONS = 400, 50
LAGS = logarithmic_lags(T, 5, 0.5)
BROWNIAN = SmoothLaw(np.zeros(1), np.ones(1), 0.0)


def lengths(points):
    return np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))


def test_equal_steps_have_a_flat_profile_and_no_excess():
    found = [step_energies(lengths(brownian(T, DIMENSIONS, seed)), DIMENSIONS) for seed in range(20)]
    assert np.median([np.ptp(each.profile) for each in found]) == pytest.approx(0, abs=1e-9)
    assert np.mean([each.excess for each in found]) < 0.1 * 2 / DIMENSIONS


def test_a_scale_that_falls_is_the_profile():
    found = step_energies(lengths(slowing_brownian(T, DIMENSIONS, 0, time=T / 2)), DIMENSIONS)
    expected = np.exp(-4 * (np.arange(T) + 0.5) / T)
    middle = slice(T // 10, -T // 10)
    np.testing.assert_allclose(found.profile[middle], (expected / expected.mean())[middle], rtol=0.2, atol=0.03)
    assert found.inequality(np.array([1]))[0] == pytest.approx((expected**2).mean() / expected.mean() ** 2, rel=0.15)


def test_equal_energies_change_nothing():
    flat = Energies(np.ones(T), 0.0)
    np.testing.assert_allclose(flat.inequality(LAGS), 1)
    np.testing.assert_allclose(flat.covariance(LAGS), 0)


@pytest.mark.parametrize("kind", ["slowing", "heavy"])
def test_the_scatter_of_msds_of_unequal_steps_is_that_of_theory(kind):
    def path(seed):
        if kind == "slowing":
            return slowing_brownian(T, DIMENSIONS, seed, time=T / 2)
        return student_walk(T, DIMENSIONS, seed, freedom=9.0)

    msds = np.array([path_geometry(path(seed)).mean_squared_displacement(LAGS) for seed in range(300)])
    relative = np.log(msds) - np.log(msds[:, :1])  # what all lags share moves no exponent
    energies = [step_energies(lengths(path(seed)), DIMENSIONS) for seed in range(20)]
    dimension, one = np.full(len(LAGS), float(DIMENSIONS)), relative_covariance(LAGS, BROWNIAN, T)
    covariance = np.mean([with_energies(one, LAGS, dimension, each) for each in energies], axis=0)
    differences = np.eye(len(LAGS)) - np.eye(len(LAGS))[0]
    expected = np.sqrt(np.diagonal(differences @ covariance @ differences.T))[1:]
    np.testing.assert_allclose(relative.std(axis=0)[1:], expected, rtol=0.25)
