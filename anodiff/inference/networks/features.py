"""What does a network see of a track? Channels and numbers that do not depend on its units.

A track's scale and place say nothing about its kind. So displacements are in units of their mean
length, and positions in units of their root mean square about the centre.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Numbers given for a whole track: ln(T/100), and the logarithm of its width in steps over ln T.
NUMBERS = 2


def channels(dimensions: int) -> int:
    """Return how many channels a track in ``dimensions`` has."""
    return 2 * dimensions + 1


def describe(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return channels (N, 2·dimensions + 1, points) and numbers (N, 2) of tracks.

    The channels are the displacements over their mean length (at the first point 0), the positions
    about their mean over their root mean square, and ln(1 + |Δr|) of the first. A track that stays
    where it is has channels 0.

    Parameters
    ----------
    positions
        (N, dimensions, points), at least two points, of any unit and origin.
    """
    points = positions.shape[2]
    moves = positions.diff(dim=2)
    lengths = moves.norm(dim=1, keepdim=True)  # (N, 1, points-1)
    mean_length = _nonzero(lengths.mean(dim=2, keepdim=True))
    centred = positions - positions.mean(dim=2, keepdim=True)
    width = _nonzero(centred.square().sum(dim=1, keepdim=True).mean(dim=2, keepdim=True).sqrt())
    moved = torch.cat([moves / mean_length, torch.log1p(lengths / mean_length)], dim=1)
    seen = torch.cat([torch.nn.functional.pad(moved, (1, 0)), centred / width], dim=1)
    relative = torch.log(width / mean_length)[:, 0, 0] / math.log(points)
    return seen, torch.stack([torch.full_like(relative, math.log(points / 100)), relative], dim=1)


def _nonzero(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, scale, torch.ones_like(scale))
