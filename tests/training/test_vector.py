"""Parameters in one vector train as separate ones do, and a network that cannot be one vector is left as it is."""

import pytest
import torch
from torch import nn

from anodiff.settings.run import OptimiserSettings, RunSettings
from anodiff.training.optimisers import build_optimiser
from anodiff.training.state import TrainingState
from anodiff.training.vector import ParameterVector
from anodiff.trajectory import TrajectoryRecorder
from anodiff.trajectory.flat_parameters import FlatParameters, contiguous_vector
from anodiff.trajectory.gradients import GradientSample

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def network(layout=torch.contiguous_format):
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 3 * 3, 5)
    return nn.Sequential(*layers).to(memory_format=layout)


def backward(model, seed):
    images = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    nn.functional.cross_entropy(model(images), torch.arange(8) % 5).backward()


def addresses(model):
    return [parameter.data_ptr() for parameter in model.parameters()]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["contiguous", "channels last"])
@pytest.mark.parametrize(
    "optimiser",
    [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {"name": "adam"}, {"name": "adamw", "weight_decay": 0.1}],
    ids=["plain", "momentum", "adam", "adamw"],
)
def test_steps_are_those_of_torchs_optimiser_tensor_by_tensor(optimiser, layout):
    rate, separate, joined = 0.05, network(layout), network(layout)
    settings = OptimiserSettings.model_validate({"learning_rate": rate, **optimiser})
    before = [parameter.detach().clone() for parameter in separate.parameters()]
    state = TrainingState(RunSettings(optimiser=settings, training={"steps": 5}), joined, None, torch.device("cpu"))
    assert all(map(torch.equal, joined.parameters(), before))
    step = build_optimiser(settings, separate.parameters())
    for seed in range(5):
        separate.zero_grad()
        state.zero_grad()
        backward(separate, seed)
        backward(joined, seed)
        whole = torch.nn.utils.get_total_norm([parameter.grad for parameter in separate.parameters()])
        assert state.gradient_norm() == pytest.approx(float(whole), rel=1e-4)
        step.step()
        state.step(rate)
    for one, other in zip(separate.parameters(), joined.parameters(), strict=True):
        assert one.stride() == other.stride()
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["contiguous", "channels last"])
def test_point_and_gradient_sample_do_not_depend_on_the_memory_of_the_parameters(layout):
    separate, joined = network(layout), network(layout)
    vector = ParameterVector.from_parameters(list(joined.parameters()))
    samples, points = [], []
    for model in (separate, joined):
        backward(model, 0)
        parameters = list(model.parameters())
        sample = GradientSample(parameters, 50, seed=1)
        points.append(torch.empty(sum(parameter.numel() for parameter in parameters)))
        samples.append(torch.empty(50))
        FlatParameters(parameters).copy_to(points[-1])
        sample.copy_to(samples[-1])
    assert torch.equal(*points)
    assert torch.equal(*samples)
    assert torch.equal(points[0], torch.cat([parameter.detach().flatten() for parameter in separate.parameters()]))
    assert torch.equal(vector.values.sort().values, points[0].sort().values)
    assert (contiguous_vector(list(joined.parameters()), torch.float32) is None) is (layout is torch.channels_last)


def tied():
    model = network()
    model[1].weight.data = model[1].bias.data
    return model


def frozen():
    model = network()
    model[1].bias.requires_grad_(False)
    return model


def mixed():
    model = network()
    model[4].double()
    return model


def with_gaps():
    model = network()
    model[4].weight.data = torch.randn(5, 72)[:, ::2]
    return model


@pytest.mark.parametrize("make", [tied, frozen, mixed, with_gaps])
def test_a_network_that_cannot_be_one_vector_is_left_as_it_is(make):
    model = make()
    before = addresses(model)
    assert ParameterVector.from_parameters(list(model.parameters())) is None
    assert addresses(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_recorder_does_not_move_the_parameters_of_a_users_network(tmp_path):
    model = network()
    before = addresses(model)
    with TrajectoryRecorder(model, tmp_path / "path.zarr", gradient_coordinates=10) as recorder:
        backward(model, 0)
        recorder.record()
    assert addresses(model) == before


def test_loaded_weights_are_in_the_vector():
    model, other = network(), network()
    vector = ParameterVector.from_parameters(list(model.parameters()))
    with torch.no_grad():
        other[4].weight.fill_(2.0)
    model.load_state_dict(other.state_dict())
    point = nn.utils.parameters_to_vector(other.parameters())
    assert torch.equal(vector.values, point)
