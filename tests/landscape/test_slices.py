"""Slices: exact parabolas of a quadratic, with the axes the right way round; interrupted scans; losses that are not finite."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from anodiff.errors import ConfigError, IncompleteStoreError, OutputExistsError
from anodiff.geometry import path_geometry
from anodiff.landscape.directions import Directions, line_between, path_directions, random_directions, unit_directions
from anodiff.landscape.slice_store import open_slice
from anodiff.landscape.slices import grid, losses_on, slice_landscape
from anodiff.landscape.surface import LossSurface
from anodiff.trajectory import open_trajectory

CURVATURES = np.array([3.0, 1.0, 0.5])


class Quadratic(nn.Module):
    """½ Σ λ_i w_i² + 0.1 w_0, whatever the images."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))

    def forward(self, images):
        loss = 0.5 * (torch.as_tensor(CURVATURES, dtype=self.w.dtype) * self.w**2).sum() + 0.1 * self.w[0]
        return loss.expand(len(images))


class Overflowing(Quadratic):
    def forward(self, images):
        return super().forward(images) + torch.sqrt(1 - self.w[0]) * 0 + torch.where(self.w[0] < -1, torch.inf, 0.0)


def bowl(model=Quadratic):
    images, labels = torch.zeros(6, 2), torch.zeros(6)
    return LossSurface(model(), images, labels, lambda outputs, labels: outputs.mean(), dtype=torch.float64)


def two(first=(1.0, 0, 0), second=(0, 1.0, 0)):
    return Directions("random", np.zeros(3), np.array([first, second], float), ("a", "b"), "filter norm")


def test_a_slice_of_a_quadratic_is_a_parabola():
    axis = np.linspace(-2, 2, 9)
    line = Directions("line", np.zeros(3), np.array([[0, 2.0, 1]]), ("a",), "x")
    np.testing.assert_allclose(losses_on(bowl(), line, [axis]), 0.5 * (4 * 1.0 + 0.5) * axis**2, rtol=1e-14)


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_run_along_the_second_direction_and_columns_along_the_first(tmp_path, workers):
    slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=(7, 4), extent=2, workers=workers)
    found = open_slice(tmp_path / "slice.zarr")
    assert found.loss.shape == (4, 7)
    expected = 1.5 * found.first**2 + 0.1 * found.first + 0.5 * found.second[:, None] ** 2
    np.testing.assert_allclose(found.loss, expected, rtol=1e-13)
    assert found.loss[0, 0] < found.loss[0, -1]  # tilted along the first only
    np.testing.assert_allclose(found.loss[0], found.loss[-1], rtol=1e-13)


def test_xarray_opens_a_slice_with_its_coordinates(tmp_path):
    slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=5, extent=1, attributes={"step": 12})
    with xr.open_zarr(tmp_path / "slice.zarr") as dataset:
        assert dataset["loss"].dims == ("second", "first")
        assert float(dataset["loss"].sel(first=1.0, second=0.5)) == pytest.approx(1.6 + 0.125)
        assert dataset["first"].attrs["units"] == "filter norm"
        assert dataset.attrs["step"] == 12
        assert dataset.attrs["samples"] == 6


def test_an_interrupted_scan_resumes_to_the_same_bits(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))
    images, labels = torch.randn(40, 1, 2, 2), torch.randint(2, (40,))
    surface = LossSurface(model, images, labels, nn.functional.cross_entropy)
    directions = random_directions(surface.centre, surface.shapes, 0)
    evaluated = []

    def stop(done, total, message):
        evaluated.append(done)
        if len(evaluated) == 3:
            raise KeyboardInterrupt

    slice_landscape(surface, directions, tmp_path / "whole.zarr", points=6)
    with pytest.raises(KeyboardInterrupt):
        slice_landscape(surface, directions, tmp_path / "slice.zarr", points=6, report=stop)
    assert not (tmp_path / "slice.zarr").exists()
    with pytest.raises(IncompleteStoreError):
        open_slice(tmp_path / ".slice.zarr.scan" / "slice.zarr")
    slice_landscape(surface, directions, tmp_path / "slice.zarr", points=6, workers=2, report=stop)
    assert evaluated == [6, 12, 18, 24, 30, 36]  # rows 1 to 3 were not evaluated again
    np.testing.assert_array_equal(open_slice(tmp_path / "slice.zarr").loss, open_slice(tmp_path / "whole.zarr").loss)
    assert not (tmp_path / ".slice.zarr.scan").exists()


def test_a_scan_of_another_grid_is_not_resumed(tmp_path):
    def stop(done, total, message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=4, extent=1, report=stop)
    slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=4, extent=2)
    found = open_slice(tmp_path / "slice.zarr")
    np.testing.assert_allclose(found.loss[0, 0], 0.5 * (3 + 1) * 4 - 0.2)


def test_losses_that_are_not_finite_are_nan_and_counted(tmp_path):
    slice_landscape(bowl(Overflowing), two(), tmp_path / "slice.zarr", points=(5, 3), extent=2)
    found = open_slice(tmp_path / "slice.zarr")
    np.testing.assert_array_equal(np.isnan(found.loss[1]), [True, False, False, False, True])
    assert found.non_finite == 6


def test_too_large_a_grid_is_refused_with_numbers(tmp_path):
    with pytest.raises(
        ConfigError, match=r"90000 x 90000 = 8,100,000,000 points takes about .* s .* take \d+ points per direction"
    ):
        slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=90_000, extent=1, longest=60)
    with pytest.raises(ConfigError, match=r"GiB of memory, .* fewer workers"):
        slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=51, extent=1, memory=10)
    assert not list(tmp_path.iterdir())


def test_a_finished_slice_is_not_replaced_unasked(tmp_path):
    slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=3, extent=1)
    with pytest.raises(OutputExistsError):
        slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=3, extent=1)
    slice_landscape(bowl(), two(), tmp_path / "slice.zarr", points=4, extent=1, overwrite=True)
    assert open_slice(tmp_path / "slice.zarr").loss.shape == (4, 4)


def test_the_path_is_stored_with_its_plane(tmp_path, record_path):
    points = np.cumsum(np.random.default_rng(0).normal(size=(21, 3)), axis=0).astype(np.float32)
    directions = path_directions(open_trajectory(record_path(points)), path_geometry(points))
    slice_landscape(bowl(), directions, tmp_path / "slice.zarr", points=5)
    found = open_slice(tmp_path / "slice.zarr")
    np.testing.assert_array_equal(found.path, directions.path)
    assert found.first[0] < found.path[:, 0].min()
    assert found.second[-1] > found.path[:, 1].max()
    assert found.explained_variance.sum() <= 1


def test_extents_fit_the_directions():
    assert grid(line_between(np.zeros(3), np.ones(3)), 3)[0].tolist() == [-0.5, 0.5, 1.5]
    assert grid(two(), 3, 0.5)[1].tolist() == [-0.5, 0, 0.5]
    with pytest.raises(ConfigError, match="no natural extent"):
        grid(unit_directions("gradient", np.zeros(3), np.ones(3), ("gradient",)), 3)
    with pytest.raises(ConfigError, match="2 or more"):
        grid(two(), 1)
