"""Writes the path of a training loop, any training loop, to a store: one point per optimiser step.

The pitfall: a missing Zarr chunk reads as the fill value. So everything unwritten is NaN, the number of completed steps is an
attribute, and a store without its final status is refused by every reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.settings.run import SKETCH_SIZE
from anodiff.storage.stores import COMPLETE, finish_store, storage_errors
from anodiff.trajectory.background import Background
from anodiff.trajectory.flat_parameters import Point
from anodiff.trajectory.format import EPOCH_SERIES, FULL, NONE, SKETCH, STEP_SERIES
from anodiff.trajectory.layout import about_recording, create_trajectory, reopen_trajectory, write_lengths
from anodiff.trajectory.samples import Samples
from anodiff.trajectory.series import Series
from anodiff.trajectory.windows import Plan, Window

if TYPE_CHECKING:
    from torch import Tensor, nn

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.running_gram import RunningGrams
    from anodiff.trajectory.sketch import Sketch


class TrajectoryRecorder:
    """Record a model's parameters after every optimiser step, and what is known of each step and epoch.

    The position is ``model.parameters()``, flattened in their order, without buffers such as running statistics. Cost per step:
    one flattening. A thread compresses and writes meanwhile; where it cannot keep pace, training waits. Its errors come back at
    the next call here. Memory: twice 256 points of all parameters (at most twice 512 MiB); with ``weights="none"`` all updates
    of a window.

    Parameters
    ----------
    model
        The network; its parameters must stay the same objects while recording.
    path
        Where the store is made; an unfinished one there is replaced.
    steps
        Length of the run in optimiser steps, where it is known.
    windows
        Which points are kept: ``contiguous`` or ``log``, see `plan_windows`, or a list of windows.
    window_length
        Length of the windows of ``contiguous`` and ``log``, in optimiser steps.
    epochs
        Length of the epoch series, where it is known.
    weights
        ``full``: every parameter of every kept point; ``sketch``: a random projection of each, see `anodiff.trajectory.sketch`;
        ``none``: no weights, but the update Gram matrix of each window, see `anodiff.trajectory.running_gram`.
    sketch_size
        Numbers kept of each point of a sketch, a multiple of 4; it implies ``sketch``.
    gradient_coordinates
        Keep the gradient at so many randomly chosen parameters, for every kept point but the last; see `record`.
    seed
        Seed of the projection and of the choice of parameters.
    device_memory
        With ``none``: MiB that updates may take on the model's device, where this is not the CPU.
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
    StorageError
        If the file system refuses: then, or at any later call.

    Examples
    --------
    >>> import tempfile, torch
    >>> from anodiff.trajectory import TrajectoryRecorder, open_trajectory
    >>> model = torch.nn.Linear(3, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/path.zarr"
    ...     with TrajectoryRecorder(model, path, windows="contiguous", window_length=4) as recorder:
    ...         for step in range(10):
    ...             with torch.no_grad():
    ...                 _ = model.weight.add_(0.1)
    ...             recorder.record(loss=1.0)
    ...     trajectory = open_trajectory(path)
    ...     [trajectory.points(window).shape for window in trajectory.windows]
    [(5, 4), (5, 4), (3, 4)]
    """

    def __init__(
        self,
        model: nn.Module,
        path: str | Path,
        *,
        steps: int | None = None,
        windows: Literal["contiguous", "log"] | Sequence[Window] = "contiguous",
        window_length: int = 1000,
        epochs: int | None = None,
        weights: Literal["full", "sketch", "none"] = "full",
        sketch_size: int | None = None,
        gradient_coordinates: int = 0,
        seed: int = 0,
        device_memory: float = 1024,
        attributes: Mapping[str, Any] | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        named = list(model.named_parameters())
        if not named:
            raise ConfigError("the model has no parameters, so there is no path to record")
        self.path = Path(path)
        self._steps = steps
        self.completed = 0
        self.finished = False
        self._epochs = epochs
        self._plan = Plan(windows, window_length, steps)
        self._point = Point([parameter for _, parameter in named])
        self._series, self._epoch_series = Series(STEP_SERIES), Series(EPOCH_SERIES)
        self._flushed: dict[str, int] = {}
        self._epoch_count = 0
        if weights == NONE and sketch_size is not None:
            raise ConfigError("sketch_size is for weights: sketch; leave it out, or set weights to sketch")
        representation = SKETCH if sketch_size is not None and weights == FULL else weights
        sketch: Sketch | None = None
        if representation == SKETCH:
            from anodiff.trajectory.sketch import Sketch

            size = SKETCH_SIZE if sketch_size is None else sketch_size
            sketch = Sketch(self._point.size, size, seed=seed, device=self._point.device)
        gradient: GradientSample | None = None
        if gradient_coordinates:
            from anodiff.trajectory.gradients import GradientSample

            gradient = GradientSample(self._point.parameters, gradient_coordinates, seed=seed)
        self._attributes = dict(attributes or {})
        about_sketch = {"sketch": sketch.about} if sketch else {}
        identity = about_recording(named, representation, self._plan) | about_sketch
        coordinates = gradient.coordinates if gradient else None
        with storage_errors(self.path):
            if resume is None:
                header = {"coordinates": "step", "steps_completed": 0, **identity, **self._attributes}
                columns = sketch.size if sketch else self._point.size
                self._group = create_trajectory(self.path, self._plan, columns, header, epochs=epochs, coordinates=coordinates)
            else:
                self._group = reopen_trajectory(self.path, self._plan, identity, epochs=epochs, coordinates=coordinates)
        self._background = Background(self.path)
        self._grams: RunningGrams | None = None
        if weights == NONE:
            from anodiff.trajectory.running_gram import RunningGrams

            memory = device_memory * 2**20
            self._grams = RunningGrams(self._plan, self._point, self._group, self.path, self._background, memory=memory)
        self._samples = Samples(self._plan, self._point, self._group, self.path, self._background, sketch, gradient)
        if resume is None:
            self._keep_point()
        else:
            self._restore(resume)

    @property
    def steps(self) -> int:
        """Length of the run in optimiser steps: as planned, or without a plan as far as it has come."""
        return self.completed if self._steps is None else self._steps

    def record(self, **values: float | Tensor) -> None:
        """Note what is known of the optimiser step just taken (see `STEP_SERIES`) and keep the point that it led to.

        Values are numbers, or tensors of one element, which are fetched from their device later, many at once. Call it after
        ``optimiser.step()`` and before ``zero_grad()``: a sample of the gradient is taken from the parameters' ``.grad``, which
        then is still that of the step, at the point before it; where ``.grad`` is None, the sample is NaN.

        Raises
        ------
        ConfigError
            If there is no room for a further step, or no series of a name.
        StorageError
            If the file system has refused what was recorded earlier.
        """
        self._background.check()
        if self.completed == self._steps or self.finished:
            raise ConfigError(f"the recorder was made for {self.completed} steps; there is no room for a further one")
        self._series.note(self.completed, values)
        self._samples.keep_gradient(self.completed)
        self.completed += 1
        self._keep_point()

    def record_epoch(self, epoch: int, **values: float | Tensor) -> None:
        """Note what is known of an epoch (see `EPOCH_SERIES`), counted from 0."""
        if self._epochs is not None and not 0 <= epoch < self._epochs:
            raise ConfigError(f"the recorder was made for {self._epochs} epochs; there is no epoch {epoch}, counted from 0")
        self._epoch_series.note(epoch, values)
        self._epoch_count = max(self._epoch_count, epoch + 1)

    def flush_series(self, name: str = "loss") -> NDArray[np.float32]:
        """Return the values of a series since the last call, shape (steps,), waiting for the device that computes them.

        A loop that hands its losses over as tensors may so look every now and then whether they are finite.
        """
        values = self._series.get(name, self.completed)[self._flushed.get(name, 0) :]
        self._flushed[name] = self.completed
        return values

    def state(self) -> dict[str, Any]:
        """Return all that is not yet in the store's files, as tensors and plain values: what ``resume`` takes.

        `torch.load` reads it back with ``weights_only=True``. It waits until the background has written all that is whole:
        these files are with the operating system then, not synced to the disk. With ``weights="none"`` the state holds every
        update of the windows that the run is within.
        """
        self._background.wait()
        return {
            "completed": self.completed,
            "step_series": self._series.state(self.completed),
            "epoch_series": self._epoch_series.state(self._epoch_count),
            "samples": self._samples.state(),
            "grams": self._grams.state() if self._grams else None,
        }

    def finish(self, status: str = COMPLETE, **attributes: Any) -> None:
        """Write what is still in memory and mark the store as finished.

        A run that has ended before ``steps`` is as long as it came to be, ``steps_completed``; what it did not reach stays NaN.
        """
        if self.finished:
            raise ConfigError(f"{self.path}: the recording is finished already")
        if self._steps is None and not self.completed:
            raise ConfigError(f"{self.path}: no step was recorded, so there is no path")
        windows, kept, steps = self._plan.ending(self.completed)
        self._samples.flush()
        if self._grams:
            self._grams.finish(windows)
        self._background.wait()
        epochs = self._epoch_count if self._epochs is None else self._epochs
        with storage_errors(self.path):
            if self._steps is None or self._epochs is None:
                write_lengths(self._group, windows, kept, steps, epochs)
            for series, length in ((self._series, self.completed), (self._epoch_series, self._epoch_count)):
                for name in series.names:
                    self._group[name][:length] = series.get(name, length)  # type: ignore[index]
            ending = {"steps": steps, "steps_completed": self.completed}
            finish_store(self._group, status, **(self._attributes | ending | attributes))
        self.finished = True
        self._background.stop()

    def __enter__(self) -> TrajectoryRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finish after a clean end; after an error leave the store unfinished, so that no reader takes it for whole.

        The background thread has ended either way.
        """
        try:
            if kind is None and not self.finished:
                self.finish()
        finally:
            self._background.stop()

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.completed = int(state["completed"])
        self._plan.extend(self.completed)
        self._series.restore(state["step_series"])
        self._epoch_series.restore(state["epoch_series"])
        self._epoch_count = max(map(len, state["epoch_series"].values()))
        self._samples.restore(state["samples"])
        if self._grams:
            self._grams.restore(state["grams"], self.completed)

    def _keep_point(self) -> None:
        self._samples.keep_point(self.completed)
        if self._grams:
            self._grams.visit(self.completed)
