import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anodiff.errors import ConfigError
from anodiff.settings.recording import WindowSettings
from anodiff.settings.run import RunSettings
from anodiff.trajectory import (
    TrajectoryRecorder,
    Window,
    kept_steps,
    open_trajectory,
    plan_windows,
    read_windows,
    updates_give_gradients,
)

lengths = st.integers(2, 300)
run_lengths = st.integers(2, 2000)
windows = st.builds(
    lambda start, updates, stride: Window(start, updates * stride, stride),
    st.integers(0, 200),
    st.integers(1, 60),
    st.integers(1, 7),
)


def test_a_window_holds_every_stride_th_step_from_start_to_end():
    window = Window(10, 12, 4)
    assert window.steps.tolist() == [10, 14, 18, 22]
    assert window.updates == 3


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ((-5, 10), "start of a window: got -5, expected a whole number, 0 or more"),
        ((0, 0), "length of a window: got 0, expected a whole number, 1 or more"),
        ((0, -4), "length of a window: got -4"),
        ((0, 2.5), "length of a window: got 2.5"),
        ((0, 4, 0), "stride of a window: got 0"),
        ((0, float("nan")), "length of a window: got nan"),
        ((0, "ten"), "length of a window: got ten"),
        ((0, 3, 5), "a window of length 3 and stride 5 holds no update"),
    ],
)
def test_a_window_that_no_run_can_have_is_refused_as_it_is_made(window, said):
    with pytest.raises(ConfigError, match=said):
        Window(*window)


def test_whole_floats_and_numbers_of_numpy_are_steps():
    assert Window(0.0, np.int64(4), np.float32(2)) == Window(0, 4, 2)
    assert type(Window(0, np.int64(4)).length) is int


@pytest.mark.parametrize(
    "option", [{"gradient_coordinates": -1}, {"window_length": 0}, {"window_length": 2.5}, {"steps": 0}], ids=str
)
def test_a_recording_that_nobody_could_read_is_refused_before_it_begins(tmp_path, option):
    (name,) = option
    with pytest.raises(ConfigError, match=f"{name}: got"):
        TrajectoryRecorder(torch.nn.Linear(2, 1), tmp_path / "path.zarr", **option)
    assert not (tmp_path / "path.zarr").exists()


@given(run_lengths, lengths)
def test_contiguous_windows_hold_every_update_of_the_run_once(steps, length):
    updates = [update for window in plan_windows("contiguous", length, steps) for update in window.steps[:-1]]
    assert updates == list(range(steps))


@given(run_lengths, lengths)
def test_contiguous_windows_have_the_given_length_except_a_shorter_last_one(steps, length):
    *first, last = plan_windows("contiguous", length, steps)
    assert all(window.length == length for window in first)
    assert 0 < last.length <= length


@given(run_lengths, lengths)
def test_logarithmic_waiting_times_double_until_no_further_window_fits(steps, length):
    planned = plan_windows("log", length, steps)
    length = min(length, steps)
    assert {window.length for window in planned} == {length}
    starts = [window.start for window in planned]
    assert starts == [0, *(length * 2**power for power in range(len(starts) - 1))]
    assert starts[-1] + length <= steps
    assert max(length, 2 * starts[-1]) + length > steps


def test_explicit_windows_are_ordered_by_start():
    given_windows = [WindowSettings(start=20, length=10), WindowSettings(start=0, length=30, stride=3)]
    assert plan_windows(given_windows, 1000, 30) == [Window(0, 30, 3), Window(20, 10)]


def test_a_window_beyond_the_run_is_refused_with_its_steps():
    with pytest.raises(ConfigError, match=r"from step 20 to 31 ends beyond the run's 30 steps.*") as refused:
        plan_windows([WindowSettings(start=0, length=30), WindowSettings(start=20, length=11)], 1000, 30)
    assert "\n" not in str(refused.value)


@given(st.lists(windows, min_size=1, max_size=6))
def test_kept_steps_are_the_union_of_the_windows_increasing_and_each_once(several):
    kept = kept_steps(several)
    assert (np.diff(kept) > 0).all()
    assert set(kept.tolist()) == {step for window in several for step in window.steps.tolist()}


def test_a_window_is_reached_by_a_run_that_took_its_last_step():
    assert [Window(10, 20, 5).reached(steps) for steps in (0, 10, 29, 30, 31)] == [False, False, False, True, True]


def test_windows_are_read_from_a_store_as_they_were_written(record_path):
    windows = [Window(0, 40, 8), Window(3, 36, 5)]
    trajectory = open_trajectory(record_path(np.zeros((41, 3)), windows))
    assert read_windows(trajectory.group) == trajectory.windows == tuple(windows)


@pytest.mark.parametrize(
    ("optimiser", "recording", "windows", "given_by_them"),
    [
        ({}, {}, [Window(0, 9)], True),
        ({"schedule": "cosine"}, {}, [Window(0, 9), Window(20, 9)], True),
        ({"momentum": 0.9}, {}, [Window(0, 9)], False),
        ({"weight_decay": 1e-4}, {}, [Window(0, 9)], False),
        ({"name": "adam"}, {}, [Window(0, 9)], False),
        ({}, {"weights": "sketch"}, [Window(0, 9)], False),
        ({}, {}, [Window(0, 9), Window(0, 100, 10)], False),
    ],
)
def test_updates_give_gradients_for_plain_sgd_with_every_weight_of_every_step(optimiser, recording, windows, given_by_them):
    values = {"optimiser": {"name": "sgd"} | optimiser, "recording": recording, "training": {"steps": 100}}
    settings = RunSettings.model_validate(values)
    assert updates_give_gradients(settings, windows) is given_by_them
    assert updates_give_gradients(settings, windows, ["float32", "complex64", "float64"]) is given_by_them
    assert not updates_give_gradients(settings, windows, ["float32", "bfloat16"])
