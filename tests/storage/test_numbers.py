"""Arrays of any library give the same path; what holds no real numbers is refused in a line."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import xarray
import zarr

from anodiff.diffusion.stable import fit_stable
from anodiff.diffusion.tails import hill, log_moment_index
from anodiff.errors import ConfigError
from anodiff.geometry import fourier_msd, path_geometry
from anodiff.geometry.msd import time_averaged_msd
from anodiff.simulation.processes import brownian

POINTS = brownian(40, 5, 0)


def in_zarr(points, folder):
    return zarr.create_array(folder / "points.zarr", data=points, chunks=(7, 2))


def in_hdf5(points, folder):
    return h5py.File(folder / "points.h5", "w").create_dataset("points", data=points)


def in_a_memory_map(points, folder):
    np.save(folder / "points.npy", points)
    return np.load(folder / "points.npy", mmap_mode="r")


GIVEN = [
    lambda points, folder: points,
    lambda points, folder: points.tolist(),
    lambda points, folder: [row for row in points],  # noqa: C416 (a list of arrays)
    lambda points, folder: pd.DataFrame(points),
    lambda points, folder: xarray.DataArray(points, dims=("sample", "parameter")),
    lambda points, folder: torch.tensor(points),
    lambda points, folder: torch.tensor(points, requires_grad=True),
    lambda points, folder: np.ma.masked_array(points),
    in_zarr,
    in_hdf5,
    in_a_memory_map,
]
NAMES = ["numpy", "lists", "arrays", "pandas", "xarray", "torch", "autograd", "unmasked", "zarr", "hdf5", "memmap"]


@pytest.mark.parametrize("given", GIVEN, ids=NAMES)
def test_a_path_is_the_same_from_every_library(given, tmp_path):
    points = given(POINTS, tmp_path)
    np.testing.assert_array_equal(path_geometry(points).gram, path_geometry(POINTS).gram)
    np.testing.assert_array_equal(fourier_msd(points), fourier_msd(POINTS))


@pytest.mark.parametrize("given", GIVEN, ids=NAMES)
def test_tails_are_the_same_from_every_library(given, tmp_path):
    values = np.random.default_rng(1).standard_t(2, (300, 2))
    same = given(values, tmp_path)
    assert hill(same, 30) == hill(values, 30)
    assert log_moment_index(same) == log_moment_index(values)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_half_precision_is_widened_exactly(dtype):
    points = torch.tensor(POINTS).to(dtype)
    np.testing.assert_array_equal(path_geometry(points).gram, path_geometry(points.double().numpy().astype(np.float32)).gram)


def of(value, dtype=None):
    """The path with one entry changed."""
    points = POINTS.astype(dtype or POINTS.dtype)
    points[3, 2] = value
    return points


REFUSED = [
    (POINTS + 1j, "points: got entries of type complex128, expected real numbers"),
    (torch.tensor(POINTS + 0j), "points: got a tensor of torch.complex128, expected real numbers"),
    (np.ma.masked_equal(of(1e38), 1e38), "points: 1 of 205 values are masked; fill them, or leave them out"),
    (of(None, object), "points: got entries of type object, expected real numbers"),
    (pd.DataFrame(POINTS).assign(kind="a"), "points: got entries of type object, expected real numbers"),
    ([[1.0, 2.0], [3.0]], "points: got list that is no array of numbers"),
    (np.full((3, 2), "x"), "points: got entries of type <U1, expected real numbers"),
    (np.full((3, 2), np.datetime64("2020-01-01")), r"points: got entries of type datetime64\[D\], expected real numbers"),
    (of(np.nan), "the path has nan at point 3, parameter 2; give finite points"),
    (of(-np.inf), "the path has -inf at point 3, parameter 2; give finite points"),
    (POINTS[0], r"a path of shape \(5,\); expected \(points, parameters\)"),
]


@pytest.mark.parametrize(("points", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
@pytest.mark.parametrize("measure", [path_geometry, fourier_msd])
def test_what_is_no_path_of_real_numbers_is_refused(measure, points, said):
    with pytest.raises(ConfigError, match=said):
        measure(points)


def test_masked_blocks_of_a_file_are_refused():
    class Variable:  # as of netCDF4, which returns masked arrays
        shape, dtype = POINTS.shape, POINTS.dtype

        def __getitem__(self, index):
            return np.ma.masked_greater(POINTS, POINTS.max() - 1e-9)[index]

    with pytest.raises(ConfigError, match="points: 1 of 205 values are masked"):
        path_geometry(Variable())


@pytest.mark.parametrize("estimate", [fit_stable, lambda values: hill(values, 5), log_moment_index])
@pytest.mark.parametrize("values", [np.arange(50) + 1j, np.ma.masked_less(np.arange(50.0), 3), np.full(50, np.nan)], ids=repr)
def test_tails_of_what_is_no_real_number_are_refused(estimate, values):
    with pytest.raises(ConfigError, match="values: "):
        estimate(values)


def test_one_lag_is_a_list_of_one_and_a_whole_float_is_a_lag():
    path = path_geometry(POINTS)
    np.testing.assert_array_equal(path.mean_squared_displacement(3), path.mean_squared_displacement([3]))
    np.testing.assert_array_equal(path.mean_squared_displacement([3.0]), path.mean_squared_displacement([3]))
    np.testing.assert_allclose(time_averaged_msd(path.squared_displacements, 3.0), path.mean_squared_displacement(3))


@pytest.mark.parametrize("lag", [-1, 41, 1.5, np.nan, 1j, [[1, 2]]], ids=repr)
def test_a_lag_that_the_window_does_not_have_is_refused(lag):
    path = path_geometry(POINTS)
    for measure in (path.mean_squared_displacement, path.update_autocorrelation, path.update_angles):
        with pytest.raises(ConfigError, match=r"lags?: "):
            measure(lag)


@pytest.mark.parametrize("tail", [10.5, 0, -1, np.nan, "many"])
def test_a_tail_is_a_whole_number(tail):
    with pytest.raises(ConfigError, match=f"tail: got {tail}, expected a whole number"):
        hill(np.arange(1.0, 100), tail)
