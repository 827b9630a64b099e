"""All parameters of a network in one vector, and their gradients in another: then norm and step are one operation each.

The pitfall: a small network's step is short, and a dozen operations for as many tensors took a tenth of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class ParameterVector:
    """A network's parameters and gradients, of which the network's own tensors have become views.

    Attributes
    ----------
    parameter
        All parameters, shape (P,), with their gradients as its ``grad``: what an optimiser may step, for its rule treats every
        number alike.
    values, gradient
        The same two as plain tensors.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        size = sum(parameter.numel() for parameter in parameters)
        self.values, self.gradient = torch.empty(size), torch.zeros(size)
        offset = 0
        for parameter in parameters:
            place = parameter.shape, parameter.stride(), offset
            view = self.values.as_strided(*place)
            view.copy_(parameter.detach())
            parameter.data = view
            parameter.grad = self.gradient.as_strided(*place)
            offset += parameter.numel()
        self.parameter = nn.Parameter(self.values)
        self.parameter.grad = self.gradient

    @classmethod
    def of(cls, parameters: Sequence[nn.Parameter]) -> ParameterVector | None:
        """Lay parameters out in one vector, in their order, each with the strides it has; None where they cannot be.

        They cannot be where they are not all trained, in float32 and each in memory of its own without gaps. On a GPU they stay
        as they are: there an optimiser steps all tensors by a few launches, adding each gradient to a vector would be one more,
        and products want aligned weights. The values stay bit for bit.
        """
        memory = {parameter.untyped_storage().data_ptr() for parameter in parameters}
        fit = len(memory) == len(parameters) and all(
            parameter.requires_grad
            and parameter.dtype == torch.float32
            and parameter.device.type == "cpu"
            and parameter.layout == torch.strided
            and (parameter.is_contiguous() or parameter.is_contiguous(memory_format=torch.channels_last))
            for parameter in parameters
        )
        return cls(parameters) if fit else None
