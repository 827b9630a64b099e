"""Walks beside the path: −η g, −η λ w, and the path without decoupled weight decay."""

import numpy as np
import pytest
import torch
from torch import nn

from anodiff.errors import ConfigError
from anodiff.training.vector import ParameterVector
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory
from anodiff.trajectory.optimiser_walks import WALKS

STEPS = 30


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.1)


def plain(parameters):
    return torch.optim.SGD(parameters, lr=0.05)


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).double().numpy()


def trained(path, build, walks=WALKS, stride=1, vector=False, stop=(), skip=(), weights="none"):
    """Train while recording; return the steps of each walk in float64, each (steps, P)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 3))
    parameters = list(model.parameters())
    optimiser = build([ParameterVector.from_parameters(parameters).parameter] if vector else parameters)
    options = {
        "steps": STEPS,
        "windows": [Window(0, STEPS, stride)],
        "weights": weights,
        "walks": walks,
        "optimiser": optimiser,
    }
    recorder = TrajectoryRecorder(model, path, **options)
    rate, decay = optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["weight_decay"]
    points, gradients, taken = [flat(parameters)], [], []
    for step in range(STEPS):
        if step in stop:
            state = recorder.state()
            recorder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
            recorder = TrajectoryRecorder(model, path, resume=state, **options)
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.zero_()
        nn.functional.cross_entropy(model(torch.randn(16, 5)), torch.randint(3, (16,))).backward()
        gradients.append(flat([parameter.grad for parameter in parameters]))
        if step not in skip:
            optimiser.step()
        for parameter in parameters:
            parameter.grad.zero_()  # the walk is the step's gradient, whatever happens to it before it is recorded
        recorder.record()
        points.append(flat(parameters))
        taken.append(step not in skip)
    recorder.finish()
    moved = np.array(taken)[:, None]
    decays = -rate * decay * np.array(points[:-1]) * moved
    return {
        "gradient": -rate * np.array(gradients) * moved,
        "decay": decays,
        "preconditioned": np.diff(points, axis=0) - decays,
    }


def gram(steps, stride):
    summed = steps.reshape(-1, stride, steps.shape[1]).sum(1)
    return summed @ summed.T


@pytest.mark.parametrize("vector", [False, True], ids=["parameters", "one vector"])
@pytest.mark.parametrize("stride", [1, 5])
def test_the_walks_are_those_of_the_formulas(tmp_path, stride, vector):
    steps = trained(tmp_path / "t.zarr", adamw, stride=stride, vector=vector)
    trajectory = open_trajectory(tmp_path / "t.zarr")
    assert trajectory.walks == list(WALKS)
    for number, walk in enumerate(trajectory.walks):
        exact = gram(steps[walk], stride)
        np.testing.assert_allclose(trajectory.part_gram("walk_gram", number, 0), exact, atol=2e-6 * abs(exact).max())


def test_the_gradient_walk_of_plain_sgd_is_the_path(tmp_path):
    trained(tmp_path / "t.zarr", plain, walks=["gradient", "preconditioned"])
    trajectory = open_trajectory(tmp_path / "t.zarr")
    whole = trajectory.gram(0)
    for number in (0, 1):
        np.testing.assert_allclose(trajectory.part_gram("walk_gram", number, 0), whole, atol=1e-5 * abs(whole).max())


def test_a_step_that_the_optimiser_skips_has_length_0(tmp_path):
    skipped = (0, 7, 8)
    steps = trained(tmp_path / "t.zarr", momentum, walks=["gradient", "decay"], skip=skipped)
    trajectory = open_trajectory(tmp_path / "t.zarr")
    for number, walk in enumerate(trajectory.walks):
        matrix = trajectory.part_gram("walk_gram", number, 0)
        assert [step for step in range(STEPS) if matrix[step, step] == 0] == list(skipped)
        np.testing.assert_allclose(matrix, gram(steps[walk], 1), atol=2e-6 * matrix.max())


@pytest.mark.parametrize("weights", ["full", "none"])
def test_interrupted_walks_are_uninterrupted_ones(tmp_path, weights):
    trained(tmp_path / "whole.zarr", adamw, stride=5, weights=weights)
    trained(tmp_path / "again.zarr", adamw, stride=5, weights=weights, stop=(1, 7, 10, 23))
    whole, again = (open_trajectory(tmp_path / f"{name}.zarr") for name in ("whole", "again"))
    assert whole.content == again.content


def test_several_optimisers_and_groups_step_their_own_parameters(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    first = torch.optim.SGD([{"params": [model[0].weight], "lr": 0.5}, {"params": [model[0].bias], "lr": 0.25}])
    second = torch.optim.SGD(model[1].parameters(), lr=2.0)
    with TrajectoryRecorder(
        model, tmp_path / "t.zarr", steps=2, weights="none", walks="gradient", optimiser=[first, second], window_length=2
    ) as recorder:
        for _ in range(2):
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            first.step()
            second.step()
            recorder.record()
    length = 6 * 0.5**2 + 2 * 0.25**2 + 6 * 2.0**2
    assert np.array_equal(open_trajectory(tmp_path / "t.zarr").part_gram("walk_gram", 0, 0), np.full((2, 2), length))


def test_half_precision_and_parameters_without_gradient(tmp_path):
    model = nn.Linear(4, 2).bfloat16()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    with TrajectoryRecorder(
        model, tmp_path / "t.zarr", steps=3, weights="none", walks=["gradient"], optimiser=optimiser, window_length=3
    ) as recorder:
        for _ in range(3):
            model.weight.grad = torch.full_like(model.weight, 2.0)
            optimiser.step()
            recorder.record()
    assert np.array_equal(open_trajectory(tmp_path / "t.zarr").part_gram("walk_gram", 0, 0), np.full((3, 3), 8.0))


@pytest.mark.parametrize(
    ("walks", "build", "message"),
    [
        (["gradients"], adamw, "walks: 'gradients' is unknown; did you mean 'gradient'"),
        (["gradient"], lambda parameters: None, "pass the optimiser"),
        (["gradient"], lambda parameters: "adam", "optimiser is a str"),
        (["gradient"], lambda parameters: adamw(parameters[:2]), "1.weight belongs to no optimiser"),
        (["preconditioned"], momentum, "weight decay of SGD goes through its momentum"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_there_is_a_store(tmp_path, walks, build, message):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimiser = build(list(model.parameters()))
    with pytest.raises(ConfigError, match=message):
        TrajectoryRecorder(model, tmp_path / "t.zarr", walks=walks, optimiser=optimiser)
    assert not (tmp_path / "t.zarr").exists()


def test_gradients_of_a_closure_are_those_of_the_step(tmp_path):
    model = nn.Linear(3, 2, bias=False)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)

    def closure():
        optimiser.zero_grad()
        loss = 2 * model.weight.sum()
        loss.backward()
        return loss

    with TrajectoryRecorder(
        model, tmp_path / "t.zarr", steps=3, weights="none", walks=["gradient"], optimiser=optimiser, window_length=3
    ) as recorder:
        for _ in range(3):
            assert optimiser.step(closure) is not None
            recorder.record()
    assert np.array_equal(open_trajectory(tmp_path / "t.zarr").part_gram("walk_gram", 0, 0), np.full((3, 3), 6.0))


def test_several_gradients_within_a_step_are_refused(tmp_path):
    model = nn.Linear(2, 1)
    optimiser = torch.optim.LBFGS(model.parameters())
    recorder = TrajectoryRecorder(model, tmp_path / "t.zarr", walks=["gradient"], optimiser=optimiser)

    def closure():
        optimiser.zero_grad()
        loss = (model(torch.ones(1, 2)) - 1).square().sum()
        loss.backward()
        return loss

    with pytest.raises(ConfigError, match="several gradients within a step"), recorder:
        optimiser.step(closure)
