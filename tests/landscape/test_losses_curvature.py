"""Curvature under each loss that a run can descend."""

import numpy as np
import pytest
import torch
from torch import nn

from anodiff.landscape.products import gauss_newton_product, hessian_product
from anodiff.landscape.surface import LossSurface
from anodiff.settings.run import TrainingSettings
from anodiff.training.losses import build_loss


def surface(**training):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    images, labels = torch.randn(20, 1, 3, 3).double(), torch.arange(20) % 3
    return LossSurface(network, images, labels, build_loss(TrainingSettings(**training), 3), dtype=torch.float64)


@pytest.mark.parametrize(("loss", "decoupling"), [("hinge", 0.0), ("hinge", 0.1), ("cross_entropy", 0.1), ("mse", 0.1)])
def test_the_hessian_is_the_difference_of_gradients(loss, decoupling):
    given = surface(loss=loss, decoupling=decoupling)
    direction = np.random.default_rng(0).normal(size=given.size)
    step = 1e-6 * direction
    expected = (given.gradient(given.centre + step) - given.gradient(given.centre - step)) / 2e-6
    assert hessian_product(given)(direction) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_the_gauss_newton_matrix_of_the_hinge_is_zero():
    given = surface(loss="hinge")
    assert np.array_equal(gauss_newton_product(given)(np.ones(given.size)), np.zeros(given.size))


def test_that_of_the_penalty_alone_is_left_with_decoupling():
    given = surface(loss="hinge", decoupling=0.1)
    network = given.network
    jacobian = torch.autograd.functional.jacobian(
        lambda flat: torch.func.functional_call(network, unflatten(network, flat), (given.batches[0][0],)).flatten(),
        torch.tensor(given.centre),
    )
    direction = np.random.default_rng(1).normal(size=given.size)
    expected = 2 * 0.1 * jacobian.T @ (jacobian @ torch.tensor(direction)) / 20
    assert gauss_newton_product(given)(direction) == pytest.approx(expected.numpy(), rel=1e-6)


def unflatten(network, flat):
    parts = flat.split([parameter.numel() for parameter in network.parameters()])
    return {name: part.view_as(value) for (name, value), part in zip(network.named_parameters(), parts, strict=True)}
