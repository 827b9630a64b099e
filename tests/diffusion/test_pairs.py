"""Contour length, path dimension and loss roughness, on paths where they are known."""

import math

import numpy as np
import pytest
import reference

from anodiff.diffusion.exponents import slope
from anodiff.diffusion.intervals import UNKNOWN, Interval
from anodiff.diffusion.pairs import bin_pairs, displacement_by_contour, loss_difference_by_distance, path_dimension
from anodiff.geometry import path_geometry
from anodiff.simulation.processes import brownian, fractional_brownian, student_walk


def by_contour(points):
    path = path_geometry(points)
    return displacement_by_contour(path.squared_displacements, path.contour_length)


def dimension(points, overall=UNKNOWN, single_steps=0.0):
    path = path_geometry(points)
    return path_dimension(path.squared_displacements, path.contour_length, overall, single_steps)


def test_a_straight_path_has_dimension_one_for_any_steps():
    steps = np.random.default_rng(0).uniform(0.1, 3, 200)
    points = np.outer(np.concatenate([[0], np.cumsum(steps)]), [3.0, 4.0])
    assert dimension(points).value == pytest.approx(1, abs=0.02)  # means in bins of a tenth of a decade


def test_brownian_motion_has_path_dimension_two():
    assert dimension(brownian(1000, 500, 0)).value == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("hurst", [0.4, 0.7])
def test_a_fractional_brownian_path_has_dimension_one_over_its_hurst_exponent(hurst):
    assert dimension(fractional_brownian(1000, 500, 0, hurst=hurst)).value == pytest.approx(1 / hurst, rel=0.02)


@pytest.mark.parametrize("hurst", [0.25, 0.5, 0.75])
def test_variable_step_lengths_do_not_change_the_dimension(hurst):
    # In three dimensions lengths vary. Pairs one step of contour apart are single short or long steps with Δr² = s².
    found = [dimension(fractional_brownian(1000, 3, seed, hurst=hurst)).value for seed in range(10)]
    assert np.mean(found) == pytest.approx(1 / hurst, rel=0.1)


def test_the_interval_of_the_dimension_is_as_wide_as_that_of_the_exponent():
    points = brownian(1000, 100, 0)
    exponent = by_contour(points).exponent.value
    found = dimension(points, Interval(1.1, 1.0, 1.3))
    assert (2 / found.high, 2 / found.value, 2 / found.low) == pytest.approx((exponent - 0.1, exponent, exponent + 0.2))
    assert dimension(points, Interval(1.1, 0.0, 1.3)).high == math.inf


def test_single_long_steps_widen_the_interval_of_the_dimension_and_equal_ones_do_not():
    """Of independent steps, the dimension scatters by what single long ones do to the contour."""
    overall = Interval(1.0, 0.99, 1.01)
    paths = [student_walk(300, 50, seed, freedom=3.0) for seed in range(40)]
    centre = np.median([dimension(path, overall).value for path in paths])
    held = [
        [each.low <= centre <= each.high for each in (dimension(path, overall, share) for path in paths)] for share in (0, 1)
    ]
    assert np.mean(held[0]) < 0.5 < 0.8 < np.mean(held[1])
    equal = dimension(np.cumsum(np.sign(np.random.default_rng(0).normal(size=(301, 50))), axis=0), overall, 1.0)
    assert 1 / equal.low - 1 / equal.high == pytest.approx(0.01, abs=1e-6)


def test_the_jackknife_leaves_out_the_pairs_of_one_stretch():
    points = brownian(99, 3, 1)
    squares = reference.squared_displacements(points)
    distances = np.sqrt(squares)
    binned = bin_pairs(distances, squares**0.3)
    smallest = np.log10(distances[distances > 0].min())
    for stretch in (0, 4):
        kept = [i for i in range(100) if i // 10 != stretch]
        slow = {}
        for place, i in enumerate(kept):
            for j in kept[place + 1 :]:
                slow.setdefault(math.floor((np.log10(distances[i, j]) - smallest) * 10), []).append((i, j))
        filled = [pairs for pairs in slow.values() if len(pairs) >= 10]
        centres = [np.exp(np.mean([np.log(distances[pair]) for pair in pairs])) for pairs in filled]
        means = [np.mean([squares[pair] ** 0.3 for pair in pairs]) for pairs in filled]
        assert binned.without[stretch] == pytest.approx(slope(centres, means))


def test_bins_hold_the_means_of_all_pairs_in_them():
    points = brownian(40, 3, 1)
    contour, squares = reference.contour_length(points), reference.squared_displacements(points)
    pairs = [(contour[j] - contour[i], squares[i, j]) for i in range(41) for j in range(i + 1, 41)]
    pairs = [(s, square) for s, square in pairs if s >= 3 * contour[-1] / 40]
    smallest = min(math.log10(s) for s, _ in pairs)
    slow = {}
    for s, square in pairs:
        slow.setdefault(math.floor((math.log10(s) - smallest) * 10), []).append(square)
    expected = [np.mean(slow[key]) for key in sorted(slow) if len(slow[key]) >= 10]
    np.testing.assert_allclose(by_contour(points).means, expected)


def test_every_step_counts_once():
    # Off by one, contour lengths would count one step too many for every start except the first.
    path = path_geometry(np.arange(30.0)[:, None])
    found = displacement_by_contour(path.squared_displacements, path.contour_length)
    assert (found.centres[0], found.means[0], found.pairs[0]) == pytest.approx((3, 9, 27))


def test_a_smooth_loss_has_roughness_exponent_one():
    along = np.concatenate([[0.0], np.geomspace(1e-3, 1, 400)])
    path = path_geometry(along[:, None])
    assert loss_difference_by_distance(path.squared_displacements, 3 * along).exponent.value / 2 == pytest.approx(1, abs=0.01)


def test_a_fractal_loss_has_its_hurst_exponent():
    path = path_geometry(np.arange(2001.0)[:, None])
    exponents = [
        loss_difference_by_distance(
            path.squared_displacements, fractional_brownian(2000, 1, seed, hurst=0.3)[:, 0]
        ).exponent.value
        for seed in range(8)
    ]
    assert np.mean(exponents) / 2 == pytest.approx(0.3, abs=0.05)


def test_points_without_a_loss_are_left_out():
    path = path_geometry(np.arange(101.0)[:, None])
    losses = np.arange(101.0)
    losses[-1] = np.nan
    assert loss_difference_by_distance(path.squared_displacements, losses).pairs.sum() == 100 * 99 / 2


def test_coinciding_or_missing_pairs_give_no_exponent_and_no_warning():
    nothing = bin_pairs(np.zeros((50, 50)), np.ones((50, 50)))
    assert len(nothing.centres) == 0
    assert math.isnan(nothing.exponent.value)
    assert math.isnan(dimension(np.zeros((50, 2))).value)


def test_the_loss_roughness_is_fitted_up_to_the_distance_covered_in_a_tenth_of_the_window():
    squares = path_geometry(brownian(1000, 50, 0)).squared_displacements
    found = loss_difference_by_distance(squares, np.random.default_rng(0).normal(size=1001).cumsum())
    reach = math.sqrt(np.mean([squares[start, start + 100] for start in range(901)]))
    np.testing.assert_array_equal(found.fitted, found.centres <= reach)
    inside, outside = found.centres <= reach, found.centres > reach
    assert inside.sum() > 5
    assert outside.sum() > 2
    assert found.exponent.value == slope(found.centres[inside], found.means[inside])
