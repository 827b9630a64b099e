"""Curvature along a real small run: what is written comes back, the same again, and refusals in one line."""

import numpy as np
import pytest
import xarray as xr

from anodiff.errors import ConfigError, OutputExistsError
from anodiff.landscape.curvature import measure_curvature
from anodiff.landscape.curvature_store import ARRAYS, open_curvature
from anodiff.landscape.products import hessian_product
from anodiff.landscape.run_surface import place
from anodiff.landscape.spectrum import top_eigenpairs
from anodiff.settings.run import RunSettings
from anodiff.training.run import train_run
from anodiff.trajectory.store import open_trajectory

QUICK = {"samples": 64, "eigenvalues": 3, "probes": 1, "lanczos_steps": 8, "trace_products": 9, "lags": 5}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = RunSettings.model_validate(
        {"data": {"name": "digits", "train_samples": 200}, "model": {"name": "mlp3", "width": 8}}
        | {"optimiser": {"momentum": 0.5}, "training": {"steps": 40, "batch_size": 50}}
        | {"recording": {"window_length": 20, "gradient_coordinates": 0}}
    )
    train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    return folder / "trajectory.zarr"


def test_the_curvature_of_a_run_is_written_and_comes_back(run, tmp_path):
    found = measure_curvature(run, tmp_path / "curvature.zarr", steps=[0, 25, 40], **QUICK)
    assert found["step"].tolist() == [0, 25, 40]
    assert found["window_start"].tolist() == [0, 20, 20]
    np.testing.assert_allclose(found["threshold"], 2 * 1.5 / found["learning_rate"])
    assert (np.diff(found["hessian_eigenvalue"]) <= 0).all()
    assert (found["gauss_newton_eigenvalue"] > 0).all()
    np.testing.assert_allclose(found["msd_within"] + found["msd_outside"], found["msd_total"])
    surface = place(run, 25, samples=64)
    vectors = top_eigenpairs(hessian_product(surface), surface.size, 3).vectors
    inside = open_trajectory(run).weights[20:41].astype(float) @ vectors.T  # of the window that holds step 25, not the first
    expected = [np.mean(np.sum((inside[lag:] - inside[:-lag]) ** 2, axis=1)) for lag in found["lag"]]
    np.testing.assert_allclose(found["msd_within"][1], expected, rtol=1e-4)
    np.testing.assert_allclose(np.nansum(found["density_weight"], axis=2), 1)
    assert np.isfinite(found["trace_error"]).all()
    assert found.sharpness.shape == (3,)
    with xr.open_zarr(tmp_path / "curvature.zarr") as dataset:
        assert set(ARRAYS) <= set(dataset.variables)
        assert dataset["msd_within"].dims == ("point", "lag")
        assert dataset.attrs["samples"] == 64


def test_the_same_seed_gives_the_same_bits(run, tmp_path):
    first, second = (measure_curvature(run, tmp_path / f"{name}.zarr", steps=[20], **QUICK) for name in "ab")
    for name in ARRAYS:
        np.testing.assert_array_equal(first[name], second[name])


def test_what_is_left_out_is_nan_or_absent(run, tmp_path):
    left_out = {"samples": 64, "eigenvalues": 2, "gauss_newton": False, "probes": 0, "trace_products": 0, "lags": 0}
    measure_curvature(run, tmp_path / "curvature.zarr", steps=[3], **left_out)
    found = open_curvature(tmp_path / "curvature.zarr")
    assert np.isnan(found["gauss_newton_eigenvalue"]).all()
    assert np.isnan(found["trace"]).all()
    assert found["density_node"].size == found["msd_total"].size == 0


def test_refusals_write_nothing(run, tmp_path):
    with pytest.raises(ConfigError, match="step 41 is not stored"):
        measure_curvature(run, tmp_path / "curvature.zarr", steps=[41], **QUICK)
    assert not list(tmp_path.iterdir())
    measure_curvature(run, tmp_path / "curvature.zarr", steps=[1], **QUICK)
    with pytest.raises(OutputExistsError):
        measure_curvature(run, tmp_path / "curvature.zarr", steps=[1], **QUICK)


def test_without_steps_the_store_holds_no_point(run, tmp_path):
    found = measure_curvature(run, tmp_path / "curvature.zarr", steps=[], **QUICK)
    assert len(found["step"]) == 0
    assert found["hessian_eigenvalue"].shape == (0, 3)
