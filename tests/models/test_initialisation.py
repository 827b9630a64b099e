"""The published initialisation, and its effect on networks that it was not made for."""

import math

import pytest
import torch
from torch import nn

from anodiff import models

CIFAR10 = {"channels": 3, "size": 32, "classes": 10}
ALL = [
    ("resnet14", {"projection": True}),
    ("resnet14", {"batch_norm": False}),
    ("vgg9", {"width": 16}),
    ("densenet22", {}),
    ("alexnet", {"width": 16}),
    ("mlp", {"batch_norm": True}),
    ("vit", {"width": 64, "depth": 1}),
]


def kaiming(name, **options):
    torch.manual_seed(0)
    return models.build(name, **CIFAR10, initialisation="kaiming", **options)


def layers(model, kind):
    return [layer for layer in model.modules() if isinstance(layer, kind)]


def assert_normal(weights, deviation):
    entries = weights.detach().double().flatten()
    error = deviation / math.sqrt(len(entries))
    assert abs(entries.mean().item()) < 5 * error
    assert entries.std().item() == pytest.approx(deviation, abs=5 * error / math.sqrt(2))


@pytest.mark.parametrize(("name", "options"), ALL)
def test_convolutions_have_variance_two_over_fan_in(name, options):
    for layer in layers(kaiming(name, **options), nn.Conv2d):
        fan_in = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
        assert_normal(layer.weight, math.sqrt(2 / fan_in))


@pytest.mark.parametrize(("name", "options"), ALL)
def test_linear_layers_have_standard_deviation_a_thousandth(name, options):
    for layer in layers(kaiming(name, **options), nn.Linear):
        assert_normal(layer.weight, 1e-3)


@pytest.mark.parametrize(("name", "options"), ALL)
def test_biases_start_at_zero_and_normalisations_at_the_identity(name, options):
    model = kaiming(name, **options)
    for layer in layers(model, (nn.Conv2d, nn.Linear)):
        assert layer.bias is None or not layer.bias.any()
    for layer in layers(model, (nn.BatchNorm1d, nn.BatchNorm2d)):
        assert (layer.weight == 1).all()
        assert not layer.bias.any()


def test_the_default_is_torchs_own():
    torch.manual_seed(0)
    ours = models.build("mlp2", **CIFAR10)
    torch.manual_seed(0)
    torchs = nn.Sequential(nn.Linear(3072, 100), nn.Linear(100, 10))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), torchs.parameters(), strict=True))


def test_a_deep_mlp_gets_no_gradient_from_the_published_initialisation():
    model = kaiming("mlp20")
    nn.functional.cross_entropy(model(torch.randn(16, 3, 32, 32)), torch.arange(16) % 10).backward()
    before = [layer.weight.clone() for layer in layers(model, nn.Linear)]
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert all(torch.equal(layer.weight, old) for layer, old in zip(layers(model, nn.Linear), before, strict=True))
