"""How are gradient norm and step one operation each? Parameters and gradients are one vector each.

The pitfall: a small network's step is short, and a dozen operations for as many tensors took a
tenth of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class ParameterVector:
    """A network's parameters in one vector and its gradients in another.

    The network's own tensors become views of them.

    Attributes
    ----------
    parameter
        All parameters, shape (P,), with their gradients as ``grad``. An optimiser may step it
        instead of the network's parameters, because its rule treats all numbers alike.
    values, gradient
        The same two as plain tensors.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        size = sum(parameter.numel() for parameter in parameters)
        self.values, self.gradient = torch.empty(size), torch.zeros(size)
        offset = 0
        for parameter in parameters:
            layout = parameter.shape, parameter.stride(), offset
            view = self.values.as_strided(*layout)
            view.copy_(parameter.detach())
            parameter.data = view
            parameter.grad = self.gradient.as_strided(*layout)
            offset += parameter.numel()
        self.parameter = nn.Parameter(self.values)
        self.parameter.grad = self.gradient

    @classmethod
    def from_parameters(cls, parameters: Sequence[nn.Parameter]) -> ParameterVector | None:
        """Put parameters into one vector, or return None if that is impossible.

        Their order, strides and values stay. It is possible if all are trained, float32, on the
        CPU, and each in its own memory without gaps. On a GPU they stay as they are: there an
        optimiser steps all tensors by a few launches, adding each gradient to a vector would take
        one more, and products need aligned weights.
        """
        memory = {parameter.untyped_storage().data_ptr() for parameter in parameters}
        possible = len(memory) == len(parameters) and all(
            parameter.requires_grad
            and parameter.dtype == torch.float32
            and parameter.device.type == "cpu"
            and parameter.layout == torch.strided
            and (parameter.is_contiguous() or parameter.is_contiguous(memory_format=torch.channels_last))
            for parameter in parameters
        )
        return cls(parameters) if possible else None
