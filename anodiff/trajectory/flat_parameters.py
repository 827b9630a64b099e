"""What is a network's point in weight space? All its parameters in one vector, in their order.

A complex parameter is pairs of real numbers, which have its length. The vector has the widest type
of the parameters, and no less than float32: half precision widens exactly, and float64 stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class FlatParameters:
    """A model's parameters, flattened one after another.

    Flat views of the parameters are made once, and again only if one of them moves to other memory.
    Making them at every step would cost a small network more than the copy itself. Parameters that
    are one vector already are copied as such.

    Attributes
    ----------
    sources
        The parameters.
    parameters
        The tensors that hold their values in this process.
    size
        Numbers in the vector.
    dtype
        Their type, float32 or float64.
    device
        The first parameter's.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.sources = self.parameters = list(parameters)
        self.size = sum(map(count_numbers, self.parameters))
        self.dtype = exact_type(self.parameters)
        self.device: torch.device = self.parameters[0].device
        self._addresses: list[int] = []
        self._vector: Tensor | None = None
        self._views: list[Tensor] | None = None

    def copy_to(self, row: Tensor) -> None:
        """Copy the values to ``row``, shape (size,), of type ``dtype``, on ``device``."""
        import torch

        self._find_vector()
        if self._vector is not None:
            row.copy_(self._vector)
        else:
            torch.cat(self._views if self._views is not None else self._flat_copies(), out=row)

    def current(self, memory: Tensor) -> Tensor:
        """Return the values, shape (size,), to be read at once: in the parameters' own memory if they are
        one vector there, otherwise copied to ``memory``.
        """
        self._find_vector()
        if self._vector is not None:
            return self._vector
        self.copy_to(memory)
        return memory

    def _find_vector(self) -> None:
        addresses = [parameter.data_ptr() for parameter in self.parameters]
        if addresses != self._addresses:
            self._addresses, self._vector = addresses, contiguous_vector(self.parameters, self.dtype)
            self._views = self._flat_views()

    def _flat_views(self) -> list[Tensor] | None:
        """Return views, or None if a parameter can only be copied."""
        reals = [as_reals(parameter) for parameter in self.parameters]
        possible = all(real.is_contiguous() and real.dtype == self.dtype and real.device == self.device for real in reals)
        return [real.view(-1) for real in reals] if possible else None

    def _flat_copies(self) -> list[Tensor]:
        return [as_reals(parameter).reshape(-1).to(self.device, self.dtype) for parameter in self.parameters]


def as_reals(tensor: Tensor) -> Tensor:
    """Return a tensor without its graph; a complex one as (…, 2), real and imaginary part; a sparse
    one dense.

    Examples
    --------
    >>> import torch
    >>> as_reals(torch.tensor([3 + 4j]))
    tensor([[3., 4.]])
    """
    import torch

    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def is_sharded_tensor(tensor: Any) -> bool:
    """Return whether a tensor is a DTensor, which is distributed over processes; this imports nothing."""
    return hasattr(tensor, "to_local") and hasattr(tensor, "placements")


def local_part(tensor: Tensor) -> Tensor:
    """Return what this process holds of a tensor: of a DTensor its own part, otherwise all of it."""
    import torch

    local = getattr(tensor, "_local_tensor", None)  # thirty times as fast as to_local(), which returns it
    if local is not None:
        return local
    if not is_sharded_tensor(tensor):
        return tensor
    with torch.no_grad():
        return tensor.to_local()  # type: ignore[attr-defined]


def count_numbers(tensor: Tensor) -> int:
    """Return how many real numbers a tensor holds, on all processes together."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)


def exact_type(tensors: Sequence[Tensor]) -> torch.dtype:
    """Return float32 if it holds every value of all the tensors' types exactly, else float64.

    Examples
    --------
    >>> import torch
    >>> exact_type([torch.zeros(1, dtype=torch.bfloat16), torch.zeros(1)])
    torch.float32
    >>> exact_type([torch.zeros(1), torch.zeros(1, dtype=torch.complex128)])
    torch.float64
    """
    import torch

    def fits(dtype: torch.dtype) -> bool:
        bits = torch.iinfo(dtype).bits if not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool) else 0
        return bits <= 16 and dtype not in (torch.float64, torch.complex128)

    return torch.float32 if all(fits(tensor.dtype) for tensor in tensors) else torch.float64


def contiguous_vector(tensors: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor | None:
    """Return tensors of that type as one vector if they follow each other in the same memory, else None.

    Examples
    --------
    >>> import torch
    >>> whole = torch.arange(6.0)
    >>> contiguous_vector([whole[:2].view(1, 2), whole[2:]], torch.float32)
    tensor([0., 1., 2., 3., 4., 5.])
    >>> contiguous_vector([whole[:2], whole[3:]], torch.float32) is None
    True
    """
    import torch

    first = tensors[0]
    if first is None or first.layout != torch.strided:
        return None
    memory, expected, size = None, first.data_ptr(), 0
    for tensor in tensors:
        if tensor is None or tensor.layout != torch.strided or tensor.dtype != dtype:
            return None
        if tensor.data_ptr() != expected or not tensor.is_contiguous():
            return None
        memory = memory or tensor.untyped_storage().data_ptr()
        if tensor.untyped_storage().data_ptr() != memory:
            return None
        expected += dtype.itemsize * tensor.numel()
        size += tensor.numel()
    return first.detach().as_strided((size,), (1,))
