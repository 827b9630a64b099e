"""What is kept of the steps in the windows? The point or its sketch, buffers, and a gradient sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.trajectory import later_sketches
from anodiff.trajectory.output import Output
from anodiff.trajectory.point_parts import PointParts
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.windows import WindowPlan

if TYPE_CHECKING:
    from torch import Tensor


class Samples:
    """The rows of a store's ``weights``, ``buffers`` and ``gradient_sample``, if it has these arrays.

    Parameters
    ----------
    plan
        The steps whose points are kept, in increasing order: sample s is the point after step
        ``plan.kept[s]``.
    parts
        What is kept of each point.
    output
        The store.
    """

    def __init__(self, plan: WindowPlan, parts: PointParts, output: Output) -> None:
        self._plan, self._parts = plan, parts
        names = ("weights", "buffers", "gradient_sample")
        self._writers = {name: output.row_writer(name, parts.flat.device) for name in names}
        self._points, self._buffers, self._gradients = self._writers.values()
        self._flat: Tensor | None = None
        self._later: later_sketches.LaterSketches | None = None
        if parts.sketch and type(self._points) is RowWriter and later_sketches.pays(parts.flat):
            self._later = later_sketches.LaterSketches(parts.sketch, parts.flat, output.background)
        self._ends: set[int] = set()
        self._ends_of = -1
        self._count = 0
        self._last_step, self._next_step = -1, self._step_of(0)

    def keep_gradient(self, step: int) -> None:
        """Keep a sample of the gradient of update ``step``, if the point before it was kept."""
        if self._parts.gradient and self._gradients and self._last_step == step:
            self._parts.gradient.copy_to(self._gradients.row(self._count - 1))

    def keep_point(self, step: int) -> None:
        """Keep the current point, after ``step`` steps, if it is in a window."""
        if step >= self._plan.horizon:
            self._plan.extend(step)
            self._next_step = self._step_of(self._count)
        if step != self._next_step:
            return
        if self._points:
            row = self._points.row(self._count)
            if self._later:
                self._later.fill(row)
            elif self._parts.sketch:
                row.copy_(self._parts.sketch(self._flattened()))
            else:
                self._parts.flat.copy_to(row)
            if self._buffers and self._keeps_buffers(step):
                self._keep_buffers(self._count)
        self._count += 1
        self._last_step, self._next_step = step, self._step_of(self._count)

    def finish(self, completed: int) -> None:
        """Submit all rows for writing, the last buffers included."""
        if self._buffers and self._last_step == completed and not self._keeps_buffers(completed):
            self._keep_buffers(self._count - 1)
        for writer in self._writers.values():
            if writer:
                writer.flush()

    def state_dict(self) -> dict[str, Any]:
        """Return what is not in the files yet; call it after waiting for the background thread."""
        return {name: writer.state_dict() if writer else None for name, writer in self._writers.items()}

    def load_state_dict(self, state: Mapping[str, Any] | None, step: int) -> None:
        """Resume from the state after ``step`` steps, after the plan was extended to it; None, where
        nothing is written.
        """
        self._count = int(np.searchsorted(self._plan.kept, step, side="right"))
        self._last_step, self._next_step = self._step_of(self._count - 1), self._step_of(self._count)
        for name, writer in self._writers.items():
            if writer and state is not None:
                writer.load_state_dict(state[name])

    def _keeps_buffers(self, step: int) -> bool:
        """Return whether a kept point comes with buffers: see `PointParts.buffers_every`."""
        every = self._parts.buffers_every
        if every and step % every == 0:
            return True
        windows = self._plan.windows
        if len(windows) != self._ends_of:
            self._ends_of = len(windows)
            self._ends = {end for window in windows for end in (window.start, window.start + window.length)}
        return step in self._ends

    def _keep_buffers(self, row: int) -> None:
        if self._parts.buffers and self._buffers:
            self._parts.buffers.copy_to(self._buffers.row(row))

    def _step_of(self, sample: int) -> int:
        """Return the step of a sample; -1 if there is no such sample (yet)."""
        return int(self._plan.kept[sample]) if 0 <= sample < len(self._plan.kept) else -1

    def _flattened(self) -> Tensor:
        import torch

        if self._flat is None:
            self._flat = torch.empty(self._parts.flat.size, dtype=self._parts.flat.dtype, device=self._parts.flat.device)
        return self._parts.flat.current(self._flat)
