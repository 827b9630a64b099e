"""Contour length, path dimension and loss roughness, on paths where they are known."""

import math

import numpy as np
import pytest
import reference

from anodiff.diffusion.pairs import bin_pairs, displacement_by_contour, loss_difference_by_distance, path_dimension
from anodiff.geometry import path_geometry
from anodiff.processes import brownian, fractional_brownian


def by_contour(points):
    path = path_geometry(points)
    return displacement_by_contour(path.squared_displacements, path.contour_length)


def test_a_straight_path_has_dimension_one_whatever_its_steps():
    steps = np.random.default_rng(0).uniform(0.1, 3, 200)
    points = np.outer(np.concatenate([[0], np.cumsum(steps)]), [3.0, 4.0])
    assert path_dimension(by_contour(points)) == pytest.approx(1, abs=0.02)  # means in bins of a tenth of a decade


def test_brownian_motion_has_path_dimension_two():
    assert path_dimension(by_contour(brownian(1000, 500, 0))) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("hurst", [0.4, 0.7])
def test_a_fractional_brownian_path_has_dimension_one_over_its_hurst_exponent(hurst):
    assert path_dimension(by_contour(fractional_brownian(1000, 500, 0, hurst=hurst))) == pytest.approx(1 / hurst, rel=0.06)


def test_bins_hold_the_means_of_all_pairs_in_them():
    points = brownian(40, 3, 1)
    contour, squares = reference.contour_length(points), reference.squared_displacements(points)
    pairs = [(contour[j] - contour[i], squares[i, j]) for i in range(41) for j in range(i + 1, 41)]
    smallest = min(math.log10(s) for s, _ in pairs)
    slow = {}
    for s, square in pairs:
        slow.setdefault(math.floor((math.log10(s) - smallest) * 10), []).append(square)
    expected = [np.mean(slow[key]) for key in sorted(slow) if len(slow[key]) >= 10]
    np.testing.assert_allclose(by_contour(points).means, expected)


def test_the_first_step_counts_once():
    # Contour lengths once counted one step too many for every start but the first.
    path = path_geometry(np.arange(30.0)[:, None])
    assert displacement_by_contour(path.squared_displacements, path.contour_length).centres[0] == pytest.approx(1)


def test_a_smooth_loss_has_roughness_exponent_one():
    along = np.concatenate([[0.0], np.geomspace(1e-3, 1, 400)])
    path = path_geometry(along[:, None])
    assert loss_difference_by_distance(path.squared_displacements, 3 * along).exponent / 2 == pytest.approx(1, abs=0.01)


def test_a_fractal_loss_has_its_hurst_exponent():
    path = path_geometry(np.arange(2001.0)[:, None])
    exponents = [
        loss_difference_by_distance(path.squared_displacements, fractional_brownian(2000, 1, seed, hurst=0.3)[:, 0]).exponent
        for seed in range(8)
    ]
    assert np.mean(exponents) / 2 == pytest.approx(0.3, abs=0.05)


def test_points_without_a_loss_are_left_out():
    path = path_geometry(np.arange(101.0)[:, None])
    losses = np.arange(101.0)
    losses[-1] = np.nan
    assert loss_difference_by_distance(path.squared_displacements, losses).pairs.sum() == 100 * 99 / 2


def test_pairs_that_coincide_or_none_at_all_give_no_exponent_and_no_warning():
    nothing = bin_pairs(np.zeros(50), np.ones(50), 10)
    assert len(nothing.centres) == 0
    assert math.isnan(nothing.exponent)
    assert math.isnan(path_dimension(nothing))
