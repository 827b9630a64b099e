"""What is an update whose products are summed? A difference of points, or a vector of every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from anodiff.trajectory.flat_parameters import FlatParameters

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Updates(Protocol):
    """The updates of one window."""

    def write(self, row: Tensor, *, first: bool, last: bool) -> None:
        """Write a step into the row (P,) of its update; called after every step in the window.

        A window of stride s has s steps in an update; ``first`` and ``last`` mark its ends.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what is carried from step to step, as copies on the host."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        ...


class UpdateSource(Protocol):
    """A walk in the space of a model's parameters.

    Attributes
    ----------
    size, dtype, device
        Of an update: numbers, their type (float32 or float64), and where they are.
    """

    size: int
    dtype: torch.dtype
    device: torch.device

    def begin(self) -> Updates:
        """Return the updates of a window that begins at the current point."""
        ...


class PointUpdates:
    """The differences of a model's points, the walk itself: Δw = w_{k+s} − w_k for stride s."""

    def __init__(self, parameters: FlatParameters) -> None:
        self._parameters = parameters
        self.size, self.dtype, self.device = parameters.size, parameters.dtype, parameters.device

    def begin(self) -> Updates:
        """Return the updates from the current point on."""
        return _Differences(self._parameters)


class _Differences:
    def __init__(self, parameters: FlatParameters) -> None:
        import torch

        self._parameters = parameters
        self._previous, self._current = (
            torch.empty(parameters.size, dtype=parameters.dtype, device=parameters.device) for _ in range(2)
        )
        parameters.copy_to(self._previous)

    def write(self, row: Tensor, *, first: bool, last: bool) -> None:
        import torch

        if last:
            self._parameters.copy_to(self._current)
            torch.sub(self._current, self._previous, out=row)
            self._previous, self._current = self._current, self._previous

    def state_dict(self) -> dict[str, Any]:
        return {"last": self._previous.cpu().clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._previous.copy_(state["last"])
