"""A ReLU network in which every mode learns on its own, as its law says: see modes.yaml.

Unit k of every layer reads pixel k alone, with weight a, and votes with weight a for class k mod C
along a direction of length 1. An image of gaussian_modes without noise lights one pixel. All other
units are then dark and have no gradient (ReLU'(0) = 0), so modes never meet. All L layers of a mode
have the same weight and keep it: it is balanced.

Under gradient flow, with time t = learning rate · step, a mode of frequency p (its share of the
training samples) and brightness s has the margin u with

    u' = L p (κ s)^(2/L) u^(2 − 2/L) r g(u),    u(0) = start · s,

    loss            votes    κ            r              g(u)
    cross_entropy   centred  √(C/(C − 1))  1             1/(1 + eᵘ/(C − 1))
    hinge           centred  √(C/(C − 1))  (C − 1)/C     1 where u < 1, else 0
    mse             one_hot  1             2/C           1 − u

κ: the outputs of all classes move, so the margin moves κ times as far as the outputs. r: torch's
multi_margin_loss and mse_loss divide by the number C of classes. Under gradient descent this holds
as long as the rate times the learning rate is small.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

VOTES = ("centred", "one_hot")


class Balanced(nn.Module):
    """Layers without biases, of as many units as pixels, and the outputs."""

    def __init__(self, pixels: int, classes: int, depth: int, weight: float, votes: Tensor) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(pixels, pixels, bias=False) for _ in range(depth - 1))
        self.outputs = nn.Linear(pixels, classes, bias=False)
        with torch.no_grad():
            for layer in self.layers:
                layer.weight.copy_(weight * torch.eye(pixels))
            self.outputs.weight.copy_(weight * votes[torch.arange(pixels) % classes].T)

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs, shape (N, C)."""
        seen = images.flatten(1)
        for layer in self.layers:
            seen = layer(seen).relu()
        return self.outputs(seen)


def balanced(channels: int, size: int, classes: int, depth: int = 2, start: float = 1e-3, votes: str = "centred") -> nn.Module:
    """Return the network; an image of brightness 1 has the margin ``start`` before training."""
    if depth < 1 or not start > 0 or votes not in VOTES:
        raise ValueError(f"'depth' is at least 1, 'start' above 0, and 'votes' one of {', '.join(VOTES)}")
    directions = torch.eye(classes)
    reach = 1.0  # κ
    if votes == "centred":
        reach = math.sqrt(classes / (classes - 1))
        directions = reach * (directions - 1 / classes)
    return Balanced(channels * size * size, classes, depth, (start / reach) ** (1 / depth), directions)


def lit_pixel(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the brightest pixel of each image, which is its mode: groups of samples for `learning`."""
    return images.reshape(len(images), -1).argmax(1)
