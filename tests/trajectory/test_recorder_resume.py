"""A resumed recording is the same as an uninterrupted one, bit for bit."""

import io
import shutil
from contextlib import suppress

import numpy as np
import pytest
import torch
from sameness import same_store

from anodiff.errors import ConfigError, StoreFormatError, StoreMissingError
from anodiff.trajectory import TrajectoryRecorder, Window, format, open_trajectory

STEPS = 40
WINDOWS = {
    "contiguous": [Window(0, 20), Window(20, 20)],
    "overlapping, strided": [Window(0, 25), Window(10, 30, 3)],
    "with a gap": [Window(2, 7), Window(30, 9)],
}
OPTIONS = {
    "full": {},
    "sketch": {"sketch_size": 20},
    "gradients": {"gradient_coordinates": 11},
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 16)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))


def recorder_of(model, path, windows, **options):
    return TrajectoryRecorder(model, path, steps=STEPS, windows=windows, epochs=2, **options)


def take_steps(model, recorder, until):
    """Take and record steps with made-up gradients that depend on the step alone."""
    for step in range(recorder.completed, until):
        for number, parameter in enumerate(model.parameters()):
            generator = torch.Generator().manual_seed(1000 * step + number)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            parameter.data.add_(parameter.grad, alpha=-0.01)
        recorder.record(loss=1 / (1 + step), learning_rate=0.01)
        if step in (19, 39):
            recorder.record_epoch(step // 20, train_loss=step)


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def whole(path, windows, options):
    model = network()
    with recorder_of(model, path, windows, **options) as recorder:
        take_steps(model, recorder, STEPS)
    return path


@pytest.mark.parametrize("beyond", [0, 1, 13], ids="{} steps beyond the state".format)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_interrupted_is_uninterrupted(tmp_path, windows, options, beyond):
    path = tmp_path / "run.zarr"
    states, weights = [None], [network().state_dict()]
    for stop in (0, 1, 7, 8, 9, 16, 21, 33, STEPS):
        model = network()
        model.load_state_dict(weights[-1])
        with suppress(KeyboardInterrupt), recorder_of(model, path, windows, resume=states[-1], **options) as recorder:
            take_steps(model, recorder, stop)
            states.append(through_a_file(recorder.state()))
            weights.append({name: value.clone() for name, value in model.state_dict().items()})
            take_steps(model, recorder, min(stop + beyond, STEPS))
            raise KeyboardInterrupt
    model.load_state_dict(weights[-1])
    with recorder_of(model, path, windows, resume=states[-1], **options) as recorder:
        pass
    same_store(whole(tmp_path / "whole.zarr", windows, options), path)


def interrupted(path, stop=13, windows=WINDOWS["contiguous"], **options):
    """Leave an unfinished store of ``stop`` steps behind; return its state and the model."""
    model = network()
    with suppress(KeyboardInterrupt), recorder_of(model, path, windows, **options) as recorder:
        take_steps(model, recorder, stop)
        state = recorder.state()
        raise KeyboardInterrupt
    return state, model


def test_partial_files_of_a_killed_writer_do_no_harm(tmp_path):
    path = tmp_path / "run.zarr"
    state, model = interrupted(path)
    for shard, content in (("1", b"torn"), ("2", b"")):
        (path / "weights/c" / shard).mkdir(exist_ok=True)
        (path / "weights/c" / shard / "0").write_bytes(content)
    (path / "weights/c/1/0.0123abcd.partial").write_bytes(b"torn")
    (path / "weights/zarr.0123abcd.partial").write_bytes(b"{")
    with recorder_of(model, path, WINDOWS["contiguous"], resume=state) as recorder:
        take_steps(model, recorder, STEPS)
    same_store(whole(tmp_path / "whole.zarr", WINDOWS["contiguous"], {}), path)


def test_a_state_is_not_changed_by_what_is_recorded_later(tmp_path):
    model = network()
    with recorder_of(model, tmp_path / "run.zarr", WINDOWS["contiguous"], gradient_coordinates=11) as recorder:
        take_steps(model, recorder, 13)
        state, copy = recorder.state(), through_a_file(recorder.state())
        take_steps(model, recorder, STEPS)
    for kind in ("weights", "gradient_sample"):
        assert torch.equal(state["samples"][kind]["rows"], copy["samples"][kind]["rows"])
    assert torch.equal(state["step_series"]["loss"], copy["step_series"]["loss"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"windows": [Window(0, 40)]}, "windows"),
        ({"steps": 50}, "steps"),
        ({"sketch_size": 20}, "representation, sketch, buffers"),
        ({"epochs": 3}, "epochs"),
        ({"gradient_coordinates": 3}, "gradient coordinates"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_resuming_in_the_store_of_another_recording_is_refused_with_what_differs(tmp_path, changes, named):
    state, model = interrupted(tmp_path / "run.zarr")
    same = {"steps": STEPS, "windows": WINDOWS["contiguous"], "epochs": 2}
    with pytest.raises(ConfigError, match=f"of another recording, with other {named}; start again") as refused:
        TrajectoryRecorder(model, tmp_path / "run.zarr", **(same | changes), resume=state)
    assert "\n" not in str(refused.value)


def test_resuming_with_another_network_is_refused(tmp_path):
    state, _ = interrupted(tmp_path / "run.zarr")
    with pytest.raises(ConfigError, match="with other parameters; start again"):
        recorder_of(torch.nn.Linear(2, 2), tmp_path / "run.zarr", WINDOWS["contiguous"], resume=state)


@pytest.mark.parametrize(
    ("damage", "error", "reason"),
    [
        (shutil.rmtree, StoreMissingError, "no such store to resume"),
        (lambda path: (path / "zarr.json").write_text("{"), StoreFormatError, "damaged, so a recording cannot resume in it"),
        (lambda path: (path / "zarr.json").unlink(), StoreFormatError, "damaged, so a recording cannot resume in it"),
        (lambda path: (path / "weights/zarr.json").write_text("{"), StoreFormatError, "damaged, so a recording cannot"),
        (lambda path: (path / "windows/c/0/0").write_bytes(b"?"), StoreFormatError, "damaged, so a recording cannot"),
        (lambda path: (path / "windows/c/0/0").unlink(), ConfigError, "other windows"),
    ],
    ids=["gone", "torn metadata", "no metadata", "torn metadata of the weights", "torn windows", "no windows"],
)
def test_a_missing_or_damaged_store_is_refused_in_one_line(tmp_path, damage, error, reason):
    path = tmp_path / "run.zarr"
    state, model = interrupted(path)
    damage(path)
    with pytest.raises(error, match=reason) as refused:
        recorder_of(model, path, WINDOWS["contiguous"], resume=state)
    assert "\n" not in str(refused.value)


def test_a_finished_recording_cannot_be_resumed(tmp_path):
    path = tmp_path / "run.zarr"
    state, model = interrupted(path)
    whole(path, WINDOWS["contiguous"], {})
    with pytest.raises(StoreFormatError, match=r"already finished \(complete\)"):
        recorder_of(model, path, WINDOWS["contiguous"], resume=state)
    assert np.isfinite(open_trajectory(path).weights[:]).all()


def test_attributes_given_when_resuming_are_in_the_finished_store(tmp_path):
    path = tmp_path / "run.zarr"
    state, model = interrupted(path, attributes={"provenance": 1, "settings": 2})
    with recorder_of(model, path, WINDOWS["contiguous"], resume=state, attributes={"provenance": 3}) as recorder:
        take_steps(model, recorder, STEPS)
    attributes = open_trajectory(path).group.attrs
    assert (attributes["provenance"], attributes["settings"]) == (3, 2)
