"""The path is that of the trained parameters, and of them alone, for as long as they are the model's."""

import numpy as np
import pytest
import torch
from torch import nn

from anodiff.errors import ConfigError, IncompleteStoreError
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory, recorder
from anodiff.trajectory.format import columns_of


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))


def step(model):
    model.zero_grad()
    model(torch.ones(3, 4)).square().mean().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad


def record(path, model, change=lambda number, model: None, steps=20, **options):
    with TrajectoryRecorder(model, path, steps=steps, windows=[Window(0, steps)], **options) as recording:
        for number in range(steps):
            step(model)
            change(number, model)
            recording.record()
    return open_trajectory(path)


@pytest.mark.parametrize("weights", ["full", "none"])
def test_frozen_parameters_are_stored_once_and_are_no_part_of_the_path(tmp_path, weights):
    model = network()
    model[0].requires_grad_(False)
    before = torch.cat([parameter.reshape(-1) for parameter in model[0].parameters()]).numpy().copy()
    trajectory = record(tmp_path / "t.zarr", model, weights=weights)
    assert trajectory.parameters == sum(parameter.numel() for parameter in model.parameters()) - 30
    assert [entry["name"] for entry in trajectory.group.attrs["parameters"]] == ["2.weight", "2.bias", "4.weight", "4.bias"]
    frozen = trajectory.group.attrs["frozen"]["parameters"]
    assert [(entry["name"], columns_of(entry)) for entry in frozen] == [("0.weight", slice(0, 24)), ("0.bias", slice(24, 30))]
    if weights == "full":
        np.testing.assert_array_equal(trajectory.array("frozen")[:], before)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        np.testing.assert_array_equal(
            trajectory.point(20), torch.cat([entry.detach().reshape(-1) for entry in trained]).numpy()
        )


def replace(model):
    model[2] = nn.Linear(6, 5)


def remove(model):
    model[2].bias = None


def add(model):
    model.append(nn.Linear(2, 2))


def thaw(model):
    model[0].requires_grad_(True)


CHANGES = {
    "replaced": (replace, r"2\.weight was replaced \(and 1 more\)"),
    "removed": (remove, r"2\.bias was removed"),
    "added": (add, r"5\.weight was added \(and 1 more\)"),
    "thawed": (thaw, r"0\.weight is trained now, but was frozen \(and 1 more\)"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", [0, 5, 19])
def test_a_model_that_changes_while_it_is_recorded_is_refused_by_name(tmp_path, monkeypatch, change, message, when):
    monkeypatch.setattr(recorder, "CHECK_EVERY", 8)
    model, taken = network(), []
    model[0].requires_grad_(False)

    def at(number, model):
        taken.append(number)
        if number == when:
            change(model)

    with pytest.raises(ConfigError, match=rf"t\.zarr: the model is not the one whose recording began: {message}; begin"):
        record(tmp_path / "t.zarr", model, at)
    assert len(taken) == {0: 1, 5: 8, 19: 20}[when]  # seen after the first step, every eighth, and at the end
    with pytest.raises(IncompleteStoreError):
        open_trajectory(tmp_path / "t.zarr")


@pytest.mark.parametrize(("when", "taken"), [(0, 1), (7, 20)])
def test_a_frozen_parameter_that_moves_is_refused(tmp_path, when, taken):
    model, steps = network(), []
    model[0].requires_grad_(False)

    def move(number, model):
        steps.append(number)
        if number == when:
            model[0].bias.data[2] += 1e-6

    with pytest.raises(ConfigError, match=r"frozen parameters of the model moved, such as 0\.bias; record only the part"):
        record(tmp_path / "t.zarr", model, move)
    assert len(steps) == taken


def test_a_parameter_that_is_frozen_later_stays_part_of_the_path(tmp_path):
    def freeze(number, model):
        if number == 9:
            model[0].requires_grad_(False)

    trajectory = record(tmp_path / "t.zarr", network(), freeze)
    updates = np.diff(trajectory.points(Window(0, 20)), axis=0)[:, :24]
    assert (np.abs(updates[:9]).sum(1) > 0).all()
    assert not updates[10:].any()


def test_a_model_without_a_path_is_refused(tmp_path):
    frozen = network().requires_grad_(False)
    for model, message in (
        (frozen, "all parameters of the model are frozen"),
        (nn.Tanh(), "no parameters"),
        (nn.Sequential(nn.LazyLinear(3)), r"0\.weight of a lazy layer has no weights yet; pass a batch through the model"),
    ):
        with pytest.raises(ConfigError, match=message):
            TrajectoryRecorder(model, tmp_path / "t.zarr", steps=1, windows=[Window(0, 1)])
    assert not (tmp_path / "t.zarr").exists()


def compiled_within():
    model = network()
    model[2] = torch.compile(model[2], backend="eager")
    return model


WRAPPED = {
    "compiled": lambda: torch.compile(network(), backend="eager"),
    "compiled in part": compiled_within,
    "data parallel": lambda: nn.DataParallel(network()),
    "both": lambda: torch.compile(nn.DataParallel(network()), backend="eager"),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo's, of a layer's input
@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_wrappers_do_not_show_in_a_path(tmp_path, make):
    plain, wrapped = record(tmp_path / "a.zarr", network()), record(tmp_path / "b.zarr", make())
    assert wrapped.group.attrs["parameters"] == plain.group.attrs["parameters"]
    np.testing.assert_array_equal(wrapped.points(Window(0, 20)), plain.points(Window(0, 20)))


def test_a_recording_does_not_resume_with_other_frozen_values(tmp_path):
    def begin(resume=None, frozen=0.0):
        model = network()
        model[0].requires_grad_(False)
        model[0].bias.data += frozen
        return TrajectoryRecorder(model, tmp_path / "t.zarr", steps=4, windows=[Window(0, 4)], resume=resume)

    first = begin()
    first.record()
    state = first.state()
    first.__exit__(KeyboardInterrupt, None, None)
    with pytest.raises(ConfigError, match="of another recording, with other frozen"):
        begin(state, frozen=1e-3)
    begin(state).__exit__(KeyboardInterrupt, None, None)
