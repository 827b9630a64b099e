"""The block bootstrap over start times."""

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import time_averaged_msd
from anodiff.simulation.calibration.block_bootstrap import draw_log_msd_by_blocks
from anodiff.simulation.processes import brownian

LAGS = np.array([1, 3, 30])


def drawn(seed, draws=200, **keywords):
    squares = path_geometry(brownian(500, 2, seed)).squared_displacements
    return squares, draw_log_msd_by_blocks(squares, LAGS, draws=draws, generator=np.random.default_rng(seed), **keywords)


def test_one_block_as_long_as_the_window_is_the_msd():
    squares, logs = drawn(0, block=501)
    np.testing.assert_allclose(np.exp(logs), np.tile(time_averaged_msd(squares)[LAGS][:, None], 200))


def test_blocks_of_one_at_lag_one_resample_independent_steps():
    errors, scatter = [], []
    for seed in range(100):
        squares, logs = drawn(seed, block=1)
        scatter.append(logs[0].std())
        errors.append(np.log(time_averaged_msd(squares)[1] / 2))
    assert np.mean(scatter) == pytest.approx(np.sqrt(2 / (500 * 2)), rel=0.06)  # χ² with 2 degrees of freedom per step
    assert np.std(errors) == pytest.approx(np.mean(scatter), rel=0.2)


def test_intervals_at_long_lags_are_too_narrow():
    # The known flaw of the method: displacements over 30 steps overlap, and blocks of 5 hide what they have in common.
    errors, scatter = [], []
    for seed in range(60):
        squares, logs = drawn(seed, block=5)
        scatter.append(logs[2].std())
        errors.append(np.log(time_averaged_msd(squares)[30] / 60))
    assert np.mean(scatter) < 0.6 * np.std(errors)


def test_a_path_at_rest_gives_nan_and_an_empty_block_an_error():
    rest = np.zeros((50, 50))
    assert np.isnan(draw_log_msd_by_blocks(rest, LAGS, draws=3, generator=np.random.default_rng(0))).all()
    with pytest.raises(ConfigError, match="give 1 or more"):
        draw_log_msd_by_blocks(rest, LAGS, draws=3, generator=np.random.default_rng(0), block=0)
