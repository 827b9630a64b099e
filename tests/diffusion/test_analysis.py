"""From recorded points to curves and exponents, compared with the points."""

import math

import numpy as np
import pandas as pd
import pytest
import reference
import xarray as xr
from threadpoolctl import threadpool_limits

from anodiff.diffusion.analysis import analyse, compute_diffusion, open_diffusion
from anodiff.diffusion.columns import CURVES, EXPONENT_COLUMNS, WINDOW_COLUMNS
from anodiff.diffusion.exponents import slope
from anodiff.diffusion.jumps import QUANTITIES, TAIL_COLUMNS
from anodiff.errors import IncompleteStoreError, OutputExistsError, StoreFormatError, StoreMissingError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.simulation.processes import brownian, quadratic_bowl
from anodiff.trajectory import Window

SETTINGS = AnalysisSettings(long_lags=(20, 80))


@pytest.fixture
def analysed(record_path, tmp_path):
    """Return a function from points to their curves and their table, by way of the stores."""

    def run(points, windows=None, settings=SETTINGS, **keywords):
        compute_geometry(record_path(points, windows, **keywords), tmp_path / "geometry.zarr")
        found = analyse(open_geometry(tmp_path / "geometry.zarr"), settings)
        return found.curves, found.exponents

    return run


def straight(steps):
    return np.outer(np.arange(steps + 1), [3.0, 4.0])


def test_curves_are_the_displacements_of_the_windows_own_points(analysed):
    points = brownian(120, 5, 0)
    windows = [Window(0, 100), Window(40, 80, 4)]
    curves, _ = analysed(points, windows)
    for number, window in enumerate(windows):
        own = points[window.steps]
        lags = window.stride * np.arange(window.updates + 1)
        measured = curves.isel(window=number).dropna("lag", subset=["msd"])
        assert measured.waiting_time == window.start
        expected = dict(zip(lags.tolist(), reference.mean_squared_displacement(own), strict=True))
        np.testing.assert_allclose(measured.msd, [expected[lag] for lag in measured.lag.values.tolist()], rtol=1e-5)
        from_first = dict(zip(lags.tolist(), reference.squared_displacements(own)[0], strict=True))
        np.testing.assert_allclose(measured.ageing_msd, [from_first[lag] for lag in measured.lag.values.tolist()], rtol=1e-5)
        assert measured.lag[-1] == window.stride * int(0.9 * window.updates)


def test_a_straight_path_has_exponent_two_in_every_measure(analysed):
    curves, table = analysed(straight(100))
    np.testing.assert_allclose(curves.beta, 2, atol=1e-6)
    np.testing.assert_allclose(curves.msd[0], 25.0 * curves.lag**2, rtol=1e-6)
    (row,) = table.to_dict("records")
    assert [row[key] for key in ("beta_max", "beta_long", "exponent_first", "exponent_second")] == pytest.approx([2] * 4)
    assert (row["regimes"], row["fit_from"], row["fit_to"], row["note"]) == (1, 1, 90, "")
    assert math.isnan(row["crossover_lag"])


def test_strided_windows_have_lags_in_optimiser_steps(analysed):
    points = straight(200) + np.resize([0.0, 10.0], 201)[:, None]  # detours at odd steps, which the window omits
    curves, table = analysed(points, [Window(0, 200, 10)])
    assert curves.lag.values.tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 130, 140, 160, 180]
    np.testing.assert_allclose(curves.msd[0], 25.0 * curves.lag**2, rtol=1e-6)
    (row,) = table.to_dict("records")
    assert (row["length"], row["stride"], row["fit_from"], row["fit_to"]) == (200, 10, 10, 180)
    assert row["beta_long"] == pytest.approx(2)


def test_the_long_lag_exponent_is_the_slope_over_the_long_lags(analysed):
    points = brownian(100, 5, 1)
    _, table = analysed(points)
    lags = np.arange(20, 81)
    expected = slope(lags, reference.mean_squared_displacement(points)[lags])
    assert table["beta_long"].item() == pytest.approx(expected, rel=1e-5)


def test_a_window_shorter_than_the_long_lags_has_no_long_lag_exponent(analysed):
    _, table = analysed(straight(100), [Window(0, 79), Window(0, 80)])
    assert table["beta_long"].isna().tolist() == [True, False]
    assert [bool(note) for note in table["note"]] == [True, False]
    assert table["beta_max"].notna().all()


def test_the_largest_local_exponent_comes_with_its_lag(analysed):
    curves, table = analysed(brownian(200, 50, 2, drift=2.0))
    row = table.iloc[0]
    assert row["beta_max_to"] == 37  # the largest of the lags over which five displacements fit without overlap
    searched = curves.beta.sel(lag=slice(None, row["beta_max_to"]))
    assert searched.max() == curves.beta.sel(lag=row["beta_max_lag"]).item()
    assert row["beta_steepest"] == curves.beta.max()
    assert row["beta_max_low"] <= row["beta_max"] <= row["beta_max_high"]


BOWL = {"curvatures": np.geomspace(0.005, 1, 100), "learning_rate": 0.3, "noise": 0.3}
RIVALS = {"non-stationary", "mostly trend", "ageing"}


@pytest.mark.parametrize(
    ("points", "raised"),
    [
        (quadratic_bowl(200, 100, 0, start=30.0, **BOWL), RIVALS),
        (straight(100), set()),
        (brownian(200, 30, 3), set()),
    ],
    ids=["a bowl from afar", "straight", "Brownian"],
)
def test_what_relaxes_is_flagged(analysed, points, raised):
    _, table = analysed(points)
    assert set(table["flags"].item().split("; ")) & RIVALS == raised
    assert (table["beta_steepest"].item() > 2.2) == bool(raised)


def not_finite(points, value):
    points = points.copy()
    points[50, 0] = value
    return points


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.ones((101, 3)), "the path does not move"),
        (not_finite(straight(100), np.nan), "the weights are not finite"),
        (not_finite(straight(100), np.inf), "the weights are not finite"),
        (np.full((101, 2), np.inf), "the weights are not finite"),
    ],
    ids=["constant", "NaN", "infinite", "all infinite"],
)
def test_what_cannot_be_measured_is_nan_with_its_reason_and_no_warning(analysed, points, reason):
    curves, table = analysed(points, [Window(0, 100)])
    assert all(curves[name].isnull().all() for name in CURVES)
    (row,) = table.to_dict("records")
    assert row.pop("note").startswith(reason)
    assert (row.pop("window"), row.pop("waiting_time"), row.pop("length"), row.pop("stride")) == (0, 0, 100, 1)
    assert all(math.isnan(value) for value in row.values())


def test_a_diverged_run_keeps_what_it_finished(analysed):
    windows = [Window(0, 40), Window(40, 40)]
    curves, table = analysed(straight(60), windows, steps=80, status="diverged", diverged_at=60)
    short = "too short, or too few of its points, for the long lags 20–80"
    assert table["note"].tolist() == [short, "the run diverged at step 60, before the window's end"]
    assert table["beta_max"].tolist() == pytest.approx([2, math.nan], nan_ok=True)
    assert curves.msd.isnull().all("lag").values.tolist() == [False, True]
    assert curves.attrs["diverged_at"] == 60


@pytest.mark.parametrize("updates", [1, 2, 3, 5, 6, 8, 10, 12])
def test_windows_of_a_few_updates_have_exponents_or_a_reason(analysed, updates):
    _, table = analysed(straight(100), [Window(0, 100), Window(99 - updates, updates)])
    row = table.iloc[1]
    assert "too few lags" in row["note"] or row["beta_max"] == pytest.approx(2)
    assert table["beta_max"][0] == pytest.approx(2)


def test_a_path_there_and_back_has_no_local_exponent_but_a_note(analysed):
    points = np.resize([[0.0], [1.0]], (3, 1))
    _, table = analysed(points)
    assert math.isnan(table["beta_max"].item())
    assert table["note"].item()


@pytest.fixture
def outputs(record_path, tmp_path):
    """A geometry, and the paths of its analysis."""
    path = record_path(straight(100), [Window(0, 60), Window(0, 100, 5)], epochs=4, attributes={"steps_per_epoch": 30})
    compute_geometry(path, tmp_path / "geometry.zarr")
    return tmp_path / "geometry.zarr", *(tmp_path / "out" / name for name in ("diffusion.zarr", "exponents.csv", "tails.csv"))


def test_the_files_hold_what_was_analysed(outputs):
    source, store, *tables = outputs
    compute_diffusion(source, store, *tables, SETTINGS)
    found = analyse(open_geometry(source), SETTINGS)
    xr.testing.assert_identical(open_diffusion(store), found.curves)
    for table, rows, columns in zip(
        tables, (found.exponents, found.tails), (EXPONENT_COLUMNS, WINDOW_COLUMNS | TAIL_COLUMNS), strict=True
    ):
        written = pd.read_csv(table)
        assert list(written) == list(columns)
        pd.testing.assert_frame_equal(written, rows.replace("", np.nan), check_dtype=False)
    assert found.tails["quantity"].tolist() == 2 * list(QUANTITIES)


def test_the_curves_open_labelled_without_extra_arguments(outputs):
    source, store, *tables = outputs
    compute_diffusion(source, store, *tables, SETTINGS)
    opened = xr.open_zarr(store)  # warnings are errors
    assert {name: opened[name].dims for name in CURVES} == dict.fromkeys(CURVES, ("window", "lag"))
    assert set(opened.coords) == {"lag", "waiting_time", "epoch", "epoch_step"}
    assert opened.epoch_step.values.tolist() == [30, 60, 90, 100]
    assert all(opened[name].attrs["units"] and opened[name].attrs["long_name"] for name in opened.variables)
    assert opened.attrs["analysis"] == SETTINGS.model_dump(mode="json")
    assert opened.attrs["parameters"] == 2


@pytest.mark.parametrize("existing", ["diffusion.zarr", "exponents.csv", "tails.csv"])
def test_any_output_that_exists_is_refused_before_anything_is_written(outputs, existing):
    source, store, *tables = outputs
    store.parent.mkdir()
    (store.parent / existing).write_text("old")
    with pytest.raises(OutputExistsError, match=f"{existing} already exists"):
        compute_diffusion(source, store, *tables, SETTINGS)
    assert [entry.name for entry in store.parent.iterdir()] == [existing]
    compute_diffusion(source, store, *tables, SETTINGS, overwrite=True)
    assert open_diffusion(store).sizes["window"] == 2


def test_the_bits_do_not_depend_on_the_number_of_threads(record_path, tmp_path):
    points = np.cumsum(np.random.default_rng(0).normal(0.05, 1, (301, 20)), axis=0)
    compute_geometry(record_path(points), tmp_path / "geometry.zarr")
    found = []
    for threads in (1, 2, 4):
        outputs = [tmp_path / str(threads) / name for name in ("diffusion.zarr", "exponents.csv", "tails.csv")]
        with threadpool_limits(threads):
            compute_diffusion(tmp_path / "geometry.zarr", *outputs, AnalysisSettings(long_lags=(5, 150), null_draws=20))
        curves = open_diffusion(outputs[0])
        found.append([table.read_bytes() for table in outputs[1:]] + [curves[name].values.tobytes() for name in curves])
    assert found[0] == found[1] == found[2]


def test_a_failing_analysis_leaves_nothing(outputs, monkeypatch):
    source, store, *tables = outputs

    def fail(*arguments, **keywords):
        raise ZeroDivisionError

    monkeypatch.setattr("anodiff.diffusion.analysis.finish_store", fail)
    with pytest.raises(ZeroDivisionError):
        compute_diffusion(source, store, *tables, SETTINGS)
    assert list(store.parent.iterdir()) == []


def test_curves_of_another_kind_or_missing_ones_are_refused(outputs, tmp_path):
    source, *_ = outputs
    with pytest.raises(StoreFormatError, match="expected an anodiff diffusion"):
        open_diffusion(source)
    with pytest.raises(StoreMissingError, match="no such store"):
        open_diffusion(tmp_path / "nothing.zarr")
    with pytest.raises(StoreFormatError, match="expected an anodiff geometry"):
        compute_diffusion(tmp_path / "trajectory.zarr", tmp_path / "a", tmp_path / "b", tmp_path / "c", SETTINGS)


def test_curves_without_their_status_are_refused(outputs):
    source, store, *tables = outputs
    compute_diffusion(source, store, *tables, SETTINGS)
    metadata = (store / "zarr.json").read_text()
    (store / "zarr.json").write_text(metadata.replace('"status": "complete"', '"status": "running"'))
    with pytest.raises(IncompleteStoreError):
        open_diffusion(store)
