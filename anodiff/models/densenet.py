"""Densely connected networks for small images.

Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks" (2017), section
3: a 3x3 convolution, three dense blocks with a 1x1 convolution and average pooling between them,
global average pooling, a linear layer. ``densenet121`` is such a network with 121 layers; the one
for ImageNet is ``torchvision:densenet121``.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError


def densenet(
    *,
    channels: int,
    size: int,
    classes: int,
    depth: int,
    growth: int,
    bottleneck: bool,
    compression: float,
) -> nn.Sequential:
    """Return a DenseNet of three blocks with ``depth`` layers with weights.

    Maps (batch, channels, size, size) to (batch, classes).
    DenseNet-BC is ``bottleneck=True, compression=0.5``.

    Parameters
    ----------
    channels, size, classes
        Of the data set.
    depth
        Layers with weights: 3n + 4, or 6n + 4 with bottlenecks.
    growth
        Channels that each layer adds to its input.
    bottleneck
        True: a 1x1 convolution to 4 x growth channels before each 3x3 convolution; the stem has
        2 x growth channels instead of 16.
    compression
        Fraction of the channels that a transition between blocks keeps, rounded down.

    Raises
    ------
    ConfigError
        If the image has fewer than 4 pixels a side, since it is halved twice.
    """
    if size < 4:
        raise ConfigError(f"densenet needs images of at least 4 pixels a side, got {size}")
    width = 2 * growth if bottleneck else 16
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    for block in range(1, 4):
        members = []
        for _ in range((depth - 4) // (6 if bottleneck else 3)):
            members.append(DenseLayer(width, growth, bottleneck=bottleneck))
            width += growth
        layers[f"block{block}"] = nn.Sequential(*members)
        if block < 3:
            kept = max(1, int(compression * width))
            layers[f"transition{block}"] = nn.Sequential(*_preactivated(width, kept, kernel=1), nn.AvgPool2d(2))
            width = kept
    layers["norm"] = nn.BatchNorm2d(width)
    layers["relu"] = nn.ReLU()
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(width, classes)
    return nn.Sequential(layers)


class DenseLayer(nn.Module):
    """A layer that appends ``growth`` channels, computed from its input, to its input."""

    def __init__(self, inputs: int, growth: int, *, bottleneck: bool) -> None:
        super().__init__()
        middle = 4 * growth if bottleneck else inputs
        narrowing = _preactivated(inputs, middle, kernel=1) if bottleneck else []
        self.body = nn.Sequential(*narrowing, *_preactivated(middle, growth, kernel=3))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, S, S) to (B, C + growth, S, S)."""
        return torch.cat([x, self.body(x)], dim=1)


def _preactivated(inputs: int, outputs: int, *, kernel: int) -> list[nn.Module]:
    convolved = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return [nn.BatchNorm2d(inputs), nn.ReLU(), convolved]
