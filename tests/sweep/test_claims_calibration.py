"""Sweeps of processes of known law get the right verdicts."""

import numpy as np
import pandas as pd
import pytest

from anodiff import PROCESSES, path_geometry
from anodiff.diffusion.exponents import local_slopes
from anodiff.diffusion.nulls import null_curves, superdiffusion_p
from anodiff.geometry.msd import logarithmic_lags
from anodiff.sweep.claims import diffusion_parts
from anodiff.sweep.hypothesis_tests import combined_verdict

STEPS, WIDTH = 120, 0.25
LAGS = logarithmic_lags(STEPS, 20, 0.9)
LONG = np.log(LAGS[LAGS >= STEPS // 5])
LONG_SLOPE = (LONG - LONG.mean()) / ((LONG - LONG.mean()) ** 2).sum()


def window(process, dimensions, seed):
    """The columns that claim 1 rests on, of one window, by the definitions of docs/method.md."""
    geometry = path_geometry(PROCESSES[process].simulate(STEPS, dimensions, seed))
    log_msd = np.log(geometry.mean_squared_displacement(LAGS))
    nulls = null_curves(geometry, LAGS, draws=20, steps_per_epoch=None, generator=np.random.default_rng([seed, 1]))
    long = log_msd[-len(LONG) :] @ LONG_SLOPE
    signs = nulls["sign_randomised"].log_msd[:, -len(LONG) :] @ LONG_SLOPE
    return {
        "beta_max": np.nanmax(log_msd @ local_slopes(LAGS, WIDTH).T),
        "beta_long": long,
        "beta_long_above_sign_randomised": long - signs.mean(),
        "superdiffusion_p_shuffled": superdiffusion_p(log_msd, nulls["shuffled"], LAGS, WIDTH),
    }


def windows(process, number, dimensions=20):
    return pd.DataFrame([window(process, dimensions, seed) for seed in range(number)])


def sweep(early, late, runs, random):
    """A table of exponents of runs with an early window and two late ones, each drawn from simulated ones."""
    tables = []
    for number, pool in enumerate([early, late, late]):
        drawn = pool.iloc[random.integers(len(pool), size=runs)].reset_index(drop=True)
        place = {"waiting_time": STEPS * number, "length": STEPS, "stride": 1}
        tables.append(drawn.assign(run=[f"run {run}" for run in range(runs)], **place))
    return pd.concat(tables)


def verdicts_of_sweeps(early, late, *, sweeps, runs=8):
    """How often each part of claim 1, and the whole, gets which verdict: shares."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(sweeps):
        parts = [part["verdict"] for part in diffusion_parts(sweep(early, late, runs, random))]
        found.append([*parts, combined_verdict(parts)])
    table = pd.DataFrame(found, columns=["early", "order", "trend", "late", "whole"])
    return table.apply(lambda column: column.value_counts(normalize=True)).fillna(0)


@pytest.fixture(scope="module")
def brownian():
    return windows("brownian", 100)


def test_brownian_sweeps_support_no_claim(brownian):
    assert 0.3 < (brownian["superdiffusion_p_shuffled"] < 0.5).mean() < 0.7  # four standard deviations about a half
    assert 0.3 < (brownian["beta_long_above_sign_randomised"] > 0).mean() < 0.7
    shares = verdicts_of_sweeps(brownian, brownian, sweeps=60)
    assert shares.loc["undecided", "whole"] > 0.7
    assert "supports" not in shares.index or shares.loc["supports"].drop("whole").max() < 0.12
    assert "supports" not in shares.index or shares.loc["supports", "whole"] == 0


def test_motion_that_is_superdiffusive_early_and_subdiffusive_late_supports_the_claim():
    shares = verdicts_of_sweeps(windows("fbm-0.75", 24), windows("fbm-0.25", 24), sweeps=20)
    assert shares.loc["supports"].tolist() == [1] * 5


def test_a_drift_alone_fails_against_updates_in_random_order(brownian):
    shares = verdicts_of_sweeps(windows("drift", 40), brownian, sweeps=30)
    assert shares.loc["supports", "early"] > 0.5  # its exponent is above 1 ...
    assert shares.loc["supports", "order"] < 0.2  # ... but shuffling changes nothing
    assert shares.loc["supports", "whole"] == 0


def test_motion_that_stays_superdiffusive_contradicts_the_claim():
    fractional = windows("fbm-0.75", 24)
    assert verdicts_of_sweeps(fractional, fractional, sweeps=20).loc["contradicts", "late"] > 0.8
