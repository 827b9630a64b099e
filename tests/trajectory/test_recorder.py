"""The store holds what was recorded, bit for bit, and nothing else."""

import numpy as np
import pytest
import torch
import xarray as xr
import zarr

from anodiff.errors import ConfigError, IncompleteStoreError, OutputExistsError, StoreDamagedError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.trajectory import TrajectoryRecorder, Window, format, kept_steps, open_trajectory
from anodiff.trajectory.sketch import Sketch

WINDOWS = {
    "one": [Window(0, 40)],
    "sharing an end": [Window(0, 20), Window(20, 20)],
    "overlapping": [Window(0, 25), Window(10, 30)],
    "with a gap": [Window(0, 7), Window(30, 10)],
    "strided": [Window(0, 40, 8), Window(3, 36, 5)],
    "late": [Window(35, 5)],
}


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 16)


def awkward_points(steps, parameters):
    """Points with negative zeros, denormal, huge and tiny numbers among them."""
    points = np.random.default_rng(0).normal(size=(steps + 1, parameters)).astype(np.float32)
    points[::3, 0], points[1::3, -1], points[::5, 1], points[::7, 2] = -0.0, 1e-42, 3e38, np.inf
    return points


def bits(points):
    return np.asarray(points, np.float32).view(np.uint32)


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("parameters", [3, 16, 37], ids="P={}".format)
@pytest.mark.usefixtures("small_chunks")
def test_recorded_points_come_back_bit_for_bit(record_path, windows, parameters):
    points = awkward_points(40, parameters)
    trajectory = open_trajectory(record_path(points, windows))
    for window in windows:
        np.testing.assert_array_equal(bits(trajectory.points(window)), bits(points[window.steps]))
        np.testing.assert_array_equal(bits(trajectory.points(window, slice(1, 3))), bits(points[window.steps, 1:3]))
    kept = trajectory.array("step")[:]
    np.testing.assert_array_equal(bits(trajectory.weights[:]), bits(points[kept]))
    assert set(kept.tolist()) == {step for window in windows for step in window.steps.tolist()}


def test_a_point_is_all_parameters_of_the_model_flattened_in_their_order(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)]) as recorder:
        recorder.record()
    trajectory = open_trajectory(tmp_path / "t.zarr")
    flat = torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    np.testing.assert_array_equal(trajectory.weights[0], flat)
    for parameter in trajectory.group.attrs["parameters"]:
        values = dict(model.named_parameters())[parameter["name"]].detach().numpy()
        assert list(values.shape) == parameter["shape"]
        np.testing.assert_array_equal(flat[parameter["offset"] :][: values.size], values.ravel())


def test_series_hold_the_values_of_each_step_and_epoch_and_nan_elsewhere(tmp_path):
    model = torch.nn.Linear(1, 1)
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=3, windows=[Window(0, 2)], epochs=2) as recorder:
        recorder.record(loss=0.5, learning_rate=0.1)
        recorder.record(loss=0.25, noise_norm=3.0)
        recorder.record_epoch(0, test_loss=7.0)
    trajectory = open_trajectory(tmp_path / "t.zarr")
    np.testing.assert_array_equal(trajectory.series("loss"), np.float32([0.5, 0.25, np.nan]))
    np.testing.assert_array_equal(trajectory.series("learning_rate"), np.float32([0.1, np.nan, np.nan]))
    np.testing.assert_array_equal(trajectory.series("noise_norm"), np.float32([np.nan, 3, np.nan]))
    np.testing.assert_array_equal(trajectory.series("gradient_norm"), np.float32([np.nan] * 3))
    np.testing.assert_array_equal(trajectory.series("test_loss"), np.float32([7, np.nan]))


@pytest.mark.parametrize("taken", [0, 6, 7, 20], ids="{} steps".format)
@pytest.mark.usefixtures("small_chunks")
def test_points_that_a_diverged_run_did_not_reach_are_nan(record_path, taken):
    points = awkward_points(40, 37)
    windows = [Window(0, 20), Window(20, 20)]
    path = record_path(points[: taken + 1], windows, steps=40, status="diverged", diverged_at=taken)
    trajectory = open_trajectory(path)
    np.testing.assert_array_equal(bits(trajectory.weights[: taken + 1]), bits(points[: taken + 1]))
    assert np.isnan(trajectory.weights[taken + 1 :]).all()
    assert (trajectory.status, trajectory.steps_completed) == ("diverged", taken)
    assert [window.reached(trajectory.steps_completed) for window in windows] == [taken >= 20, False]


def test_values_not_yet_written_do_not_read_as_zero(tmp_path):
    TrajectoryRecorder(torch.nn.Linear(2, 2), tmp_path / "t.zarr", steps=5, windows=[Window(0, 5)], epochs=2)
    floats = [array for _, array in zarr.open_group(tmp_path / "t.zarr").arrays() if array.dtype == "float32"]
    assert len(floats) == 9
    assert all(np.isnan(array[:]).all() for array in floats)


@pytest.mark.parametrize("taken", [7, 8, 9])
@pytest.mark.usefixtures("small_chunks")
def test_a_run_whose_last_weights_are_nan_is_complete(record_path, taken):
    points = np.ones((taken + 1, 5), np.float32)
    points[-1] = np.nan  # at 8 steps it is alone in its shard, and a chunk of only NaN is easily taken for a missing one
    trajectory = open_trajectory(record_path(points, [Window(0, 40)], steps=40, status="diverged"))
    assert np.isfinite(trajectory.weights[:taken]).all()


@pytest.mark.usefixtures("small_chunks")
def test_time_runs_fastest_in_compressed_chunks_with_checksums_and_a_shard_is_one_file(record_path):
    path = record_path(awkward_points(40, 37))
    weights = open_trajectory(path).weights
    sharding = weights.metadata.to_dict()["codecs"][0]
    assert sharding["name"] == "sharding_indexed"
    transpose, raw, blosc, checksum = sharding["configuration"]["codecs"]
    assert (transpose["name"], list(transpose["configuration"]["order"])) == ("transpose", [1, 0])
    assert raw["name"] == "bytes"
    assert (blosc["name"], blosc["configuration"]["shuffle"]) == ("blosc", "bitshuffle")
    assert checksum["name"] == "crc32c"
    assert (weights.chunks, weights.shards) == ((8, 13), (8, 39))  # equally wide: 37 columns in chunks of 16 at most
    files = sorted(
        file.relative_to(path / "weights" / "c").as_posix() for file in path.glob("weights/c/**/*") if file.is_file()
    )
    assert files == [f"{shard}/0" for shard in range(6)]  # 41 points in shards of 8


def test_a_shard_holds_256_points_and_no_more_memory_than_the_buffer_bound():
    assert format.sample_layout(1000, 5000)["shards"] == (256, 5000)
    large = format.sample_layout(1000, 100_000_000)["shards"]
    assert large[0] == 1
    assert format.sample_layout(1000, 1_000_000)["shards"][0] * 4 * 1_000_000 <= format.BUFFER_BYTES


@pytest.mark.parametrize("store", ["trajectory.zarr", "geometry.zarr"])
def test_a_checksum_guards_every_array(run_folder, store):
    for name, array in zarr.open_group(run_folder / store).arrays():
        assert "crc32c" in str(array.metadata.to_dict()["codecs"]), name


def test_xarray_opens_a_labelled_data_set_without_further_argument(record_path):
    points = awkward_points(40, 37)
    data = xr.open_zarr(record_path(points, [Window(0, 40, 8), Window(3, 36, 4)], epochs=2))  # warnings are errors
    assert data.weights.dims == ("sample", "parameter")
    assert data.loss.dims == data.noise_norm.dims == ("step",)
    assert data.windows.dims == ("window", "window_field")
    assert data.step.dims == ("sample",)
    assert "step" in data.coords
    assert data.epoch.values.tolist() == [1, 2]
    assert data.test_accuracy.sel(epoch=2).item() == pytest.approx(0.1)
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in data.variables.values())
    np.testing.assert_array_equal(bits(data.weights), bits(points[data.step]))


def test_tensorstore_reads_the_same_bits(record_path):
    tensorstore = pytest.importorskip("tensorstore")
    points = awkward_points(40, 37)
    path = record_path(points)
    opened = tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / "weights")}}).result()
    assert opened.domain.labels == ("sample", "parameter")
    np.testing.assert_array_equal(bits(opened.read().result()), bits(points))


def test_an_error_while_recording_leaves_the_store_unfinished_and_unread(tmp_path):
    path = tmp_path / "t.zarr"
    recorder = TrajectoryRecorder(torch.nn.Linear(1, 1), path, steps=5, windows=[Window(0, 5)])
    with pytest.raises(ZeroDivisionError), recorder:
        recorder.record(loss=1 / 0)
    with pytest.raises(IncompleteStoreError, match="has not finished") as refused:
        open_trajectory(path)
    assert "\n" not in str(refused.value)


def test_an_unfinished_store_is_replaced(record_path, tmp_path):
    TrajectoryRecorder(torch.nn.Linear(9, 9), tmp_path / "trajectory.zarr", steps=500, windows=[Window(0, 500)])
    points = awkward_points(5, 3)
    np.testing.assert_array_equal(open_trajectory(record_path(points)).weights[:], points)


@pytest.mark.parametrize("found", ["finished", "diverged", "folder", "file", "link", "link to nothing"])
def test_nothing_but_an_unfinished_recording_is_replaced_unless_asked(record_path, tmp_path, found):
    path, elsewhere = tmp_path / "path.zarr", tmp_path / "elsewhere"
    if found in ("finished", "diverged"):
        record_path([[0.0], [1.0], [2.0]], path=path, **({"status": "diverged"} if found == "diverged" else {}))
    elif found == "folder":
        path.mkdir()
        (path / "thesis.tex").write_text("years of work")
    elif found == "file":
        path.write_text("years of work")
    elif found == "link":
        path.symlink_to(record_path([[0.0], [1.0]], path=elsewhere))
    else:
        path.symlink_to(elsewhere)
    before = content(tmp_path)
    with pytest.raises(OutputExistsError, match=r"path\.zarr (holds|is a link).*overwrite=True$"):
        record_path([[0.0], [3.0]], path=path)
    assert content(tmp_path) == before
    with TrajectoryRecorder(torch.nn.Linear(1, 1), path, steps=1, overwrite=True) as recorder:
        recorder.record(loss=0.0)
    assert open_trajectory(path).steps_completed == 1
    assert not path.is_symlink()
    assert {name: text for name, text in content(tmp_path).items() if name.startswith("elsewhere")} == {
        name: text for name, text in before.items() if name.startswith("elsewhere")
    }


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_step_beyond_the_planned_ones_is_refused(tmp_path):
    with TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)]) as recorder:
        recorder.record()
        with pytest.raises(ConfigError, match="made for 1 steps"):
            recorder.record()


@pytest.mark.parametrize(
    ("model", "windows", "reason"),
    [(torch.nn.ReLU(), [Window(0, 1)], "no parameters"), (torch.nn.Linear(1, 1), [], "no window")],
    ids=["model without parameters", "no window"],
)
def test_nothing_to_record_is_refused(tmp_path, model, windows, reason):
    with pytest.raises(ConfigError, match=reason):
        TrajectoryRecorder(model, tmp_path / "t.zarr", steps=1, windows=windows)
    assert not (tmp_path / "t.zarr").exists()


def walked(path, points, windows, **options):
    """Record a path of points and return it, opened."""
    model = torch.nn.ParameterList([torch.tensor(points[0][:10]), torch.tensor(points[0][10:])])
    with TrajectoryRecorder(model, path, steps=len(points) - 1, windows=windows, **options) as recorder:
        for point in points[1:]:
            torch.nn.utils.vector_to_parameters(torch.tensor(point), model.parameters())
            recorder.record()
    return open_trajectory(path)


POINTS = np.random.default_rng(0).normal(size=(41, 50)).astype(np.float32)


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.usefixtures("small_chunks")
def test_a_sketched_path_is_the_sketch_of_each_of_its_points(tmp_path, windows):
    trajectory = walked(tmp_path / "t.zarr", POINTS, windows, sketch_size=20, seed=3)
    attributes = trajectory.group.attrs
    assert trajectory.representation == attributes["representation"] == "sketch"
    about = attributes["sketch"]
    assert about == {"size": 20, "nonzeros": 4, "seed": 3, "relative_error": np.sqrt(2 / 20)}
    sketch = Sketch(50, about["size"], seed=about["seed"])
    expected = np.stack([sketch(torch.tensor(point)).numpy() for point in POINTS])
    np.testing.assert_array_equal(trajectory.weights[:], expected[kept_steps(windows)])
    for window in windows:
        assert trajectory.points(window).dtype == np.float64
        np.testing.assert_array_equal(trajectory.points(window, slice(3, 18)), expected[window.steps, 3:18])
    assert attributes["parameters"][1] == {"name": "1", "shape": [40], "offset": 10, "dtype": "float32"}


def test_a_path_is_recorded_in_full_by_default(record_path):
    trajectory = open_trajectory(record_path(POINTS))
    assert trajectory.representation == trajectory.group.attrs["representation"] == "full"
    assert "sketch" not in trajectory.group.attrs
    assert "gradient_sample" not in trajectory.group


def test_a_network_too_small_to_sketch_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="sketch_size 1024 is not below the model's 4 parameters"):
        TrajectoryRecorder(torch.nn.Linear(3, 1), tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)], sketch_size=1024)
    assert not list(tmp_path.iterdir())


WHOLE = (Window(0, 30),)


def train(path, windows=WHOLE, *, optimiser=None, before_recording=None, model=None, steps=30, **options):
    """Train a small network; return its path, opened, and the gradient by autograd at each point, shape (steps, P)."""
    generator = torch.Generator().manual_seed(0)
    model = model or torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimiser = (optimiser or torch.optim.SGD)(model.parameters(), lr=0.5)
    options = {"gradient_coordinates": 20, "seed": 4} | options
    gradients = []
    with TrajectoryRecorder(model, path, steps=steps, windows=windows, **options) as recorder:
        for _ in range(steps):
            inputs = torch.randn(16, 6, generator=generator)
            optimiser.zero_grad()
            loss = (model(inputs) - inputs.prod(1, keepdim=True)).square().mean()
            wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
            known = dict(zip(wanted, torch.autograd.grad(loss, wanted, retain_graph=True), strict=True))
            flat = [known.get(parameter, torch.full_like(parameter, torch.nan)).ravel() for parameter in model.parameters()]
            gradients.append(torch.cat(flat).detach().numpy())
            loss.backward()
            optimiser.step()
            if before_recording:
                before_recording(optimiser)
            recorder.record()
    return open_trajectory(path), np.stack(gradients)


def momentum(parameters, lr):
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-2)


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, momentum, torch.optim.Adam], ids=["sgd", "momentum", "adam"])
@pytest.mark.parametrize(
    "windows",
    [
        [Window(0, 30)],
        [Window(0, 30, 6)],
        [Window(5, 3), Window(20, 10, 2)],
        [Window(0, 8)],
    ],
    ids=["every step", "strided", "with a gap", "early"],
)
@pytest.mark.parametrize("sketch_size", [None, 32])
@pytest.mark.usefixtures("small_chunks")
def test_the_gradient_sample_is_the_gradient_that_autograd_gives_at_each_point(tmp_path, windows, optimiser, sketch_size):
    trajectory, gradients = train(tmp_path / "t.zarr", windows, optimiser=optimiser, sketch_size=sketch_size)
    coordinates = trajectory.array("coordinate")[:]
    steps = trajectory.array("step")[:]
    expected = np.full((len(steps), 20), np.nan, np.float32)
    expected[steps < 30] = gradients[steps[steps < 30]][:, coordinates]
    np.testing.assert_array_equal(trajectory.array("gradient_sample")[:], expected)
    for window in windows:
        np.testing.assert_array_equal(trajectory.gradient_sample(window), expected[np.searchsorted(steps, window.steps)])


def test_for_plain_sgd_the_gradient_sample_is_minus_the_update_over_the_learning_rate(tmp_path):
    trajectory, _ = train(tmp_path / "t.zarr")
    points = trajectory.points(Window(0, 30)).astype(np.float64)[:, trajectory.array("coordinate")[:]]
    rounding = np.abs(points).max() * np.finfo(np.float32).eps
    np.testing.assert_allclose(
        trajectory.gradient_sample(Window(0, 30))[:-1], -np.diff(points, axis=0) / 0.5, atol=2 * rounding
    )


def test_sampled_coordinates_increase_and_are_determined_by_the_seed(tmp_path):
    def sampled(name, **options):
        return train(tmp_path / name, **options)[0].array("coordinate")[:]

    first, again, other = sampled("a"), sampled("b"), sampled("c", seed=5)
    assert (np.diff(first) > 0).all()
    assert (len(first), first.min() >= 0, first.max() < 65) == (20, True, True)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert sampled("d", gradient_coordinates=1000).tolist() == list(range(65))


def test_every_parameter_is_sampled_equally_often():
    from anodiff.trajectory.gradients import GradientSample

    parameters = [torch.zeros(3, 4), torch.zeros(()), torch.zeros(7)]
    counts = np.zeros(20)
    for seed in range(2000):
        counts[GradientSample(parameters, 5, seed=seed).coordinates] += 1
    assert np.abs(counts - 500).max() < 4.5 * np.sqrt(2000 * 0.25 * 0.75)


def test_a_parameter_without_a_gradient_has_nan_in_the_sample(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))

    def forget(optimiser):
        model[0].bias.grad = None

    trajectory, gradients = train(tmp_path / "t.zarr", model=model, gradient_coordinates=65, before_recording=forget)
    sample = trajectory.gradient_sample(Window(0, 30))[:-1]
    assert np.isnan(sample[:, 48:56]).all()
    gradients[:, 48:56] = np.nan
    np.testing.assert_array_equal(sample, gradients)


def test_gradients_set_to_none_before_recording_are_nan_not_those_of_another_step(tmp_path):
    trajectory, _ = train(tmp_path / "t.zarr", before_recording=lambda optimiser: optimiser.zero_grad())
    assert np.isnan(trajectory.gradient_sample(Window(0, 30))).all()


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (1,), ()])
def test_the_sample_of_a_gradient_in_another_memory_order_is_that_of_its_values(shape):
    from anodiff.trajectory.gradients import GradientSample

    parameter = torch.nn.Parameter(torch.zeros(shape))
    parameter.grad = torch.arange(1.0, 1 + parameter.numel()).reshape(shape)
    if len(shape) == 4:
        parameter.grad = parameter.grad.contiguous(memory_format=torch.channels_last)
    sample = GradientSample([torch.zeros(9), parameter], 1000)
    row = torch.zeros(9 + parameter.numel())
    sample.copy_to(row)
    np.testing.assert_array_equal(row, [*[np.nan] * 9, *range(1, 1 + parameter.numel())])


@pytest.mark.parametrize("name", ["gradient_sample/c/1/0", "coordinate/c/0"])
@pytest.mark.usefixtures("small_chunks")
def test_a_lost_file_of_the_gradient_sample_is_noticed(tmp_path, name):
    train(tmp_path / "t.zarr")
    (tmp_path / "t.zarr" / name).unlink()
    with pytest.raises(StoreDamagedError, match=f"{name} is damaged: it is missing or cut"):
        open_trajectory(tmp_path / "t.zarr")


@pytest.mark.usefixtures("small_chunks")
def test_xarray_opens_a_sketch_with_gradients_as_a_labelled_data_set(tmp_path):
    train(tmp_path / "t.zarr", sketch_size=32)
    data = xr.open_zarr(tmp_path / "t.zarr")  # warnings are errors
    assert data.weights.dims == ("sample", "component")
    assert data.gradient_sample.dims == ("sample", "coordinate")
    assert {"step", "coordinate"} <= set(data.coords)
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in data.variables.values())
    for name in ("weights", "gradient_sample"):
        codecs = zarr.open_array(tmp_path / "t.zarr" / name).metadata.to_dict()["codecs"][0]["configuration"]["codecs"]
        assert [codec["name"] for codec in codecs] == ["transpose", "bytes", "blosc", "crc32c"]


@pytest.mark.parametrize("gradient", [None, 0.0, -1.0, torch.nan])
@pytest.mark.parametrize("weight", [0.0, -1.0, torch.nan])
def test_a_chunk_that_equals_any_fill_value_was_written_all_the_same(tmp_path, gradient, weight):
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(weight)
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=3, windows=[Window(0, 3)], gradient_coordinates=5) as recorder:
        for _ in range(3):
            model.weight.grad = None if gradient is None else torch.full((1, 1), gradient)
            recorder.record(loss=torch.nan)
    trajectory = open_trajectory(tmp_path / "t.zarr")
    np.testing.assert_array_equal(trajectory.points(Window(0, 3)), np.full((4, 1), weight))
    expected = [*[torch.nan if gradient is None else gradient] * 3, torch.nan]
    np.testing.assert_array_equal(trajectory.gradient_sample(Window(0, 3))[:, 0], expected)
    compute_geometry(tmp_path / "t.zarr", tmp_path / "g.zarr")
    np.testing.assert_array_equal(open_geometry(tmp_path / "g.zarr").group["gram"][0], np.full((3, 3), weight * 0))
