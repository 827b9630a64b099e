"""What is kept of the steps in the windows? The point or its sketch, and a gradient sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.flat_parameters import FlatParameters
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.windows import WindowPlan

if TYPE_CHECKING:
    import zarr
    from torch import Tensor

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.sketch import Sketch


class Samples:
    """The rows of a store's ``weights`` and ``gradient_sample``, if it has these arrays.

    Parameters
    ----------
    plan
        The steps whose points are kept, in increasing order: sample s is the point after step
        ``plan.kept[s]``.
    parameters
        The model's parameters.
    group, path
        The store.
    sketch
        Applied to each point, if given.
    gradient
        Kept with each point, if given.
    """

    def __init__(
        self,
        plan: WindowPlan,
        parameters: FlatParameters,
        group: zarr.Group,
        path: Path,
        background: BackgroundThread,
        sketch: Sketch | None,
        gradient: GradientSample | None,
    ) -> None:
        self._plan, self._parameters, self._sketch, self._gradient = plan, parameters, sketch, gradient
        self._points, self._gradients = (
            RowWriter.for_array(group, name, path, parameters.device, background) if name in group else None
            for name in ("weights", "gradient_sample")
        )
        self._flat: Tensor | None = None
        self._count = 0
        self._last_step, self._next_step = -1, self._step_of(0)

    def keep_gradient(self, step: int) -> None:
        """Keep a sample of the gradient of update ``step``, if the point before it was kept."""
        if self._gradient and self._gradients and self._last_step == step:
            self._gradient.copy_to(self._gradients.row(self._count - 1))

    def keep_point(self, step: int) -> None:
        """Keep the current point, after ``step`` steps, if it is in a window."""
        if step >= self._plan.horizon:
            self._plan.extend(step)
            self._next_step = self._step_of(self._count)
        if step != self._next_step:
            return
        if self._points:
            row = self._points.row(self._count)
            if self._sketch:
                row.copy_(self._sketch(self._flattened()))
            else:
                self._parameters.copy_to(row)
        self._count += 1
        self._last_step, self._next_step = step, self._step_of(self._count)

    def flush(self) -> None:
        """Submit all rows for writing."""
        for writer in (self._points, self._gradients):
            if writer:
                writer.flush()

    def state_dict(self) -> dict[str, Any]:
        """Return what is not in the files yet; call it after waiting for the background thread."""
        return {
            "count": self._count,
            "points": self._points.state_dict() if self._points else None,
            "gradients": self._gradients.state_dict() if self._gradients else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state, after the plan was extended to its step."""
        self._count = int(state["count"])
        self._last_step, self._next_step = self._step_of(self._count - 1), self._step_of(self._count)
        for writer, rows in ((self._points, state["points"]), (self._gradients, state["gradients"])):
            if writer:
                writer.load_state_dict(rows)

    def _step_of(self, sample: int) -> int:
        """Return the step of a sample; -1 if there is no such sample (yet)."""
        return int(self._plan.kept[sample]) if 0 <= sample < len(self._plan.kept) else -1

    def _flattened(self) -> Tensor:
        import torch

        if self._flat is None:
            self._flat = torch.empty(self._parameters.size, device=self._parameters.device)
        self._parameters.copy_to(self._flat)
        return self._flat
