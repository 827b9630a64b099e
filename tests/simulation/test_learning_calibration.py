"""The calibration of learning times and of the laws of learning curves."""

import math

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.simulation.calibration import learning as calibration
from anodiff.simulation.calibration.learning import calibrate_learning
from anodiff.simulation.calibration.table import CALIBRATION_COLUMNS


def test_learning_times_are_covered_and_sigmoids_told_from_exponentials(monkeypatch):
    monkeypatch.setattr(calibration, "KINDS", calibration.KINDS[:1])
    monkeypatch.setattr(calibration, "LAWS", ("hinge", "exponential"))
    table = calibrate_learning(curves=12)
    assert list(table) == list(CALIBRATION_COLUMNS)
    assert not table.duplicated(["process", "estimator"]).any()
    found = table.set_index(["process", "estimator"])["mean"].unstack()
    assert found["called a sigmoid"].to_dict() == {"learning curve, hinge": 1, "learning curve, exponential": 0}
    assert (found["right law"] >= 0.6).all()
    times = table[table["estimator"] == "learning_time"]
    assert (times["with_interval"] == 1).all()
    assert (times["coverage"] >= 0.75).all()  # of 12 at 95 %, fewer than 9 cover once in 2,000 times
    assert (times["bias"].abs() < 0.1).all()
    # between two of these points, a straight line is nearly the law itself
    assert (table.loc[table["estimator"].str.contains("interpolation"), "bias"].abs() < 0.04).all()


def test_noise_of_path_and_samples_has_unit_variance_and_its_correlation():
    steps = np.array([0, 1, 100, 1100, 2100])
    rng = np.random.default_rng(0)
    shared = np.array([calibration._ornstein_uhlenbeck(steps, rng) for _ in range(4000)])
    assert (shared[:, 0] == 0).all()
    assert shared[:, 1:].std(axis=0) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(shared[:, 3:].T)[0, 1] == pytest.approx(math.exp(-1), abs=0.06)
    own = calibration._autoregressive((30, 4000), rng)
    assert own.std(axis=1) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(own[:2])[0, 1] == pytest.approx(calibration.OWN_CORRELATION, abs=0.02)


def test_one_curve_is_too_few():
    with pytest.raises(ConfigError, match="give at least 2"):
        calibrate_learning(curves=1)
