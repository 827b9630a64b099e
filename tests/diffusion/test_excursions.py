"""Transverse excursions of paths whose shape is known."""

import numpy as np
import pytest

from anodiff.diffusion.excursions import transverse_excursions
from anodiff.geometry import path_geometry
from anodiff.simulation.processes import brownian

LENGTHS = np.array([2, 5, 20, 60])


def excursions(points, lengths=LENGTHS):
    return transverse_excursions(path_geometry(points).squared_displacements, lengths)


def test_a_straight_path_has_no_excursion():
    found = excursions(np.outer(np.arange(101.0), [1.0, 2.0, 2.0]))
    np.testing.assert_allclose(found.excursion, 0, atol=1e-9)
    np.testing.assert_allclose(found.chord, (3.0 * LENGTHS) ** 2)


def test_the_excursion_of_a_corner_is_the_height_of_its_triangle():
    corner = np.array([[0.0, 0], [3, 0], [3, 4]])
    found = excursions(corner, np.array([2]))
    assert found.excursion[0] == pytest.approx((3 * 4 / 5) ** 2)
    assert found.chord[0] == pytest.approx(25)


def test_distances_from_the_line_equal_those_of_the_points():
    points = brownian(30, 4, 0)
    expected = []
    for start in range(31 - 7):
        chord = points[start + 7] - points[start]
        offsets = points[start : start + 8] - points[start]
        transverse = offsets - np.outer(offsets @ chord, chord) / (chord @ chord)
        expected.append((transverse**2).sum(axis=1).max())
    assert excursions(points, np.array([7])).excursion[0] == pytest.approx(np.mean(expected))


def test_the_excursions_of_brownian_motion_grow_like_its_chords():
    every = [excursions(brownian(1000, 300, seed), np.array([64, 96, 128, 192, 250])) for seed in range(5)]
    assert np.mean([found.exponent.value for found in every]) == pytest.approx(1, abs=0.03)
    assert sum(found.exponent.low < 1 < found.exponent.high for found in every) >= 4
    ratios = np.mean([found.ratio for found in every], axis=0)
    np.testing.assert_allclose(ratios, 0.25, rtol=0.12)  # in many dimensions, the variance of a bridge at its middle


def test_very_short_and_very_long_fragments_are_not_used_for_the_exponent():
    path = path_geometry(brownian(1000, 300, 0)).squared_displacements
    assert transverse_excursions(path, np.array([1])).excursion[0] == 0
    some = transverse_excursions(path, np.array([1, 16, 60, 200, 900]))
    assert some.exponent == transverse_excursions(path, np.array([60, 200])).exponent
    assert np.isnan(transverse_excursions(path, np.array([1, 16, 900])).exponent.value)


def test_the_excursion_of_a_closed_fragment_is_the_distance_from_its_ends():
    closed = np.array([[0.0, 0], [2, 0], [2, 2], [0, 0]])
    found = excursions(closed, np.array([3]))
    assert found.excursion[0] == pytest.approx(8)
    assert np.isnan(found.ratio[0])
