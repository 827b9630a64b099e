"""The calibration of roughness: its table and its figure."""

import pytest

from anodiff.errors import ConfigError
from anodiff.report.figures.model.calibration import roughness_calibration
from anodiff.simulation.calibration import roughness as calibration
from anodiff.simulation.calibration.roughness import calibrate_roughness
from anodiff.simulation.calibration.table import CALIBRATION_COLUMNS


@pytest.mark.long
def test_differences_have_nearly_no_bias_and_intervals_cover(monkeypatch):
    monkeypatch.setattr(calibration, "PROFILE", 401)
    monkeypatch.setattr(calibration, "SURFACE", 33)
    table = calibrate_roughness(hurst=(0.3, 0.7), graphs=20)
    assert list(table) == list(CALIBRATION_COLUMNS)
    assert len(table) == 2 * (2 * 3 + 4)
    assert (table.loc[~table["estimator"].str.contains("even, path"), "with_interval"] == 1).all()
    differences = table[~table["estimator"].str.contains("box")]
    assert (differences["bias"].abs() < 0.05).all()
    assert (table["coverage"] >= 0.75).all()  # of 20 at 95 %, fewer than 15 cover once in 3,000 times
    figure = roughness_calibration(table)
    assert [panel.get_title(loc="left") for panel in figure.axes[:3]] == [
        "profiles of 401 points a side",
        "surfaces of 33 points a side",
        "fields, 17 radii",
    ]


def test_one_graph_is_too_few():
    with pytest.raises(ConfigError, match="give at least 2"):
        calibrate_roughness(graphs=1)
