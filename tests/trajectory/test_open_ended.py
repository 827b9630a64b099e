"""A loop of unknown length leaves the same store as one whose length was known."""

from contextlib import suppress

import numpy as np
import pytest
import torch
import xarray as xr

from anodiff.errors import ConfigError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.trajectory import TrajectoryRecorder, Window, format, open_trajectory


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 16)


class Walker(torch.nn.Module):
    """A model whose weights depend on the step."""

    def __init__(self, step):
        super().__init__()
        self.position = torch.nn.Parameter(torch.zeros(41))
        self.move(step)

    def move(self, step):
        self.position.data = torch.sin(torch.arange(1.0, 42) * (1 + 0.01 * step))
        self.position.grad = torch.full((41,), float(step))


def record(path, taken, *, stop=(), **options):
    state = None
    for until in (*stop, taken):
        model = Walker(state["completed"] if state else 0)
        with suppress(KeyboardInterrupt), TrajectoryRecorder(model, path, resume=state, **options) as recorder:
            state = take_steps(model, recorder, until)
            if until != taken:
                take_steps(model, recorder, until + 9)
                raise KeyboardInterrupt
    return path


def take_steps(model, recorder, until):
    for step in range(recorder.completed, until):
        model.move(step)
        gradient = model.position.grad
        model.move(step + 1)
        model.position.grad = gradient
        recorder.record(loss=step)
        if step % 10 == 9:
            recorder.record_epoch(step // 10, train_loss=step)
    return recorder.state()


def contents(path):
    trajectory = open_trajectory(path)
    attributes = {key: value for key, value in trajectory.group.attrs.items() if key not in ("plan", "steps", "checksums")}
    return attributes, {name: array[...] for name, array in trajectory.group.arrays()}


def assert_same(one, other):
    first, second = contents(one), contents(other)
    assert first[0] == second[0]
    assert sorted(first[1]) == sorted(second[1])
    for name in first[1]:
        np.testing.assert_array_equal(first[1][name], second[1][name], err_msg=name)


@pytest.mark.parametrize("stop", [(), (1, 9, 20)], ids=["at once", "interrupted"])
@pytest.mark.parametrize("taken", [8, 13, *(pytest.param(taken, marks=pytest.mark.long) for taken in (2, 12, 24, 37))])
@pytest.mark.parametrize("weights", ["full", "sketch", "none"])
def test_the_store_is_that_of_a_run_of_known_length(tmp_path, weights, taken, stop):
    options = {"windows": "contiguous", "window_length": 12, "weights": weights, "gradient_coordinates": 5}
    options |= {"sketch_size": 8} if weights == "sketch" else {}
    record(tmp_path / "known.zarr", taken, steps=taken, epochs=taken // 10, **options)
    record(tmp_path / "open.zarr", taken, stop=[one for one in stop if one < taken], **options)
    assert_same(tmp_path / "known.zarr", tmp_path / "open.zarr")
    assert open_trajectory(tmp_path / "open.zarr").steps == taken


@pytest.mark.parametrize("weights", ["full", "none"])
def test_logarithmic_windows_are_those_that_fit(tmp_path, weights):
    options = {"windows": "log", "window_length": 5, "weights": weights}
    for name, steps in (("known", 37), ("open", None)):
        record(tmp_path / f"{name}.zarr", 37, steps=steps, **options)
        compute_geometry(tmp_path / f"{name}.zarr", tmp_path / f"{name}-geometry.zarr")
    known, unknown = (open_geometry(tmp_path / f"{name}-geometry.zarr") for name in ("known", "open"))
    assert [window.start for window in unknown.windows] == [0, 5, 10, 20]
    assert known.windows == unknown.windows
    np.testing.assert_array_equal(known.group["gram"][:], unknown.group["gram"][:])


@pytest.mark.parametrize("taken", [7, 20, 33])
@pytest.mark.parametrize("weights", ["full", "none"])
def test_a_loop_may_end_before_or_after_the_given_windows(tmp_path, weights, taken):
    windows = [Window(0, 10, 2), Window(4, 16)]
    path = record(tmp_path / "t.zarr", taken, windows=windows, weights=weights)
    trajectory = open_trajectory(path)
    assert trajectory.windows == tuple(windows)
    assert trajectory.steps_completed == taken
    assert trajectory.steps == max(taken, 20) == len(trajectory.series("loss"))
    compute_geometry(path, tmp_path / "geometry.zarr")
    grams = [open_geometry(tmp_path / "geometry.zarr").read(number).gram for number in range(2)]
    assert [bool(np.isfinite(gram).all()) for gram in grams] == [taken >= 10, taken >= 20]


def test_a_loop_that_ends_early_leaves_what_it_recorded(tmp_path):
    trajectory = open_trajectory(record(tmp_path / "t.zarr", 15, steps=40, windows="contiguous", window_length=10))
    assert (trajectory.status, trajectory.steps, trajectory.steps_completed) == ("complete", 40, 15)
    assert np.isfinite(trajectory.points(Window(0, 10))).all()
    assert np.isnan(trajectory.weights[16:]).all()
    assert np.isnan(trajectory.series("loss")[15:]).all()


def test_the_default_is_the_whole_path_in_windows_of_a_thousand_steps(tmp_path):
    trajectory = open_trajectory(record(tmp_path / "t.zarr", 2100))
    assert trajectory.windows == (Window(0, 1000), Window(1000, 1000), Window(2000, 100))
    assert trajectory.weights.shape == (2101, 41)
    assert xr.open_zarr(tmp_path / "t.zarr").sizes == {
        **{"sample": 2101, "parameter": 41, "step": 2100, "epoch": 210, "window": 3, "window_field": 3}
    }


def test_a_path_without_a_step_is_refused(tmp_path):
    with (
        pytest.raises(ConfigError, match="no step was recorded"),
        TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr"),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"windows": "every"}, "give contiguous, log, or a list of Window"),
        ({"steps": 5, "windows": [Window(0, 6)]}, "ends beyond the run's 5 steps"),
        ({"windows": []}, "no window to record"),
    ],
    ids=["unknown", "too long", "none"],
)
def test_impossible_windows_are_refused(tmp_path, options, reason):
    with pytest.raises(ConfigError, match=reason):
        TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr", **options)
    assert not list(tmp_path.iterdir())


def test_a_finished_recorder_refuses_a_further_step(tmp_path):
    with TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr") as recorder:
        recorder.record()
    with pytest.raises(ConfigError, match="already finished"):
        recorder.record()
    with pytest.raises(ConfigError, match="already finished"):
        recorder.finish()


def test_an_epoch_beyond_those_planned_is_refused(tmp_path):
    with TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr", epochs=2) as recorder:
        recorder.record()
        with pytest.raises(ConfigError, match="made for 2 epochs; there is no epoch 2, counted from 0"):
            recorder.record_epoch(2, train_loss=1.0)
