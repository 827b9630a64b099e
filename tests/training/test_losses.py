"""Losses: the hinge against torch's own, spectral decoupling against its published form."""

import pytest
import torch
from torch import nn

from anodiff.settings.run import TrainingSettings
from anodiff.training.losses import build_loss

LABELS = torch.tensor([0, 2, 1, 2, 2])


def outputs(classes=3):
    return torch.randn(len(LABELS), classes, generator=torch.Generator().manual_seed(0)).requires_grad_()


def loss(name, classes=3, decoupling=0.0):
    return build_loss(TrainingSettings(loss=name, decoupling=decoupling), classes)


def test_the_squared_error_is_against_one_hot_targets():
    given = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert float(loss("mse")(given, torch.tensor([0, 2]))) == pytest.approx(1 / 6)


def test_the_hinge_and_its_gradient_are_those_of_the_multi_margin_loss():
    ours, theirs = outputs(), outputs()
    value, expected = loss("hinge")(ours, LABELS), nn.functional.multi_margin_loss(theirs, LABELS)
    assert value.item() == pytest.approx(expected.item())
    value.backward()
    expected.backward()
    assert torch.allclose(ours.grad, theirs.grad)


def test_the_hinge_is_satisfied_by_the_centred_one_hot_targets():
    given = nn.functional.one_hot(LABELS, 3) - 1 / 3
    value = loss("hinge")(given, LABELS)
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_the_hinge_has_second_derivatives_of_zero():
    given = outputs().detach()
    assert torch.equal(torch.autograd.functional.hessian(lambda at: loss("hinge")(at, LABELS), given), torch.zeros(5, 3, 5, 3))


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "hinge"])
def test_decoupling_adds_the_squares_of_a_samples_outputs(name):
    given = outputs()
    added = loss(name, decoupling=0.3)(given, LABELS) - loss(name)(given, LABELS)
    assert added.item() == pytest.approx(0.3 * given.square().sum(1).mean().item(), rel=1e-5)


@pytest.mark.parametrize(("strength", "margin"), [(0.01, 3.359), (0.1, 1.6335), (1.0, 0.401)])
def test_the_margin_of_a_decoupled_sample_solves_its_equation(strength, margin):
    # 1/(1 + e^m) = λ m, for two opposite outputs ± m/2 of one sample
    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    criterion = loss("cross_entropy", 2, strength)
    optimiser = torch.optim.LBFGS([at], max_iter=100, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = criterion(torch.stack([-at / 2, at / 2])[None], torch.tensor([1]))
        value.backward()
        return value

    optimiser.step(closure)
    assert at.item() == pytest.approx(margin, abs=1e-3)
    assert 1 / (1 + torch.exp(at).item()) == pytest.approx(strength * at.item(), rel=1e-4)
