"""Directions: their lengths, their angles, and the plane of a path against the PCA of its points."""

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.geometry import path_geometry
from anodiff.landscape.directions import (
    filter_blocks,
    line_between,
    path_directions,
    random_directions,
    random_walk_null,
    unit_directions,
)
from anodiff.trajectory import open_trajectory

SHAPES = {"conv": (5, 3, 3, 3), "bias": (5,), "norm": (7,), "linear": (4, 6)}
SIZE = 135 + 5 + 7 + 24


@pytest.fixture
def centre():
    return np.random.default_rng(9).normal(0, 0.3, SIZE)


def filters(vector):
    return [row for count, columns in filter_blocks(SHAPES) for row in vector[columns].reshape(count, -1)]


def test_each_filter_is_as_long_as_the_weights_filter(centre):
    found = random_directions(centre, SHAPES, 0)
    for vector in found.vectors:
        lengths = [np.linalg.norm(row) for row in filters(vector)]
        np.testing.assert_allclose(lengths, [np.linalg.norm(row) for row in filters(centre)], rtol=1e-13)


def test_random_directions_are_orthogonal_in_every_filter(centre):
    first, second = random_directions(centre, SHAPES, 0).vectors
    for a, b in zip(filters(first), filters(second), strict=True):
        assert abs(a @ b) < 1e-14 * np.linalg.norm(a) * np.linalg.norm(b) * len(a)
    assert abs(first @ second) < 1e-14


def test_biases_and_normalisations_do_not_move(centre):
    assert (random_directions(centre, SHAPES, 0).vectors[:, 135:147] == 0).all()


def test_random_directions_are_normal_and_not_uniform():
    weights = np.ones(60_000)
    first = random_directions(weights, {"linear": (1, 60_000)}, 0).vectors[0]
    assert abs(first.mean()) < 0.02
    assert np.mean(first**4) == pytest.approx(3, abs=0.1)  # of a uniform one it would be 1.8


def test_the_first_direction_does_not_depend_on_whether_there_is_a_second(centre):
    one, two = random_directions(centre, SHAPES, 3, count=1), random_directions(centre, SHAPES, 3)
    np.testing.assert_array_equal(one.vectors[0], two.vectors[0])


def test_a_direction_of_length_zero_is_one_line(centre):
    with pytest.raises(ConfigError, match="length 0 leads nowhere"):
        line_between(centre, centre)
    with pytest.raises(ConfigError, match="gradient: a direction of length 0"):
        unit_directions("gradient", centre, np.zeros(SIZE), ("gradient",))
    with pytest.raises(ConfigError, match="length 0"):
        random_directions(np.zeros(SIZE), SHAPES, 0)


def test_the_plane_of_a_path_is_that_of_its_points(record_path):
    random = np.random.default_rng(2)
    points = (10 + np.cumsum(random.normal(size=(41, 30)), axis=0)).astype(np.float32)
    trajectory = open_trajectory(record_path(points))
    found = path_directions(trajectory, path_geometry(points))
    exact = points.astype(float)
    centred = exact - exact.mean(0)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.origin, exact.mean(0))
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * right[:2], 1)), 1, atol=1e-5)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(centred @ found.vectors.T, found.path, atol=1e-4)
    np.testing.assert_allclose(found.explained_variance, (singular**2 / np.sum(singular**2))[:2], rtol=1e-5)


def test_a_random_walk_explains_what_the_null_says():
    points = np.cumsum(np.random.default_rng(0).normal(size=(301, 4000)), axis=0)
    explained = path_geometry(points).principal_coordinates(2).explained_variance
    np.testing.assert_allclose(explained, random_walk_null(), rtol=0.05)


def test_a_line_leads_from_one_point_to_the_other(centre):
    end = centre + 2
    line = line_between(centre, end)
    np.testing.assert_allclose(line.origin + line.vectors[0], end)
