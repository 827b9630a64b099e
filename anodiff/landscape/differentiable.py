"""Which kernels of a network can be differentiated twice? Those that are composed of simple ones.

The fused kernels of attention have a first derivative only; attention written out has all. cuDNN's
recurrent layers have none at all in evaluation mode; torch's own have all. The numbers are the same
to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def differentiable_twice(network: nn.Module) -> Iterator[None]:
    """Within the block, a forward pass of ``network`` has second derivatives, if torch knows them."""
    with sdpa_kernel(SDPBackend.MATH), differentiable(network):
        yield


@contextmanager
def differentiable(network: nn.Module) -> Iterator[None]:
    """Within the block, a forward pass of ``network`` in evaluation mode has a first derivative."""
    cudnn = torch.backends.cudnn
    enabled = cudnn.enabled
    if any(isinstance(layer, nn.RNNBase) for layer in network.modules()):
        cudnn.enabled = False
    try:
        yield
    finally:
        cudnn.enabled = enabled
