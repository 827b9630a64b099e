"""Fully connected networks.

The published runs (Chen, Qu & Gong 2022) have 3, 20, 56 and 110 layers of width 100 with ReLU and no biases.
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
    depth: int = 3,
    width: int = 100,
    batch_norm: bool = False,
    bias: bool = True,
) -> nn.Sequential:
    """Return a fully connected network with ReLU.

    Maps (batch, channels, size, size) to (batch, classes).

    Parameters
    ----------
    channels, size, classes
        The data set's.
    depth
        Linear layers, the output's among them; 1 is logistic regression.
    width
        Units of each hidden layer.
    batch_norm
        Normalise before each ReLU, in place of the hidden layers' biases.
    bias
        False: no biases at all.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = channels * size**2
    for number in range(1, depth):
        layers[f"hidden{number}"] = nn.Sequential(*linear(features, width, batch_norm=batch_norm, bias=bias), nn.ReLU())
        features = width
    layers["output"] = nn.Linear(features, classes, bias=bias)
    return nn.Sequential(layers)
