"""config/modes.yaml: a network whose modes learn one by one, as their laws say."""

import math

import numpy as np
import pytest
import torch

from anodiff.data import load
from anodiff.learning.laws.one_mode import OneMode
from anodiff.models.external import from_factory
from anodiff.settings.run import RunSettings
from anodiff.training import train_run
from anodiff.training.recorded.network import run_network
from anodiff.training.recorded.points import split_point
from anodiff.trajectory import open_trajectory

RATE = 0.05
STRENGTHS, FREQUENCIES = [2.0, 1.0, 1.5], [1, 1, 2]


def settings(loss, depth, classes, steps):
    votes = "one_hot" if loss == "mse" else "centred"
    modes = {"strengths": STRENGTHS, "frequencies": FREQUENCIES, "classes": classes, "image_size": 2, "samples": 20}
    return RunSettings.model_validate(
        {
            "data": {"name": "gaussian_modes", "normalise": False, "modes": modes},
            "model": {"name": "config.modes:balanced", "depth": depth, "options": {"start": 0.01, "votes": votes}},
            "optimiser": {"learning_rate": RATE},
            "training": {"loss": loss, "steps": steps, "batch_size": 16, "evaluate_every": 1000},
            "recording": {"window_length": steps},
        }
    )


def law(loss, depth, classes, strength, frequency):
    """Return the law with the factors of config/modes.py."""
    reach = 1 if loss == "mse" else math.sqrt(classes / (classes - 1))
    slower = {"cross_entropy": 1, "hinge": (classes - 1) / classes, "mse": 2 / classes}[loss]
    shared = {"depth": depth, "start": 0.01 * strength, "classes": classes}
    return OneMode(loss, strength=reach * strength, frequency=slower * frequency, **shared)


def margins(run, store):
    """Return the margin of each mode at every step, (steps + 1, modes)."""
    trajectory, dataset = open_trajectory(store), load(run.data, "data")
    network = run_network(run, dataset)
    parameters = list(network.parameters())
    images, first = np.unique(dataset.train_images.flatten(1).numpy(), axis=0, return_index=True)
    order = np.argsort(images.argmax(1))
    images, labels = dataset.train_images[first[order]], dataset.train_labels[first[order]]
    found = []
    with torch.no_grad():
        for step in range(trajectory.steps_completed + 1):
            for parameter, part in zip(parameters, split_point(torch.tensor(trajectory.point(step)), parameters), strict=True):
                parameter.copy_(part)
            outputs = network(images)
            right = torch.nn.functional.one_hot(labels, dataset.classes).bool()
            found.append(outputs[right] - outputs.masked_fill(right, -math.inf).amax(1))
    return torch.stack(found).numpy()


def crossing(times, curve, level):
    after = int(np.argmax(curve >= level))
    return np.interp(level, curve[after - 1 : after + 1], times[after - 1 : after + 1])


@pytest.mark.parametrize(
    ("loss", "depth", "classes", "steps"),
    [
        ("cross_entropy", 2, 2, 300),
        ("cross_entropy", 2, 3, 250),
        ("hinge", 2, 2, 300),
        ("hinge", 3, 3, 450),
        ("mse", 2, 2, 350),
        ("mse", 1, 3, 300),
    ],
)
def test_modes_of_a_balanced_network_are_learned_when_their_law_says(tmp_path, loss, depth, classes, steps):
    run = settings(loss, depth, classes, steps)
    train_run(run, tmp_path / "trajectory.zarr", scratch=tmp_path / "scratch")
    measured = margins(run, tmp_path / "trajectory.zarr")
    times = RATE * np.arange(len(measured))
    for curve, strength, frequency in zip(measured.T, STRENGTHS, FREQUENCIES, strict=True):
        expected = law(loss, depth, classes, strength, frequency / 4)
        assert curve[0] == pytest.approx(0.01 * strength, rel=1e-5)
        for level in (0.2, 0.5, 0.9):
            assert crossing(times, curve, level) == pytest.approx(float(expected.time(level)), rel=0.03)


def test_a_mode_never_touches_the_units_of_the_others(tmp_path):
    network = from_factory("config.modes:balanced", {"depth": 3}, channels=1, size=2, classes=2)
    image = torch.tensor([0.0, 2.0, 0.0, 0.0]).view(1, 1, 2, 2)
    torch.nn.functional.cross_entropy(network(image), torch.tensor([1])).backward()
    for parameter in network.parameters():
        touched = parameter.grad.abs().sum(0) > 0
        assert touched.tolist() == [False, True, False, False]


@pytest.mark.parametrize("options", [{"depth": 0}, {"start": 0.0}, {"votes": "all"}])
def test_options_that_no_balanced_network_has_are_refused(options):
    with pytest.raises(Exception, match="'depth' is at least 1, 'start' above 0, and 'votes' one of centred, one_hot"):
        from_factory("config.modes:balanced", options, channels=1, size=2, classes=2)
