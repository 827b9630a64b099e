"""How does any training loop record its path? One point per optimiser step, in a store.

The pitfall: a missing Zarr chunk reads as the fill value. So everything unwritten is NaN, the
number of completed steps is an attribute, and every reader refuses a store without its final
status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.settings.run import DEFAULT_DEVICE_MEMORY, DEFAULT_SKETCH_SIZE, DEFAULT_WINDOW_LENGTH
from anodiff.storage.counts import whole_number
from anodiff.storage.stores import COMPLETE, finish_store, storage_errors
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.flat_parameters import FlatParameters
from anodiff.trajectory.format import EPOCH_SERIES, FULL, NONE, SKETCH, STEP_SERIES
from anodiff.trajectory.layout import create_trajectory, recording_attributes, reopen_trajectory, set_lengths
from anodiff.trajectory.samples import Samples
from anodiff.trajectory.series import Series
from anodiff.trajectory.windows import Window, WindowPlan

if TYPE_CHECKING:
    from torch import Tensor, nn

    from anodiff.trajectory.gradients import GradientSample
    from anodiff.trajectory.running_gram import RunningGrams
    from anodiff.trajectory.sketch import Sketch


class TrajectoryRecorder:
    """Record a model's parameters after every optimiser step, and series such as the loss.

    A point is ``model.parameters()``, flattened in their order, without buffers such as running
    statistics. The cost per step is one flattening. A thread compresses and writes meanwhile; if it
    cannot keep up, training waits. Its errors are raised by the next call of the recorder. Memory:
    twice 256 points of all parameters (at most twice 512 MiB); with ``weights="none"`` all updates
    of a window.

    Parameters
    ----------
    model
        The network; its parameters must stay the same objects while recording.
    path
        Where the store is made; an unfinished one there is replaced, a finished one is not.
    steps
        Length of the run in optimiser steps, if known.
    windows
        Which points are kept: ``contiguous`` or ``log``, see `plan_windows`, or a list of windows.
    window_length
        Length of the windows of ``contiguous`` and ``log``, in optimiser steps.
    epochs
        Length of the epoch series, if known.
    weights
        ``full``: every parameter of every kept point; ``sketch``: a random projection of each, see
        `anodiff.trajectory.sketch`; ``none``: no weights, but the update Gram matrix of each
        window, see `anodiff.trajectory.running_gram`.
    sketch_size
        Numbers kept of each point of a sketch, a multiple of 4; it implies ``sketch``.
    gradient_coordinates
        Keep the gradient at this many randomly chosen parameters, for every kept point except the
        last; see `record`.
    seed
        Seed of the projection and of the choice of parameters.
    device_memory
        With ``none``: MiB that updates may take on the model's device, if this is not the CPU.
    attributes
        Further root attributes: settings, provenance.
    resume
        A `state` of an earlier recorder of the same run, to resume in its unfinished store at
        ``path``. The store then has the bits of an uninterrupted recording. What the earlier
        recorder wrote after the state is written again. The model must have the weights that it had
        at the state. Attributes given here replace the store's when it is finished.
    overwrite
        Replace whatever is at ``path``; of a link, the link alone.

    Raises
    ------
    OutputExistsError
        If there is a finished recording at ``path``, or anything else but an unfinished one, and
        ``overwrite`` is false.
    ConfigError
        If there is nothing to record, a number is out of range or not whole, ``sketch_size`` does
        not fit the model, or ``resume`` is of another recording.
    StoreMissingError, StoreFormatError
        If there is no store to resume in, or it is damaged.
    StorageError
        If the file system refuses a write, here or at any later call.

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
        window_length: int = DEFAULT_WINDOW_LENGTH,
        epochs: int | None = None,
        weights: Literal["full", "sketch", "none"] = "full",
        sketch_size: int | None = None,
        gradient_coordinates: int = 0,
        seed: int = 0,
        device_memory: float = DEFAULT_DEVICE_MEMORY,
        attributes: Mapping[str, Any] | None = None,
        resume: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        from anodiff.models.wrappers import named_parameters

        named = named_parameters(model)
        if not named:
            raise ConfigError("the model has no parameters, so there is no path to record")
        steps = steps if steps is None else whole_number(steps, "steps", 1)
        window_length = whole_number(window_length, "window_length", 1)
        gradient_coordinates = whole_number(gradient_coordinates, "gradient_coordinates", 0)
        self.path = Path(path)
        self._steps = steps
        self.completed = 0
        self.finished = False
        self._epochs = epochs
        self._plan = WindowPlan(windows, window_length, steps)
        self._parameters = FlatParameters([parameter for _, parameter in named])
        self._series, self._epoch_series = Series(STEP_SERIES), Series(EPOCH_SERIES)
        self._flushed: dict[str, int] = {}
        self._epoch_count = 0
        if weights == NONE and sketch_size is not None:
            raise ConfigError("sketch_size is for weights: sketch; leave it out, or set weights to sketch")
        representation = SKETCH if sketch_size is not None and weights == FULL else weights
        sketch: Sketch | None = None
        if representation == SKETCH:
            from anodiff.trajectory.sketch import Sketch

            size = DEFAULT_SKETCH_SIZE if sketch_size is None else sketch_size
            sketch = Sketch(self._parameters.size, size, seed=seed, device=self._parameters.device)
        gradient: GradientSample | None = None
        if gradient_coordinates:
            from anodiff.trajectory.gradients import GradientSample

            gradient = GradientSample(self._parameters.parameters, gradient_coordinates, seed=seed)
        self._attributes = dict(attributes or {})
        identity = recording_attributes(named, representation, self._plan) | ({"sketch": sketch.attributes} if sketch else {})
        coordinates = gradient.coordinates if gradient else None
        with storage_errors(self.path):
            if resume is None:
                header = {"coordinates": "step", "steps_completed": 0, **identity, **self._attributes}
                columns = sketch.size if sketch else self._parameters.size
                self._group = create_trajectory(
                    self.path, self._plan, columns, header, epochs=epochs, coordinates=coordinates, overwrite=overwrite
                )
            else:
                self._group = reopen_trajectory(self.path, self._plan, identity, epochs=epochs, coordinates=coordinates)
        self._background = BackgroundThread(self.path)
        self._grams: RunningGrams | None = None
        if weights == NONE:
            from anodiff.trajectory.running_gram import RunningGrams

            memory = device_memory * 2**20
            self._grams = RunningGrams(self._plan, self._parameters, self._group, self.path, self._background, memory=memory)
        self._samples = Samples(self._plan, self._parameters, self._group, self.path, self._background, sketch, gradient)
        if resume is None:
            self._keep_point()
        else:
            self._load_state(resume)

    @property
    def steps(self) -> int:
        """Length of the run in optimiser steps: as planned, or else the steps so far."""
        return self.completed if self._steps is None else self._steps

    def record(self, **values: float | Tensor) -> None:
        """Record the values of the step just taken (see `STEP_SERIES`) and the point after it.

        Values are numbers or tensors of one element. Tensors are fetched from their device later,
        many at once. Call this after ``optimiser.step()`` and before ``zero_grad()``: the gradient
        is sampled from the parameters' ``.grad``, which is then still that of the step, at the
        point before it. If ``.grad`` is None, the sample is NaN.

        Raises
        ------
        ConfigError
            If the run has no further step, or a series is unknown.
        StorageError
            If the file system refused an earlier write.
        """
        self._background.check()
        if self.finished:
            raise ConfigError(f"{self.path}: the recording is already finished")
        if self.completed == self._steps:
            raise ConfigError(f"{self.path}: the recorder was made for {self._steps} steps; give it a larger 'steps'")
        self._series.add(self.completed, values)
        self._samples.keep_gradient(self.completed)
        self.completed += 1
        self._keep_point()

    def record_epoch(self, epoch: int, **values: float | Tensor) -> None:
        """Record values of an epoch (see `EPOCH_SERIES`), counted from 0."""
        if self._epochs is not None and not 0 <= epoch < self._epochs:
            raise ConfigError(
                f"{self.path}: the recorder was made for {self._epochs} epochs; there is no epoch {epoch}, counted from 0"
            )
        self._epoch_series.add(epoch, values)
        self._epoch_count = max(self._epoch_count, epoch + 1)

    def flush_series(self, name: str = "loss") -> NDArray[np.float32]:
        """Return the values of a series since the last call, shape (steps,).

        It waits for the device. A loop that passes its losses as tensors can use it now and then to
        check that they are finite.
        """
        values = self._series.values(name, self.completed)[self._flushed.get(name, 0) :]
        self._flushed[name] = self.completed
        return values

    def state(self) -> dict[str, Any]:
        """Return everything that is not yet in the store's files, for ``resume``.

        It is tensors and plain values; `torch.load` reads it back with ``weights_only=True``. The
        call waits until the background thread has written all complete shards. These files are then
        with the operating system, but not synced to the disk. With ``weights="none"`` the state
        holds every update of the current windows.
        """
        self._background.wait()
        return {
            "completed": self.completed,
            "step_series": self._series.state_dict(self.completed),
            "epoch_series": self._epoch_series.state_dict(self._epoch_count),
            "samples": self._samples.state_dict(),
            "grams": self._grams.state_dict() if self._grams else None,
        }

    def finish(self, status: str = COMPLETE, **attributes: Any) -> None:
        """Write what is still in memory and mark the store as finished.

        If a run ended before ``steps``, ``steps_completed`` says where; values that it did not
        reach stay NaN.
        """
        if self.finished:
            raise ConfigError(f"{self.path}: the recording is already finished")
        if self._steps is None and not self.completed:
            raise ConfigError(f"{self.path}: no step was recorded, so there is no path")
        windows, kept, steps = self._plan.final(self.completed)
        self._samples.flush()
        if self._grams:
            self._grams.finish(windows)
        self._background.wait()
        epochs = self._epoch_count if self._epochs is None else self._epochs
        with storage_errors(self.path):
            if self._steps is None or self._epochs is None:
                set_lengths(self._group, windows, kept, steps, epochs)
            for series, length in ((self._series, self.completed), (self._epoch_series, self._epoch_count)):
                for name in series.names:
                    self._group[name][:length] = series.values(name, length)  # type: ignore[index]
            ending = {"steps": steps, "steps_completed": self.completed}
            finish_store(self._group, status, **(self._attributes | ending | attributes))
        self.finished = True
        self._background.stop()

    def __enter__(self) -> TrajectoryRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finish the store; after an error leave it unfinished, so that readers refuse it.

        The background thread ends in either case.
        """
        try:
            if kind is None and not self.finished:
                self.finish()
        finally:
            self._background.stop()

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self.completed = int(state["completed"])
        self._plan.extend(self.completed)
        self._series.load_state_dict(state["step_series"])
        self._epoch_series.load_state_dict(state["epoch_series"])
        self._epoch_count = max(map(len, state["epoch_series"].values()))
        self._samples.load_state_dict(state["samples"])
        if self._grams:
            self._grams.load_state_dict(state["grams"], self.completed)

    def _keep_point(self) -> None:
        self._samples.keep_point(self.completed)
        if self._grams:
            self._grams.add_point(self.completed)
