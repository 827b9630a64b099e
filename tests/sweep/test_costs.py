"""What jobs ask for: counted as the real network and data set have it, by the formulas of docs/cluster.md."""

import math
import os
from pathlib import Path

import pytest
import torch

from anodiff.data import load
from anodiff.models import build, count_parameters
from anodiff.settings.run import RunSettings
from anodiff.sweep import costs


def settings(**changes):
    return RunSettings.model_validate({"data": "cifar10", "training": {"steps": 10_000}} | changes)


@pytest.mark.parametrize("name", ["mlp", "resnet14", "vgg9", "densenet40", "alexnet", "vit"])
def test_parameters_are_those_of_the_network(name):
    parameters, tensors = costs.weights(settings(model=name))
    network = build(name, channels=3, size=32, classes=10)
    assert parameters == count_parameters(network)
    assert tensors == len(list(network.parameters()))


def test_nothing_is_allocated_and_no_random_number_drawn():
    before = torch.get_rng_state()
    costs.weights(settings(model={"name": "mlp", "width": 60_000}))  # 14 GB of weights
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "data",
    [
        "digits",
        {"name": "gaussian_clusters", "clusters": {"samples": 333, "classes": 3, "image_size": 6}},
        {"name": "digits", "train_samples": 100},
        "cifar10",
        "mnist",
        "fashion_mnist",
    ],
    ids=str,
)
def test_data_sets_hold_what_is_said_of_them(data):
    run = settings(data=data)
    folder = os.environ.get("ANODIFF_TEST_DATA")
    if run.data.name not in ("digits", "gaussian_clusters") and not folder:
        pytest.skip("ANODIFF_TEST_DATA names no folder with the real data sets")
    dataset = load(run.data, Path(folder or "data"))
    held = costs.images(run.data)
    assert tuple(dataset.train_images.shape) == (held.samples, held.channels, held.size, held.size)
    assert dataset.classes == held.classes


def test_steps_of_epochs():
    assert costs.steps(settings(training={"epochs": 3, "batch_size": 128})) == 3 * 391
    assert costs.steps(settings(training={"epochs": 3, "batch_size": 128, "drop_last": True})) == 3 * 390


def test_minutes_follow_the_formula_and_end_at_the_longest_job():
    run = settings(model="resnet14", training={"steps": 100_000})
    parameters, tensors = costs.weights(run)
    seconds = 100_000 * (0.005 + 0.0002 * tensors + 25e-9 * parameters)
    assert costs.training_minutes(run, 10_000) == 15 + math.ceil(2 * seconds / 60)
    assert costs.training_minutes(run, 20) == 20
    assert costs.geometry_minutes(run, 12) == 12


def test_memory_grows_with_what_is_held():
    small, large = settings(model="mlp"), settings(model={"name": "mlp", "width": 2000})
    assert costs.training_memory(large) > costs.training_memory(small) > 3000
    none = settings(recording={"weights": "none", "window_length": 2000})
    parameters, _ = costs.weights(none)
    without = settings(recording={"weights": "sketch", "sketch_size": 4, "window_length": 2000})
    difference = costs.training_memory(none) - costs.training_memory(without)
    assert difference == pytest.approx((4 * parameters * 2000 + 16 * 2000**2) / 1e6, abs=2)
    long = settings(recording={"window_length": 10_000})
    assert costs.geometry_memory(long) - 2000 == 4000
    assert costs.analysis_memory(long) - 1500 == 9600
