"""Which network tells exponent and kind of tracks of any length? A pyramid of residual convolutions.

Each level looks at the track at half the resolution of the one before, so that the last sees all of
1000 points at once. Mean and largest value of every level's channels go to a perceptron. Its answer
is one distribution over the 140 cells of `anodiff.inference.cells`, from which exponent, interval
and kind follow together (`anodiff.inference.answers.posterior`). There is no normalisation over a batch, so
a track's answer does not depend on the other tracks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from anodiff.inference.cells import CELL_KIND
from anodiff.inference.networks.features import NUMBERS, channels, describe

#: Dilations of the two residual blocks of a level.
DILATIONS = (1, 2)


class Pyramid(nn.Module):
    """A network from positions (N, dimensions, points) to logits of the cells, (N, 140).

    Parameters
    ----------
    dimensions
        Coordinates of a point.
    width
        Channels of every level.
    levels
        Number of levels. The last of 8 has 1000/128 points of the longest track. A short track has one
        point left from some level on, and all levels after it are made of that point.
    hidden
        Width of the perceptron's hidden layer.
    """

    def __init__(self, dimensions: int, *, width: int = 48, levels: int = 8, hidden: int = 256) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.stem = nn.Conv1d(channels(dimensions), width, 5, padding=2)
        self.levels = nn.ModuleList(nn.Sequential(*(_Block(width, dilation) for dilation in DILATIONS)) for _ in range(levels))
        self.halvings = nn.ModuleList(nn.Conv1d(width, width, 3, stride=2, padding=1) for _ in range(levels - 1))
        self.head = nn.Sequential(nn.Linear(2 * levels * width + NUMBERS, hidden), nn.ReLU(), nn.Linear(hidden, len(CELL_KIND)))

    def forward(self, positions: Tensor) -> Tensor:
        """Return the logits of the cells, (N, 140)."""
        return self.logits(self.features(positions))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of the cells, (N, 140), from what `features` returned."""
        answer: Tensor = self.head(features)
        return answer

    def features(self, positions: Tensor) -> Tensor:
        """Return mean and largest value of every level's channels, and two numbers of the track,
        (N, 2·levels·width + 2).
        """
        seen, numbers = describe(positions)
        signal = relu(self.stem(seen))  # (N, width, points)
        pooled = []
        for level, blocks in enumerate(self.levels):
            if level:
                signal = relu(self.halvings[level - 1](signal))
            signal = blocks(signal)
            pooled += [signal.mean(dim=2), signal.amax(dim=2)]
        return torch.cat([*pooled, numbers], dim=1)


class _Block(nn.Module):
    """Two convolutions beside the identity; the second begins at 0, so that a new block changes nothing."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, signal: Tensor) -> Tensor:
        return relu(signal + self.second(relu(self.first(signal))))
