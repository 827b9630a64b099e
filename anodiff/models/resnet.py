"""Residual networks for small images, and plain networks without shortcuts.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2015), section 4.2: a 3x3
convolution, three stages of n blocks of two 3x3 convolutions at widths w, 2w, 4w, the second and
third stage at half the resolution of the one before, global average pooling, a linear layer; 6n + 2
layers with weights.

Where the width changes, shortcuts are He et al.'s option A: the subsampled input, with zeros in the
new channels. They have no parameters. With ``projection`` they are option B, 1x1 convolutions with
batch normalisation, as in the code of Li et al., "Visualizing the loss landscape of neural nets"
(2018), which the runs of Chen, Qu & Gong (2022) used.

Without batch normalisation, every convolution has a bias. (In the code of those runs it has none,
and the projections keep their normalisation; here ``batch_norm=False`` removes all normalisation.)
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from anodiff.models.layers import convolution


def resnet(
    *,
    channels: int,
    size: int,
    classes: int,
    depth: int,
    width: int,
    shortcut: bool,
    projection: bool,
    batch_norm: bool,
) -> nn.Sequential:
    """Return a residual network of ``depth`` = 6n + 2 layers for images of any size.

    Maps (batch, channels, size, size) to (batch, classes).

    Parameters
    ----------
    channels, size, classes
        Of the data set.
    depth
        Layers with weights: 6n + 2.
    width
        Channels of the first stage.
    shortcut
        False: a plain network, with the same blocks but without residual connections.
    projection
        True: shortcuts between stages are 1x1 convolutions. It has no effect without shortcuts.
    batch_norm
        True: batch normalisation after every convolution.
    """
    blocks = (depth - 2) // 6
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Sequential(*convolution(channels, width, batch_norm=batch_norm), nn.ReLU())
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        members = []
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            path = _shortcut(inputs, outputs, stride, projection, batch_norm) if shortcut else None
            members.append(Block(inputs, outputs, stride, path, batch_norm))
            inputs = outputs
        layers[f"stage{stage + 1}"] = nn.Sequential(*members)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(inputs, classes)
    return nn.Sequential(layers)


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut around them, or without one."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None, batch_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(inputs, outputs, stride=stride, batch_norm=batch_norm),
            nn.ReLU(),
            *convolution(outputs, outputs, batch_norm=batch_norm),
        )
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(body(x) + shortcut(x)), or relu(body(x))."""
        y = self.body(x)
        return functional.relu(y if self.shortcut is None else y + self.shortcut(x))


class Subsampling(nn.Module):
    """He et al.'s option A: every ``stride``-th pixel, and zeros in the new channels."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, S, S) to (B, C + new, S', S') with S' = ceil(S / stride)."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def _shortcut(inputs: int, outputs: int, stride: int, projection: bool, batch_norm: bool) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    if projection:
        return nn.Sequential(*convolution(inputs, outputs, kernel=1, stride=stride, batch_norm=batch_norm))
    return Subsampling(outputs - inputs, stride)
