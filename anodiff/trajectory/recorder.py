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

from anodiff.errors import ConfigError
from anodiff.stores import COMPLETE, create_store, finish_store
from anodiff.trajectory.format import EPOCH_SERIES, KIND, STEP_SERIES, VERSION, compressors, weight_layout
from anodiff.trajectory.windows import Window, kept_steps

if TYPE_CHECKING:
    from torch import Tensor, nn


class TrajectoryRecorder:
    """Record a model's parameters after every optimiser step, and what is known of each step and epoch.

    The position is ``model.parameters()``, flattened in their order, without buffers such as running statistics. Memory: 256
    points of all parameters (at most 512 MiB). Cost per step: one flattening; a shard is compressed and written when full.

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
    attributes
        Further root attributes: settings, provenance.

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
        table = [
            {"name": name, "shape": list(parameter.shape), "offset": int(offset)}
            for (name, parameter), offset in zip(named, np.cumsum([0, *sizes[:-1]]), strict=True)
        ]
        header = {
            "coordinates": "step",
            "steps": steps,
            "steps_completed": 0,
            "parameters": table,
            **(attributes or {}),
        }
        self._group = create_store(self.path, KIND, VERSION, header)
        self._create_arrays(windows, sum(sizes), epochs)
        rows = self._weights.shards[0] if self._weights.shards else len(self._kept)
        self._buffer = np.empty((rows, sum(sizes)), np.float32)
        self._samples = 0
        self._keep_point(step=0)

    def record(self, **values: float) -> None:
        """Note what is known of the optimiser step just taken (see `STEP_SERIES`) and keep the point that it led to."""
        if self.completed == self.steps:
            raise ConfigError(f"the recorder was made for {self.steps} steps; there is no room for a further one")
        for name, value in values.items():
            self._series[name][self.completed] = value
        self.completed += 1
        self._keep_point(self.completed)

    def record_epoch(self, epoch: int, **values: float) -> None:
        """Note what is known of an epoch (see `EPOCH_SERIES`), counted from 0."""
        for name, value in values.items():
            self._epoch_series[name][epoch] = value

    def finish(self, status: str = COMPLETE, **attributes: Any) -> None:
        """Write what is still in memory and mark the store as finished."""
        self._flush()
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

    def _create_arrays(self, windows: Sequence[Window], parameters: int, epochs: int) -> None:
        create = self._group.create_array
        self._weights = create(
            "weights",
            **weight_layout(len(self._kept), parameters),
            attributes={"long_name": "network parameters", "units": "1"},
        )
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

    def _keep_point(self, step: int) -> None:
        if self._samples == len(self._kept) or self._kept[self._samples] != step:
            return
        import torch

        row = self._samples % len(self._buffer)
        flat = torch.from_numpy(self._buffer[row])
        with torch.no_grad():
            pieces = [parameter.detach().reshape(-1).float() for parameter in self._parameters]
            if pieces[0].device == flat.device:
                torch.cat(pieces, out=flat)
            else:
                flat.copy_(torch.cat(pieces))
        self._samples += 1
        if row + 1 == len(self._buffer):
            self._write(self._samples - len(self._buffer), self._samples)

    def _flush(self) -> None:
        rest = self._samples % len(self._buffer)
        if rest:
            self._write(self._samples - rest, self._samples)

    def _write(self, start: int, stop: int) -> None:
        self._weights[start:stop] = self._buffer[: stop - start]
