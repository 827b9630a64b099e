"""Where does a network stand? All of its parameters in one row, in their order, by one flattening."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Point:
    """The position of a model: ``parameters``, flattened one after another, in float32.

    Flat views of the parameters are made once and as often as one of them moves to other memory: making them anew every step
    would cost a small network more than the copy itself.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.size = sum(parameter.numel() for parameter in self.parameters)
        self.device: torch.device = self.parameters[0].device
        self._addresses: list[int] = []
        self._views: list[Tensor] | None = None

    def write(self, row: Tensor) -> None:
        """Put the position into ``row``, shape (size,), float32, on the device of the first parameter."""
        import torch

        addresses = [parameter.data_ptr() for parameter in self.parameters]
        if addresses != self._addresses:
            self._addresses, self._views = addresses, self._flat_views()
        torch.cat(self._views if self._views is not None else self._pieces(), out=row)

    def _flat_views(self) -> list[Tensor] | None:
        """Return views, or None where a parameter can only be copied."""
        import torch

        plain = all(
            parameter.is_contiguous() and parameter.dtype == torch.float32 and parameter.device == self.device
            for parameter in self.parameters
        )
        return [parameter.detach().view(-1) for parameter in self.parameters] if plain else None

    def _pieces(self) -> list[Tensor]:
        import torch

        return [parameter.detach().reshape(-1).to(self.device, torch.float32) for parameter in self.parameters]
