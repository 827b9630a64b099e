"""Writes the path of a training loop, any training loop, to a store: one point per optimiser step.

The pitfall: a missing Zarr chunk reads as the fill value. So everything unwritten is NaN, the number of completed steps is an
attribute, and a store without its final status is refused by every reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from anodiff.errors import ConfigError
from anodiff.stores import COMPLETE, create_store, finish_store
from anodiff.trajectory.format import EPOCH_SERIES, FULL, KIND, SKETCH, STEP_SERIES, VERSION, compressors, sample_layout
from anodiff.trajectory.rows import RowWriter
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

    Raises
    ------
    ConfigError
        If there is nothing to record, or ``sketch_size`` does not fit the model.

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
        header = {
            "coordinates": "step",
            "steps": steps,
            "steps_completed": 0,
            "parameters": table,
            **_representation(self._sketch),
            **(attributes or {}),
        }
        self._group = create_store(self.path, KIND, VERSION, header)
        self._create_tables(windows, epochs)
        self._points = RowWriter(self._create_weights(sum(sizes)))
        self._gradients = RowWriter(self._create_gradient_sample(self._gradient)) if self._gradient else None
        self._samples = 0
        self._keep_point(step=0)

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

    def finish(self, status: str = COMPLETE, **attributes: Any) -> None:
        """Write what is still in memory and mark the store as finished."""
        self._points.flush()
        if self._gradients:
            self._gradients.flush()
        for name, series in (self._series | self._epoch_series).items():
            self._group[name][:] = series  # type: ignore[index]
        finish_store(self._group, status, steps_completed=self.completed, **attributes)
        self.finished = True

    def __enter__(self) -> TrajectoryRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finish after a clean end; after an error leave the store unfinished, so that no reader takes it for whole."""
        if kind is None and not self.finished:
            self.finish()

    def _create_weights(self, parameters: int) -> zarr.Array:
        if self._sketch is None:
            layout, meaning = sample_layout(len(self._kept), parameters), "network parameters"
        else:
            layout = sample_layout(len(self._kept), self._sketch.size, dimension="component", dtype="float64")
            meaning = "random projection of the network parameters"
        return self._group.create_array("weights", **layout, attributes={"long_name": meaning, "units": "1"})

    def _create_gradient_sample(self, sample: GradientSample) -> zarr.Array:
        self._group.create_array(
            "coordinate",
            data=sample.coordinates,
            compressors=compressors(),
            dimension_names=("coordinate",),
            attributes={"long_name": "index of the parameter whose gradient is sampled", "units": "1"},
        )
        return self._group.create_array(
            "gradient_sample",
            **sample_layout(len(self._kept), len(sample.coordinates), dimension="coordinate"),
            attributes={
                "long_name": "mini-batch gradient at the sample's point, at some parameters; NaN where none was taken",
                "units": "1",
            },
        )

    def _create_tables(self, windows: Sequence[Window], epochs: int) -> None:
        create = self._group.create_array
        create(
            "step",
            data=self._kept,
            compressors=compressors(),
            dimension_names=("sample",),
            attributes={"long_name": "optimiser step of the sample; 0 is the initial point", "units": "optimiser steps"},
        )
        create(
            "windows",
            data=np.array([(window.start, window.length, window.stride) for window in windows], np.int64),
            compressors=compressors(),
            dimension_names=("window", "window_field"),
            attributes={
                "long_name": "start, length and stride of each window",
                "fields": ["start", "length", "stride"],
                "units": "optimiser steps",
            },
        )
        create(
            "epoch",
            data=np.arange(1, epochs + 1),
            compressors=compressors(),
            dimension_names=("epoch",),
            attributes={"long_name": "number of the epoch, from 1", "units": "epochs"},
        )
        for names, length, dimension in ((STEP_SERIES, self.steps, "step"), (EPOCH_SERIES, epochs, "epoch")):
            for name, meaning in names.items():
                create(
                    name,
                    shape=(length,),
                    chunks=(max(1, min(length, 2**16)),),
                    dtype="float32",
                    fill_value=math.nan,
                    compressors=compressors(),
                    dimension_names=(dimension,),
                    attributes={"long_name": meaning, "units": "1"},
                )

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
