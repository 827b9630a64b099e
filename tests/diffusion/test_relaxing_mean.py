"""Paths without a relaxing mean: noise keeps its law, relaxation goes, superdiffusion stays."""

import numpy as np
import pytest

from anodiff.diffusion.relaxing_mean import (
    MOST_TAKEN,
    RESIDUAL_COLUMNS,
    RESIDUAL_CURVES,
    SCALES,
    measure_relaxing_mean,
    slow_functions,
    without_mean,
)
from anodiff.geometry import PathGeometry, path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian, quadratic_bowl

STEPS, DRAWS = 300, 10
LAGS = logarithmic_lags(STEPS, 12, 0.9)
LONG = (60, 270)


def bowl(seed, start):
    curvatures = np.geomspace(0.005, 1, 100)
    return quadratic_bowl(STEPS, 100, seed, curvatures=curvatures, learning_rate=0.3, noise=0.3, start=start)


def measured(points, lags=LAGS):
    path = path_geometry(points)
    msd = path.mean_squared_displacement(lags)
    return measure_relaxing_mean(path, lags, msd, 0.25, LONG, DRAWS, np.random.default_rng(0))


def test_a_sum_of_relaxations_of_any_rates_is_a_slow_function():
    functions, time = slow_functions(STEPS), np.arange(STEPS)
    np.testing.assert_allclose(functions.T @ functions, np.eye(functions.shape[1]), atol=1e-10)
    for rate in (0, 0.0015, 0.01, 0.08, 0.3):
        mean = (1 - rate) ** time
        assert np.abs(mean - functions @ (functions.T @ mean)).max() < 0.003


def test_the_residual_and_its_null_are_those_of_the_points():
    points, lags = brownian(60, 4, 0, drift=1.0), np.array([1, 2, 3, 5])
    functions = slow_functions(60)
    found = without_mean(path_geometry(points), lags, functions, 3, np.random.default_rng(0))
    updates = np.diff(points, axis=0)
    left = updates - functions @ (functions.T @ updates)
    lag = int(found.lags[-1])
    ones = np.array([[start <= k < start + lag for k in range(60)] for start in range(61 - lag)])
    taken = ((ones @ functions) ** 2).sum(axis=1).mean() / lag
    assert taken <= MOST_TAKEN

    def msd_of(steps):
        path = path_geometry(np.vstack([np.zeros(4), np.cumsum(steps, axis=0)]))
        return path.mean_squared_displacement(found.lags[-1:]) / (1 - taken)

    np.testing.assert_allclose(found.msd[-1], msd_of(left), rtol=1e-6)
    for signs, drawn in zip(np.random.default_rng(0).choice([-1.0, 1.0], (3, 60)), found.null.log_msd, strict=True):
        steps = signs[:, None] * left
        np.testing.assert_allclose(np.exp(drawn[-1]), msd_of(steps - functions @ (functions.T @ steps)), rtol=1e-6)


def test_brownian_motion_keeps_its_msd_whatever_mean_it_has():
    rest = brownian(STEPS, 300, 0)
    curves, row = measured(rest)
    known = np.isfinite(curves["residual_msd"])
    np.testing.assert_allclose(curves["residual_msd"][known], 300 * LAGS[known], rtol=0.05)
    assert row["beta_residual"] == pytest.approx(1, abs=0.03)
    assert row["trend_share_long"] < 0.2
    mean = 40 * 0.99 ** np.arange(STEPS + 1)[:, None]
    moved, moved_row = measured(rest + mean)
    np.testing.assert_allclose(moved["residual_msd"][known], curves["residual_msd"][known], rtol=0.01)
    trend = np.array([300 * ((mean[lag:] - mean[:-lag]) ** 2).mean() for lag in LAGS])
    exact = trend / (trend + 300 * LAGS)
    np.testing.assert_allclose(moved["trend_share"], exact, atol=0.1)
    in_range = (LONG[0] <= LAGS) & (LONG[1] >= LAGS)
    assert moved_row["trend_share_long"] == pytest.approx(exact[in_range].mean(), abs=0.06)


@pytest.mark.parametrize("start", [10.0, 100.0])
def test_relaxation_from_afar_is_all_mean_and_its_noise_is_not_superdiffusive(start):
    curves, row = measured(bowl(0, start))
    assert row["trend_share_long"] > 0.75
    assert row["beta_residual_sigma"] < -2  # the springs of the bowl
    assert min(row[f"superdiffusion_p_residual{scale}"] for scale in SCALES) > 0.5
    assert np.nanmax(curves["trend_share"]) <= 1


def test_a_stationary_bowl_has_no_trend():
    _, row = measured(bowl(0, "stationary"))
    assert row["trend_share_long"] < 0.1
    assert row["beta_residual_above"] < -0.05


@pytest.mark.parametrize("dimensions", [3, 20, 200])
def test_fractional_brownian_motion_stays_superdiffusive_at_all_scales(dimensions):
    curves, row = measured(fractional_brownian(STEPS, dimensions, 1, hurst=0.75))
    assert row["beta_residual"] > 1.25
    assert row["beta_residual_sigma"] > 2
    assert [row[f"superdiffusion_p_residual{scale}"] for scale in SCALES] == [1 / (DRAWS + 1)] * len(SCALES)
    assert curves["beta_residual"][0] == pytest.approx(1.45, abs=0.1)  # at lags far below the scale of the mean


def test_superdiffusion_on_top_of_relaxation_is_found():
    _, row = measured(fractional_brownian(STEPS, 100, 0, hurst=0.75) + bowl(0, 10.0))
    assert row["beta_residual"] > 1.2
    assert row["superdiffusion_p_residual"] == 1 / (DRAWS + 1)


def test_the_p_value_of_brownian_motion_is_evenly_spread():
    lags = LAGS[LAGS <= 40]
    p = [measured(brownian(STEPS, 20, seed), lags)[1]["superdiffusion_p_residual"] for seed in range(40)]
    assert 0.3 < np.mean(np.array(p) < 0.5) < 0.7  # two and a half standard deviations


def test_a_window_too_short_to_tell_mean_and_motion_has_no_residual():
    path = path_geometry(brownian(12, 3, 0))
    lags = np.arange(1, 11)
    found = measure_relaxing_mean(path, lags, path.mean_squared_displacement(lags), 0.25, (4, 10), 5, np.random.default_rng(0))
    assert found == ({}, {})


def test_a_strided_window_has_its_lag_in_optimiser_steps():
    path = path_geometry(brownian(STEPS, 10, 0))
    window = type(path.window)(0, 4 * STEPS, 4)
    msd = path.mean_squared_displacement(LAGS)
    rows = [
        measure_relaxing_mean(PathGeometry(path.gram, own), LAGS, msd, 0.25, LONG, 2, np.random.default_rng(0))[1]
        for own in (path.window, window)
    ]
    assert rows[1]["residual_to"] == 4 * rows[0]["residual_to"]


def test_every_curve_and_column_is_filled():
    curves, row = measured(brownian(STEPS, 10, 0))
    assert set(curves) == set(RESIDUAL_CURVES)
    assert set(row) == set(RESIDUAL_COLUMNS)
    assert all(len(curve) == len(LAGS) for curve in curves.values())
