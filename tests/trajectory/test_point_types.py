"""A point keeps the precision of the model, and a complex parameter both of its parts."""

import numpy as np
import pytest
import torch
from torch import nn

from anodiff.errors import ConfigError
from anodiff.geometry import compute_geometry, open_geometry, path_geometry
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory
from anodiff.trajectory.sketch import Sketch

STEPS = 12


def recorded(path, model, rate, **options):
    """Train a model by plain SGD; return its path, opened, and the points in float64 or complex128, shape (STEPS + 1, P)."""
    generator = torch.Generator().manual_seed(0)
    parameters = list(model.parameters())
    points = [flat(parameters)]
    with TrajectoryRecorder(model, path, steps=STEPS, windows=[Window(0, STEPS)], **options) as recorder:
        for _ in range(STEPS):
            model.zero_grad()
            inputs = torch.randn(8, 5, generator=generator).to(parameters[0].dtype)
            model(inputs).abs().square().mean().backward()
            with torch.no_grad():
                for parameter in parameters:
                    parameter -= rate * (parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad)
            recorder.record()
            points.append(flat(parameters))
    return open_trajectory(path), np.stack(points)


def flat(parameters):
    wide = torch.complex128 if any(parameter.is_complex() for parameter in parameters) else torch.float64
    return torch.cat([parameter.detach().to(wide).reshape(-1) for parameter in parameters]).numpy()


def network(dtype, outputs=7):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 40), nn.Tanh(), nn.Linear(40, outputs)).to(dtype)


@pytest.mark.parametrize("rate", [1e-3, 1e-8])
@pytest.mark.parametrize("weights", ["full", "none"])
def test_the_gram_matrix_of_a_float64_model_is_that_of_its_float64_path(tmp_path, weights, rate):
    _, points = recorded(tmp_path / "t.zarr", network(torch.float64), rate, weights=weights)
    compute_geometry(tmp_path / "t.zarr", tmp_path / "g.zarr")
    updates = np.diff(points, axis=0)
    scale = np.linalg.norm(updates, axis=1)
    gram = open_geometry(tmp_path / "g.zarr").read(0).gram
    np.testing.assert_allclose(gram / np.outer(scale, scale), updates @ updates.T / np.outer(scale, scale), atol=1e-12)


def test_points_and_gradients_of_a_float64_model_come_back_bit_for_bit(tmp_path):
    trajectory, points = recorded(tmp_path / "t.zarr", network(torch.float64), 1e-8, gradient_coordinates=50)
    assert trajectory.weights.dtype == trajectory.array("gradient_sample").dtype == np.float64
    np.testing.assert_array_equal(trajectory.points(Window(0, STEPS)), points)
    sampled = trajectory.gradient_sample(Window(0, STEPS))[:-1]
    updates = np.diff(points, axis=0)[:, trajectory.array("coordinate")[:]]
    np.testing.assert_allclose(-1e-8 * sampled, updates, atol=2 * np.spacing(np.abs(points).max()))


def test_the_sketch_of_a_float64_model_is_that_of_its_points(tmp_path):
    trajectory, points = recorded(tmp_path / "t.zarr", network(torch.float64), 1e-8, sketch_size=64)
    sketch = Sketch(points.shape[1], 64, seed=0)
    expected = np.stack([sketch(torch.from_numpy(point)).numpy() for point in np.diff(points, axis=0)])
    np.testing.assert_allclose(np.diff(trajectory.weights[:], axis=0), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_series_have_the_precision_of_the_points(tmp_path, dtype):
    losses = 1 + 1e-10 * np.arange(300)
    model = network(dtype)
    with TrajectoryRecorder(model, tmp_path / "t.zarr", windows="contiguous", window_length=300) as recorder:
        for number, loss in enumerate(losses):
            recorder.record(loss=float(loss) if number % 2 else torch.tensor(loss, dtype=torch.float64), learning_rate=1e-3)
        recorder.record_epoch(0, train_loss=float(losses[7]))
    compute_geometry(tmp_path / "t.zarr", tmp_path / "g.zarr")
    expected = losses.astype("float64" if dtype == torch.float64 else "float32")
    trajectory = open_trajectory(tmp_path / "t.zarr")
    assert trajectory.series("loss").dtype == expected.dtype
    np.testing.assert_array_equal(trajectory.series("loss"), expected)
    np.testing.assert_array_equal(trajectory.series("train_loss"), expected[7:8])
    np.testing.assert_array_equal(open_geometry(tmp_path / "g.zarr").group["point_loss"][0, :-1], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_widens_exactly_to_float32(tmp_path, dtype):
    trajectory, points = recorded(tmp_path / "t.zarr", network(dtype), 0.1)
    assert trajectory.weights.dtype == np.float32
    np.testing.assert_array_equal(trajectory.weights[:], points)


def test_a_model_of_several_types_has_points_of_the_widest(tmp_path):
    model = nn.ModuleList([nn.Linear(3, 2).to(dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16)])
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)]) as recorder:
        recorder.record()
    trajectory = open_trajectory(tmp_path / "t.zarr")
    assert trajectory.weights.dtype == np.float64
    np.testing.assert_array_equal(trajectory.weights[0], flat(list(model.parameters())))


@pytest.mark.parametrize("weights", ["full", "none"])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_a_complex_parameter_is_recorded_with_both_parts(tmp_path, weights, dtype):
    torch.manual_seed(0)
    _, points = recorded(tmp_path / "t.zarr", nn.Linear(5, 4, dtype=dtype), 0.1, weights=weights)
    compute_geometry(tmp_path / "t.zarr", tmp_path / "g.zarr")
    squared = np.abs(points[:, None] - points[None]) ** 2
    found = open_geometry(tmp_path / "g.zarr").read(0).squared_displacements
    np.testing.assert_allclose(found, squared.sum(2), rtol=1e-5 if dtype == torch.complex64 else 1e-12)


def test_the_parts_of_complex_numbers_have_names_and_sampled_gradients(tmp_path):
    torch.manual_seed(0)
    trajectory, points = recorded(tmp_path / "t.zarr", nn.Linear(5, 4, dtype=torch.complex64), 0.1, gradient_coordinates=1000)
    assert trajectory.parameters == 48
    assert [trajectory.parameter_name(column) for column in (0, 13, 47)] == [
        "weight[0, 0].real",
        "weight[1, 1].imag",
        "bias[3].imag",
    ]
    pairs = np.stack([points.real, points.imag], axis=2).reshape(STEPS + 1, -1)
    np.testing.assert_allclose(-0.1 * trajectory.gradient_sample(Window(0, STEPS))[:-1], np.diff(pairs, axis=0), atol=1e-6)


def test_a_sparse_gradient_is_sampled_like_a_dense_one(tmp_path):
    def sample(sparse):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(9, 4, sparse=sparse), nn.Flatten(), nn.Linear(20, 2))
        generator = torch.Generator().manual_seed(1)
        path = tmp_path / f"{sparse}.zarr"
        with TrajectoryRecorder(model, path, steps=3, windows=[Window(0, 3)], gradient_coordinates=1000) as recorder:
            for _ in range(3):
                model.zero_grad()
                model(torch.randint(9, (6, 5), generator=generator)).square().mean().backward()
                recorder.record()
        return open_trajectory(path).gradient_sample(Window(0, 3))

    np.testing.assert_array_equal(sample(True), sample(False))


def test_a_model_that_changes_its_precision_is_refused(tmp_path):
    model = nn.Linear(3, 2)
    recorder = TrajectoryRecorder(model, tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)])
    model.double()
    with pytest.raises(ConfigError, match=r"t\.zarr: the model is not the one .* type is now torch\.float64"), recorder:
        recorder.record()


def test_the_geometry_of_an_array_of_float64_is_not_rounded():
    points = 1 + 1e-9 * np.random.default_rng(0).normal(size=(5, 20)).cumsum(0)
    updates = np.diff(points, axis=0)
    np.testing.assert_allclose(path_geometry(points).gram, updates @ updates.T, rtol=1e-12)
