"""Numbers of every step, whether they come as numbers or stay on a device for a while."""

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.trajectory import TrajectoryRecorder, open_trajectory, series
from anodiff.trajectory.series import Series


class Distant:
    """A tensor on a device that is not the CPU, as far as a series can see; it may be asked for its value only when allowed."""

    def __init__(self, value):
        self.value = torch.tensor(value)

    def detach(self):
        return self

    def reshape(self, shape):
        return self.value.reshape(shape)

    def __float__(self):
        raise AssertionError("the loop was made to wait for the device")


class Elsewhere:
    type = "elsewhere"


@pytest.mark.parametrize("fetched", [1, 3, 256])
def test_values_of_a_device_are_fetched_many_at_once_and_come_out_as_they_were(monkeypatch, fetched):
    monkeypatch.setattr(series, "FETCHED", fetched)
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, device, **options: empty(*size, **options))
    monkeypatch.setattr(Distant, "device", Elsewhere, raising=False)
    one = Series(["loss", "rate"])
    expected = np.full(20, np.nan, np.float32)
    for step in range(20):
        if step % 5:
            one.note(step, {"loss": Distant(1 / (1 + step)), "rate": 0.5})
            expected[step] = 1 / (1 + step)
    np.testing.assert_array_equal(one.get("loss", 20), expected)
    np.testing.assert_array_equal(np.isnan(one.get("rate", 20)), np.isnan(expected))


def test_a_tensor_that_the_loop_uses_again_was_copied():
    one = Series(["loss"])
    loss = torch.tensor(1.0)
    one.note(0, {"loss": loss})
    loss.fill_(2)
    assert one.get("loss", 1) == [1]


@pytest.mark.parametrize("value", [0.1, np.float64(0.1), np.float32(0.1), torch.tensor(0.1), torch.tensor([0.1]), 1, True])
def test_a_number_may_be_of_any_kind(value):
    one = Series(["loss"])
    one.note(2000, {"loss": value})
    assert one.get("loss", 2001)[2000] == np.float32(value)
    assert np.isnan(one.get("loss", 2001)[:2000]).all()


def test_a_tensor_with_a_history_is_taken_without_it():
    parameter = torch.nn.Parameter(torch.ones(()))
    one = Series(["loss"])
    one.note(0, {"loss": parameter * 2})
    assert one.get("loss", 1) == [2]


def test_an_unknown_name_is_told_with_the_one_that_was_meant(tmp_path):
    with TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr", steps=1) as recorder:
        with pytest.raises(ConfigError, match="no series is called 'los'; did you mean 'loss'"):
            recorder.record(los=1.0)
        with pytest.raises(ConfigError, match="no series is called 'accuracy'"):
            recorder.record_epoch(0, accuracy=1.0)
        recorder.record()


def test_a_loop_can_look_at_its_losses_every_so_many_steps(tmp_path):
    model = torch.nn.Linear(1, 1)
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=7) as recorder:
        seen = []
        for step in range(7):
            recorder.record(loss=torch.tensor(float(step)))
            if step in (2, 5):
                seen.append(recorder.flush_series().tolist())
        seen.append(recorder.flush_series().tolist())
    assert seen == [[0, 1, 2], [3, 4, 5], [6]]
    np.testing.assert_array_equal(open_trajectory(tmp_path / "t.zarr").series("loss"), np.arange(7))
