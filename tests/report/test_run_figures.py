"""The figures of one run show what its stores contain, and are left out if there is no data."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.diffusion.analysis import compute_diffusion
from anodiff.diffusion.avalanches import loss_avalanches
from anodiff.diffusion.jumps import describe_tails
from anodiff.diffusion.pairs import displacement_by_contour, loss_difference_by_distance
from anodiff.errors import ConfigError, OutputExistsError
from anodiff.geometry import compute_geometry
from anodiff.report.figures.drawing import draw_run
from anodiff.report.figures.figure_kind import FORMATS
from anodiff.report.figures.lag_panels import chi_squared_scatter
from anodiff.report.figures.run import ageing as run_ageing
from anodiff.report.figures.run import diffusion as run_diffusion
from anodiff.report.figures.run import explanations as run_explanations
from anodiff.report.figures.run import loss as run_loss
from anodiff.report.figures.run import maps as run_map
from anodiff.report.figures.run import path as run_path
from anodiff.report.figures.run import tails as run_tails
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.windows import drawn_windows
from anodiff.settings.stages import AnalysisSettings
from anodiff.settings.sweep import Config
from anodiff.sweep.results import read_run
from anodiff.sweep.runs import sweep_runs
from anodiff.training import train_run

#: Figures for which the small run of the tests has no data.
ABSENT = {"hessian", "layers", "modes", "samples", "walks"}


def trained(folder, **settings):
    """A run of 180 steps on digits in three windows, with noise norms at every other step."""
    recording = {"window_length": 60, "noise_every": 2, "gradient_coordinates": 16}
    defaults = {"data": {"name": "digits", "train_samples": 320}, "model": {"name": "mlp", "width": 8}}
    defaults |= {"training": {"batch_size": 32, "steps": 180}, "recording": recording}
    config = Config.model_validate({"sweep": {"name": "small", "defaults": defaults, "runs": [settings]}})
    ((name, run),) = sweep_runs(config).items()
    place = folder / name
    train_run(run.settings, place / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    compute_geometry(place / "trajectory.zarr", place / "geometry.zarr")
    outputs = (place / output for output in ("diffusion.zarr", "exponents.csv", "tails.csv"))
    compute_diffusion(place / "geometry.zarr", *outputs, AnalysisSettings(long_lags=(10, 50)))
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


@pytest.mark.parametrize("formats", [["svg"], pytest.param([end[1:] for end in FORMATS], marks=pytest.mark.long)], ids=",".join)
def test_every_figure_that_has_data_is_drawn_and_the_others_are_absent(small_run, tmp_path, formats):
    drawn = draw_run(small_run, tmp_path / "figures", formats=formats)
    assert drawn == [kind for kind in RUN_FIGURES if kind not in ABSENT]
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {f"{kind}.{end}" for kind in drawn for end in formats}
    with pytest.raises(OutputExistsError):
        draw_run(small_run, tmp_path / "figures")


def test_one_command_draws_several_runs_each_into_its_own_folder(small_run, tmp_path):
    runs = [tmp_path / name for name in ("one", "other")]
    for run in runs:
        shutil.copytree(small_run, run)
    asked = ["run-figures", *map(str, runs), "--kind", "msd,beta", "--formats", "pdf"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    for run in runs:
        assert {file.name for file in (run / "figures").iterdir()} == {"msd.pdf", "beta.pdf"}
    refused = CliRunner().invoke(app, [*asked, "--output", str(tmp_path / "figures")])
    assert isinstance(refused.exception, ConfigError)
    assert "one folder for the figures of 2 runs" in str(refused.exception)


def test_an_unknown_kind_is_one_line(small_run, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'beta'"):
        draw_run(small_run, tmp_path / "figures", kinds=["betas"])
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
    band = panel.collections[0].get_paths()[0].vertices  # along the lower end and back along the upper
    np.testing.assert_allclose(np.nanmax(curves["beta_high"].values[0]), band[:, 1].max())
    np.testing.assert_allclose(np.nanmin(curves["beta_low"].values[0]), band[:, 1].min())


def test_the_null_panels_show_each_window_s_own_nulls(run):
    panels = run_diffusion.nulls(run).get_axes()
    for window, panel in enumerate(panels[:3]):
        for name in ("beta", "beta_shuffled", "beta_sign_randomised"):
            values = run.result.curves[name].values[window]
            np.testing.assert_array_equal(line(panel, f"{window}:{name}").get_ydata(), values[np.isfinite(values)])


def test_rival_explanations_are_the_curves_of_the_store(run):
    for figure, names in (
        (run_explanations.trend(run), ("trend_share", "beta_residual")),
        (run_explanations.increments(run), ("non_gaussian", "update_autocorrelation")),
    ):
        for panel, name in zip(figure.get_axes(), names, strict=True):
            for window in range(3):
                values = run.result.curves[name].values[window]
                known = np.isfinite(values)
                assert known.any()
                drawn = line(panel, f"{name}:{window}")
                np.testing.assert_array_equal(drawn.get_xdata(), run.result.curves["lag"].values[known])
                np.testing.assert_array_equal(drawn.get_ydata(), values[known])


def test_the_map_shows_every_window_and_marks_where_the_interval_contains_1(run):
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


def test_contour_and_loss_differences_are_the_means_over_pairs_with_lines_of_the_fitted_slope(run):
    geometries = run.geometries
    for kind, column, slope_of in (
        ("contour", "path_dimension", lambda d: 2 / d),
        ("loss_by_distance", "loss_roughness", lambda h: 2 * h),
    ):
        left, right = getattr(run_path, kind)(run).get_axes()
        for window in range(3):
            path = geometries.read(window)
            binned = (
                displacement_by_contour(path.squared_displacements, path.contour_length)
                if kind == "contour"
                else loss_difference_by_distance(path.squared_displacements, geometries.point_series("loss", window))
            )
            points, fit = line(left, f"bins:{window}"), line(left, f"fit:{window}")
            np.testing.assert_allclose(points.get_xdata(), binned.centres)
            np.testing.assert_allclose(points.get_ydata(), binned.means)
            slope = np.diff(np.log(fit.get_ydata())) / np.diff(np.log(fit.get_xdata()))
            np.testing.assert_allclose(slope, slope_of(run.result.exponents[column][window]))
        values = run.result.exponents[column] * (2 if column == "loss_roughness" else 1)
        np.testing.assert_allclose(line(right, column).get_ydata(), values)


def test_excursions_are_the_store_s(run):
    left, right = run_path.excursion(run).get_axes()
    for window in drawn_windows(run.result):
        values = run.result.curves["excursion_ratio"].values[window.number]
        np.testing.assert_array_equal(line(left, f"excursion:{window.number}").get_ydata(), values[np.isfinite(values)])
    np.testing.assert_array_equal(line(right, "excursion_exponent").get_ydata(), run.result.exponents["excursion_exponent"])


def test_the_loss_is_drawn_step_by_step_with_each_window_s_avalanches(run):
    top, accuracy, changes, variance = run_loss.loss(run).get_axes()
    losses = run.series["loss"].astype(float)
    np.testing.assert_array_equal(line(top, "loss").get_ydata(), losses)
    np.testing.assert_array_equal(line(changes, "change").get_ydata(), np.abs(np.diff(losses)))
    moving = pd.Series(losses.astype(float)).rolling(18).var().dropna()
    np.testing.assert_allclose(line(variance, "variance").get_ydata(), moving, rtol=1e-9)
    measured = run.result.curves["test_accuracy"].dropna("epoch")
    np.testing.assert_array_equal(line(accuracy, "test_accuracy").get_ydata(), measured)
    found = [loss_avalanches(run.geometries.point_series("loss", window)) for window in range(3)]
    marks = line(changes, "avalanches")
    assert len(marks.get_xdata()) == sum(len(window.starts) for window in found)
    threshold = np.array([window.threshold_value for window in found])[(marks.get_xdata() // 60).astype(int)]
    assert (marks.get_ydata() > threshold).all()
    np.testing.assert_allclose(marks.get_ydata(), np.abs(np.diff(losses))[marks.get_xdata().astype(int)])


def test_a_trend_adds_its_own_variance_to_the_moving_variance():
    found = run_loss.moving_variance(0.3 * np.arange(100.0), 40)
    np.testing.assert_allclose(found, 0.3**2 * 40 * 41 / 12)


def test_the_moving_variance_is_nan_where_a_value_is_not_finite():
    values = np.arange(10.0)
    values[4] = np.inf
    assert list(np.isnan(run_loss.moving_variance(values, 3))) == [2 <= first <= 4 for first in range(8)]
    assert not len(run_loss.moving_variance(values, 11))


def test_a_long_series_is_drawn_by_the_middle_and_range_of_its_stretches(run):
    values = np.arange(20_000.0)
    values[3] = np.nan
    (panel,) = [run_map.beta_map(run).get_axes()[0]]
    panel.clear()
    run_loss.draw_series(panel, np.arange(20_000), values, "black", "", "long")
    drawn = line(panel, "long")
    np.testing.assert_allclose(drawn.get_xdata()[[0, -1]], [19.5, 19_979.5])
    np.testing.assert_allclose(drawn.get_ydata()[1:], drawn.get_xdata()[1:])
    low, high = (
        panel.collections[-1].get_paths()[0].vertices[:, 1].min(),
        panel.collections[-1].get_paths()[0].vertices[:, 1].max(),
    )
    assert (low, high) == (0, 19_999)


def test_distributions_are_of_the_values_that_the_table_describes(run):
    rows = {
        row["quantity"]: row
        for row in describe_tails(
            run.path(1).step_lengths,
            run.geometries.gradients(1),
            run.geometries.point_series("noise_norm", 1),
            run.geometries.point_series("loss", 1),
            seed=1,
        )
    }
    table = run.result.tails.query("window == 1").set_index("quantity")
    for quantity in ("gradient", "standardised_gradient", "step_length", "noise_norm"):
        values = run_tails.read_values(run, 1, quantity)
        assert len(values) == rows[quantity]["values"] == table["values"][quantity]
        np.testing.assert_allclose(values.mean(), table["mean"][quantity], atol=1e-12)


def test_a_distribution_s_bars_and_curves_are_densities(run):
    values = np.random.default_rng(0).normal(3, 2, 100_000)
    row = {f"stable_{name}": value for name, value in {"alpha": 2, "beta": 0, "scale": 2**0.5, "location": 3}.items()}
    panel = run_map.beta_map(run).get_axes()[0]
    panel.clear()
    run_tails.draw_distribution(panel, values, row)
    x = line(panel, "gaussian").get_xdata()
    exact = np.exp(-((x - 3) ** 2) / 8) / np.sqrt(8 * np.pi)
    np.testing.assert_allclose(line(panel, "stable").get_ydata(), exact, atol=1e-5)
    np.testing.assert_allclose(line(panel, "gaussian").get_ydata(), exact, rtol=0.03, atol=1e-4)
    (bars,) = [patch for patch in panel.patches if patch.get_gid() == "values"]
    heights, edges, _ = bars.get_data()
    np.testing.assert_allclose((heights * np.diff(edges)).sum(), 1, atol=1e-3)


def test_quantities_that_were_not_measured_have_no_column(run):
    tails = run.result.tails
    without = tails[~tails["quantity"].str.contains("gradient")]
    figure = run_tails.gradients(RunData(dataclasses.replace(run.result, tails=without)))
    headings = {panel.get_title("left").split("\n")[0] for panel in figure.get_axes()[:2]}
    assert headings == {"step lengths", "norms of the gradient noise"}
    assert run_tails.gradients(RunData(dataclasses.replace(run.result, tails=tails[:0]))) is None


def test_a_run_that_diverged_at_once_has_only_the_figure_of_the_loss(tmp_path):
    folder = trained(tmp_path, **{"optimiser.learning_rate": 1e30, "training.loss": "mse"})
    assert draw_run(folder) == ["loss"]
    assert {file.name for file in (folder / "figures").iterdir()} == {"loss.svg"}
