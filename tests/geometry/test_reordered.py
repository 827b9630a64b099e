"""MSDs of reordered updates, against those of the paths that the nulls form."""

import numpy as np
import pytest

from anodiff.geometry import PathGeometry, path_geometry
from anodiff.geometry.reordered import ROWS, reordered_msd, signed_msd, signed_msd_at_short_lags
from anodiff.simulation.processes import fractional_brownian
from anodiff.trajectory.windows import Window


def draw_path(updates):
    points = fractional_brownian(max(updates, 2), 5, 0, hurst=0.7)[: updates + 1]
    return PathGeometry(path_geometry(points).gram, Window(7, updates))


# One update; less than a block of rows, a whole one, one more, and several.
LENGTHS = [1, 2, 3, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 10]


@pytest.mark.parametrize("updates", LENGTHS)
def test_the_msd_of_reordered_updates_is_that_of_their_path(updates):
    path, lags = draw_path(updates), np.arange(updates + 1)
    order = np.random.default_rng(0).permutation(updates)
    slow = path.shuffled(np.random.default_rng(0)).mean_squared_displacement(lags)
    np.testing.assert_allclose(reordered_msd(path.gram, order, lags), slow, rtol=1e-10)


@pytest.mark.parametrize("updates", LENGTHS)
def test_the_msd_of_updates_with_other_signs_is_that_of_their_path(updates):
    path, lags = draw_path(updates), np.arange(updates + 1)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], updates)
    slow = path.sign_randomised(np.random.default_rng(0)).mean_squared_displacement(lags)
    np.testing.assert_allclose(signed_msd(path.gram, signs, lags), slow, rtol=1e-10)


@pytest.mark.parametrize(("updates", "largest"), [(1, 1), (2, 1), (3, 3), (50, 1), (50, 2), (300, 40)])
def test_short_lags_need_only_products_of_near_updates(updates, largest):
    path, lags = draw_path(updates), np.arange(1, largest + 1)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (3, updates))
    slow = [signed_msd(path.gram, own, lags) for own in signs]
    np.testing.assert_allclose(signed_msd_at_short_lags(path.gram, signs, lags), slow, rtol=1e-10)


def test_updates_in_their_own_order_have_the_msd_of_the_path():
    path = draw_path(100)
    lags = np.array([1, 10, 99, 100])
    np.testing.assert_allclose(reordered_msd(path.gram, np.arange(100), lags), path.mean_squared_displacement(lags), rtol=1e-10)
