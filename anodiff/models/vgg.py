"""VGG networks for small images.

Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition" (2014),
configurations A, B, D and E: stages of 3x3 convolutions, each followed by 2x2 max pooling, then
three fully connected layers. The hidden ones have as many units as the last stage has channels, not
4096. VGG-9 is from the code of Li et al., "Visualizing the loss landscape of neural nets" (2018):
seven convolutions in three stages, two fully connected layers. As there, batch normalisation
follows the convolutions and hidden layers, and there is no dropout.

Layers have no bias if batch normalisation follows, which cancels it. (The code of Li et al. keeps
these biases; their gradient is zero.)
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from anodiff.models.layers import convolution, linear

_STAGES = {  # depth: (multiple of the width, for each convolution of each stage)
    9: ((1, 1), (2, 2), (4, 4, 4)),
    11: ((1,), (2,), (4, 4), (8, 8), (8, 8)),
    13: ((1, 1), (2, 2), (4, 4), (8, 8), (8, 8)),
    16: ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)),
    19: ((1, 1), (2, 2), (4, 4, 4, 4), (8, 8, 8, 8), (8, 8, 8, 8)),
}


def vgg(
    *,
    channels: int,
    size: int,
    classes: int,
    depth: int,
    width: int,
    batch_norm: bool,
) -> nn.Sequential:
    """Return a VGG network of ``depth`` layers with weights for images of any size.

    Maps (batch, channels, size, size) to (batch, classes). Pooling rounds up, and stops once the
    map is one pixel.

    Parameters
    ----------
    channels, size, classes
        Of the data set.
    depth
        9, 11, 13, 16 or 19.
    width
        Channels of the first stage.
    batch_norm
        True: batch normalisation after every layer except the last.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = channels
    for number, stage in enumerate(_STAGES[depth], start=1):
        members: list[nn.Module] = []
        for multiple in stage:
            members += [*convolution(inputs, multiple * width, batch_norm=batch_norm), nn.ReLU()]
            inputs = multiple * width
        if size > 1:
            members.append(nn.MaxPool2d(2, ceil_mode=True))
            size = (size + 1) // 2
        layers[f"stage{number}"] = nn.Sequential(*members)
    layers["flatten"] = nn.Flatten()
    units = inputs
    features = inputs * size**2
    for number in range(1, depth - sum(map(len, _STAGES[depth]))):
        layers[f"hidden{number}"] = nn.Sequential(*linear(features, units, batch_norm=batch_norm), nn.ReLU())
        features = units
    layers["output"] = nn.Linear(features, classes)
    return nn.Sequential(layers)
