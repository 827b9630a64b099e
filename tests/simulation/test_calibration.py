"""The true values of the calibration, its statistics, and its command."""

import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.cli.calibration import write_calibration
from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError
from anodiff.simulation.calibration.paths import calibrate, true_values
from anodiff.simulation.calibration.table import CALIBRATION_COLUMNS, Truth, summary
from anodiff.simulation.processes import PROCESSES, Process, brownian, brownian_msd

STEPS = 200


@pytest.fixture(scope="module")
def table():
    names = ("brownian", "fbm-0.75", "ctrw")
    return calibrate([PROCESSES[name] for name in names], dimensions=(2, 40), paths=6, steps=STEPS, seed=1)


def truths(name, dimensions=3):
    return dict(true_values(PROCESSES[name], dimensions, STEPS))


@pytest.mark.long
def test_the_table_has_its_columns_and_a_row_for_each_estimator(table):
    assert list(table) == list(CALIBRATION_COLUMNS)
    assert set(table["process"]) == {"brownian", "fbm-0.75", "ctrw"}
    assert not table.duplicated(["process", "dimensions", "estimator"]).any()
    assert table.groupby("process")["gaussian"].first().to_dict() == {"brownian": True, "ctrw": False, "fbm-0.75": True}


@pytest.mark.parametrize("hurst", [0.25, 0.5, 0.75])
def test_a_self_similar_path_has_its_exponent_at_every_lag(hurst):
    found = truths(f"fbm-{hurst:g}")
    for name, truth in found.items():
        if name.startswith(("beta", "exponent_f", "exponent_s")):
            assert truth.value == pytest.approx(2 * hurst)
            assert truth.source == "exact"
    assert found["path_dimension"].value == pytest.approx(1 / hurst)


def test_the_truth_of_drift_with_noise_is_its_local_exponent():
    found = truths("drift")  # β = 1 + v²τ / (v²τ + 2dD), which is 1 + τ / (τ + 100) here
    assert found["beta at lag 1"].value == pytest.approx(1 + 1.5 / 101.5, abs=0.01)  # the slope from lag 1 to lag 2
    assert found["beta at lag 10"].value == pytest.approx(1 + 10 / 110, abs=0.005)
    assert found["beta at lag 100"].value == pytest.approx(1.5, abs=0.005)


def test_the_true_ageing_ratio_is_that_of_many_paths():
    """Slowing steps: the energies of the two halves are e² apart; of a stationary process, alike."""
    process = PROCESSES["slowing"]
    table = calibrate([process], dimensions=(100,), paths=4, steps=1000).set_index("estimator")
    assert table.loc["ageing_ratio", "truth"] == pytest.approx(math.e**2, rel=1e-3)
    assert table.loc["ageing_ratio", "mean"] == pytest.approx(math.e**2, rel=0.05)
    assert truths("drift")["ageing_ratio"].value == 1


def test_an_exponent_known_only_at_infinite_times_is_marked_asymptotic():
    assert {truth.source for truth in truths("attm").values()} == {"asymptotic"}


@pytest.mark.long
def test_estimates_of_gaussian_paths_are_near_the_truth(table):
    exact = table[(table["dimensions"] == 40) & table["gaussian"] & table["estimator"].str.startswith("beta at lag 1")]
    exact = exact[~exact["estimator"].str.contains("100|block")]
    assert len(exact) == 4
    assert (exact["bias"].abs() < 4 * exact["bias_error"] + 0.01).all()
    assert (exact["spread"] < 0.1).all()


def test_coverage_counts_the_intervals_that_hold_the_truth():
    intervals = [Interval(1.0, 0.8, 1.2), Interval(1.5, 1.4, 1.6), Interval(0.9, math.nan, math.nan), Interval(1.1, 1.0, 1.3)]
    row = summary("x", Truth(1.0), intervals)
    assert row["coverage"] == pytest.approx(2 / 3)
    assert row["with_interval"] == 0.75
    assert row["bias"] == pytest.approx(0.125)
    assert row["interval_width"] == pytest.approx(0.3)
    low, high = row["coverage_low"], row["coverage_high"]
    for end in (low, high):  # Wilson: the ends are where the normal score is 1.96
        assert abs(2 / 3 - end) / math.sqrt(end * (1 - end) / 3) == pytest.approx(1.96, abs=0.001)


def test_without_intervals_there_is_no_coverage():
    row = summary("x", Truth(1.0), [Interval(1.0, math.nan, math.nan)])
    assert np.isnan([row["coverage"], row["coverage_low"], row["coverage_high"]]).all()


def test_the_same_seed_gives_the_same_table_and_another_seed_another_one():
    def once(seed):
        return calibrate([PROCESSES["brownian"]], dimensions=(2,), paths=2, steps=100, seed=seed)

    pd.testing.assert_frame_equal(once(0), once(0))
    assert not once(0)["mean"].equals(once(1)["mean"])


def test_a_process_of_your_own_is_measured():
    def twice(steps, dimensions, seed):
        return 2 * brownian(steps, dimensions, seed)

    own = Process("mine", twice, 1.0, 1.0)
    table = calibrate([own], dimensions=(20,), paths=3, steps=100).set_index("estimator")
    assert table.loc["beta at lag 1", "truth_from"] == "asymptotic"
    assert table.loc["beta at lag 1", "mean"] == pytest.approx(1, abs=0.1)


def test_a_path_that_does_not_move_has_no_true_value_of_a_fit():
    def sometimes(steps, dimensions, seed):
        return brownian(steps, dimensions, seed) * (seed.random() < 0.5)

    own = Process("sometimes", sometimes, 1.0, 1.0, exact_msd=brownian_msd)
    table = calibrate([own], dimensions=(3,), paths=6, steps=100).set_index("estimator")
    assert table.loc["beta at lag 1", "with_truth"] == 6
    assert 0 < table.loc["exponent_first", "with_truth"] < 6


def test_the_command_writes_table_and_figure(tmp_path):
    arguments = ["calibrate", "-o", str(tmp_path / "c.csv"), "--process", "brownian", "--dimensions", "2"]
    done = CliRunner().invoke(app, [*arguments, "--paths", "2", "--steps", "100"], catch_exceptions=False)
    assert done.exit_code == 0
    assert set(pd.read_csv(tmp_path / "c.csv")["process"]) == {"brownian"}
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"names": ["brownien"]}, "did you mean 'brownian'"),
        ({"output": "c.txt"}, "must end in .csv"),
        ({"figure": "c.jpg"}, "must end in one of .svg"),
        ({"paths": 1}, "give at least 2, 100 and 1"),
    ],
)
def test_invalid_arguments_give_one_line_and_leave_no_output(tmp_path, monkeypatch, changed, message):
    monkeypatch.chdir(tmp_path)
    usual = {"output": "c.csv", "figure": "c.svg", "names": [], "dimensions": [1], "paths": 2, "steps": 100, "seed": 0}
    with pytest.raises(ConfigError, match=message):
        write_calibration(**(usual | changed))
    assert list(tmp_path.iterdir()) == []
