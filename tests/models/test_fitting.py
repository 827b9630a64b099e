"""Networks as users bring them become ones from images to logits, with the same numbers, or are refused in one line."""

from collections import namedtuple
from dataclasses import dataclass

import families
import pytest
import torch
from families import Applied, two_layers
from torch import nn
from torch.nn import functional

from anodiff.errors import ConfigError
from anodiff.models.fitting import fit
from anodiff.models.wrappers import named_parameters
from anodiff.settings.loading import validate
from anodiff.settings.run import ModelSettings
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory

SHAPE = {"channels": 1, "size": 4, "classes": 3}
Pair = namedtuple("Pair", ["features", "scores"])


@dataclass(slots=True)
class Slotted:
    features: torch.Tensor
    scores: torch.Tensor


class Plain:
    def __init__(self, features, logits):
        self.features, self.logits = features, logits


def returning(make):
    """A network of two layers that returns ``make(logits)``, and the layers."""
    layers = two_layers(1, 4, 3)
    return Applied(lambda self, images: make(self.layers(images)), layers=layers), layers


def said(network, **options):
    with pytest.raises(ConfigError) as caught:
        fit("mine:net", network, **SHAPE, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda logits: {"logits": logits, "scores": 2 * logits}, {}),
        (lambda logits: Plain(2 * logits, logits), {}),
        (lambda logits: {"features": logits[:, :2], "out": logits}, {}),  # the only one of their shape
        (lambda logits: (logits, logits[:, :2]), {}),
        (lambda logits: [logits, None, [logits]], {}),
        (lambda logits: (2 * logits, logits), {"logits": 1}),
        (lambda logits: {"out": logits, "aux": 2 * logits}, {"logits": "out"}),
        (lambda logits: Pair(2 * logits, logits), {"logits": "scores"}),
        (lambda logits: Slotted(2 * logits, logits), {"logits": "scores"}),
        (lambda logits: {"logits": 2 * logits, "scores": logits}, {"logits": "scores"}),
    ],
)
def test_logits_are_taken_from_whatever_holds_them(make, options):
    network, layers = returning(make)
    network = fit("mine:net", network, **SHAPE, **options)
    images = torch.randn(5, 1, 4, 4)
    torch.testing.assert_close(network(images), layers(images), rtol=0, atol=0)
    assert network.training


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda logits: {"out": logits, "aux": logits},
            "dict with 'out' of shape (2, 3), 'aux' of shape (2, 3); set model.logits",
        ),
        (lambda logits: (logits, logits), "returns tuple with 0 of shape (2, 3), 1 of shape (2, 3); set model.logits"),
        (lambda logits: {"logits": logits[:, :2]}, "must map two images to logits of shape (2, 3), got (2, 2)"),
        (lambda logits: logits.squeeze(), "maps one image to (3,), expected (1, 3); does it squeeze?"),
        (lambda logits: "logits", "must map two images to logits of shape (2, 3), got str"),
        (lambda logits: logits.to(torch.complex64), "returns complex numbers; logits are real"),
        (lambda logits: logits.detach(), "its outputs depend on no parameter that is trained; are they detached?"),
        (lambda logits: logits.no_such_method(), "'Tensor' object has no attribute 'no_such_method' (test_fitting.py, line"),
    ],
)
def test_what_holds_no_logits_is_refused_in_one_line(make, text):
    assert text in said(returning(make)[0])


def test_a_wrong_name_for_the_logits_is_refused_with_the_right_ones():
    text = said(returning(lambda logits: {"out": logits, "aux": logits})[0], logits="outs")
    assert "'out' of shape (2, 3), 'aux' of shape (2, 3); set model.logits" in text


def test_a_network_that_returns_something_else_in_training_says_so_at_once():
    network, _ = returning(lambda logits: {"logits": logits})
    fit("mine:net", network, **SHAPE)
    network.apply_to = lambda self, images: {"loss": images.sum()}
    with pytest.raises(ConfigError, match="model 'mine:net' returns dict without logits 'logits'"):
        network(torch.zeros(1, 1, 4, 4))


def test_networks_of_this_package_have_no_choice_of_logits():
    assert validate(ModelSettings, {"name": "mine:net", "logits": 1}, "run.yaml").keywords() == {"logits": 1}
    with pytest.raises(ConfigError, match="'logits' is for your own networks; mlp returns nothing else"):
        validate(ModelSettings, {"name": "mlp", "logits": "out"}, "run.yaml")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_images_get_the_precision_of_the_weights_whatever_it_becomes(dtype):
    network = fit("mine:net", two_layers(1, 4, 3).to(dtype), **SHAPE)
    images = torch.randn(5, 1, 4, 4)
    assert network(images).dtype == dtype
    assert network.float()(images).dtype == torch.float32


def test_a_network_that_changes_the_precision_itself_gets_the_images_as_they_are():
    seen = []
    network = Applied(
        lambda self, images: seen.append(images.dtype) or self.layers(images.double()), layers=two_layers(1, 4, 3).double()
    )
    fit("mine:net", network, **SHAPE)(torch.zeros(1, 1, 4, 4))
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: torch.compile(network, backend="eager"),
        lambda network: nn.DataParallel(network),
        lambda network: nn.DataParallel(torch.compile(network, backend="eager")),
        lambda network: nn.Sequential(torch.compile(network, backend="eager"), nn.DataParallel(nn.Linear(3, 3))),
    ],
)
def test_wrappers_are_taken_off_at_any_depth(wrap):
    torch.manual_seed(0)
    network = wrap(two_layers(1, 4, 3))
    images = torch.randn(5, 1, 4, 4)
    expected = network(images)
    fitted = fit("mine:net", network, **SHAPE)
    assert not any("_orig_mod" in name or "module" in name for name, _ in fitted.named_parameters())
    torch.testing.assert_close(fitted(images), expected)


def test_a_network_compiled_in_place_is_compiled_no_more():
    calls = []
    network = two_layers(1, 4, 3)
    network.compile(backend=lambda graph, inputs: calls.append(1) or graph.forward)
    fit("mine:net", network, **SHAPE)(torch.zeros(2, 1, 4, 4))
    assert not calls


@pytest.mark.parametrize("make", [nn.Embedding, nn.EmbeddingBag])
def test_sparse_gradients_become_the_same_numbers(make):
    torch.manual_seed(0)
    layer = make(8, 3, sparse=True)

    def forward(self, images):
        found = self.layer((4 * torch.sigmoid(images)).long().flatten(1))
        return found if found.ndim == 2 else found.mean(1)

    network, images, labels = Applied(forward, layer=layer), torch.randn(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    functional.cross_entropy(network(images), labels).backward()
    sparse = layer.weight.grad
    assert sparse.is_sparse
    layer.weight.grad = None
    functional.cross_entropy(fit("mine:net", network, **SHAPE)(images), labels).backward()
    torch.testing.assert_close(layer.weight.grad, sparse.to_dense())


def test_a_network_with_nothing_to_train_is_refused():
    assert "has no parameter to train: all are frozen" in said(two_layers(1, 4, 3).requires_grad_(False))
    network = Applied(lambda self, images: self.layers[0](images))
    network.layers = [two_layers(1, 4, 3)]
    assert "or its layers are in a plain list" in said(network)


def test_fitting_draws_no_number_and_changes_no_buffer():
    network = families.FAMILIES["batch_norm"](**SHAPE)
    before, buffers = torch.get_rng_state(), [buffer.clone() for buffer in network.buffers()]
    fit("mine:net", nn.Sequential(network, nn.Dropout(0.5)), **SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
    for buffer, was in zip(network.buffers(), buffers, strict=True):
        torch.testing.assert_close(buffer, was, rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: torch.compile(network, backend="eager"),
        lambda network: torch.compile(nn.DataParallel(network), backend="eager"),
        lambda network: nn.DataParallel(nn.Sequential(*network[:1], torch.compile(network[1], backend="eager"), *network[2:])),
    ],
)
def test_a_recorded_network_has_the_names_of_its_own_parameters(wrap, tmp_path):
    network = two_layers(1, 4, 3)
    names = [name for name, _ in network.named_parameters()]
    with TrajectoryRecorder(wrap(network), tmp_path / "path.zarr", steps=2, windows=[Window(0, 2)]) as recorder:
        recorder.record(loss=1.0)
        recorder.record(loss=1.0)
    table = open_trajectory(tmp_path / "path.zarr").group.attrs["parameters"]
    assert [entry["name"] for entry in table] == names


def test_a_part_of_the_users_own_called_module_keeps_its_name():
    network = Applied(lambda self, images: self.module(images), module=two_layers(1, 4, 3))
    assert [name for name, _ in named_parameters(network)] == [name for name, _ in network.named_parameters()]
