"""The theory of sampling errors, compared with the scatter of simulated paths."""

import numpy as np
import pytest

from anodiff.diffusion.regimes import Regimes
from anodiff.diffusion.sampling import draw_log_msd, relative_covariance, relative_covariances
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.simulation.processes import brownian, fractional_brownian

T = 200
LAGS = logarithmic_lags(T, 5, 0.5)


def law(exponent, prefactor=1.0):
    return Regimes((exponent,), (), 1, T, prefactor)


def relative_msds(hurst, dimensions, seeds):
    """Time-averaged MSDs divided by the exact ones, shape (seeds, lags)."""
    points = fractional_brownian(T, dimensions * seeds, 0, hurst=hurst).reshape(T + 1, seeds, dimensions)
    averages = [((points[lag:] - points[:-lag]) ** 2).sum(axis=2).mean(axis=0) for lag in LAGS]
    return np.array(averages).T / (dimensions * LAGS ** (2 * hurst))


@pytest.mark.parametrize("hurst", [0.25, 0.5, 0.75])
def test_the_covariance_of_msds_equals_that_of_simulated_paths(hurst):
    dimensions = 4
    measured = np.cov(relative_msds(hurst, dimensions, 3000).T)
    expected = relative_covariance(LAGS, law(2 * hurst), T) / dimensions
    scale = np.sqrt(np.outer(np.diagonal(expected), np.diagonal(expected)))
    np.testing.assert_allclose(measured / scale, expected / scale, atol=0.09)  # 1/√3000 times the scatter of the variance


def test_the_variance_of_the_msd_of_brownian_motion_has_its_closed_form():
    # Qian, Sheetz & Elson (1991), in two dimensions: Var / MSD² = (4 n² K + 2 K + n − n³) / (6 n K²) for n ≤ K starts. In one
    # dimension it is twice that.
    n, starts = LAGS[LAGS <= T // 2], T - LAGS[LAGS <= T // 2] + 1
    expected = 2 * (4 * n**2 * starts + 2 * starts + n - n**3) / (6 * n * starts**2)
    np.testing.assert_allclose(np.diagonal(relative_covariance(n, law(1.0), T)), expected, rtol=1e-9)


def test_the_covariance_is_positive_semi_definite_even_of_a_law_with_a_kink():
    kinked = Regimes((0.3, 1.9), (20.0,), 1, T, 1.0)
    values = np.linalg.eigvalsh(relative_covariance(LAGS, kinked, T))
    assert values.min() > -1e-12 * values.max()


@pytest.mark.parametrize("dimension", [1.0, 2.6, 50.0])
@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5])
def test_drawn_curves_scatter_as_in_theory(dimension, exponent):
    covariance = relative_covariance(LAGS, law(exponent, 3.0), T)
    dimensions, random = np.full(len(LAGS), dimension), np.random.default_rng(0)
    (drawn,) = draw_log_msd(LAGS, [law(exponent, 3.0)], T, covariance[None], dimensions, 4000, random)
    ratios = np.exp(drawn - np.log(3.0 * LAGS**exponent)[:, None])
    np.testing.assert_allclose(ratios.mean(axis=1), 1, atol=0.1)
    np.testing.assert_allclose(ratios.var(axis=1), np.diagonal(covariance) / dimension, rtol=0.2)


def test_the_same_seed_draws_the_same_curves():
    covariances = relative_covariances(LAGS, [law(1.0)], T)
    one, two = (
        draw_log_msd(LAGS, [law(1.0)], T, covariances, np.full(len(LAGS), 3.0), 10, np.random.default_rng(7)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dimension", [3.0, 50.0])
def test_laws_drawn_together_are_those_drawn_alone(dimension):
    laws, dimensions = [law(0.5), law(1.5, 3.0)], np.full(len(LAGS), dimension)
    covariances = relative_covariances(LAGS, laws, T)

    def drawn(chosen):
        random = np.random.default_rng(0)
        return draw_log_msd(LAGS, [laws[n] for n in chosen], T, covariances[chosen], dimensions, 10, random)

    np.testing.assert_allclose(drawn([0, 1]), [*drawn([0]), *drawn([1])], rtol=1e-12)
    np.testing.assert_allclose(covariances, [relative_covariance(LAGS, each, T) for each in laws], rtol=1e-12)


def test_the_msd_without_displacements_equals_the_time_average():
    path = path_geometry(brownian(T, 3, 0))
    np.testing.assert_allclose(
        path.mean_squared_displacement(LAGS), time_averaged_msd(path.squared_displacements)[LAGS], rtol=1e-12
    )
