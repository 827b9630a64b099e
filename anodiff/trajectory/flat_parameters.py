"""What is a network's point in weight space? All its parameters in one vector, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class FlatParameters:
    """A model's parameters, flattened one after another, in float32.

    Flat views of the parameters are made once, and again only if one of them moves to other memory.
    Making them at every step would cost a small network more than the copy itself. Parameters that
    are one vector already are copied as such.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.size = sum(parameter.numel() for parameter in self.parameters)
        self.device: torch.device = self.parameters[0].device
        self._addresses: list[int] = []
        self._vector: Tensor | None = None
        self._views: list[Tensor] | None = None

    def copy_to(self, row: Tensor) -> None:
        """Copy the values to ``row``, shape (size,), float32, on the first parameter's device."""
        import torch

        addresses = [parameter.data_ptr() for parameter in self.parameters]
        if addresses != self._addresses:
            self._addresses, self._vector = addresses, contiguous_vector(self.parameters)
            self._views = self._flat_views()
        if self._vector is not None:
            row.copy_(self._vector)
        else:
            torch.cat(self._views if self._views is not None else self._flat_copies(), out=row)

    def _flat_views(self) -> list[Tensor] | None:
        """Return views, or None if a parameter can only be copied."""
        import torch

        possible = all(
            parameter.is_contiguous() and parameter.dtype == torch.float32 and parameter.device == self.device
            for parameter in self.parameters
        )
        return [parameter.detach().view(-1) for parameter in self.parameters] if possible else None

    def _flat_copies(self) -> list[Tensor]:
        import torch

        return [parameter.detach().reshape(-1).to(self.device, torch.float32) for parameter in self.parameters]


def contiguous_vector(tensors: Sequence[Tensor | None]) -> Tensor | None:
    """Return float32 tensors as one vector if they follow each other in the same memory, else None.

    Examples
    --------
    >>> import torch
    >>> whole = torch.arange(6.0)
    >>> contiguous_vector([whole[:2].view(1, 2), whole[2:]])
    tensor([0., 1., 2., 3., 4., 5.])
    >>> contiguous_vector([whole[:2], whole[3:]]) is None
    True
    """
    import torch

    first = tensors[0]
    if first is None:
        return None
    memory, expected, size = None, first.data_ptr(), 0
    for tensor in tensors:
        if tensor is None or tensor.data_ptr() != expected or not tensor.is_contiguous() or tensor.dtype != torch.float32:
            return None
        memory = memory or tensor.untyped_storage().data_ptr()
        if tensor.untyped_storage().data_ptr() != memory:
            return None
        expected += 4 * tensor.numel()
        size += tensor.numel()
    return first.detach().as_strided((size,), (1,))
