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

from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.settings.recording import DEFAULT_DEVICE_MEMORY, DEFAULT_WINDOW_LENGTH
from anodiff.storage.counts import whole_number
from anodiff.storage.stores import COMPLETE
from anodiff.trajectory.point_parts import PointParts
from anodiff.trajectory.running_gram import running_grams
from anodiff.trajectory.samples import Samples
from anodiff.trajectory.series import RunSeries
from anodiff.trajectory.shared_output import begin_output
from anodiff.trajectory.windows import Window, WindowPlan

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from anodiff.trajectory.groups import Groups

#: Steps after which the model is compared with what it was when its recording began.
CHECK_EVERY = 256


class TrajectoryRecorder:
    """Record a model's parameters after every optimiser step, and series such as the loss.

    A point is the trainable ones of ``model.parameters()``, flattened in their order, in float32 or
    float64 (`anodiff.trajectory.flat_parameters`). Frozen ones are stored once. The cost per step
    is one flattening. A thread compresses and writes meanwhile; if it cannot keep up, training
    waits. Its errors are raised by the next call of the recorder. Memory: twice 256 points (at most
    twice 512 MiB); with ``weights="none"`` all updates of a window.

    Parameters
    ----------
    model
        The network. Its parameters must stay the same objects, and frozen ones must not move.
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
    parameters, groups
        Patterns of the names of the parameters that make the point; and ``layer``, ``kind``, or
        patterns by name, for a Gram matrix of each part, see `anodiff.trajectory.groups`.
    walks, optimiser
        Walks that have Gram matrices too, ``gradient``, ``preconditioned``, ``decay``, and what
        steps the model, see `anodiff.trajectory.optimiser_walks`.
    gradient_coordinates
        Keep the gradient at this many randomly chosen parameters, for every kept point except the
        last; see `record`.
    buffers_every
        With ``full``: keep the model's buffers, except statistics of batch normalisation, at the
        kept points whose step is a multiple of this, and at the windows' ends; 0: only there. By
        default with every point, unless the buffers are larger than the point; then only there.
    seed
        Seed of the projection and of the choice of parameters.
    device_memory
        With ``none`` or ``walks``: MiB that updates may take on the model's device, if this is not the CPU.
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
        not fit the model, or ``resume`` is of another recording; later, if the model changed.
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
        parameters: str | Sequence[str] | None = None,
        groups: Groups = None,
        walks: Sequence[str] = (),
        optimiser: Optimizer | Sequence[Optimizer] | None = None,
        gradient_coordinates: int = 0,
        buffers_every: int | None = None,
        seed: int = 0,
        device_memory: float = DEFAULT_DEVICE_MEMORY,
        attributes: Mapping[str, Any] | None = None,
        resume: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self._steps = steps = steps if steps is None else whole_number(steps, "steps", 1)
        self.completed = 0
        self.finished = False
        self._plan = WindowPlan(windows, whole_number(window_length, "window_length", 1), steps)
        self._parts = PointParts.choose(
            model,
            weights,
            sketch_size=sketch_size,
            gradient_coordinates=gradient_coordinates,
            buffers_every=buffers_every,
            seed=seed,
            parameters=parameters,
            groups=groups,
            walks=walks,
            optimiser=optimiser,
        )
        self._series = RunSeries(self.path, epochs, self._parts.dtype)
        self._attributes = dict(attributes or {})
        about = (self.path, self._plan, self._parts, self._attributes)
        self._output = begin_output(*about, epochs=epochs, overwrite=overwrite, resumes=resume is not None)
        self._background = self._output.background
        if resume is not None:
            resume = self._output.unpacked(resume)
        with self._output.together():
            self._grams = running_grams(self._plan, self._parts, self._output, memory=device_memory * 2**20)
            self._samples = Samples(self._plan, self._parts, self._output)
            if resume is None:
                self._keep_point()
            else:
                self._load_state(resume)
        if self._parts.walks:
            self._parts.walks.begin()

    @property
    def steps(self) -> int:
        """Length of the run in optimiser steps: as planned, or else the steps so far."""
        return self.completed if self._steps is None else self._steps

    def record(self, **values: float | Tensor) -> None:
        """Record the values of the step just taken (see `STEP_SERIES`) and the point after it.

        Values are numbers or tensors of one element, which are fetched later, many at once. Call
        this after ``optimiser.step()`` and before ``zero_grad()``: the gradient is sampled from the
        parameters' ``.grad``, which is then still that of the step, at the point before it. If
        ``.grad`` is None, the sample is NaN.

        Raises
        ------
        ConfigError
            If the run has no further step, a series is unknown, or the model changed.
        StorageError
            If the file system refused an earlier write.
        """
        self._background.check()
        self._refuse_finished()
        if self.completed == self._steps:
            raise ConfigError(f"{self.path}: the recorder was made for {self._steps} steps; give it a larger 'steps'")
        self._series.steps.add(self.completed, values)
        self._samples.keep_gradient(self.completed)
        self.completed += 1
        self._keep_point()
        if self.completed == 1 or self.completed % CHECK_EVERY == 0:
            self._parts.model.check(self.path, values=self.completed == 1)

    def record_epoch(self, epoch: int, **values: float | Tensor) -> None:
        """Record values of an epoch (see `EPOCH_SERIES`), counted from 0."""
        self._series.add_epoch(epoch, values)

    def flush_series(self, name: str = "loss") -> NDArray[Any]:
        """Return the values of a series since the last call, shape (steps,), waiting for the device."""
        return self._series.flush(name, self.completed)

    def state(self, *, on_first: bool = False) -> dict[str, Any]:
        """Return everything that is not yet in the store's files, for ``resume``.

        Of several ranks, all call it, and each has its own; ``on_first`` gathers all on rank 0.

        It is tensors and plain values; `torch.load` reads it back with ``weights_only=True``. The
        call waits until the background thread has written all complete shards. These files are then
        with the operating system, but not synced to the disk. With ``weights="none"`` the state
        holds every update of the current windows.
        """
        self._output.meet("state()")
        self._background.wait()
        return self._output.packed(
            {
                "completed": self.completed,
                **self._series.state_dict(self.completed),
                "samples": self._samples.state_dict(),
                "grams": {walk: grams.state_dict() for walk, grams in self._grams.items()},
            },
            on_first=on_first,
        )

    def finish(self, status: str = COMPLETE, **attributes: Any) -> None:
        """Write what is still in memory and mark the store as finished; values of steps that were not
        reached stay NaN.
        """
        self._refuse_finished()
        if self._steps is None and not self.completed:
            raise ConfigError(f"{self.path}: no step was recorded, so there is no path")
        self._parts.model.check(self.path, values=True)
        windows, _, steps = self._plan.final(self.completed)
        self._samples.finish(self.completed)
        for grams in self._grams.values():
            grams.finish(windows)
        self._background.wait()
        ending = {"steps": steps, "steps_completed": self.completed}
        self._output.finish(self._plan, self._series, self.completed, status, self._attributes | ending | attributes)
        self.finished = True
        self._stop()

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
            self._stop()

    def _refuse_finished(self) -> None:
        if self.finished:
            raise ConfigError(f"{self.path}: the recording is already finished")

    def _stop(self) -> None:
        if self._parts.walks:
            self._parts.walks.close()
        self._output.stop(failed=not self.finished)

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self.completed = int(state["completed"])
        self._plan.extend(self.completed)
        self._series.load_state_dict(state)
        self._samples.load_state_dict(state["samples"], self.completed)
        for walk, grams in self._grams.items():
            if state.get("lost"):
                self._output.note_lost(walk, grams.lose(state["grams"][walk], self.completed))
            else:
                grams.load_state_dict(state["grams"][walk], self.completed)

    def _keep_point(self) -> None:
        self._samples.keep_point(self.completed)
        if self._parts.walks:
            self._parts.walks.end_step()
        for grams in self._grams.values():
            grams.add_point(self.completed)
