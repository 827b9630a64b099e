"""Roughness along a small real run, and all stages of the landscape on runs with every kind of ending."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from anodiff.errors import ConfigError, StoreMissingError
from anodiff.geometry import compute_geometry
from anodiff.landscape.curvature import measure_curvature
from anodiff.landscape.planes import slice_planes
from anodiff.landscape.roughness import measure_roughness
from anodiff.landscape.roughness_store import ARRAYS, open_roughness
from anodiff.landscape.run_surface import loss_surface_at
from anodiff.landscape.slice_store import open_slice
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings, RoughnessSettings
from anodiff.sweep.connections import CURVATURE_COLUMNS, landscape_rows, rank_correlation
from anodiff.training.run import train_run
from anodiff.trajectory.store import open_trajectory

LANDSCAPE = LandscapeSettings(samples=64)
QUICK = {"directions": 4, "radii_per_decade": 2}


def trained(folder, **changes):
    settings = RunSettings.model_validate(
        {"data": {"name": "digits", "train_samples": 200}, "model": {"name": "mlp3", "width": 8}}
        | {"training": {"steps": 40, "batch_size": 50}, "optimiser": {"learning_rate": 0.1}}
        | {"recording": {"window_length": 20, "gradient_coordinates": 0}}
        | changes
    )
    train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    compute_geometry(folder / "trajectory.zarr", folder / "geometry.zarr")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("run"))


def measure(run, folder, at, landscape=LANDSCAPE, dtype=torch.float32, **settings):
    rough = RoughnessSettings(at=at, **QUICK | settings)
    outputs = folder / "r.zarr", folder / "r.csv"
    return measure_roughness(run / "trajectory.zarr", *outputs, landscape, rough, dtype=dtype, device="cpu")


def test_the_loss_of_a_network_is_smooth_at_distances_small_against_its_weights(run, tmp_path):
    table = measure(run, tmp_path, [0, 25 / 40], dtype=torch.float64)
    assert table["step"].tolist() == [0, 0, 25, 25]
    assert table["directions"].tolist() == ["random", "path"] * 2
    assert ((table["roughness_exponent"] > 1.8) & (table["roughness_exponent"] < 2.4)).all()
    np.testing.assert_allclose(table["decades"], 4)
    store = open_roughness(tmp_path / "r.zarr")
    reach = np.linalg.norm(np.diff(open_trajectory(run / "trajectory.zarr").weights[[20, 40]], axis=0))
    assert 0 < store["radius"][1, -1] < 2 * reach
    with xr.open_zarr(tmp_path / "r.zarr") as dataset:
        assert set(ARRAYS) <= set(dataset.variables)
        assert dataset["loss"].dims == ("point", "kind", "direction", "side", "radius")


def test_float32_has_the_floor_that_its_rounding_makes(run, tmp_path):
    folders = tmp_path / "single", tmp_path / "double"
    for folder, dtype in zip(folders, (torch.float32, torch.float64), strict=True):
        measure(run, folder, [25 / 40], dtype=dtype, decades=8)
    single, double = (open_roughness(folder / "r.zarr") for folder in folders)
    assert 1e-9 < np.sqrt(single["rounding"][0]) < 1e-6
    assert np.sqrt(double["rounding"][0]) < 1e-14
    fitted = single.fit(0, "random").fitted
    assert 0 < fitted.sum() < len(fitted)  # the smallest distances are below rounding
    np.testing.assert_allclose(single.structure(0, "random")[fitted], double.structure(0, "random")[fitted], rtol=0.6)
    assert double.fit(0, "random").fitted.sum() > fitted.sum()


def test_the_same_seed_gives_the_same_losses_on_any_number_of_threads(run, tmp_path):
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            measure(run, tmp_path / str(number), [3 / 40])
    finally:
        torch.set_num_threads(threads)
    one, two = (open_roughness(tmp_path / name / "r.zarr") for name in "12")
    np.testing.assert_array_equal(one["loss"], two["loss"])


def test_refusals_write_nothing(run, tmp_path):
    with pytest.raises(ConfigError, match="500 samples of a training set of 200"):
        measure(run, tmp_path, [1], LandscapeSettings(samples=500))
    assert not list(tmp_path.iterdir())


def examine(folder):
    """Run all stages of the landscape on a run's folder, and return the folder with their outputs."""
    planes = ["path_first", "path_last", "random", "hessian", "gradient"]
    settings = LandscapeSettings(samples=64, points=5, planes=planes)
    trajectory, landscape = folder / "trajectory.zarr", folder / "landscape"
    slice_planes(trajectory, folder / "geometry.zarr", landscape / "slices", settings, device="cpu")
    rough = RoughnessSettings(at=[0.0, 1.0], directions=3, decades=2)
    measure_roughness(trajectory, landscape / "roughness.zarr", landscape / "roughness.csv", settings, rough, device="cpu")
    curved = CurvatureSettings(at=[0.0, 1.0], eigenvalues=2, probes=0, trace_products=0)
    measure_curvature(trajectory, landscape / "curvature.zarr", settings, curved, device="cpu")
    return landscape


def test_the_stages_measure_at_fractions_of_a_run(run):
    landscape = examine(run)
    plane = open_slice(landscape / "slices" / "path_last.zarr")
    assert plane.loss.shape == (5, 5)
    assert plane.path_steps.tolist()[-1] == 40
    assert open_slice(landscape / "slices" / "random.zarr").kind == "random"
    hessian, gradient = (open_slice(landscape / "slices" / f"{name}.zarr") for name in ("hessian", "gradient"))
    weights = open_trajectory(run / "trajectory.zarr").weights
    surface = loss_surface_at(run / "trajectory.zarr", 40, LANDSCAPE)
    assert hessian.first[-1] == pytest.approx(np.linalg.norm(weights[40] - weights[20]), rel=1e-6)
    assert hessian.loss[2, 2] == gradient.loss[2, 2] == surface(surface.centre)
    bent = [
        np.polyfit(axis, losses, 2)[0]
        for axis, losses in ((hessian.first, hessian.loss[2]), (hessian.second, hessian.loss.T[2]))
    ]
    assert bent[0] > bent[1] > 0
    assert gradient.loss[2, 3] < gradient.loss[2, 1]  # downhill is to the right
    exponents = pd.DataFrame({"window": [0, 1], "waiting_time": [0, 20], "length": [20, 20], "beta_max": [1.5, 0.5]})
    exponents = exponents.assign(beta_long=1.0, exponent_first=1.0, exponent_second=1.0, loss_roughness=0.5)
    rows = landscape_rows(run, exponents)
    assert rows["beta_max"].tolist() == [1.5, 1.5, 0.5, 0.5]
    np.testing.assert_allclose(rows["sharpness"], rows["hessian_largest"] * 0.1 / 2)
    assert set(CURVATURE_COLUMNS) <= set(rows)
    with pytest.raises(StoreMissingError, match="anodiff roughness"):
        landscape_rows(run / "nowhere", exponents)


def test_a_run_that_ended_before_its_first_window_has_an_empty_landscape(tmp_path):
    folder = trained(tmp_path, optimiser={"learning_rate": 1e30}, training={"steps": 40, "batch_size": 50, "loss": "mse"})
    landscape = examine(folder)
    assert not list((landscape / "slices").iterdir())
    assert len(pd.read_csv(landscape / "roughness.csv")) == 0
    assert len(open_roughness(landscape / "roughness.zarr")["step"]) == 0


def test_the_rank_correlation_is_spearmans_with_an_interval_over_runs():
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    table = pd.DataFrame({"run": np.repeat(np.arange(20), 3), "x": x, "y": np.exp(x), "z": random.normal(size=60)})
    found, count = rank_correlation(table, "x", "y")
    assert (found.value, found.low, count) == (pytest.approx(1), pytest.approx(1), 60)
    loose, _ = rank_correlation(table, "x", "z")
    assert loose.low < 0 < loose.high
    assert np.isnan(rank_correlation(table.head(3), "x", "y")[0].value)
    assert np.isnan(rank_correlation(table.assign(run=0), "x", "y")[0].low)


def test_runs_that_differ_in_their_seed_alone_count_as_one_for_the_interval():
    random = np.random.default_rng(1)
    table = pd.DataFrame({"run": np.arange(12), "group": np.arange(12) // 2, "x": random.normal(size=12)})
    table["y"] = table["x"] + random.normal(size=12)
    same = table.assign(run=table["group"]).drop(columns="group")
    assert rank_correlation(table, "x", "y") == rank_correlation(same, "x", "y")
    assert rank_correlation(table, "x", "y") != rank_correlation(table.drop(columns="group"), "x", "y")
    assert np.isnan(rank_correlation(table[table["group"] < 3], "x", "y")[0].low)
