"""What is the gradient at a few parameters? A random sample, the same at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.trajectory.flat_parameters import as_reals, contiguous_vector, count_numbers, exact_type


class GradientSample:
    """A sample of gradient entries, drawn uniformly from all parameters without replacement.

    Parameters
    ----------
    parameters
        The model's parameters, in the order in which they are flattened.
    count
        Size of the sample; all entries if there are fewer.
    seed
        Determines the sample.

    Attributes
    ----------
    coordinates
        Indices of the sampled numbers in the flattened point, increasing, shape (coordinate,),
        int64.
    """

    def __init__(self, parameters: Sequence[Tensor], count: int, *, seed: int = 0) -> None:
        ends = np.cumsum([count_numbers(parameter) for parameter in parameters])
        self.coordinates: NDArray[np.int64] = draw_coordinates(int(ends[-1]), count, seed)
        self._parameters = list(parameters)
        self._index = torch.from_numpy(self.coordinates).to(parameters[0].device)
        self._addresses: list[int | None] = []
        self._vector: Tensor | None = None
        self._joined: Tensor | None = None
        self._type = exact_type(parameters)
        self._sample = torch.empty(len(self.coordinates), dtype=self._type, device=parameters[0].device)
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        start = 0
        for parameter, end in zip(parameters, ends, strict=True):
            stop = int(np.searchsorted(self.coordinates, end))
            if stop > start:
                index = torch.from_numpy(self.coordinates[start:stop] - (end - count_numbers(parameter))).to(parameter.device)
                self._parts.append((parameter, index, self._sample[start:stop]))
            start = stop

    def copy_to(self, row: Tensor) -> None:
        """Copy the sampled entries to ``row``, shape (coordinate,), of the points' type.

        The row is on the first parameter's device, which is not waited for. Entries of a parameter
        without a gradient are NaN.
        """
        gradients = [parameter.grad for parameter in self._parameters]
        addresses = [None if gradient is None else _address(gradient) for gradient in gradients]
        if addresses != self._addresses:
            self._addresses, self._vector = addresses, contiguous_vector(gradients, self._type)
            self._joined = self._joining_buffer(gradients) if self._vector is None else None
        with torch.no_grad():
            if self._joined is not None:
                torch.cat([gradient.view(-1) for gradient in gradients if gradient is not None], out=self._joined)
            whole = self._vector if self._vector is not None else self._joined
            if whole is not None:
                torch.take(whole, self._index, out=row)
                return
            for parameter, index, part in self._parts:
                if parameter.grad is None:
                    part.fill_(torch.nan)
                    continue
                gradient = as_reals(parameter.grad)
                if gradient.dtype == part.dtype and gradient.device == part.device:
                    torch.take(gradient, index, out=part)
                else:
                    part.copy_(torch.take(gradient, index))
            row.copy_(self._sample)

    def _joining_buffer(self, gradients: Sequence[Tensor | None]) -> Tensor | None:
        """Return memory to join the gradients in, or None.

        Only on a GPU: there, joining them is one launch, and sampling each separately is many.
        """
        present = [gradient for gradient in gradients if gradient is not None]
        possible = len(present) == len(gradients) and all(
            gradient.layout == torch.strided
            and gradient.device.type == "cuda"
            and gradient.device == present[0].device
            and gradient.dtype == self._type
            and gradient.is_contiguous()
            for gradient in present
        )
        size = sum(gradient.numel() for gradient in present)
        return torch.empty(size, dtype=self._type, device=present[0].device) if possible else None


def draw_coordinates(total: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return ``count`` of ``total`` indices, drawn without replacement, increasing; all if there are fewer."""
    generator = np.random.default_rng([seed, 1])  # not the stream of a projection with the same seed
    return np.sort(generator.choice(total, min(count, total), replace=False, shuffle=False))


def _address(gradient: Tensor) -> int:
    """Return where a gradient is; a sparse one is somewhere else each time."""
    return gradient.data_ptr() if gradient.layout == torch.strided else -1
