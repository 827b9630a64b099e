"""A point comes with the buffers that its network's forward pass uses."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from anodiff.errors import ConfigError
from anodiff.trajectory import TrajectoryRecorder, Window, format, open_trajectory

WINDOWS = [Window(0, 10), Window(10, 10), Window(20, 4)]


class Codebook(nn.Module):
    """Buffers of several types, one of them assigned anew at every step, one constant."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(300))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("phase", torch.zeros(2, dtype=torch.complex64))
        self.register_buffer("mask", torch.tensor([True, False]), persistent=False)
        self.norm = nn.BatchNorm1d(2)

    def step(self):
        with torch.no_grad():
            self.weight += 0.1
        self.mean = self.mean + torch.tensor([0.1, 0.2, 1e-8])
        self.count += 1
        self.phase += 1j
        self.norm.running_mean += 1


def values(model):
    own = {name: getattr(model, name) for name in ("mean", "count", "phase", "mask")}
    return {name: (torch.view_as_real(value) if value.is_complex() else value).double().numpy() for name, value in own.items()}


def record(path, steps=24, windows=WINDOWS, model=None, **options):
    model = model or Codebook()
    known = [values(model)]
    with TrajectoryRecorder(model, path, steps=steps, windows=windows, **options) as recorder:
        for _ in range(steps):
            model.step()
            recorder.record()
            known.append(values(model))
    return open_trajectory(path), known


def check(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_every_point_comes_with_its_buffers_bit_for_bit_except_normalisation_statistics(tmp_path):
    trajectory, known = record(tmp_path / "t.zarr")
    for step in range(25):
        check(trajectory.buffers(step), known[step])


@pytest.mark.parametrize("every", [0, 4])
def test_buffers_can_be_kept_now_and_then_and_always_at_the_ends_of_windows(tmp_path, monkeypatch, every):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 4)  # whole shards without any
    trajectory, known = record(tmp_path / "t.zarr", buffers_every=every)
    for step in range(25):
        if step in (0, 10, 20, 24) or (every and step % every == 0):
            check(trajectory.buffers(step), known[step])
        else:
            assert trajectory.buffers(step) is None


def test_buffers_larger_than_the_point_are_kept_at_the_ends_and_constant_ones_are_known_between(tmp_path):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.register_buffer("mask", torch.triu(torch.full((5, 5), -torch.inf), 1))

        def step(self):
            self.weight.data += 1

    model = Masked()
    with TrajectoryRecorder(model, tmp_path / "t.zarr", windows="contiguous", window_length=6) as recorder:
        for _ in range(15):
            model.step()
            recorder.record()
    trajectory = open_trajectory(tmp_path / "t.zarr")
    assert np.isfinite(trajectory.array("buffers")[:]).any(1).nonzero()[0].tolist() == [0, 6, 12, 15]
    for step in range(16):
        np.testing.assert_array_equal(trajectory.buffers(step)["mask"], model.mask.numpy())


@pytest.mark.parametrize("weights", ["sketch", "none"])
def test_where_no_network_can_be_rebuilt_no_buffers_are_kept(tmp_path, weights):
    sketch = {"sketch_size": 4} if weights == "sketch" else {}
    trajectory, _ = record(tmp_path / "t.zarr", weights=weights, **sketch)
    assert "buffers" not in trajectory.group
    assert trajectory.buffers(10) is None


def test_a_model_without_buffers_of_its_own_has_none_at_any_point(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)]) as recorder:
        recorder.record()
    trajectory = open_trajectory(tmp_path / "t.zarr")
    assert "buffers" not in trajectory.group
    assert trajectory.buffers(1) == {}


def test_a_resumed_recording_has_the_buffers_of_an_uninterrupted_one(tmp_path):
    def begin(name, resume=None):
        return TrajectoryRecorder(model, tmp_path / name, steps=24, windows=WINDOWS, resume=resume)

    model = Codebook()
    recorder = begin("a.zarr")
    for _ in range(13):
        model.step()
        recorder.record()
    state = recorder.state()
    recorder.__exit__(KeyboardInterrupt, None, None)
    with begin("a.zarr", state) as recorder:
        for _ in range(11):
            model.step()
            recorder.record()
    whole, _ = record(tmp_path / "b.zarr")
    resumed = open_trajectory(tmp_path / "a.zarr")
    np.testing.assert_array_equal(resumed.array("buffers")[:], whole.array("buffers")[:])
    assert resumed.content == whole.content


def test_a_buffer_that_changes_its_shape_is_refused(tmp_path):
    model = Codebook()
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=2, windows=[Window(0, 2)]) as recorder:
        model.mean = torch.zeros(4)
        with pytest.raises(ConfigError, match=r"buffer mean had shape \(3,\) and has shape \(4,\); keep its shape"):
            recorder.record()
        model.mean = torch.zeros(3)
        recorder.record()


def test_the_vectors_of_spectral_normalisation_are_those_of_the_step(tmp_path):
    torch.manual_seed(0)
    model = spectral_norm(nn.Linear(8, 8))
    known = []
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=5, windows=[Window(0, 5)]) as recorder:
        for _ in range(5):
            known.append({name: buffer.clone() for name, buffer in model.named_buffers()})
            model(torch.randn(3, 8))
            with torch.no_grad():
                model.parametrizations.weight.original.add_(torch.randn(8, 8))
            recorder.record()
    trajectory = open_trajectory(tmp_path / "t.zarr")
    for step, expected in enumerate(known):
        found = trajectory.buffers(step)
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name].numpy())


def test_buffers_that_are_nan_are_not_known_between_the_ends_of_a_window(tmp_path):
    model = nn.Linear(3, 2)
    model.register_buffer("hidden", torch.full((4,), torch.nan))
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=6, windows=[Window(0, 6)], buffers_every=0) as recorder:
        for _ in range(6):
            recorder.record()
    assert open_trajectory(tmp_path / "t.zarr").buffers(3) is None
