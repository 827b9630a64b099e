"""Which layers do several families share?"""

from __future__ import annotations

from torch import nn


def convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, batch_norm: bool) -> list[nn.Module]:
    """Return a padded convolution, followed by batch normalisation if wanted.

    The output has the size of the input divided by the stride. The convolution has a bias only
    without normalisation, which would cancel it.
    """
    convolved = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=not batch_norm)
    return [convolved, nn.BatchNorm2d(outputs)] if batch_norm else [convolved]


def linear(inputs: int, outputs: int, *, batch_norm: bool, bias: bool = True) -> list[nn.Module]:
    """Return a linear layer, followed by batch normalisation if wanted; a bias only without it."""
    mapped = nn.Linear(inputs, outputs, bias=bias and not batch_norm)
    return [mapped, nn.BatchNorm1d(outputs)] if batch_norm else [mapped]
