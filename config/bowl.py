"""A convex quadratic bowl with white gradient noise, trained like any network: see bowl.yaml.

Weights w and a batch of images ξ have the loss ½ Σ h_i w_i² + noise · ⟨ξ, w⟩, up to a constant. So the
gradient is h w + noise · mean ξ: relaxation to the bottom, and white noise if pixels are independent.
"""

import torch
from torch import Tensor, nn

#: Added under the root, so that its argument is positive.
OFFSET = 1000.0


class Bowl(nn.Module):
    """Two equal outputs q whose mean squared error against one-hot targets is (q − ½)² + ¼."""

    def __init__(self, dimensions: int, lowest: float, highest: float, start: float, noise: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((dimensions,), start))
        self.register_buffer("curvatures", torch.logspace(0, 1, dimensions, base=highest / lowest) * lowest)
        self.noise = noise

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs, shape (N, 2)."""
        pixels = images.flatten(1)
        loss = 0.5 * (self.curvatures * self.weights**2).sum() + self.noise * pixels @ self.weights
        return (0.5 + (loss + OFFSET).sqrt())[:, None].expand(-1, 2)


def quadratic(
    channels: int,
    size: int,
    classes: int,
    lowest: float = 0.005,
    highest: float = 1.0,
    start: float = 10.0,
    noise: float = 0.3,
) -> nn.Module:
    """Return a bowl with as many curvatures as images have pixels, evenly spaced in their logarithm."""
    if classes != 2:
        raise ValueError(f"a bowl has data with 2 classes, not {classes}")
    return Bowl(channels * size * size, lowest, highest, start, noise)
