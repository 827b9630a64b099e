"""Coordinates drawn from the Gram matrix have the law of a path's projections onto random directions."""

import numpy as np
import pytest
import scipy.stats

from anodiff.geometry import PathGeometry, path_geometry
from anodiff.geometry.random_coordinates import random_coordinates
from anodiff.geometry.reordered_principal import reordered_principal_coordinates
from anodiff.trajectory.windows import Window


@pytest.fixture(scope="module")
def points():
    """A path that drifts and ages in seven unequal directions."""
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(0.2, 1, (31, 7)) * np.arange(1, 8) / np.arange(1, 32)[:, None] ** 0.3, axis=0)


def test_they_have_the_covariance_of_projections(points):
    drawn = random_coordinates(path_geometry(points), 200_000, np.random.default_rng(1))
    from_start = points - points[0]
    exact = from_start @ from_start.T
    scale = np.sqrt(np.diagonal(exact))
    error = (drawn.T @ drawn / len(drawn) - exact)[1:, 1:] / np.outer(scale, scale)[1:, 1:]
    assert abs(error).max() < 5 * np.sqrt(2 / len(drawn))
    assert abs(drawn.mean(axis=0)[1:] / scale[1:]).max() < 5 / np.sqrt(len(drawn))


def test_no_statistic_of_the_whole_track_tells_them_from_projections(points):
    projected = np.random.default_rng(2).normal(size=(4000, points.shape[1])) @ (points - points[0]).T
    drawn = random_coordinates(path_geometry(points), 4000, np.random.default_rng(3))
    turns = [(np.diff(np.sign(np.diff(tracks)), axis=1) != 0).sum(axis=1) for tracks in (projected, drawn)]
    assert scipy.stats.ks_2samp(*(np.ptp(tracks, axis=1) for tracks in (projected, drawn))).pvalue > 0.01
    assert scipy.stats.ks_2samp(*(tracks.argmax(axis=1) for tracks in (projected, drawn))).pvalue > 0.01
    assert scipy.stats.ks_2samp(*turns).pvalue > 0.01


def test_their_mean_msd_is_that_of_the_path(points):
    path = path_geometry(points)
    drawn = random_coordinates(path, 100_000, np.random.default_rng(4))
    lags = [1, 5, 20]
    mean = [((drawn[:, lag:] - drawn[:, :-lag]) ** 2).mean() for lag in lags]
    np.testing.assert_allclose(mean, path.mean_squared_displacement(lags), rtol=0.03)


def test_every_third_point_has_the_law_of_every_third_point(points):
    drawn = random_coordinates(path_geometry(points), 100_000, np.random.default_rng(5), every=3)
    thinned = points[::3] - points[0]
    assert drawn.shape[1] == len(thinned)
    exact = thinned @ thinned.T
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), exact, atol=0.03 * exact.max())


def test_rounding_below_zero_is_no_direction():
    gram = np.ones((4, 4)) - 1e-15 * np.eye(4)
    drawn = random_coordinates(PathGeometry(gram, Window(0, 4)), 3, np.random.default_rng(0))
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn, drawn[:, 1:2] * np.arange(5), atol=1e-6)


@pytest.mark.parametrize("kind", ["even", "one long update", "few directions", "decaying"])
def test_principal_coordinates_of_reordered_paths_are_those_of_the_paths_made(kind):
    rng = np.random.default_rng(0)
    updates = rng.normal(0.1, 1, (60, 40))
    updates *= {"one long update": np.where(np.arange(60) == 7, 30, 1), "decaying": np.exp(-np.arange(60) / 10)}.get(
        kind, np.ones(60)
    )[:, None]
    updates = updates[:, :2] if kind == "few directions" else updates
    components, draws = 2, 3
    path = path_geometry(np.vstack([np.zeros(updates.shape[1]), updates.cumsum(axis=0)]))
    order = np.array([rng.permutation(60) for _ in range(draws)])
    signs = rng.choice([-1.0, 1.0], (draws, 60))
    found = reordered_principal_coordinates(path.gram, order, signs, components)
    for own, places, factors in zip(found, order, signs, strict=True):
        made = np.vstack([np.zeros(updates.shape[1]), (updates[places] * factors[:, None]).cumsum(axis=0)])
        exact = path_geometry(made).principal_coordinates(components).coordinates.T
        np.testing.assert_allclose(own, exact, atol=1e-3 * abs(exact).max())
