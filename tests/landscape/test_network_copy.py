"""Copies of networks that Python alone cannot copy, or copies wrongly."""

import families
import numpy as np
import pytest
import torch
from torch import nn

from anodiff.errors import ConfigError
from anodiff.landscape.directions import random_directions
from anodiff.landscape.network_copy import copy_network
from anodiff.landscape.slices import losses_on
from anodiff.landscape.surface import LossSurface
from anodiff.trajectory import TrajectoryRecorder

COPIED = ["plain", "weight_norm", "weight_norm_of_old", "spectral_norm_of_old", "without_copies", "lazy", "orthogonal"]


def network_and_samples(name):
    torch.manual_seed(0)
    network, images = families.FAMILIES[name](1, 4, 3), torch.randn(20, 1, 4, 4)
    network(images)  # leaves results of the forward pass behind
    return network, images, torch.randint(3, (20,))


@pytest.mark.parametrize("name", COPIED)
def test_a_copy_has_the_outputs_of_the_original_and_weights_of_its_own(name):
    network, images, _ = network_and_samples(name)
    mode, weights = network.training, [parameter.detach().clone() for parameter in network.parameters()]
    copied = copy_network(network, images)
    assert copied.training == network.training == mode
    torch.testing.assert_close(copied.eval()(images), network.eval()(images), rtol=0, atol=0)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(1)
    for parameter, before in zip(network.parameters(), weights, strict=True):
        torch.testing.assert_close(parameter.detach(), before, rtol=0, atol=0)


def test_a_copy_that_would_call_the_original_is_refused():
    network, images, labels = network_and_samples("with_a_layer_in_a_lambda")
    with pytest.raises(ConfigError, match="Applied cannot be copied: its copy uses layers of the original"):
        copy_network(network, images)
    with pytest.raises(ConfigError, match="cannot be copied"):
        LossSurface(network, images, labels, nn.functional.cross_entropy)


@pytest.mark.parametrize("name", ["without_copies", "with_a_layer_in_a_lambda", "weight_norm_of_old"])
def test_a_scan_of_a_network_that_cannot_be_copied_has_the_losses_of_its_points(name):
    """With any number of workers, and after products have left results of forward passes behind."""
    network, images, labels = network_and_samples(name)
    plain = families.FAMILIES["plain"](1, 4, 3)
    surface = LossSurface(network, images, labels, nn.functional.cross_entropy, dtype=torch.float64, own=True)
    surface.gradient(surface.centre)
    directions = random_directions(surface.centre, surface.shapes, 0)
    axes = np.linspace(-1, 1, 3), np.linspace(-1, 1, 4)
    losses = losses_on(surface, directions, axes, workers=2)
    for row, second in zip(losses, axes[1], strict=True):
        points = [directions.origin + first * directions.vectors[0] + second * directions.vectors[1] for first in axes[0]]
        if name != "weight_norm_of_old":
            nn.utils.vector_to_parameters(torch.from_numpy(points[0]).float(), plain.parameters())
            expected = nn.functional.cross_entropy(plain(images), labels).item()
            assert row[0] == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(row, [surface(point) for point in points], rtol=1e-12)


def test_lazy_layers_without_weights_are_refused(tmp_path):
    network = families.FAMILIES["lazy"](1, 4, 3)
    with pytest.raises(ConfigError, match=r"1\.weight of a lazy layer has no weights yet; pass a batch through"):
        LossSurface(network, torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.long), nn.functional.cross_entropy)
    with pytest.raises(ConfigError, match=r"1\.weight of a lazy layer has no weights yet"):
        TrajectoryRecorder(network, tmp_path / "path.zarr")
