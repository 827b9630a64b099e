"""What is kept of the steps that the windows ask for: the point, or its sketch, and a sample of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr

from anodiff.trajectory.background import Background
from anodiff.trajectory.flat_parameters import Point
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.windows import Plan

if TYPE_CHECKING:
    from torch import Tensor

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.sketch import Sketch


class Samples:
    """The rows of a store's ``weights`` and ``gradient_sample``, as far as it has these arrays.

    Parameters
    ----------
    plan
        Tells the steps whose points are kept, in rising order: sample s is the point after step ``plan.kept[s]``.
    point
        The position of the model.
    group, path
        The store.
    sketch, gradient
        What is kept in place of the point, and beside it.
    """

    def __init__(
        self,
        plan: Plan,
        point: Point,
        group: zarr.Group,
        path: Path,
        background: Background,
        sketch: Sketch | None,
        gradient: GradientSample | None,
    ) -> None:
        self._plan, self._point, self._sketch, self._gradient = plan, point, sketch, gradient
        self._points, self._gradients = (
            RowWriter.of(group, name, path, point.device, background) if name in group else None
            for name in ("weights", "gradient_sample")
        )
        self._flat: Tensor | None = None
        self._count = 0
        self._last, self._due = -1, self._step_of(0)

    def keep_gradient(self, step: int) -> None:
        """Keep the sample of the present gradient, that of update ``step``, if the last point kept was the one before it."""
        if self._gradient and self._gradients and self._last == step:
            self._gradient.read(self._gradients.row(self._count - 1))

    def keep_point(self, step: int) -> None:
        """Keep the point that the model stands at after so many steps, if a window asks for it."""
        if step >= self._plan.horizon:
            self._plan.extend(step)
            self._due = self._step_of(self._count)
        if step != self._due:
            return
        if self._points:
            row = self._points.row(self._count)
            if self._sketch:
                row.copy_(self._sketch(self._flattened()))
            else:
                self._point.write(row)
        self._count += 1
        self._last, self._due = step, self._step_of(self._count)

    def flush(self) -> None:
        """Hand over what is held."""
        for writer in (self._points, self._gradients):
            if writer:
                writer.flush()

    def state(self) -> dict[str, Any]:
        """Return what is not in the files; the background has been waited for."""
        return {
            "count": self._count,
            "points": self._points.state() if self._points else None,
            "gradients": self._gradients.state() if self._gradients else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, once the plan reaches as far."""
        self._count = int(state["count"])
        self._last, self._due = self._step_of(self._count - 1), self._step_of(self._count)
        for writer, held in ((self._points, state["points"]), (self._gradients, state["gradients"])):
            if writer:
                writer.restore(held)

    def _step_of(self, sample: int) -> int:
        """Return the step of a sample; -1 where there is none (yet)."""
        return int(self._plan.kept[sample]) if 0 <= sample < len(self._plan.kept) else -1

    def _flattened(self) -> Tensor:
        import torch

        if self._flat is None:
            self._flat = torch.empty(self._point.size, device=self._point.device)
        self._point.write(self._flat)
        return self._flat
