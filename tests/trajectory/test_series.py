"""Values of every step are stored, whether they are numbers or tensors on a device."""

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.trajectory import TrajectoryRecorder, open_trajectory, series
from anodiff.trajectory.series import Series


class Distant:
    """Looks to a series like a tensor on another device than the CPU, whose value must not be waited for."""

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
def test_values_on_a_device_are_fetched_many_at_once_and_unchanged(monkeypatch, fetched):
    monkeypatch.setattr(series, "FETCHED_AT_ONCE", fetched)
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, device, **options: empty(*size, **options))
    monkeypatch.setattr(Distant, "device", Elsewhere, raising=False)
    one = Series(["loss", "rate"])
    expected = np.full(20, np.nan, np.float32)
    for step in range(20):
        if step % 5:
            one.add(step, {"loss": Distant(1 / (1 + step)), "rate": 0.5})
            expected[step] = 1 / (1 + step)
    np.testing.assert_array_equal(one.values("loss", 20), expected)
    np.testing.assert_array_equal(np.isnan(one.values("rate", 20)), np.isnan(expected))


def test_a_tensor_that_the_loop_reuses_is_copied():
    one = Series(["loss"])
    loss = torch.tensor(1.0)
    one.add(0, {"loss": loss})
    loss.fill_(2)
    assert one.values("loss", 1) == [1]


@pytest.mark.parametrize("value", [0.1, np.float64(0.1), np.float32(0.1), torch.tensor(0.1), torch.tensor([0.1]), 1, True])
def test_a_number_may_be_of_any_kind(value):
    one = Series(["loss"])
    one.add(2000, {"loss": value})
    assert one.values("loss", 2001)[2000] == np.float32(value)
    assert np.isnan(one.values("loss", 2001)[:2000]).all()


def test_a_tensor_that_requires_grad_is_detached():
    parameter = torch.nn.Parameter(torch.ones(()))
    one = Series(["loss"])
    one.add(0, {"loss": parameter * 2})
    assert one.values("loss", 1) == [2]


def test_an_unknown_series_is_refused_with_the_nearest_name(tmp_path):
    with TrajectoryRecorder(torch.nn.Linear(1, 1), tmp_path / "t.zarr", steps=1) as recorder:
        with pytest.raises(ConfigError, match="no series is called 'los'; did you mean 'loss'"):
            recorder.record(los=1.0)
        with pytest.raises(ConfigError, match="no series is called 'accuracy'"):
            recorder.record_epoch(0, accuracy=1.0)
        recorder.record()


def test_a_loop_can_read_its_latest_losses(tmp_path):
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
