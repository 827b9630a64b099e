"""The loss of a language model as a function of its weights: products of curvature are derivatives, not differences, and the
surface of a run is its loss."""

import numpy as np
import pytest
import torch
from torch import nn

from anodiff import models
from anodiff.data import load
from anodiff.errors import ConfigError
from anodiff.landscape.products import gauss_newton_product, hessian_product
from anodiff.landscape.run_surface import loss_surface_at
from anodiff.landscape.surface import LossSurface
from anodiff.learning.measure import measure_learning
from anodiff.settings.learning import LearningSettings
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import LandscapeSettings
from anodiff.training import train_run
from anodiff.training.losses import cross_entropy
from anodiff.trajectory import open_trajectory

TEXT = {"vocabulary": 7, "context": 5}


def written_out(model, tokens):
    """The logits of a decoder with one block and one head, of simple operations alone."""
    weights, block = dict(model.named_parameters()), "blocks.0."
    norm = nn.functional.layer_norm

    def normalised(x, name):
        return norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x = weights["embedding.weight"][tokens] + weights["positions"][: tokens.shape[1]]
    q, k, v = linear(normalised(x, f"{block}attention.norm"), f"{block}attention.queries_keys_values").chunk(3, dim=-1)
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    later = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
    x = x + linear(scores.masked_fill(later, -torch.inf).softmax(-1) @ v, f"{block}attention.output")
    hidden = nn.functional.gelu(linear(normalised(x, f"{block}mlp.norm"), f"{block}mlp.hidden"), approximate="tanh")
    x = x + linear(hidden, f"{block}mlp.output")
    return (normalised(x, "norm") @ weights["embedding.weight"].T).transpose(1, 2)


@pytest.fixture
def surface():
    torch.manual_seed(0)
    model = models.build("gpt", **TEXT, depth=1, width=4, heads=1).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    tokens = torch.randint(7, (9, 6))
    return LossSurface(model, tokens[:, :-1], tokens[:, 1:], cross_entropy, batch_size=4)


def losses(surface):
    given, labels = (torch.cat(parts) for parts in zip(*surface.batches, strict=True))
    return nn.functional.cross_entropy(written_out(surface.network, given), labels)


def test_the_loss_is_that_of_attention_written_out(surface):
    assert surface(surface.centre) == pytest.approx(losses(surface).item(), rel=1e-12)


def test_hessian_products_are_those_of_attention_written_out(surface):
    product = hessian_product(surface)
    assert product.error == 0
    vector = np.random.default_rng(0).normal(size=surface.size)
    surface.set_weights(surface.centre)
    parameters = surface.trainable
    slopes = torch.autograd.grad(losses(surface), parameters, create_graph=True)
    along = torch.cat([slope.flatten() for slope in slopes]) @ torch.from_numpy(vector)
    expected = torch.cat([part.flatten() for part in torch.autograd.grad(along, parameters)])
    np.testing.assert_allclose(product(vector), expected.numpy(), rtol=1e-9, atol=1e-12)


def test_hessian_products_are_differences_of_gradients(surface):
    vector = np.random.default_rng(1).normal(size=surface.size)
    step = 1e-5
    ahead, behind = (surface.gradient(surface.centre + sign * step * vector) for sign in (1, -1))
    found = hessian_product(surface)(vector)
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), atol=1e-6 * np.abs(found).max())


def test_gauss_newton_products_are_symmetric_and_never_negative(surface):
    product = gauss_newton_product(surface)
    assert product.error == 0
    first, second = np.random.default_rng(2).normal(size=(2, surface.size))
    assert first @ product(second) == pytest.approx(second @ product(first), rel=1e-9)
    assert first @ product(first) > 0


def test_several_points_at_once_have_the_losses_of_each(surface):
    points = surface.centre + 0.1 * np.random.default_rng(3).normal(size=(3, surface.size))
    np.testing.assert_allclose(surface.losses_at(points), [surface(point) for point in points], rtol=1e-9)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "notes.txt").write_text("All the world is a stage, and all the men and women merely players. " * 20)
    settings = RunSettings.model_validate(
        {
            "data": {"name": "text", "files": "notes.txt"},
            "model": {"name": "gpt", "depth": 1, "width": 8, "heads": 2, "context": 7},
            "training": {"batch_size": 10, "steps": 10},
            "recording": {"window_length": 5},
        }
    )
    train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", data_root=folder)
    return settings, folder


def test_the_surface_of_a_run_is_its_loss_over_all_blocks(run):
    settings, folder = run
    trajectory = open_trajectory(folder / "trajectory.zarr")
    surface = loss_surface_at(trajectory, 10, LandscapeSettings(samples=None), data_root=folder)
    dataset = load(settings.data, folder, context=7)
    model = models.build("gpt", vocabulary=256, context=7, depth=1, width=8, heads=2)
    nn.utils.vector_to_parameters(torch.from_numpy(surface.centre).float(), model.parameters())
    with torch.no_grad():
        expected = nn.functional.cross_entropy(model(dataset.train_inputs.long()), dataset.train_labels)
    assert surface.samples == len(dataset.train_labels)
    assert surface(surface.centre) == pytest.approx(expected.item(), rel=1e-5)


def test_what_is_learned_when_is_refused_on_text_in_one_line(run, tmp_path):
    _, folder = run
    with pytest.raises(ConfigError, match="trained on text, whose tokens have no classes"):
        measure_learning(folder / "trajectory.zarr", tmp_path / "learning.zarr", LearningSettings(), data_root=folder)


def test_another_text_than_the_run_was_trained_on_has_no_surface_of_it(run, tmp_path):
    _, folder = run
    (tmp_path / "notes.txt").write_text("And one man in his time plays many parts. " * 40)
    with pytest.raises(ConfigError, match="the text is not the one that the run was trained on") as caught:
        loss_surface_at(folder / "trajectory.zarr", 10, LandscapeSettings(samples=None), data_root=tmp_path)
    assert "\n" not in str(caught.value)
