"""Fully connected networks.

The published runs (Chen, Qu & Gong 2022) have 3, 20, 56 and 110 layers of width 100 with ReLU and
no biases.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from anodiff.models.layers import linear


def mlp(
    *,
    channels: int,
    size: int,
    classes: int,
    depth: int,
    width: int,
    batch_norm: bool,
    bias: bool,
) -> nn.Sequential:
    """Return a fully connected network with ReLU.

    Maps (batch, channels, size, size) to (batch, classes).

    Parameters
    ----------
    channels, size, classes
        Of the data set.
    depth
        Number of linear layers, output layer included; 1 is logistic regression.
    width
        Units of each hidden layer.
    batch_norm
        True: batch normalisation before each ReLU, instead of biases in the hidden layers.
    bias
        False: no biases.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = channels * size**2
    for number in range(1, depth):
        layers[f"hidden{number}"] = nn.Sequential(*linear(features, width, batch_norm=batch_norm, bias=bias), nn.ReLU())
        features = width
    layers["output"] = nn.Linear(features, classes, bias=bias)
    return nn.Sequential(layers)
