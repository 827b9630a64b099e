"""Gram matrices summed up while a network trains are those of its path."""

import io
from contextlib import suppress

import numpy as np
import pytest
import reference
import torch
import xarray as xr
import zarr
from sameness import same_store

from anodiff.cli.inspection_text import print_inspection
from anodiff.errors import ConfigError, StoreDamagedError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory, running_gram
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.flat_parameters import FlatParameters
from anodiff.trajectory.gram_arrays import GramArrays
from anodiff.trajectory.update_sources import PointUpdates
from anodiff.trajectory.windows import WindowPlan

STEPS, PARAMETERS = 40, 9000  # more than are summed in float32 at once

WINDOWS = {
    "one": [Window(0, 40)],
    "sharing an end": [Window(0, 20), Window(20, 20)],
    "overlapping": [Window(0, 25), Window(10, 30)],
    "given late first": [Window(10, 30), Window(0, 25)],
    "nested": [Window(0, 40), Window(5, 10), Window(5, 30, 3)],
    "strided": [Window(0, 40, 8), Window(3, 36, 5)],
    "with a gap": [Window(2, 7), Window(30, 9)],
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(running_gram, "BLOCK_UPDATES", 6)


def walk(steps=STEPS, parameters=PARAMETERS):
    """Points far from the origin with small steps, as weights are."""
    generator = np.random.default_rng(0)
    points = generator.normal(0, 0.1, parameters) + np.cumsum(generator.normal(0, 1e-4, (steps + 1, parameters)), axis=0)
    return points.astype(np.float32)


class Walker(torch.nn.Module):
    def __init__(self, point):
        super().__init__()
        self.one = torch.nn.Parameter(torch.tensor(point[:100]).clone().reshape(4, 25))
        self.other = torch.nn.Parameter(torch.tensor(point[100:]).clone())

    def move(self, point):
        self.one.data.copy_(torch.tensor(point[:100]).reshape(4, 25))
        self.other.data.copy_(torch.tensor(point[100:]))
        self.one.grad = torch.full_like(self.one, float(point[0]))
        self.other.grad = torch.tensor(point[100:])


def recorded(path, points, *, taken=None, stop=(), steps=None, **options):
    """Record points, with interruptions after each of ``stop`` steps, and return the path of the store."""
    model = Walker(points[0])
    taken = len(points) - 1 if taken is None else taken
    options = {"steps": len(points) - 1, "windows": [Window(0, len(points) - 1)]} | options
    state = None
    for until in (*stop, taken):
        with suppress(KeyboardInterrupt), TrajectoryRecorder(model, path, resume=state, **options) as recorder:
            for point in points[recorder.completed + 1 : until + 1]:
                model.move(point)
                recorder.record(loss=float(point[0]), learning_rate=0.1)
            state = through_a_file(recorder.state())
            if until != taken:
                position = [parameter.detach().clone() for parameter in model.parameters()]
                for point in points[recorder.completed + 1 : until + 15]:  # lost steps of a killed process
                    model.move(point)
                    recorder.record()
                for parameter, before in zip(model.parameters(), position, strict=True):
                    parameter.data.copy_(before)
                raise KeyboardInterrupt
    return path


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_within(gram, expected, tolerance=1e-6):
    """Check each product to a fraction of the product of the two lengths, the scale of its rounding."""
    lengths = np.sqrt(np.diagonal(expected))
    assert (np.abs(gram - expected) / np.outer(lengths, lengths)).max() < tolerance


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_the_matrix_is_that_of_the_points_and_of_the_geometry_of_the_stored_path(tmp_path, windows):
    points = walk()
    none = open_trajectory(recorded(tmp_path / "none.zarr", points, windows=windows, weights="none"))
    compute_geometry(recorded(tmp_path / "full.zarr", points, windows=windows), tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    for number, window in enumerate(windows):
        gram = none.gram(number)
        assert (gram.shape, gram.dtype) == ((window.updates, window.updates), np.float64)
        np.testing.assert_array_equal(gram, gram.T)
        assert_within(gram, stored.read(number).gram)
        assert_within(gram, reference.gram(points[window.steps]))


def test_long_sums_of_small_steps_keep_their_digits(tmp_path):
    points = walk(100, 300_000)
    none = recorded(tmp_path / "none.zarr", points, weights="none")
    updates = np.diff(points, axis=0).astype(np.float64)
    assert_within(open_trajectory(none).gram(0), updates @ updates.T, 2e-7)


@pytest.mark.parametrize("resident", [1, 3, 100], ids="{} blocks on the device".format)
@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_the_place_of_the_updates_does_not_matter(tmp_path, windows, resident):
    points = walk()
    overlap = running_gram._largest_overlap(windows)
    updates = max(window.updates for window in windows)
    memory = overlap * (8 * updates**2 + 4 * PARAMETERS * (2 + 6 * (resident + 2)))
    assert running_gram._blocks_on_device(updates, PARAMETERS, memory / overlap) == (6, resident)
    for number, gram in enumerate(summed(tmp_path, points, windows, memory=memory, bounded=True)):
        assert_within(gram, reference.gram(points[windows[number].steps]))


def test_on_a_device_with_little_memory_the_blocks_are_smaller(tmp_path):
    points = walk()
    memory = 8 * 40**2 + 4 * PARAMETERS * (2 + 3 * 2)
    assert running_gram._blocks_on_device(40, PARAMETERS, memory) == (2, 1)
    (gram,) = summed(tmp_path, points, [Window(0, 40)], memory=memory, bounded=True)
    assert_within(gram, reference.gram(points))


def summed(folder, points, windows, **options):
    """Sum matrices up as on another device, without a recorder."""
    updates = max(window.updates for window in windows)
    group = zarr.create_group(folder)
    array = group.create_array("gram", shape=(len(windows), updates, updates), chunks=(1, 9, 9), dtype="float64")
    model, background = Walker(points[0]), BackgroundThread(folder)
    plan = WindowPlan(windows, 1000, len(points) - 1)
    parameters = FlatParameters(list(model.parameters()))
    arrays = GramArrays(group, folder)
    grams = running_gram.RunningGrams(plan, PointUpdates(parameters), arrays, background, **options)
    for step, point in enumerate(points):
        model.move(point)
        grams.add_point(step)
    grams.finish(windows)
    background.stop()
    return [array[number, : window.updates, : window.updates] for number, window in enumerate(windows)]


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_interrupted_is_uninterrupted(tmp_path, windows):
    points, options = walk(), {"windows": windows, "weights": "none", "gradient_coordinates": 7}
    whole = recorded(tmp_path / "whole.zarr", points, **options)
    again = recorded(tmp_path / "again.zarr", points, stop=(0, 1, 5, 6, 7, 20, 23, 38), **options)
    same_store(whole, again)


def test_a_state_is_not_changed_by_what_is_recorded_later(tmp_path):
    points = walk()
    model = Walker(points[0])
    windows = WINDOWS["sharing an end"]
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=40, windows=windows, weights="none") as recorder:
        for step, point in enumerate(points[1:]):
            if step == 15:
                state = recorder.state()
                (gram,) = state["grams"]["path"]["open"].values()
                kept = [block.clone() for block in (*gram["blocks"], gram["filling"], gram["source"]["last"], gram["sum"])]
            model.move(point)
            recorder.record()
    for block, copy in zip((*gram["blocks"], gram["filling"], gram["source"]["last"], gram["sum"]), kept, strict=True):
        assert torch.equal(block, copy)


def test_the_geometry_is_the_same_as_that_of_a_store_with_weights(tmp_path):
    points, windows = walk(), WINDOWS["nested"]
    options = {"windows": windows, "gradient_coordinates": 7, "seed": 3, "epochs": 2}
    for weights in ("full", "none"):
        recorded(tmp_path / f"{weights}.zarr", points, weights=weights, attributes={"steps_per_epoch": 20}, **options)
        compute_geometry(tmp_path / f"{weights}.zarr", tmp_path / f"{weights}-geometry.zarr")
    full, none = (open_geometry(tmp_path / f"{weights}-geometry.zarr") for weights in ("full", "none"))
    assert sorted(full.group.array_keys()) == sorted(none.group.array_keys())
    for name in set(full.group.array_keys()) - {"gram"}:
        np.testing.assert_array_equal(full.group[name][:], none.group[name][:])
        assert dict(full.group[name].attrs) == dict(none.group[name].attrs)
    for number in range(len(windows)):
        assert_within(none.read(number).gram, full.read(number).gram)
        np.testing.assert_array_equal(none.gradients(number), full.gradients(number))
    differing = {key for key in full.group.attrs if full.group.attrs[key] != none.group.attrs[key]}
    assert differing == {"representation", "device", "checksums"}
    assert (none.group.attrs["representation"], none.group.attrs["device"]) == ("none", "recorder")
    assert none.group["gradient_sample"].attrs["source"] == "recorded"


def test_a_window_that_the_run_did_not_finish_stays_nan(tmp_path):
    path = recorded(tmp_path / "t.zarr", walk(), taken=30, windows=[Window(0, 20), Window(20, 20)], weights="none")
    trajectory = open_trajectory(path)
    assert trajectory.steps_completed == 30
    assert np.isfinite(trajectory.gram(0)).all()
    assert np.isnan(trajectory.array("gram")[1]).all()
    compute_geometry(path, tmp_path / "geometry.zarr")
    assert np.isnan(open_geometry(tmp_path / "geometry.zarr").read(1).gram).all()


def test_a_weight_that_is_not_finite_is_named_by_its_step(tmp_path):
    points = walk()
    points[25, 4] = np.nan
    path = recorded(tmp_path / "t.zarr", points, windows=[Window(0, 20), Window(20, 20)], weights="none")
    compute_geometry(path, tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert stored.problem(0) == ""
    assert stored.problem(1) == "the weights are not finite at step 25, or the squares of the updates overflow"
    assert np.isnan(stored.read(1).gram).any()


def test_a_run_of_only_nan_weights_is_complete(tmp_path):
    points = np.full((41, PARAMETERS), np.nan, np.float32)
    assert np.isnan(open_trajectory(recorded(tmp_path / "t.zarr", points, weights="none")).gram(0)).all()


def test_a_lost_file_is_noticed_and_a_damaged_one_named(tmp_path):
    path = recorded(tmp_path / "t.zarr", walk(), windows=[Window(0, 20), Window(20, 20)], weights="none")
    chunk = path / "gram/c/1/0/0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreDamagedError, match="gram/c/1/0/0 is damaged: its checksum") as refused:
        open_trajectory(path).gram(1)
    assert "\n" not in str(refused.value)
    chunk.unlink()
    with pytest.raises(StoreDamagedError, match="gram/c/1/0/0 is damaged: it is missing"):
        open_trajectory(path)


def test_reading_weights_that_were_not_stored_says_why(tmp_path):
    trajectory = open_trajectory(recorded(tmp_path / "t.zarr", walk(), weights="none"))
    assert trajectory.representation == "none"
    assert trajectory.parameters == PARAMETERS
    assert "weights" not in trajectory.group
    with pytest.raises(ConfigError, match="recorded with weights: none"):
        trajectory.points(Window(0, 40))


def test_the_store_can_be_inspected_and_opened_by_xarray(tmp_path, capsys):
    path = recorded(tmp_path / "run" / "trajectory.zarr", walk(), weights="none")
    print_inspection(path)
    (tmp_path / "run" / "run.yaml").write_text("")
    print_inspection(tmp_path / "run")
    said = capsys.readouterr().out
    (gram,) = [line for line in said.splitlines() if line.startswith("gram")]
    assert "float64  1 × 40 × 40  12.8 kB" in gram  # 40² · 8 bytes
    assert "trajectory.zarr  complete  13.8 kB" in said
    data = xr.open_zarr(path)  # warnings are errors
    assert data.gram.dims == ("window", "update", "update_other")
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in data.variables.values())


def test_a_window_that_does_not_fit_is_refused_before_anything_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("anodiff.storage.memory.available_memory", lambda: 1000)
    with pytest.raises(
        ConfigError, match=r"without weights needs .* GiB of memory, .* are free; shorten the windows, or record"
    ):
        recorded(tmp_path / "t.zarr", walk(), weights="none")
    with pytest.raises(ConfigError, match=r"recording.device_memory: .* needs 0 MiB or more on the device, but has 0"):
        running_gram._blocks_on_device(40, PARAMETERS, 2**17)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"weights": "some"}, "weights is 'some'; give full, sketch or none"),
        ({"weights": "none", "sketch_size": 8}, "sketch_size"),
    ],
    ids=["unknown", "sketch size"],
)
def test_weights_that_make_no_sense_are_refused(tmp_path, options, reason):
    with pytest.raises(ConfigError, match=reason):
        recorded(tmp_path / "t.zarr", walk(), **options)
    assert not list(tmp_path.iterdir())
