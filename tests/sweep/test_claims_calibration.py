"""Sweeps of processes of known law get the right verdicts."""

import numpy as np
import pandas as pd
import pytest

from anodiff import PROCESSES, path_geometry
from anodiff.diffusion.bowl_fit import bowl_against_power_law
from anodiff.diffusion.effective_dimension import effective_dimension
from anodiff.diffusion.exponents import local_slopes
from anodiff.diffusion.nulls import null_curves, superdiffusion_p
from anodiff.diffusion.regimes import fit_regimes
from anodiff.diffusion.relaxing_mean import measure_relaxing_mean
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import fractional_brownian, quadratic_bowl
from anodiff.sweep.claims import diffusion_parts
from anodiff.sweep.hypothesis_tests import combined_verdict

STEPS, WIDTH = 120, 0.25
LAGS = logarithmic_lags(STEPS, 20, 0.9)
LONG = np.log(LAGS[LAGS >= STEPS // 5])
LONG_SLOPE = (LONG - LONG.mean()) / ((LONG - LONG.mean()) ** 2).sum()


def window(process, dimensions, seed):
    """The columns that claim 1 rests on, of one window, by the definitions of docs/method.md."""
    return columns_of(PROCESSES[process].simulate(STEPS, dimensions, seed), seed, LAGS, LONG, LONG_SLOPE)


def columns_of(points, seed, lags, log_long, long_slope):
    geometry, updates = path_geometry(points), len(points) - 1
    msd = geometry.mean_squared_displacement(lags)
    log_msd, dimension = np.log(msd), effective_dimension(geometry, lags)
    random = np.random.default_rng([seed, 1])
    nulls = null_curves(geometry, lags, draws=20, steps_per_epoch=None, generator=random, dimension=dimension)
    long = log_msd[-len(log_long) :] @ long_slope
    signs = nulls["sign_randomised"].log_msd[:, -len(log_long) :] @ long_slope
    ends = np.exp(log_long[[0, -1]])
    _, residual = measure_relaxing_mean(geometry, lags, msd, WIDTH, ends, 20, np.random.default_rng([seed, 2]))
    bowl = bowl_against_power_law(lags, msd, fit_regimes(lags, msd), dimension, updates)
    return {
        "beta_max": np.nanmax(log_msd @ local_slopes(lags, WIDTH).T),
        "beta_long": long,
        "beta_long_above_sign_randomised": long - signs.mean(),
        "superdiffusion_p_shuffled": superdiffusion_p(log_msd, nulls["shuffled"], lags, WIDTH),
        "superdiffusion_p_residual": residual.get("superdiffusion_p_residual", np.nan),
        "trend_share_long": residual.get("trend_share_long", np.nan),
        "bowl_against_power_law": bowl.value,
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
    table = pd.DataFrame(found, columns=["early", "order", "residual", "trend", "late", "law", "whole"])
    return table.apply(lambda column: column.value_counts(normalize=True)).fillna(0)


@pytest.fixture(scope="module")
def brownian():
    return windows("brownian", 100)


def test_brownian_sweeps_support_no_claim(brownian):
    assert 0.3 < (brownian["superdiffusion_p_shuffled"] < 0.5).mean() < 0.7  # four standard deviations about a half
    assert 0.3 < (brownian["beta_long_above_sign_randomised"] > 0).mean() < 0.7
    shares = verdicts_of_sweeps(brownian, brownian, sweeps=60)  # "law" may support: it is a power law, of exponent 1
    assert shares.loc["undecided", "whole"] > 0.7
    assert "supports" not in shares.index or shares.loc["supports"].drop(["law", "whole"]).max() < 0.12
    assert "supports" not in shares.index or shares.loc["supports", "whole"] == 0


def test_motion_that_is_superdiffusive_early_and_subdiffusive_late_supports_the_claim():
    shares = verdicts_of_sweeps(windows("fbm-0.75", 24), windows("fbm-0.25", 24), sweeps=20)
    assert shares.loc["supports"].tolist() == [1] * 7


def test_a_drift_alone_fails_against_updates_in_random_order(brownian):
    shares = verdicts_of_sweeps(windows("drift", 40), brownian, sweeps=30)
    assert shares.loc["supports", "early"] > 0.5  # its exponent is above 1 ...
    assert shares.loc["supports", "order"] < 0.2  # ... but shuffling changes nothing
    assert shares.loc["supports", "whole"] == 0


def test_motion_that_stays_superdiffusive_contradicts_the_claim():
    fractional = windows("fbm-0.75", 24)
    assert verdicts_of_sweeps(fractional, fractional, sweeps=20).loc["contradicts", "late"] > 0.8


def run_in_parts(points, run, length=500):
    """Rows of a run's windows of 500 steps; the long lags are 100 to 450."""
    lags = logarithmic_lags(length, 12, 0.9)
    log_long = np.log(lags[lags >= 100])
    slope = (log_long - log_long.mean()) / ((log_long - log_long.mean()) ** 2).sum()
    rows = []
    for number, start in enumerate(range(0, len(points) - 1, length)):
        row = columns_of(points[start : start + length + 1], 10 * run + number, lags, log_long, slope)
        rows.append(row | {"run": f"run {run}", "waiting_time": start, "length": length, "stride": 1})
    return rows


def judged(points_of_run):
    table = pd.DataFrame([row for run in range(6) for row in run_in_parts(points_of_run(run), run)])
    return pd.DataFrame(diffusion_parts(table)).set_index("measure"), table


def test_a_convex_bowl_with_white_noise_is_relaxation_and_not_the_claim():
    curvatures = np.geomspace(0.005, 1, 100)
    parts, table = judged(
        lambda run: quadratic_bowl(2000, 100, run, curvatures=curvatures, learning_rate=0.3, noise=0.3, start=10.0)
    )
    assert parts["verdict"].tolist().count("supports") == 4  # all that a mean which relaxes explains as well ...
    assert (
        parts.loc["superdiffusion_p_residual", "verdict"] == "undecided"
    )  # blind to slow superdiffusion: not against the claim
    assert parts.loc["bowl_against_power_law", "verdict"] == "contradicts"
    assert parts["note"].str.contains("explains the early superdiffusion as well").any()
    assert parts["note"].str.contains("explains the late subdiffusion as well").any()
    assert table.groupby("run")["trend_share_long"].first().min() > 0.8
    assert combined_verdict(parts["verdict"]) == "contradicts"


def test_fractional_motion_that_turns_subdiffusive_is_the_claim():
    def points(run):
        random = np.random.default_rng(run)
        updates = [np.diff(fractional_brownian(500, 60, random, hurst=hurst), axis=0) for hurst in (0.75, 0.65, 0.45, 0.35)]
        return np.cumsum(np.vstack([np.zeros(60), *updates]), axis=0)

    assert judged(points)[0]["verdict"].tolist() == ["supports"] * 6
