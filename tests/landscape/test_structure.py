"""Structure functions of losses that are known: smooth ones, rough ones, and rounding."""

import numpy as np
import pytest

from anodiff.landscape.structure import (
    FLOORS,
    cosines,
    fit_structure,
    independent_directions,
    squared_increments,
    structure_function,
)
from anodiff.simulation.processes import fractional_brownian

RADII = np.geomspace(1e-4, 1, 17)


def losses(function, directions=12):
    """Losses at ±r along directions, of a function of (direction, signed distance)."""
    return np.array([[[function(d, sign * r) for r in RADII] for sign in (1, -1)] for d in range(directions)])


def test_a_slope_gives_two_and_a_parabola_four():
    slopes = np.random.default_rng(0).normal(size=12)
    tilted = squared_increments(losses(lambda d, r: 3 + slopes[d] * r), 3.0)
    assert fit_structure(RADII, tilted["difference"], 0.0, 0).exponent.value == pytest.approx(2)
    assert np.allclose(tilted["even"], 0)
    curved = squared_increments(losses(lambda d, r: 3 + slopes[d] * r**2), 3.0)
    for part in FLOORS:
        fit = fit_structure(RADII[8:], curved[part][:, 8:], 0.0, 0)
        assert fit.exponent.value == pytest.approx(4, abs=1e-6)
        assert fit.hurst.value == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("hurst", [0.3, 0.7])
def test_a_fractional_profile_gives_its_exponent_in_both_parts(hurst):
    radii = np.array([1, 2, 4, 8, 16, 32, 64])
    found = {part: [] for part in FLOORS}
    for seed in range(10):
        profiles = fractional_brownian(256, 60, seed, hurst=hurst).T
        own = np.stack([profiles[:, 128 + radii], profiles[:, 128 - radii]], axis=1) - profiles[:, 128, None, None]
        for part, squared in squared_increments(own, 0.0).items():
            found[part].append(fit_structure(radii.astype(float), squared, 0.0, seed).exponent)
    for exponents in found.values():
        assert np.mean([one.value for one in exponents]) == pytest.approx(2 * hurst, abs=0.12)
        assert sum(one.low <= 2 * hurst <= one.high for one in exponents) >= 7


def test_radii_below_rounding_are_not_fitted():
    rounding = 1e-7
    random = np.random.default_rng(0)
    noisy = losses(lambda d, r: 1 + 0.3 * r + random.normal(0, rounding))
    squared = squared_increments(noisy, 1 + random.normal(0, rounding))["difference"]
    floor = FLOORS["difference"] * rounding**2
    fit = fit_structure(RADII, squared, floor, 0)
    assert fit.exponent.value == pytest.approx(2, abs=0.02)
    assert (structure_function(squared)[fit.fitted] > 10 * floor).all()
    flat = squared_increments(losses(lambda d, r: 1 + random.normal(0, rounding)), 1.0)["difference"]
    assert np.isnan(fit_structure(RADII, flat, floor, 0).exponent.value)
    assert "rounding" in fit_structure(RADII, flat, floor, 0).reason


def test_the_floor_is_what_rounding_gives():
    random = np.random.default_rng(0)
    centres = random.normal(0, 1e-3, 2000)
    for part, times in FLOORS.items():
        found = [squared_increments(random.normal(0, 1e-3, (1, 2, 1)), centre)[part].mean() for centre in centres]
        assert np.mean(found) == pytest.approx(times * 1e-6, rel=0.1)


def test_losses_that_are_not_finite_are_left_out():
    values = losses(lambda d, r: 1 + r)
    values[3, 0, 5] = np.nan
    squared = squared_increments(values, 1.0)
    assert np.isfinite(squared["difference"]).all()
    assert np.isnan(squared["even"][3, 5])
    assert fit_structure(RADII, squared["difference"], 0.0, 0).exponent.value == pytest.approx(2)


@pytest.mark.long
@pytest.mark.parametrize("directions", [4, 8])
def test_intervals_over_few_directions_cover(directions):
    radii = np.array([1, 2, 4, 8, 16, 32, 64])
    held = dict.fromkeys(FLOORS, 0)
    for seed in range(120):
        profiles = fractional_brownian(256, directions, np.random.default_rng([9, directions, seed]), hurst=0.5).T
        own = np.stack([profiles[:, 128 + radii], profiles[:, 128 - radii]], axis=1) - profiles[:, 128, None, None]
        for part, squared in squared_increments(own, 0.0).items():
            found = fit_structure(radii.astype(float), squared, 0.0, seed).exponent
            held[part] += found.low <= 1 <= found.high
    # Of 120 intervals that cover with a probability of 0.95, fewer than 105 do so once in 3,000 times.
    assert min(held.values()) >= 105, held


def test_an_overflow_far_away_leaves_the_fit_nearby():
    values = losses(lambda d, r: 1 + (1 + d / 10) * r)
    near = fit_structure(RADII[:-2], squared_increments(values[:, :, :-2], 1.0)["difference"], 0.0, 0)
    values[:, :, -2:] = np.inf
    far = fit_structure(RADII, squared_increments(values, 1.0)["difference"], 0.0, 0)
    assert far.exponent == near.exponent
    assert far.fitted.tolist() == [True] * 15 + [False] * 2


def test_a_point_without_a_finite_loss_says_so():
    for part, squared in squared_increments(losses(lambda d, r: 1 + r), np.nan).items():
        found = fit_structure(RADII, squared, np.nan, 0)
        assert np.isnan(found.exponent.value), part
        assert found.reason == "no finite difference of losses"


def test_nested_directions_are_worth_as_many_independent_ones_as_their_squares_say():
    """On a smooth loss, <(g·u)²(g·v)²> says it; compared with the scatter of the mean of squared slopes itself."""
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=(64, 500)), axis=0)
    nested = walk[[0, 3, 15, 63]]
    angles = cosines(nested)
    np.testing.assert_allclose(angles[0] ** 2, [1, 1 / 4, 1 / 16, 1 / 64], atol=0.06)
    slopes = (random.normal(size=(20_000, 500)) @ (nested / np.linalg.norm(nested, axis=1, keepdims=True)).T) ** 2
    worth = slopes.var() / slopes.mean(axis=1).var()
    assert independent_directions(angles, 1.0) == pytest.approx(worth, rel=0.05)
    assert independent_directions(np.eye(8), 1.0) == pytest.approx(8)
    for part in FLOORS:
        assert independent_directions(np.ones((8, 8)), 0.6, part) == pytest.approx(1)
        assert 1 < independent_directions(np.eye(8), 0.5, part) < 8  # L(w) is in all differences


def test_one_direction_taken_several_times_has_no_interval():
    tilted = squared_increments(losses(lambda d, r: r + 0.1 * r**2, directions=8), 0.0)["difference"]
    assert np.isfinite(fit_structure(RADII, tilted, 0.0, 0).exponent.low)
    alone = fit_structure(RADII, tilted, 0.0, 0, angles=np.ones((8, 8))).exponent
    assert np.isfinite(alone.value)
    assert np.isnan(alone.low)
