"""config/bowl.yaml trains a convex bowl with white noise."""

from pathlib import Path

import numpy as np
import torch

from anodiff.models.external import from_factory
from anodiff.settings.loading import load_config
from anodiff.sweep.runs import sweep_runs

ROOT = Path(__file__).parents[2]


def test_the_gradient_is_that_of_a_quadratic_loss_with_the_batch_as_noise(monkeypatch):
    monkeypatch.chdir(ROOT)
    network = from_factory("config.bowl:quadratic", {"start": 4.0}, channels=1, size=10, classes=2)
    images, labels = torch.randn(7, 1, 10, 10), torch.tensor([0, 1, 1, 0, 0, 1, 0])
    loss = torch.nn.functional.mse_loss(network(images), torch.nn.functional.one_hot(labels, 2).float())
    loss.backward()
    (weights,) = network.parameters()
    expected = np.geomspace(0.005, 1, 100) * 4 + 0.3 * images.flatten(1).mean(0).numpy()
    np.testing.assert_allclose(weights.grad.numpy(), expected, atol=1e-3)


def test_the_example_has_enough_seeds_to_decide(monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = sweep_runs(load_config(ROOT / "config" / "bowl.yaml")).values()
    assert [run.settings.seed for run in runs] == list(range(6))
    assert {run.settings.training.steps // run.settings.recording.window_length for run in runs} == {4}
