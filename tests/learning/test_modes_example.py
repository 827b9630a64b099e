"""config/modes.yaml: a network whose modes learn one by one, as their laws say."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy
import torch

from anodiff.data import load
from anodiff.learning.laws.one_mode import OneMode
from anodiff.learning.measure import measure_learning
from anodiff.models.external import from_factory
from anodiff.settings.learning import LearningSettings
from anodiff.settings.run import RunSettings
from anodiff.training import train_run
from anodiff.training.recorded.network import run_network
from anodiff.training.recorded.points import split_point
from anodiff.trajectory import open_trajectory

ROOT = Path(__file__).parents[2]
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
    """Return every second step, and the margin of each mode there, (steps, modes)."""
    trajectory, dataset = open_trajectory(store), load(run.data, "data")
    network = run_network(run, dataset)
    parameters = list(network.parameters())
    images, first = np.unique(dataset.train_images.flatten(1).numpy(), axis=0, return_index=True)
    order = np.argsort(images.argmax(1))
    images, labels = dataset.train_images[first[order]], dataset.train_labels[first[order]]
    found = []
    with torch.no_grad():
        steps = np.arange(0, trajectory.steps_completed + 1, 2)
        for step in steps:
            for parameter, part in zip(parameters, split_point(torch.tensor(trajectory.point(step)), parameters), strict=True):
                parameter.copy_(part)
            outputs = network(images)
            right = torch.nn.functional.one_hot(labels, dataset.classes).bool()
            found.append(outputs[right] - outputs.masked_fill(right, -math.inf).amax(1))
    return steps, torch.stack(found).numpy()


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
    steps, measured = margins(run, tmp_path / "trajectory.zarr")
    for curve, strength, frequency in zip(measured.T, STRENGTHS, FREQUENCIES, strict=True):
        expected = law(loss, depth, classes, strength, frequency / 4)
        assert curve[0] == pytest.approx(0.01 * strength, rel=1e-5)
        for level in (0.2, 0.5, 0.9):
            assert crossing(RATE * steps, curve, level) == pytest.approx(float(expected.time(level)), rel=0.03)


def measured_times(run, folder, **learning):
    """Return the learning times of a run's curves by name, in units of time."""
    train_run(run, folder / "trajectory.zarr", scratch=folder / "scratch")
    chosen = LearningSettings(points=100, draws=20, **learning)
    measure_learning(folder / "trajectory.zarr", folder / "learning.zarr", chosen, device="cpu")
    return RATE * pd.read_csv(folder / "learning.csv").drop_duplicates("curve").set_index("curve")["learning_time"]


def test_classes_and_groups_are_measured_to_be_learned_when_their_law_says(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    times = measured_times(settings("cross_entropy", 2, 3, 450), tmp_path, groups={"pixel": "config.modes:lit_pixel"})
    for mode, (strength, frequency) in enumerate(zip(STRENGTHS, FREQUENCIES, strict=True)):
        expected = law("cross_entropy", 2, 3, strength, frequency / 4)
        # the probability of the class is half of the way from its start, p, to 1
        start = scipy.special.expit(expected.start - math.log(2))
        half = float(expected.time(scipy.special.logit((1 + start) / 2) + math.log(2)))
        assert times[f"class {mode}"] == pytest.approx(half, rel=0.03)
        assert times[f"pixel: {mode}"] == pytest.approx(half, rel=0.03)


@pytest.mark.parametrize("loss", ["mse", "hinge"])
def test_the_mode_of_two_classes_that_are_alike_is_measured_to_be_learned_when_its_law_says(tmp_path, loss):
    alike = {"strengths": [1.0, 1.0], "frequencies": None}
    run = settings(loss, 2, 2, 300)
    modes = run.data.modes.model_copy(update=alike)
    times = measured_times(run.model_copy(update={"data": run.data.model_copy(update={"modes": modes})}), tmp_path)
    assert times["mode 1"] == pytest.approx(float(law(loss, 2, 2, 1.0, 0.5).time(0.505)), rel=0.03)


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
