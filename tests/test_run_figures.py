"""The figures of one run: they show what its stores hold, and nothing where these hold nothing."""

import numpy as np
import pytest

from anodiff.config import AnalysisSettings, Config
from anodiff.diffusion.analysis import diffusion
from anodiff.errors import ConfigError, OutputExistsError
from anodiff.figures import FORMATS, run_ageing, run_diffusion, run_map
from anodiff.figures.run import RUN_FIGURES, RunData, draw_run
from anodiff.figures.run_windows import chi_squared_scatter, drawn_windows
from anodiff.geometry import geometry
from anodiff.runs import sweep_runs
from anodiff.tables import read_run
from anodiff.training import train_run

#: What the small run of the tests has no data for.
ABSENT = {"hessian"}


def trained(folder, **recording):
    """A run of 180 steps on digits in three windows, with noise norms at every other step."""
    recording = {"window_length": 60, "noise_every": 2, "gradient_coordinates": 16} | recording
    defaults = {"data": {"name": "digits", "train_samples": 320}, "model": {"name": "mlp", "width": 8}}
    defaults |= {"training": {"batch_size": 32, "steps": 180}, "recording": recording}
    config = Config.model_validate({"sweep": {"name": "small", "defaults": defaults, "runs": [{}]}})
    ((name, run),) = sweep_runs(config).items()
    place = folder / name
    train_run(run.settings, place / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    geometry(place / "trajectory.zarr", place / "geometry.zarr")
    outputs = (place / output for output in ("diffusion.zarr", "exponents.csv", "tails.csv"))
    diffusion(place / "geometry.zarr", *outputs, AnalysisSettings(long_lags=(10, 50)))
    return place


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def run(small_run):
    return RunData(read_run(small_run))


def line(panel, name):
    (found,) = [line for line in panel.lines if line.get_gid() == name]
    return found


def test_every_figure_that_has_data_is_drawn_in_every_format_and_the_others_are_absent(small_run, tmp_path):
    drawn = draw_run(small_run, tmp_path / "figures")
    assert drawn == [kind for kind in RUN_FIGURES if kind not in ABSENT]
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {f"{kind}{end}" for kind in drawn for end in FORMATS}
    with pytest.raises(OutputExistsError):
        draw_run(small_run, tmp_path / "figures")


def test_an_unknown_kind_is_one_line(small_run, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'msd'"):
        draw_run(small_run, tmp_path / "figures", kinds=["mds"])
    assert not (tmp_path / "figures").exists()


def test_msd_and_beta_are_the_curves_of_the_store_with_their_intervals(run):
    curves = run.result.curves
    for kind in ("msd", "beta"):
        (panel,) = getattr(run_diffusion, kind)(run).get_axes()
        for window in range(3):
            known = np.isfinite(curves[kind].values[window])
            drawn = line(panel, f"{kind}:{window}")
            np.testing.assert_array_equal(drawn.get_xdata(), curves["lag"].values[known])
            np.testing.assert_array_equal(drawn.get_ydata(), curves[kind].values[window][known])
    band = panel.collections[0].get_paths()[0].vertices  # there along the lower end, back along the upper
    np.testing.assert_allclose(np.nanmax(curves["beta_high"].values[0]), band[:, 1].max())
    np.testing.assert_allclose(np.nanmin(curves["beta_low"].values[0]), band[:, 1].min())


def test_the_null_panels_hold_each_window_s_own_nulls(run):
    panels = run_diffusion.nulls(run).get_axes()
    for window, panel in enumerate(panels[:3]):
        for name in ("beta", "beta_shuffled", "beta_sign_randomised"):
            values = run.result.curves[name].values[window]
            np.testing.assert_array_equal(line(panel, f"{window}:{name}").get_ydata(), values[np.isfinite(values)])


def test_the_map_holds_every_window_and_marks_where_the_interval_holds_1(run):
    curves = run.result.curves
    panel = run_map.beta_map(run).get_axes()[0]
    np.testing.assert_array_equal(panel.collections[0].get_array().filled(np.nan), curves["beta"].values)
    undecided = (curves["beta_low"].values <= 1) & (curves["beta_high"].values >= 1)
    dots = line(panel, "undecided")
    assert len(dots.get_xdata()) == undecided.sum()
    assert set(dots.get_ydata()) == set(np.nonzero(undecided)[0] + 0.5)


def test_lines_of_the_ratio_are_the_ageing_msd_over_its_time_average(run):
    left, right = run_ageing.ageing(run).get_axes()
    for window in drawn_windows(run.result):
        ratio = line(left, f"single:{window.number}").get_ydata() / line(left, f"averaged:{window.number}").get_ydata()
        np.testing.assert_allclose(line(right, f"ratio:{window.number}").get_ydata(), ratio)


def test_the_long_lags_show_the_table_s_exponents(run):
    left, right = run_ageing.long_lags(run).get_axes()
    np.testing.assert_array_equal(line(right, "beta_long").get_ydata(), run.result.exponents["beta_long"].dropna())
    for drawn in left.lines[:-1]:
        assert drawn.get_ydata()[0] == 1


def test_the_scatter_of_a_mean_of_squares_is_that_of_drawn_ones():
    squares = np.random.default_rng(0).normal(size=(40_000, 6)) ** 2
    low, high = chi_squared_scatter(np.array([1.0, 6.0]))
    for number, ends in zip((1, 6), np.transpose([low, high]), strict=True):
        means = squares[:, :number].mean(axis=1)
        np.testing.assert_allclose(((means < ends[0]).mean(), (means > ends[1]).mean()), 0.025, atol=0.003)
