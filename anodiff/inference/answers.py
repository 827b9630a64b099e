"""What does a network answer to tracks? Its logits for several equivalent views of each.

A view is the track with the signs of some coordinates changed. All kinds look the same in it, so the
mean over views has less noise of the network's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

#: From positions (N, dimensions, points) to logits (views, N, 140).
Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def most_views(dimensions: int) -> int:
    """Return how many views of a track are averaged: up to 4, of which the first is the track itself.

    Examples
    --------
    >>> [most_views(dimensions) for dimensions in (1, 2, 3)]
    [2, 4, 4]
    """
    return min(4, 2**dimensions)


def predictor(network: torch.nn.Module, device: torch.device, *, views: int = 1) -> Predictor:
    """Return the function from positions to logits, each track seen in several equivalent views.

    Parameters
    ----------
    views
        At most 2^dimensions.
    """

    def predict(positions: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            given = torch.from_numpy(positions).to(device)
            seen = [network(_view(given, view)) for view in range(views)]
        return torch.stack(seen).cpu().numpy()

    return predict


def _view(positions: torch.Tensor, number: int) -> torch.Tensor:
    """Return the view of that number: bit k flips coordinate k, so 0 is the track itself."""
    signs = [-1.0 if number >> axis & 1 else 1.0 for axis in range(positions.shape[1])]
    return positions * torch.tensor(signs, device=positions.device)[:, None]
