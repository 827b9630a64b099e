"""The networks: sizes known from the literature, shapes, gradients and what the options do."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from anodiff import models
from anodiff.errors import ConfigError
from anodiff.models.resnet import Block, Subsampling

DIGITS = {"channels": 1, "size": 8, "classes": 10}
MNIST = {"channels": 1, "size": 28, "classes": 10}
CIFAR10 = {"channels": 3, "size": 32, "classes": 10}
CIFAR100 = {"channels": 3, "size": 32, "classes": 100}

NARROW = [
    ("resnet14", {"width": 4}),
    ("resnet8", {"width": 3, "projection": True}),
    ("resnet8", {"width": 4, "shortcut": False}),
    ("resnet8", {"width": 4, "projection": True, "batch_norm": False}),
    ("vgg9", {"width": 4}),
    ("vgg11", {"width": 4}),
    ("vgg16", {"width": 4}),
    ("vgg9", {"width": 4, "batch_norm": False}),
    ("densenet22", {"growth": 4}),
    ("densenet22", {"growth": 4, "bottleneck": True, "compression": 0.5}),
    ("alexnet", {"width": 8}),
    ("mlp", {}),
    ("mlp5", {"width": 20, "batch_norm": True}),
    ("mlp1", {}),
    ("vit", {"width": 16, "depth": 2, "heads": 4, "mlp_width": 24}),
    ("vit", {"patch": 4, "width": 16, "depth": 1, "heads": 1, "dropout": 0.1}),
]
WITHOUT_NORM = [
    ("resnet14", {"projection": True}),
    ("resnet14", {"shortcut": False}),
    ("vgg9", {}),
    ("vgg16", {}),
    ("mlp", {}),
]


def network(name, data=CIFAR10, **options):
    torch.manual_seed(0)
    return models.build(name, **data, **options)


def count(name, data=CIFAR10, **options):
    return models.count_parameters(network(name, data, **options))


def normalisations(model):
    return [layer for layer in model.modules() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]


# Sizes


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnets_have_the_sizes_of_he_et_al_table_6(depth, millions):
    digits = 1 if depth == 110 else 2
    assert round(count(f"resnet{depth}") / 1e6, digits) == millions


@pytest.mark.parametrize(("depth", "width"), [(14, 16), (20, 16), (14, 8)])
def test_resnet_sizes_have_the_closed_form(depth, width):
    n, w = (depth - 2) // 6, width
    convolutions = 9 * (3 * w + 2 * n * w**2 + sum((2 * n - 1) * c**2 + c * c // 2 for c in (2 * w, 4 * w)))
    norms = 2 * (w + 2 * n * (w + 2 * w + 4 * w))
    linear = 4 * w * 10 + 10
    assert count(f"resnet{depth}", width=width) == convolutions + norms + linear


def test_projections_add_two_convolutions_and_their_norms():
    assert count("resnet20", projection=True) - count("resnet20") == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


def test_the_plain_network_has_the_parameters_of_the_residual_one():
    residual, plain = network("resnet14"), network("resnet14", shortcut=False)
    assert [(name, p.shape) for name, p in residual.named_parameters()] == [
        (name, p.shape) for name, p in plain.named_parameters()
    ]


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_vgg_convolutions_are_those_of_torchvision(depth):
    from torchvision.models import vgg as torchvision_vgg

    with torch.device("meta"):
        theirs = getattr(torchvision_vgg, f"vgg{depth}")(weights=None)
        ours = network(f"vgg{depth}", batch_norm=False)
    assert [layer.weight.shape for layer in ours.modules() if isinstance(layer, nn.Conv2d)] == [
        layer.weight.shape for layer in theirs.modules() if isinstance(layer, nn.Conv2d)
    ]


@pytest.mark.parametrize("name", ["vgg9", "vgg11", "vgg13", "vgg16", "vgg19", "resnet14", "densenet40", "mlp20"])
def test_the_depth_counts_the_layers_with_weights(name):
    layers = [layer for layer in network(name).modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert len(layers) == int("".join(filter(str.isdigit, name)))


def test_vgg9_has_the_closed_form_of_li_et_al_without_biases_before_norms():
    w = 64
    convolutions = 9 * (3 * w + w**2 + 2 * w**2 + 4 * w**2 + 8 * w**2 + 2 * 16 * w**2)
    hidden = (4 * 4 * 4 * w) * 4 * w
    norms = 2 * (2 * w + 2 * 2 * w + 3 * 4 * w + 4 * w)
    assert count("vgg9") == convolutions + hidden + norms + 4 * w * 10 + 10


def test_densenets_have_the_sizes_of_huang_et_al_table_2():
    assert round(count("densenet40") / 1e6, 1) == 1.0
    assert round(count("densenet100", bottleneck=True, compression=0.5) / 1e6, 1) == 0.8
    assert round(count("densenet100") / 1e6, 1) == pytest.approx(7.0, abs=0.1)


def test_the_bare_densenet_is_the_one_of_40_layers():
    assert count("densenet") == count("densenet40")


def test_alexnet_on_32_pixels_is_the_published_network():
    units = 64 * (1 + 6)  # the published code: features x (1 + log2 features), with 64 features
    convolutions = 64 * (3 * 16 + 64 * 25 + 3 * 64 * 9) + 5 * 64
    assert count("alexnet") == convolutions + (64 * units + units) + (units * units + units) + (units * 10 + 10)


@pytest.mark.parametrize("depth", [1, 3, 20])
def test_mlp_sizes_have_the_closed_form(depth):
    features, width, classes = 64, 100, 10
    widths = [features] + [width] * (depth - 1) + [classes]
    weights = sum(a * b for a, b in pairwise(widths))
    assert count(f"mlp{depth}", DIGITS) == weights + sum(widths[1:])
    assert count(f"mlp{depth}", DIGITS, bias=False) == weights


def test_the_published_vit_has_the_closed_form():
    width, tokens = 512, 16**2 + 1
    block = 2 * 2 * width + 3 * width**2 + (width**2 + width) + 2 * (width * 512) + 512 + width
    assert count("vit") == (12 * width + width) + (tokens + 1) * width + 6 * block + 2 * width + (width * 10 + 10)


# Shapes and gradients


@pytest.mark.parametrize("data", [DIGITS, MNIST, CIFAR100], ids=["digits", "mnist", "cifar100"])
@pytest.mark.parametrize(("name", "options"), NARROW)
def test_every_network_maps_images_to_logits_with_finite_gradients_everywhere(name, options, data):
    model = network(name, data, **options)
    logits = model(torch.randn(4, data["channels"], data["size"], data["size"]))
    assert logits.shape == (4, data["classes"])
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize(("name", "options"), NARROW)
def test_every_network_has_second_derivatives(name, options):
    model = network(name, DIGITS, **options)
    parameters = list(model.parameters())
    loss = nn.functional.cross_entropy(model(torch.randn(4, 1, 8, 8)), torch.arange(4))
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    products = torch.autograd.grad(sum(g.sum() for g in gradients), parameters, materialize_grads=True)
    assert all(product.isfinite().all() for product in products)


@pytest.mark.parametrize("name", ["resnet14", "vgg9", "vgg16", "alexnet", "mlp"])
@pytest.mark.parametrize("size", [8, 9, 17])
def test_networks_for_any_size_take_odd_sizes(name, size):
    data = {"channels": 2, "size": size, "classes": 3}
    assert network(name, data, width=4)(torch.randn(2, 2, size, size)).shape == (2, 3)


def test_the_same_seed_gives_the_same_network():
    first, second = (network("resnet8", initialisation="kaiming") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


# Options


@pytest.mark.parametrize("shortcut", [True, False])
def test_a_block_with_zero_convolutions_is_the_identity_only_with_its_shortcut(shortcut):
    block = Block(4, 4, 1, nn.Identity() if shortcut else None, batch_norm=False)
    for parameter in block.body[-1].parameters():
        nn.init.zeros_(parameter)
    images = torch.rand(2, 4, 8, 8)
    assert torch.equal(block(images), images if shortcut else torch.zeros_like(images))


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("shortcut", [True, False])
def test_a_dead_block_cuts_the_network_only_without_shortcuts(shortcut, projection):
    model = network("resnet14", DIGITS, width=4, shortcut=shortcut, projection=projection)
    nn.init.zeros_(model.stage2[0].body[-1].weight)
    model.eval()
    first, second = model(torch.randn(2, 1, 8, 8))
    assert torch.equal(first, second) is not shortcut


def test_the_parameter_free_shortcut_subsamples_and_pads_with_zeros():
    images = torch.randn(2, 3, 7, 7)
    shortened = Subsampling(new_channels=3, stride=2)(images)
    assert torch.equal(shortened[:, :3], images[:, :, ::2, ::2])
    assert shortened.shape == (2, 6, 4, 4)
    assert not shortened[:, 3:].any()


@pytest.mark.parametrize(("name", "options"), WITHOUT_NORM)
def test_without_batch_norm_there_is_none_and_every_layer_has_a_bias(name, options):
    model = network(name, width=4, batch_norm=False, **options)
    assert not normalisations(model)
    assert all(layer.bias is not None for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear)))


@pytest.mark.parametrize(("name", "options"), WITHOUT_NORM)
def test_with_batch_norm_only_the_output_has_a_bias(name, options):
    model = network(name, width=4, batch_norm=True, **options)
    assert normalisations(model)
    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert [layer.bias is not None for layer in layers] == [False] * (len(layers) - 1) + [True]


def test_attention_is_that_of_torch():
    from anodiff.models.vit import Attention

    torch.manual_seed(0)
    ours = Attention(width=12, heads=3)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.data = ours.queries_keys_values.weight.data
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens)[0])


# What does not fit


@pytest.mark.parametrize(
    ("name", "size", "options", "wanted"),
    [
        ("vit", 8, {"patch": 3}, "patch must divide the image size, got patch 3 and 8 pixels"),
        ("vit", 8, {"patch": 16}, "patch must divide the image size"),
        ("densenet", 3, {}, "at least 4 pixels a side, got 3"),
        ("mlp", 0, {}, "size must be at least 1, got 0"),
    ],
)
def test_an_image_too_small_for_the_network_is_refused(name, size, options, wanted):
    with pytest.raises(ConfigError, match=wanted):
        models.build(name, channels=1, size=size, classes=10, **options)


def test_an_unknown_initialisation_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'kaiming'"):
        models.build("mlp", **DIGITS, initialisation="kaimming")
