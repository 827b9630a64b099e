"""Writes the path of a training loop, any training loop, to a store: one point per optimiser step.

The pitfall: a missing Zarr chunk reads as the fill value. So everything unwritten is NaN, the number of completed steps is an
attribute, and a store without its final status is refused by every reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.errors import ConfigError
from anodiff.stores import COMPLETE, finish_store
from anodiff.trajectory.format import EPOCH_SERIES, FULL, SKETCH, STEP_SERIES
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.skeleton import create_trajectory, reopen_trajectory
from anodiff.trajectory.windows import Window, kept_steps

if TYPE_CHECKING:
    from torch import Tensor, nn

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.sketch import Sketch


class TrajectoryRecorder:
    """Record a model's parameters after every optimiser step, and what is known of each step and epoch.

    The position is ``model.parameters()``, flattened in their order, without buffers such as running statistics. Memory: 256
    points of all parameters (at most 512 MiB). Cost per step: one flattening; a shard is compressed and written when full.
    With ``sketch_size`` the position is projected first, see `anodiff.trajectory.sketch`.

    Parameters
    ----------
    model
        The network; its parameters must stay the same tensors while recording.
    path
        Where the store is made; an unfinished one there is replaced.
    steps
        Length of the run in optimiser steps.
    windows
        Which points are kept; see `plan_windows`.
    epochs
        Length of the epoch series.
    sketch_size
        Keep a random projection of each point to so many numbers, a multiple of 4; every parameter by default.
    gradient_coordinates
        Keep the gradient at so many randomly chosen parameters, for every kept point but the last; see `record`.
    seed
        Seed of the projection and of the choice of parameters.
    attributes
        Further root attributes: settings, provenance.
    resume
        A `state` of an earlier recorder of the same run, whose unfinished store at ``path`` is gone on with: what is recorded
        then gives the bits of a recording that nothing has interrupted. What the earlier one wrote beyond the state is written
        again. The model must stand where it stood. Attributes given here replace the store's when it is finished.

    Raises
    ------
    ConfigError
        If there is nothing to record, ``sketch_size`` does not fit the model, or ``resume`` is of another recording.
    StoreMissingError, StoreFormatError
        If there is no store to go on with, or it is damaged.

    Examples
    --------
    >>> import tempfile, torch
    >>> from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory
    >>> model = torch.nn.Linear(3, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/path.zarr"
    ...     with TrajectoryRecorder(model, path, steps=10, windows=[Window(0, 10)]) as recorder:
    ...         for step in range(10):
    ...             with torch.no_grad():
    ...                 _ = model.weight.add_(0.1)
    ...             recorder.record(loss=1.0)
    ...     open_trajectory(path).points(Window(0, 10)).shape
    (11, 4)
    """

    def __init__(
        self,
        model: nn.Module,
        path: str | Path,
        *,
        steps: int,
        windows: Sequence[Window],
        epochs: int = 0,
        sketch_size: int | None = None,
        gradient_coordinates: int = 0,
        seed: int = 0,
        attributes: Mapping[str, Any] | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters()]
        if not named:
            raise ConfigError("the model has no parameters, so there is no path to record")
        if not windows:
            raise ConfigError("no window to record; give at least one")
        self.path = Path(path)
        self.steps = steps
        self.completed = 0
        self.finished = False
        self._parameters: list[Tensor] = [parameter for _, parameter in named]
        self._kept = kept_steps(windows)
        self._series = {name: np.full(steps, np.nan, np.float32) for name in STEP_SERIES}
        self._epoch_series = {name: np.full(epochs, np.nan, np.float32) for name in EPOCH_SERIES}
        sizes = [parameter.numel() for parameter in self._parameters]
        self._sketch = _build_sketch(self._parameters, sketch_size, seed)
        self._gradient = _build_gradient_sample(self._parameters, gradient_coordinates, seed)
        table = [
            {"name": name, "shape": list(parameter.shape), "offset": int(offset)}
            for (name, parameter), offset in zip(named, np.cumsum([0, *sizes[:-1]]), strict=True)
        ]
        identity = {"steps": steps, "parameters": table, **_representation(self._sketch)}
        coordinates = self._gradient.coordinates if self._gradient else None
        if resume is None:
            header = {"coordinates": "step", "steps_completed": 0, **identity, **(attributes or {})}
            columns = self._sketch.size if self._sketch else sum(sizes)
            self._group = create_trajectory(self.path, windows, columns, header, epochs=epochs, coordinates=coordinates)
        else:
            self._group = reopen_trajectory(self.path, windows, identity, epochs=epochs, coordinates=coordinates)
        self._attributes = dict(attributes or {})
        self._points = RowWriter(self._group["weights"])  # type: ignore[arg-type]
        self._gradients = RowWriter(self._group["gradient_sample"]) if self._gradient else None  # type: ignore[arg-type]
        self._samples = 0
        if resume is None:
            self._keep_point(step=0)
        else:
            self._restore(resume)

    def record(self, **values: float) -> None:
        """Note what is known of the optimiser step just taken (see `STEP_SERIES`) and keep the point that it led to.

        Call it after ``optimiser.step()`` and before ``zero_grad()``: a sample of the gradient is taken from the parameters'
        ``.grad``, which then is still that of the step, at the point before it; where ``.grad`` is None, the sample is NaN.
        """
        if self.completed == self.steps:
            raise ConfigError(f"the recorder was made for {self.steps} steps; there is no room for a further one")
        for name, value in values.items():
            self._series[name][self.completed] = value
        self._keep_gradient(self.completed)
        self.completed += 1
        self._keep_point(self.completed)

    def record_epoch(self, epoch: int, **values: float) -> None:
        """Note what is known of an epoch (see `EPOCH_SERIES`), counted from 0."""
        for name, value in values.items():
            self._epoch_series[name][epoch] = value

    def state(self) -> dict[str, Any]:
        """Return all that is not yet in the store's files, as tensors and plain values: what ``resume`` takes.

        `torch.load` reads it back with ``weights_only=True``. Whole shards before it are then in their files, which are handed
        to the operating system, not synced to the disk.
        """
        import torch

        return {
            "completed": self.completed,
            "samples": self._samples,
            "step_series": {name: torch.from_numpy(one[: self.completed].copy()) for name, one in self._series.items()},
            "epoch_series": {name: torch.from_numpy(one.copy()) for name, one in self._epoch_series.items()},
            "points": self._points.state(),
            "gradients": self._gradients.state() if self._gradients else None,
        }

    def finish(self, status: str = COMPLETE, **attributes: Any) -> None:
        """Write what is still in memory and mark the store as finished."""
        self._points.flush()
        if self._gradients:
            self._gradients.flush()
        for name, series in (self._series | self._epoch_series).items():
            self._group[name][:] = series  # type: ignore[index]
        finish_store(self._group, status, **(self._attributes | {"steps_completed": self.completed} | attributes))
        self.finished = True

    def __enter__(self) -> TrajectoryRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finish after a clean end; after an error leave the store unfinished, so that no reader takes it for whole."""
        if kind is None and not self.finished:
            self.finish()

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.completed, self._samples = int(state["completed"]), int(state["samples"])
        for name, values in state["step_series"].items():
            self._series[name][: self.completed] = values.numpy()
        for name, values in state["epoch_series"].items():
            self._epoch_series[name][:] = values.numpy()
        self._points.restore(state["points"], self.path / "weights")
        if self._gradients:
            self._gradients.restore(state["gradients"], self.path / "gradient_sample")

    def _keep_gradient(self, step: int) -> None:
        if self._gradient and self._gradients and self._samples and self._kept[self._samples - 1] == step:
            self._gradient.read(self._gradients.row(self._samples - 1))

    def _keep_point(self, step: int) -> None:
        if self._samples == len(self._kept) or self._kept[self._samples] != step:
            return
        import torch

        row = torch.from_numpy(self._points.row(self._samples))
        with torch.no_grad():
            pieces = [parameter.detach().reshape(-1).float() for parameter in self._parameters]
            if self._sketch is not None:
                row.copy_(self._sketch(torch.cat(pieces)))
            elif pieces[0].device == row.device:
                torch.cat(pieces, out=row)
            else:
                row.copy_(torch.cat(pieces))
        self._samples += 1


def _build_sketch(parameters: Sequence[Tensor], size: int | None, seed: int) -> Sketch | None:
    if size is None:
        return None
    from anodiff.trajectory.sketch import Sketch

    return Sketch(sum(parameter.numel() for parameter in parameters), size, seed=seed, device=parameters[0].device)


def _build_gradient_sample(parameters: Sequence[Tensor], count: int, seed: int) -> GradientSample | None:
    if not count:
        return None
    from anodiff.trajectory.gradients import GradientSample

    return GradientSample(parameters, count, seed=seed)


def _representation(sketch: Sketch | None) -> dict[str, Any]:
    """Return the attributes that say what a row of the weights is."""
    if sketch is None:
        return {"representation": FULL}
    from anodiff.trajectory.sketch import NONZEROS

    about = {"size": sketch.size, "nonzeros": NONZEROS, "seed": sketch.seed, "relative_error": sketch.relative_error}
    return {"representation": SKETCH, "sketch": about}
