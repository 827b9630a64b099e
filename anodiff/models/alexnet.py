"""An AlexNet scaled to images of 32 pixels.

After Krizhevsky et al. (2012): five convolutions of equal width, max pooling after the first,
second and fifth, and three fully connected layers with dropout. It is the network in the code of
Chen, Qu & Gong (2022), who took it from Simsekli, Sagun & Gurbuzbalaban, "A tail-index analysis of
stochastic gradient noise in deep neural networks" (2019).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def alexnet(*, channels: int, size: int, classes: int, width: int, dropout: float) -> nn.Sequential:
    """Return an AlexNet-like network for images of any size.

    Maps (batch, channels, size, size) to (batch, classes). For 32 pixels and width 64 it is the
    published network, whose hidden layers have 448 = 7 x 64 units; other widths keep this ratio.
    Feature maps of fewer than 3 pixels a side are not pooled.

    Parameters
    ----------
    channels, size, classes
        Of the data set.
    width
        Channels of every convolution.
    dropout
        Probability of dropping a unit before a hidden layer.
    """
    units = 7 * width
    stem = nn.Conv2d(channels, width, 4, stride=2, padding=2)
    size = size // 2 + 1
    pool1, size = _pooling(size)
    pool2, size = _pooling(size)
    pool3, size = _pooling(size)
    features = nn.Sequential(
        *(stem, nn.ReLU(), *pool1),
        *(nn.Conv2d(width, width, 5, padding=2), nn.ReLU(), *pool2),
        *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), *pool3),
    )
    classifier = nn.Sequential(
        *(nn.Dropout(dropout), nn.Linear(width * size**2, units), nn.ReLU()),
        *(nn.Dropout(dropout), nn.Linear(units, units), nn.ReLU()),
        nn.Linear(units, classes),
    )
    return nn.Sequential(OrderedDict(features=features, flatten=nn.Flatten(), classifier=classifier))


def _pooling(size: int) -> tuple[list[nn.Module], int]:
    """Return 3x3 max pooling with stride 2, if the window fits, and the size of the map after it."""
    return ([nn.MaxPool2d(3, stride=2)], (size - 3) // 2 + 1) if size >= 3 else ([], size)
