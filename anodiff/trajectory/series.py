"""How is a number kept for every step or epoch, such as the loss, without waiting for a device?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, did_you_mean
from anodiff.trajectory.format import EPOCH_SERIES, STEP_SERIES

if TYPE_CHECKING:
    import zarr
    from torch import Tensor

#: Values that are fetched from a device at once.
FETCHED_AT_ONCE = 256


class Series:
    """Numbers by name and index; NaN where none was added.

    Parameters
    ----------
    names
        Names of the series.
    dtype
        Their type, ``float32`` or ``float64``.
    """

    def __init__(self, names: Iterable[str], dtype: str = "float32") -> None:
        self._values = {name: np.full(1024, math.nan, dtype) for name in names}
        self._type = dtype
        self._on_device: dict[str, _DeviceValues] = {}
        self._queued: list[tuple[int, Mapping[str, Any]]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series."""
        return tuple(self._values)

    def add(self, index: int, values: Mapping[str, Any]) -> None:
        """Add values of a step or epoch, from 0: numbers, or tensors of one element on any device.

        Raises
        ------
        ConfigError
            If a series is unknown.
        """
        if not values.keys() <= self._values.keys():
            name = next(name for name in values if name not in self._values)
            raise ConfigError(f"no series is called {name!r}; {did_you_mean(name, self._values)}")
        self._queued.append((index, values))
        if len(self._queued) == FETCHED_AT_ONCE or any(type(value) is not float for value in values.values()):
            self._store_queued()

    def values(self, name: str, length: int) -> NDArray[Any]:
        """Return the first ``length`` values of a series, waiting for the device."""
        self._store_queued()
        self._fetch(name)
        self._grow(length)
        return self._values[name][:length].copy()

    def state_dict(self, length: int) -> dict[str, Any]:
        """Return the first ``length`` values of all series, as tensors."""
        import torch

        return {name: torch.from_numpy(self.values(name, length)) for name in self._values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        for name, values in state.items():
            self._grow(len(values))
            self._values[name][: len(values)] = values.numpy()

    def _store_queued(self) -> None:
        """Store the queued values, many at once: between two training steps the caches are cold."""
        if self._queued:
            self._grow(1 + max(index for index, _ in self._queued))
        for index, values in self._queued:
            for name, value in values.items():
                self._store(index, name, value)
        self._queued.clear()

    def _store(self, index: int, name: str, value: Any) -> None:
        if not hasattr(value, "detach"):
            self._values[name][index] = value
        elif value.device.type == "cpu":
            self._values[name][index] = value.item()
        else:
            if name not in self._on_device:
                self._on_device[name] = _DeviceValues(value, self._type)
            if self._on_device[name].add(index, value):
                self._fetch(name)

    def _grow(self, length: int) -> None:
        for name, values in self._values.items():
            if length > len(values):
                more = np.full(max(length, 2 * len(values)) - len(values), math.nan, self._type)
                self._values[name] = np.concatenate([values, more])

    def _fetch(self, name: str) -> None:
        if name in self._on_device:
            indices, values = self._on_device[name].take()
            self._values[name][indices] = values


class RunSeries:
    """A run's series: those with a value for every step, and those with one for every epoch.

    Parameters
    ----------
    path
        The store, for messages.
    epochs
        Length of the epoch series, if known.
    dtype
        ``float32`` or ``float64``.
    """

    def __init__(self, path: Path, epochs: int | None, dtype: str) -> None:
        self._path, self._planned = path, epochs
        self.steps, self._epoch_values = (Series(names, dtype) for names in (STEP_SERIES, EPOCH_SERIES))
        self._flushed: dict[str, int] = {}
        self._reached = 0

    @property
    def planned(self) -> bool:
        """Whether the number of epochs was known beforehand."""
        return self._planned is not None

    @property
    def epochs(self) -> int:
        """Length of the epoch series: as planned, or else the epochs so far."""
        return self._reached if self._planned is None else self._planned

    def add_epoch(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Add values of an epoch, counted from 0; raises `ConfigError` for one that was not planned."""
        if self._planned is not None and not 0 <= epoch < self._planned:
            raise ConfigError(
                f"{self._path}: the recorder was made for {self._planned} epochs; there is no epoch {epoch}, counted from 0"
            )
        self._epoch_values.add(epoch, values)
        self._reached = max(self._reached, epoch + 1)

    def flush(self, name: str, completed: int) -> NDArray[Any]:
        """Return the values of a step series since the last call, shape (steps,)."""
        values = self.steps.values(name, completed)[self._flushed.get(name, 0) :]
        self._flushed[name] = completed
        return values

    def write(self, group: zarr.Group, completed: int) -> None:
        """Write all values to the store's arrays."""
        for series, length in ((self.steps, completed), (self._epoch_values, self._reached)):
            for name in series.names:
                group[name][:length] = series.values(name, length)  # type: ignore[index]

    def state_dict(self, completed: int) -> dict[str, Any]:
        """Return all values as tensors."""
        return {
            "step_series": self.steps.state_dict(completed),
            "epoch_series": self._epoch_values.state_dict(self._reached),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        self.steps.load_state_dict(state["step_series"])
        self._epoch_values.load_state_dict(state["epoch_series"])
        self._reached = max(map(len, state["epoch_series"].values()))


class _DeviceValues:
    """Values of one series still on their device: copies, because a loop may reuse its tensors."""

    def __init__(self, like: Tensor, dtype: str) -> None:
        import torch

        self._values = torch.empty(FETCHED_AT_ONCE, dtype=getattr(torch, dtype), device=like.device)
        self._elements = self._values.unbind(0)
        self._indices: list[int] = []

    def add(self, index: int, value: Tensor) -> bool:
        """Add a value; return whether the memory is now full."""
        self._elements[len(self._indices)].copy_(value.detach().reshape(()))
        self._indices.append(index)
        return len(self._indices) == len(self._elements)

    def take(self) -> tuple[list[int], NDArray[Any]]:
        values = self._values[: len(self._indices)].cpu().numpy().copy()
        indices, self._indices = self._indices, []
        return indices, values
