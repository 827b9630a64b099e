"""What is the gradient at a few parameters? A random sample of its entries, the same parameters at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.trajectory.flat_parameters import in_one_piece


class GradientSample:
    """A sample of coordinates, uniform over all parameters without replacement, and how to read the gradient there.

    Parameters
    ----------
    parameters
        The model's parameters, in the order in which they are flattened.
    count
        Size of the sample; all coordinates where there are fewer.
    seed
        Tells the sample completely.

    Attributes
    ----------
    coordinates
        Indices of the sampled parameters in the flattened point, rising, shape (coordinate,), int64.
    """

    def __init__(self, parameters: Sequence[Tensor], count: int, *, seed: int = 0) -> None:
        ends = np.cumsum([parameter.numel() for parameter in parameters])
        total = int(ends[-1])
        generator = np.random.default_rng([seed, 1])  # not the stream of a projection of the same seed
        self.coordinates: NDArray[np.int64] = np.sort(generator.choice(total, min(count, total), replace=False, shuffle=False))
        self._parameters = list(parameters)
        self._index = torch.from_numpy(self.coordinates).to(parameters[0].device)
        self._addresses: list[int | None] = []
        self._vector: Tensor | None = None
        self._joined: Tensor | None = None
        self._taken = torch.empty(len(self.coordinates), device=parameters[0].device)
        self._places: list[tuple[Tensor, Tensor, Tensor]] = []
        start = 0
        for parameter, end in zip(parameters, ends, strict=True):
            stop = int(np.searchsorted(self.coordinates, end))
            if stop > start:
                index = torch.from_numpy(self.coordinates[start:stop] - (end - parameter.numel())).to(parameter.device)
                self._places.append((parameter, index, self._taken[start:stop]))
            start = stop

    def read(self, row: Tensor) -> None:
        """Put the gradient's sampled entries into ``row``, shape (coordinate,), float32, on the first parameter's device.

        They are NaN where a parameter has no gradient. Nothing waits for the device.
        """
        gradients = [parameter.grad for parameter in self._parameters]
        addresses = [None if gradient is None else gradient.data_ptr() for gradient in gradients]
        if addresses != self._addresses:
            self._addresses, self._vector = addresses, in_one_piece(gradients)
            self._joined = _room_for_all(gradients) if self._vector is None else None
        with torch.no_grad():
            if self._joined is not None:
                torch.cat([gradient.view(-1) for gradient in gradients if gradient is not None], out=self._joined)
            whole = self._vector if self._vector is not None else self._joined
            if whole is not None:
                torch.take(whole, self._index, out=row)
                return
            for parameter, index, part in self._places:
                gradient = parameter.grad
                if gradient is None:
                    part.fill_(torch.nan)
                elif gradient.dtype == part.dtype and gradient.device == part.device:
                    torch.take(gradient, index, out=part)
                else:
                    part.copy_(torch.take(gradient, index))
            row.copy_(self._taken)


def _room_for_all(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Return memory to join gradients in, on a GPU, where this is one launch and reading each apart is many; None elsewhere."""
    there = [gradient for gradient in gradients if gradient is not None]
    plain = len(there) == len(gradients) and all(
        gradient.device.type == "cuda"
        and gradient.device == there[0].device
        and gradient.dtype == torch.float32
        and gradient.is_contiguous()
        for gradient in there
    )
    return torch.empty(sum(gradient.numel() for gradient in there), device=there[0].device) if plain else None
