"""Generated surfaces have the roughness that was asked for."""

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.simulation.surfaces import bowl, diamond_square, fractional_surface, multifractional_surface, shuffled
from anodiff.simulation.surfaces.generators import _embedded_covariance


def structure(heights, lags):
    """Mean squared differences along both axes."""
    return (
        np.array(
            [
                ((heights[lag:] - heights[:-lag]) ** 2).mean() + ((heights[:, lag:] - heights[:, :-lag]) ** 2).mean()
                for lag in lags
            ]
        )
        / 2
    )


def exponents(surfaces, lags):
    mean = np.mean([structure(surface.heights, lags) for surface in surfaces], axis=0)
    return np.diff(np.log(mean)) / np.diff(np.log(lags)) / 2


@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.75, 0.9])
def test_exact_surfaces_have_the_exact_structure_function_in_every_direction(hurst):
    found = np.array([fractional_surface(17, seed, hurst=hurst).heights for seed in range(1500)])
    for first, second in ((1, 0), (0, 4), (3, 5), (16, 16)):
        squares = ((found[:, first:, second:] - found[:, : 17 - first, : 17 - second]) ** 2).mean(axis=(1, 2))
        expected = 2 * (np.hypot(first, second) / 16 / np.sqrt(2)) ** (2 * hurst)
        assert squares.mean() == pytest.approx(expected, abs=4 * squares.std() / np.sqrt(len(squares)))


@pytest.mark.parametrize("hurst", [0.3, 0.9])
def test_the_embedded_covariance_is_positive_semi_definite(hurst):
    reach = 1.0 if hurst <= 0.75 else 2.0
    quarter, _ = _embedded_covariance(33, reach / 32, reach, 2 * hurst)
    torus = np.block([[quarter, quarter[:, -2:0:-1]], [quarter[-2:0:-1], quarter[-2:0:-1, -2:0:-1]]])
    assert np.fft.fft2(torus).real.min() > -1e-9 * torus.sum()


@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.8])
def test_periodic_surfaces_have_the_exponent_well_below_the_side(hurst):
    surfaces = [fractional_surface(512, seed, hurst=hurst, periodic=True) for seed in range(3)]
    np.testing.assert_allclose(exponents(surfaces, np.array([1, 2, 4, 8])), hurst, atol=0.06)
    heights = surfaces[0].heights
    edge, inside = ((heights[0] - heights[-1]) ** 2).mean(), structure(heights, [1])[0]
    assert edge == pytest.approx(inside, rel=0.5)


def test_a_multifractional_surface_is_rough_where_its_exponent_is_small():
    surface = multifractional_surface(512, 0, hurst=(0.2, 0.8))
    shifted = np.roll(surface.heights, 256, axis=(0, 1))  # the corners in the middle
    rough, smooth = (heights[192:320, 192:320] for heights in (surface.heights, shifted))
    lags = np.array([1, 2, 4])
    for patch, hurst in ((rough, 0.2), (smooth, 0.8)):
        slope = np.polyfit(np.log(lags), np.log(structure(patch, lags)), 1)[0] / 2
        assert slope == pytest.approx(hurst, abs=0.1)


def test_a_multifractional_surface_of_one_exponent_is_the_fractional_one():
    one = fractional_surface(64, 3, hurst=0.4, periodic=True)
    same = multifractional_surface(64, 3, hurst=lambda x, y: np.full_like(x, 0.4))
    np.testing.assert_allclose(same.heights, one.heights, rtol=1e-9)


@pytest.mark.parametrize("hurst", [0.3, 0.7])
def test_diamond_square_is_nearly_fractional(hurst):
    surfaces = [diamond_square(257, seed, hurst=hurst) for seed in range(12)]
    assert exponents(surfaces, np.array([2, 4, 8, 16, 32])).mean() == pytest.approx(hurst, abs=0.1)


def test_diamond_square_additions_fall_by_two_to_the_minus_h_per_level():
    """They do not halve: a surface whose additions halve with each level has H = 1 and is hardly fractal."""
    heights = diamond_square(257, 0, hurst=0.3).heights  # eight levels
    around = (heights[:-2, 1:-1] + heights[2:, 1:-1] + heights[1:-1, :-2] + heights[1:-1, 2:]) / 4
    added = (heights[1:-1, 1:-1] - around)[0::2, 1::2]
    assert added.std() == pytest.approx(2 ** (-0.3 * 8), rel=0.02)


def test_a_bowl_has_its_exact_heights():
    surface = bowl(65)
    x = surface.coordinates
    np.testing.assert_allclose(surface.heights, (x[:, None] ** 2 + x**2) / 2, atol=1e-15)


def test_a_shuffled_surface_keeps_mean_and_deviation_and_loses_order():
    rough = fractional_surface(128, 0, hurst=0.5)
    mixed = shuffled(rough, 1, smoothing=2)
    assert mixed.heights.mean() == pytest.approx(rough.heights.mean())
    assert mixed.heights.std() == pytest.approx(rough.heights.std())
    far = structure(mixed.heights, [16, 48])
    assert far[1] == pytest.approx(far[0], rel=0.1)  # no order beyond the smoothing
    unsmoothed = shuffled(rough, 1, smoothing=0)
    np.testing.assert_allclose(np.sort(unsmoothed.heights.ravel()), np.sort(rough.heights.ravel()), atol=1e-12)


def test_scaled_surfaces_have_the_given_deviation():
    assert fractional_surface(32, 0, hurst=0.5).scaled(0.3).heights.std() == pytest.approx(0.3)


@pytest.mark.parametrize("hurst", [0, 1, -0.5, float("nan")])
@pytest.mark.parametrize("make", [fractional_surface, diamond_square])
def test_an_impossible_hurst_exponent_is_refused(make, hurst):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        make(17, 0, hurst=hurst)


def test_invalid_grids_are_refused_with_the_numbers():
    with pytest.raises(ConfigError, match=r"needs [\d.]+ GiB of memory, [\d.]+ GiB are free"):
        fractional_surface(10**6, 0, hurst=0.5)
    with pytest.raises(ConfigError, match="power of 2 plus 1, such as 129"):
        diamond_square(100, 0, hurst=0.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: bowl(n),
        lambda n: diamond_square(n, 0, hurst=0.5),
        lambda n: fractional_surface(n, 0, hurst=0.5, periodic=True),
        lambda n: multifractional_surface(n, 0, hurst=(0.3, 0.7)),
    ],
)
def test_no_generator_begins_a_grid_that_does_not_fit_in_memory(make):
    with pytest.raises(ConfigError, match="GiB are free"):
        make(2**20 + 1)


def test_the_same_seed_gives_the_same_surface():
    for one, two in ((fractional_surface(33, seed, hurst=0.6).heights for _ in range(2)) for seed in (0, 1)):
        np.testing.assert_array_equal(one, two)
