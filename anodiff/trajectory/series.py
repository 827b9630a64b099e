"""One number for every step or epoch, such as the loss: kept without waiting for the device that computes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

#: Values of a device that are fetched at once.
FETCHED = 256


class Series:
    """Numbers by name, counted from 0; NaN where nothing was noted, in float32.

    Parameters
    ----------
    names
        Of the series.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._values = {name: np.full(1024, math.nan, np.float32) for name in names}
        self._pending: dict[str, _Pending] = {}
        self._later: list[tuple[int, Mapping[str, Any]]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """What the series are called."""
        return tuple(self._values)

    def note(self, number: int, values: Mapping[str, Any]) -> None:
        """Note the values of step or epoch ``number``: numbers, or tensors of one element, which may stay on their device.

        Raises
        ------
        ConfigError
            If there is no series of a name.
        """
        if not values.keys() <= self._values.keys():
            name = next(name for name in values if name not in self._values)
            raise ConfigError(f"no series is called {name!r}; {did_you_mean(name, self._values)}")
        self._later.append((number, values))
        if len(self._later) == FETCHED or any(type(value) is not float for value in values.values()):
            self._sort_in()

    def _sort_in(self) -> None:
        """Put what was noted where it belongs: of plain numbers many at once, for a step between others has cold caches."""
        if self._later:
            self._grow(1 + max(number for number, _ in self._later))
        for number, values in self._later:
            self._sort_in_one(number, values)
        self._later.clear()

    def _sort_in_one(self, number: int, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if not hasattr(value, "detach"):
                self._values[name][number] = value
            elif value.device.type == "cpu":
                self._values[name][number] = value.item()
            else:
                if name not in self._pending:
                    self._pending[name] = _Pending(value)
                if self._pending[name].add(number, value):
                    self._fetch(name)

    def get(self, name: str, length: int) -> NDArray[np.float32]:
        """Return the first ``length`` values of a series, shape (length,); it waits for the device."""
        self._sort_in()
        self._fetch(name)
        self._grow(length)
        return self._values[name][:length].copy()

    def state(self, length: int) -> dict[str, Any]:
        """Return the first ``length`` values of all series, as tensors."""
        import torch

        return {name: torch.from_numpy(self.get(name, length)) for name in self._values}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name, values in state.items():
            self._grow(len(values))
            self._values[name][: len(values)] = values.numpy()

    def _grow(self, length: int) -> None:
        for name, values in self._values.items():
            if length > len(values):
                more = np.full(max(length, 2 * len(values)) - len(values), math.nan, np.float32)
                self._values[name] = np.concatenate([values, more])

    def _fetch(self, name: str) -> None:
        if name in self._pending:
            numbers, values = self._pending[name].take()
            self._values[name][numbers] = values


class _Pending:
    """Values of one series that are still on their device: copies, for a loop may reuse its tensors."""

    def __init__(self, like: Tensor) -> None:
        import torch

        self._values = torch.empty(FETCHED, dtype=torch.float32, device=like.device)
        self._places = self._values.unbind(0)
        self._numbers: list[int] = []

    def add(self, number: int, value: Tensor) -> bool:
        """Note a value; return whether there is room for no further one."""
        self._places[len(self._numbers)].copy_(value.detach().reshape(()))
        self._numbers.append(number)
        return len(self._numbers) == len(self._places)

    def take(self) -> tuple[list[int], NDArray[np.float32]]:
        values = self._values[: len(self._numbers)].cpu().numpy().copy()
        numbers, self._numbers = self._numbers, []
        return numbers, values
