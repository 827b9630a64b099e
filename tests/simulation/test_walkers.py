"""Walkers on surfaces on which their motion is known."""

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from anodiff.errors import ConfigError
from anodiff.simulation.surfaces import Surface, bowl, fractional_surface, walk
from anodiff.simulation.surfaces.walkers import interpolation, reflected

FLAT = Surface(np.zeros((8, 8)), "flat", None, periodic=True)


def test_bilinear_heights_equal_scipys_and_gradients_their_differences():
    surface = fractional_surface(33, 0, hurst=0.5)
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    heights, gradients = interpolation(surface, 1)(points)
    expected = RegularGridInterpolator((surface.coordinates, surface.coordinates), surface.heights)
    np.testing.assert_allclose(heights, expected(points), atol=1e-12)
    inside = (np.abs((points + 1) / surface.spacing % 1 - 0.5) < 0.49).all(axis=1)  # not across the edge of a cell
    for axis in (0, 1):
        step = np.zeros(2)
        step[axis] = 1e-6
        slope = (expected(points[inside] + step) - expected(points[inside] - step)) / 2e-6
        np.testing.assert_allclose(gradients[inside, axis], slope, atol=1e-6)


@pytest.mark.parametrize("periodic", [False, True])
def test_bicubic_gradients_are_continuous_derivatives_of_the_heights(periodic):
    surface = fractional_surface(32, 0, hurst=0.5, periodic=periodic)
    look = interpolation(surface, 3)
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (300, 2))
    for axis in (0, 1):
        step = np.zeros(2)
        step[axis] = 1e-6
        slope = (look(points + step)[0] - look(points - step)[0]) / 2e-6
        np.testing.assert_allclose(look(points)[1][:, axis], slope, atol=1e-5)
    at_points = np.stack(np.meshgrid(surface.coordinates[:-1], surface.coordinates[:-1], indexing="ij"), axis=-1)
    np.testing.assert_allclose(look(at_points.reshape(-1, 2))[0], surface.heights[:-1, :-1].ravel(), atol=1e-9)
    edge = surface.coordinates[7]
    before, after = (look(np.array([[edge + shift, 0.123]]))[1] for shift in (-1e-9, 1e-9))
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_bicubic_interpolation_of_a_bowl_is_exact_inside():
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (200, 2))
    heights, gradients = interpolation(bowl(33), 3)(points)
    np.testing.assert_allclose(heights, (points**2).sum(axis=1) / 2, atol=1e-12)
    np.testing.assert_allclose(gradients, points, atol=1e-11)


def test_without_noise_walkers_in_a_bowl_relax_exponentially_in_both_coordinates():
    start = np.array([[0.5, -0.25], [-0.7, 0.6]])
    found = walk(bowl(65), walkers=2, steps=50, learning_rate=0.1, noise=0, seed=0, order=3, start=start)
    expected = 0.9 ** np.arange(51)[:, None, None] * start
    np.testing.assert_allclose(found.positions, expected, atol=1e-10)
    np.testing.assert_allclose(found.gradients, expected[:-1], atol=1e-10)  # for each coordinate
    np.testing.assert_allclose(found.heights, (expected**2).sum(axis=2) / 2, atol=1e-10)


def test_on_a_flat_surface_gaussian_noise_is_brownian_motion():
    found = walk(FLAT, walkers=4000, steps=50, learning_rate=1, noise=0.01, seed=0, boundary="periodic")
    squares = ((found.positions - found.positions[0]) ** 2).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(squares[1:], 2 * 0.01**2 * np.arange(1, 51), rtol=0.06)
    assert np.abs(found.positions).max() > 1  # unwrapped


def test_in_a_bowl_noise_settles_at_the_known_variance():
    found = walk(bowl(129), walkers=4000, steps=200, learning_rate=0.1, noise=0.05, seed=0, order=3, start=(0, 0))
    expected = 0.05**2 / (1 - 0.9**2)  # variance of a first-order autoregression
    assert found.positions[150:].var() == pytest.approx(expected, rel=0.03)


def test_levy_noise_has_its_tail_and_becomes_gaussian_at_two():
    found = walk(FLAT, walkers=20000, steps=1, learning_rate=0, noise=0.01, noise_index=1.2, seed=0, boundary="periodic")
    steps = np.sort(np.abs(np.diff(found.positions, axis=0)).ravel())[::-1]
    hill = 1 / np.mean(np.log(steps[:400] / steps[400]))
    assert hill == pytest.approx(1.2, abs=0.2)
    near = walk(FLAT, walkers=20000, steps=1, learning_rate=0, noise=0.01, noise_index=1.9999, seed=0, boundary="periodic")
    assert np.percentile(np.abs(np.diff(near.positions, axis=0)), 68.27) == pytest.approx(0.01, rel=0.03)


def test_reflection_is_exact_for_any_distance():
    np.testing.assert_allclose(reflected(np.array([0.3, 1.2, -1.5, 3.1, -3.3, 5.2])), [0.3, 0.8, -0.5, -0.9, 0.7, 0.8])


@pytest.mark.parametrize("boundary", ["reflecting", "rejecting"])
def test_walkers_stay_inside(boundary):
    surface = fractional_surface(33, 0, hurst=0.5)
    found = walk(surface, walkers=500, steps=50, learning_rate=0.05, noise=0.3, seed=0, boundary=boundary)
    assert np.abs(found.positions).max() <= 1
    moved = (np.diff(found.positions, axis=0) != 0).any(axis=2)
    assert moved.all() == (boundary == "reflecting")


def test_the_same_seed_gives_the_same_walk():
    one, two = (walk(bowl(17), walkers=5, steps=20, learning_rate=0.1, noise=0.1, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.positions, two.positions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boundary": "reflectin"}, "reflecting"),
        ({"boundary": "periodic"}, "needs a periodic surface"),
        ({"order": 2}, "1 .bilinear. or 3"),
        ({"walkers": 0}, "at least 1"),
        ({"noise_index": 2.5}, "noise_index 2.5"),
        ({"learning_rate": float("nan")}, "finite numbers"),
        ({"start": np.zeros((3, 2))}, "start of shape"),
        ({"start": (0, 1.5)}, "outside"),
        ({"walkers": 10**9, "steps": 10**6}, "GiB are free"),
    ],
)
def test_invalid_arguments_give_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as refused:
        walk(bowl(9), **({"walkers": 2, "steps": 3, "learning_rate": 0.1, "noise": 0.1, "seed": 0} | changes))
    assert "\n" not in str(refused.value)


def test_a_surface_with_a_hole_is_refused():
    holed = Surface(np.full((8, 8), np.nan), "own", None)
    with pytest.raises(ConfigError, match="not finite"):
        walk(holed, walkers=1, steps=1, learning_rate=0.1, noise=0, seed=0)
