"""The geometry of a path, compared with its points; and what each null keeps and destroys."""

import numpy as np
import pytest
import reference
from scipy.spatial.distance import pdist, squareform

from anodiff.errors import ConfigError
from anodiff.geometry import PathGeometry, path_geometry
from anodiff.simulation.processes import brownian, fractional_brownian
from anodiff.trajectory import Window


@pytest.fixture
def points():
    return brownian(60, 7, 0, drift=0.3)


@pytest.fixture
def path(points):
    return path_geometry(points)


def test_the_msd_at_some_lags_is_the_mean_over_all_pairs(path, points):
    lags = np.array([1, 2, 5, 31, 60])
    np.testing.assert_allclose(path.mean_squared_displacement(lags), reference.mean_squared_displacement(points)[lags])


def test_a_displacement_squared_is_a_metric_squared(path):
    distances = np.sqrt(path.squared_displacements)
    np.testing.assert_array_equal(distances, distances.T)
    assert (np.diagonal(distances) == 0).all()
    assert (distances[:, :, None] <= distances[:, None, :] + distances[None, :, :] + 1e-9).all()


@pytest.mark.parametrize("jump", [1.0, 1e4, 1e8])
def test_displacements_that_a_jump_is_no_part_of_do_not_lose_digits_to_it(points, jump):
    updates = np.diff(points, axis=0)
    updates[30] *= jump
    squares = PathGeometry(updates @ updates.T, Window(0, 60)).squared_displacements
    direct = [[np.square(updates[min(i, j) : max(i, j)].sum(0)).sum() for j in range(61)] for i in range(61)]
    np.testing.assert_allclose(squares, direct, rtol=1e-12)


def test_the_gram_matrix_is_positive_semi_definite(path):
    eigenvalues = np.linalg.eigvalsh(path.gram)
    assert eigenvalues.min() > -1e-12 * eigenvalues.max()


def test_the_autocorrelation_of_updates_is_the_mean_product_over_the_mean_square(path, points):
    steps = np.diff(points, axis=0)
    expected = [np.mean([steps[k] @ steps[k + m] for k in range(60 - m)]) for m in range(4)]
    np.testing.assert_allclose(path.update_autocorrelation(range(4)), expected / expected[0])


@pytest.mark.parametrize("hurst", [0.25, 0.75])
def test_the_updates_of_fractional_brownian_motion_have_their_exact_correlation(hurst):
    path = path_geometry(fractional_brownian(400, 2000, 3, hurst=hurst))
    lags = np.arange(1, 6)
    expected = ((lags + 1.0) ** (2 * hurst) + (lags - 1.0) ** (2 * hurst) - 2.0 * lags ** (2 * hurst)) / 2
    np.testing.assert_allclose(path.update_autocorrelation(lags), expected, atol=0.01)


def test_the_angle_between_updates_is_the_angle_of_the_turn():
    corners = np.array([[0.0, 0], [1, 0], [1, 2], [1, 1], [1, 1], [5, 1]])
    np.testing.assert_allclose(path_geometry(corners).update_angles(), np.array([0.5, 1, np.nan, np.nan]) * np.pi)


def test_principal_coordinates_equal_the_pca_of_the_points(path, points):
    centred = points - points.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    found = path.principal_coordinates(3)
    np.testing.assert_allclose(found.explained_variance, (values**2 / (values**2).sum())[:3])
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(left[:, :3] * values[:3]), atol=1e-9)


def test_the_principal_components_of_a_random_walk_explain_six_over_pi_squared_k_squared():
    explained = path_geometry(brownian(500, 4000, 1)).principal_coordinates(4).explained_variance
    np.testing.assert_allclose(explained, 6 / (np.pi * np.arange(1, 5)) ** 2, rtol=0.05)


def test_as_many_principal_components_as_points_are_refused(path):
    with pytest.raises(ConfigError, match="ask for 1 to 60"):
        path.principal_coordinates(61)


def test_principal_coordinates_keep_distances_where_all_variance_is_in_them():
    plane = brownian(30, 2, 5)
    embedded = plane @ np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0][:2]
    coordinates = path_geometry(embedded).principal_coordinates(2).coordinates
    np.testing.assert_allclose(pdist(coordinates), pdist(plane), atol=1e-9)
    np.testing.assert_allclose(squareform(pdist(plane)) ** 2, path_geometry(embedded).squared_displacements, atol=1e-9)


def test_shuffling_keeps_the_steps_and_the_whole_displacement(path):
    null = path.shuffled(np.random.default_rng(0))
    assert not np.array_equal(null.step_lengths, path.step_lengths)
    np.testing.assert_array_equal(np.sort(null.step_lengths), np.sort(path.step_lengths))
    np.testing.assert_allclose(null.mean_squared_displacement([1, 60]), path.mean_squared_displacement([1, 60]))


def test_shuffling_destroys_the_order_of_a_persistent_path():
    path = path_geometry(fractional_brownian(500, 200, 0, hurst=0.75))
    null = path.shuffled(np.random.default_rng(0))
    assert path.update_autocorrelation([1])[0] > 0.35
    assert abs(null.update_autocorrelation([1])[0]) < 0.05


def test_shuffled_updates_give_the_path_of_the_shuffled_steps(points, path):
    steps = np.diff(points, axis=0)
    order = np.random.default_rng(8).permutation(60)
    expected = reference.gram(np.vstack([np.zeros(7), np.cumsum(steps[order], axis=0)]))
    np.testing.assert_allclose(path.shuffled(np.random.default_rng(8)).gram, expected, atol=1e-9)


def test_shuffling_within_epochs_keeps_each_epochs_displacement(points):
    window = Window(13, 60)
    path = PathGeometry(path_geometry(points).gram, window)
    null = path.permuted_within_epoch(20, np.random.default_rng(0))
    ends = [0, 7, 27, 47, 60]  # ends of the epochs that begin at steps 20, 40, 60
    np.testing.assert_allclose(null.squared_displacements[np.ix_(ends, ends)], path.squared_displacements[np.ix_(ends, ends)])
    assert not np.allclose(null.squared_displacements, path.squared_displacements)


def test_random_signs_keep_every_step_length_and_remove_the_drift():
    path = path_geometry(brownian(400, 50, 2, drift=5.0))
    null = path.sign_randomised(np.random.default_rng(0))
    np.testing.assert_array_equal(null.step_lengths, path.step_lengths)
    assert null.squared_displacements[0, -1] < 0.1 * path.squared_displacements[0, -1]


def test_a_detrended_path_ends_where_it_began(path, points):
    null = path.detrended()
    assert null.squared_displacements[0, -1] == pytest.approx(0, abs=1e-9)
    without = points - np.linspace(0, 1, 61)[:, None] * points[-1]
    np.testing.assert_allclose(null.squared_displacements, reference.squared_displacements(without), atol=1e-9)


def test_nulls_do_not_change_the_path_itself(path):
    before = path.gram.copy()
    generator = np.random.default_rng(0)
    path.detrended(), path.shuffled(generator), path.sign_randomised(generator), path.permuted_within_epoch(7, generator)
    np.testing.assert_array_equal(path.gram, before)
