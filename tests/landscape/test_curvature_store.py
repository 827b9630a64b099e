"""Curvature along a small real run: the store holds what was measured, repeats to the bit, and refusals write nothing."""

import shutil

import numpy as np
import pytest
import xarray as xr
import zarr
from sameness import same_store

from anodiff.errors import ConfigError, OutputExistsError, StoreDamagedError
from anodiff.landscape.curvature import measure_curvature
from anodiff.landscape.curvature_store import ARRAYS, open_curvature
from anodiff.landscape.products import hessian_product
from anodiff.landscape.run_surface import loss_surface_at
from anodiff.landscape.spectrum import top_eigenpairs
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings
from anodiff.storage.stores import finish_store
from anodiff.training.run import train_run
from anodiff.trajectory.store import open_trajectory

LANDSCAPE = LandscapeSettings(samples=64)
QUICK = {"eigenvalues": 3, "lanczos_steps": 8, "trace_products": 9}


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


def measure(run, output, at, landscape=LANDSCAPE, **settings):
    return measure_curvature(run, output, landscape, CurvatureSettings(at=at, **QUICK | settings), device="cpu")


def test_the_curvature_of_a_run_is_that_of_its_surface_and_its_path(run, tmp_path):
    found = measure(run, tmp_path / "curvature.zarr", [0, 25 / 40, 1])
    assert found["step"].tolist() == [0, 25, 40]
    assert found["window_start"].tolist() == [0, 20, 20]
    np.testing.assert_allclose(found["threshold"], 2 * 1.5 / found["learning_rate"])
    assert (np.diff(found["hessian_eigenvalue"]) <= 0).all()
    assert (found["gauss_newton_eigenvalue"] > 0).all()
    np.testing.assert_allclose(found["msd_within"] + found["msd_outside"], found["msd_total"])
    surface = loss_surface_at(run, 25, LANDSCAPE)
    vectors = top_eigenpairs(hessian_product(surface), surface.size, 3, seed=0).vectors
    inside = open_trajectory(run).weights[20:41].astype(float) @ vectors.T  # the window that contains step 25, not the first
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
    first, second = (measure(run, tmp_path / f"{name}.zarr", [0.5]) for name in "ab")
    for name in ARRAYS:
        np.testing.assert_array_equal(first[name], second[name])


def test_what_is_left_out_is_nan_or_absent(run, tmp_path):
    measure(run, tmp_path / "curvature.zarr", [3 / 40], eigenvalues=2, gauss_newton=False, probes=0, trace_products=0)
    found = open_curvature(tmp_path / "curvature.zarr")
    assert np.isfinite(found["hessian_eigenvalue"]).all()
    assert np.isnan(found["gauss_newton_eigenvalue"]).all()
    assert np.isnan(found["trace"]).all()
    assert found["density_node"].size == 0


def test_refusals_write_nothing(run, tmp_path):
    with pytest.raises(ConfigError, match="500 samples of a training set of 200"):
        measure(run, tmp_path / "curvature.zarr", [1], LandscapeSettings(samples=500))
    assert not list(tmp_path.iterdir())
    measure(run, tmp_path / "curvature.zarr", [1])
    with pytest.raises(OutputExistsError):
        measure(run, tmp_path / "curvature.zarr", [1])


def test_equal_runs_have_equal_stores(run, tmp_path):
    """The identity is that of the content: a copy has another inode and another time of change."""
    other = shutil.copytree(run, tmp_path / run.name, copy_function=shutil.copyfile)
    for path, name in ((run, "one.zarr"), (other, "other.zarr")):
        measure(path, tmp_path / name, [1])
    same_store(tmp_path / "one.zarr", tmp_path / "other.zarr", but=())


def delete(store):
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    del group["trace"]
    finish_store(group)


def corrupt(store):
    (store / "trace" / "c" / "0").write_bytes(b"damaged")


@pytest.mark.parametrize("damage", [delete, corrupt])
def test_a_missing_or_damaged_array_is_named_in_one_line(run, tmp_path, damage):
    measure(run, tmp_path / "curvature.zarr", [1])
    damage(tmp_path / "curvature.zarr")
    with pytest.raises(StoreDamagedError, match=r"curvature.zarr: trace(/c/0)? is damaged: ") as refused:
        open_curvature(tmp_path / "curvature.zarr")
    assert "\n" not in str(refused.value)


def test_a_trace_of_too_few_products_is_refused_before_anything_is_measured():
    with pytest.raises(ValueError, match="trace_products: 5 are too few; give 0, or 6 or more"):
        CurvatureSettings(trace_products=5)
