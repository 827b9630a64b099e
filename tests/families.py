"""Small networks of many families, as users bring them: factories for images to logits.

With ``double`` a network has float64 weights.
"""

import threading
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations

FAMILIES = {}


def family(make):
    """Add a factory to `FAMILIES`, with the option ``double``."""

    def factory(channels, size, classes, double=False):
        network = make(channels, size, classes)
        return in_double(network) if double else network

    FAMILIES[make.__name__] = factory
    return factory


def in_double(network):
    """Return the network itself in float64, its complex weights in complex128, which torch's ``double`` leaves alone."""
    for parameter in network.double().parameters():
        if parameter.is_complex():
            parameter.data = parameter.data.to(torch.complex128)
    return network


class Applied(nn.Module):
    """A network whose forward pass is a function of itself and its inputs."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.apply_to = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, images):
        return self.apply_to(self, images)


def two_layers(channels, size, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, 6), nn.Tanh(), nn.Linear(6, classes))


def over_tokens(encode, channels, size, classes, width=8, **layers):
    """Rows of the image as tokens, encoded, averaged and classified."""

    def forward(self, images):
        tokens = self.embedding(images.transpose(1, 2).flatten(2))
        return self.output(encode(self, tokens).mean(1))

    return Applied(forward, embedding=nn.Linear(channels * size, width), output=nn.Linear(width, classes), **layers)


def normalised(norm, channels, size, classes):
    convolution = nn.Conv2d(channels, 4, 3, padding=1)
    return nn.Sequential(convolution, norm, nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, classes))


def with_first(changed, channels, size, classes):
    network = two_layers(channels, size, classes)
    network[1] = changed(network[1])
    return network


@family
def plain(*shape):
    return two_layers(*shape)


@family
def spectral_norm(*shape):
    return with_first(parametrizations.spectral_norm, *shape)


@family
def spectral_norm_of_old(*shape):
    return with_first(nn.utils.spectral_norm, *shape)


@family
def weight_norm(*shape):
    return with_first(parametrizations.weight_norm, *shape)


@family
def weight_norm_of_old(*shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return with_first(nn.utils.weight_norm, *shape)


@family
def orthogonal(*shape):
    return with_first(parametrizations.orthogonal, *shape)


@family
def attention(*shape):
    def encode(self, tokens):
        queries, keys, values = self.heads(tokens).chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None])[:, 0]

    return over_tokens(encode, *shape, heads=nn.Linear(8, 24))


@family
def multihead_attention(*shape):
    def encode(self, tokens):
        return self.heads(tokens, tokens, tokens, need_weights=False)[0]

    return over_tokens(encode, *shape, heads=nn.MultiheadAttention(8, 2, batch_first=True))


@family
def transformer_encoder(*shape):
    layer = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.1, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    return over_tokens(lambda self, tokens: self.encoder(tokens), *shape, encoder=encoder)


@family
def recurrent(*shape):
    return over_tokens(lambda self, tokens: self.layer(tokens)[0], *shape, layer=nn.LSTM(8, 8, batch_first=True))


@family
def sparse_embedding(channels, size, classes):
    def forward(self, images):
        return self.output(self.embedding((4 * torch.sigmoid(images)).long().flatten(1)).mean(1))

    return Applied(forward, embedding=nn.Embedding(8, 4, sparse=True), output=nn.Linear(4, classes))


@family
def tied(channels, size, classes):
    def forward(self, images):
        inner = torch.tanh(self.first(images.flatten(1)))
        return self.output(torch.tanh(self.again(torch.tanh(self.inner(inner)))))

    layers = {"first": nn.Linear(channels * size**2, 6), "inner": nn.Linear(6, 6), "again": nn.Linear(6, 6)}
    layers["again"].weight = layers["inner"].weight
    return Applied(forward, **layers, output=nn.Linear(6, classes))


@family
def group_norm(*shape):
    return normalised(nn.GroupNorm(2, 4), *shape)


@family
def layer_norm(channels, size, classes):
    return normalised(nn.LayerNorm([4, size, size]), channels, size, classes)


@family
def instance_norm(*shape):
    return normalised(nn.InstanceNorm2d(4, affine=True, track_running_stats=True), *shape)


@family
def batch_norm(*shape):
    return normalised(nn.BatchNorm2d(4), *shape)


@family
def complex_layer(channels, size, classes):
    def forward(self, images):
        return self.output((images.flatten(1).to(self.inner.dtype) @ self.inner).abs())

    network = Applied(forward, output=nn.Linear(6, classes))
    network.inner = nn.Parameter(torch.randn(channels * size**2, 6, dtype=torch.complex64) / 4)
    return network


@family
def dropout(channels, size, classes):
    return nn.Sequential(two_layers(channels, size, 6), nn.Dropout(0.3), nn.Linear(6, classes))


@family
def frozen_backbone(*shape):
    network = two_layers(*shape)
    network[1].requires_grad_(False)
    return network


@family
def compiled(*shape):
    return torch.compile(two_layers(*shape), backend="eager")


@family
def compiled_block(*shape):
    network = two_layers(*shape)
    network[1] = torch.compile(network[1], backend="eager")
    return network


@family
def data_parallel(*shape):
    return nn.DataParallel(two_layers(*shape))


@family
def lazy(channels, size, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(6), nn.Tanh(), nn.LazyLinear(classes))


@dataclass
class Outputs:
    hidden: torch.Tensor
    logits: torch.Tensor


@family
def dataclass_of_logits(*shape):
    return Applied(lambda self, images: Outputs(images, self.network(images)), network=two_layers(*shape))


@family
def tuple_of_logits_and_features(*shape):
    return Applied(lambda self, images: (self.network(images), images), network=two_layers(*shape))


@family
def without_copies(*shape):
    """It has a lock, an open generator and the result of its last forward pass."""

    def forward(self, images):
        self.last = self.network[1](images.flatten(1))
        return self.network[3](torch.tanh(self.last))

    network = Applied(forward, network=two_layers(*shape))
    network.lock, network.numbers = threading.Lock(), (number for number in range(3))
    return network


@family
def with_a_layer_in_a_lambda(*shape):
    """A copy of it still calls the layers of the original."""
    network = two_layers(*shape)
    wrapped = Applied(lambda self, images: self.inner(images), network=network)
    wrapped.inner = lambda images: wrapped.network(images)
    return wrapped


class NumpySine(torch.autograd.Function):
    """A function whose second derivative torch does not know, and takes for another without a word."""

    @staticmethod
    def forward(context, values):
        context.values = values.detach().numpy()
        return torch.from_numpy(np.sin(context.values))

    @staticmethod
    def backward(context, gradient):
        return gradient * torch.from_numpy(np.cos(context.values))


@family
def numpy_function(channels, size, classes):
    def forward(self, images):
        inner = self.first(images.flatten(1))
        inner = inner.float() if inner.dtype == torch.bfloat16 else inner  # which NumPy does not know
        return self.output(NumpySine.apply(inner))

    return Applied(forward, first=nn.Linear(channels * size**2, 6), output=nn.Linear(6, classes))


def walking(channels, size, classes, parameters=48):
    """A network whose weights are one vector ``position``: a linear layer, or with one parameter a scale."""

    def forward(self, images):
        if parameters == 1:
            return self.position * images.flatten(1)[:, :classes]
        return images.flatten(1) @ self.position.view(-1, classes)

    network = Applied(forward)
    network.position = nn.Parameter(torch.zeros(parameters))
    return network


def deaf(channels, size, classes):
    """A network whose outputs change by nothing when its weights do."""
    network = Applied(lambda self, images: images.flatten(1)[:, :classes] + 0 * self.position.sum())
    network.position = nn.Parameter(torch.zeros(48))
    return network


def failing(channels, size, classes):
    """A factory with a mistake."""
    return {}["width"]
