"""How are Gram matrices computed without stored weights? Update by update, while the run trains.

A matrix is in memory while the run is in its window, see `anodiff.trajectory.window_gram`, and is
written to the store at the window's end. Differences are taken in the points' type, and their
products are summed as in the geometry of a stored path, see `anodiff.trajectory.products`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.errors import ConfigError
from anodiff.storage.memory import require_memory
from anodiff.storage.stores import remove
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.flat_parameters import FlatParameters
from anodiff.trajectory.window_gram import WindowGram
from anodiff.trajectory.windows import Window, WindowPlan

if TYPE_CHECKING:
    import zarr
    from torch import Tensor

#: Most updates of a block; with this many the products run at the processor's full speed.
BLOCK_UPDATES = 64


class RunningGrams:
    """The Gram matrices of all windows of a run; those of the current windows are being summed up.

    Parameters
    ----------
    plan
        The windows.
    parameters
        The model's parameters.
    group, path
        The store, in whose array ``gram`` finished matrices are written, shape (window, update,
        update).
    memory
        Bytes that updates may take on the device.
    bounded
        Whether ``memory`` is a limit; by default not on the CPU.

    Raises
    ------
    ConfigError
        If a window's updates do not fit in the machine's memory, or not even two on the device.
    """

    def __init__(
        self,
        plan: WindowPlan,
        parameters: FlatParameters,
        group: zarr.Group,
        path: Path,
        background: BackgroundThread,
        *,
        memory: float,
        bounded: bool | None = None,
    ) -> None:
        self._plan, self._parameters, self._background = plan, parameters, background
        array: Any = group["gram"]
        self._array = array.with_config({"write_empty_chunks": True})  # a matrix of NaN was computed; it must not look missing
        self._folder = path / "gram"
        bounded = parameters.device.type != "cpu" if bounded is None else bounded
        overlap, updates = _largest_overlap(plan.windows), max(window.updates for window in plan.windows)
        what = f"recording {overlap * updates} updates of {parameters.size} parameters without weights"
        size = parameters.dtype.itemsize * parameters.size
        require_memory(what, overlap * updates * size, "shorten the windows, or record a sketch")
        self._block_sizes: tuple[int, int | None] = (BLOCK_UPDATES, None)
        if bounded:
            self._block_sizes = _blocks_on_device(updates, parameters.size, memory / overlap, parameters.dtype.itemsize)
        self._free_blocks: list[Tensor] = []
        self._open: dict[int, WindowGram] = {}
        self._order = _by_start(plan.windows)
        self._next = 0

    def add_point(self, step: int) -> None:
        """Add the current point, after ``step`` steps, to all windows that contain it."""
        for number, gram in list(self._open.items()):
            if (step - gram.window.start) % gram.window.stride == 0:
                gram.add_update(self._parameters)
                if gram.updates == gram.window.updates:
                    self._write(number, self._open.pop(number))
        self._plan.extend(step)
        if len(self._order) != len(self._plan.windows):
            self._order = _by_start(self._plan.windows)
        while self._next < len(self._order) and self._plan.windows[self._order[self._next]].start == step:
            self._begin(self._order[self._next])
            self._next += 1

    def finish(self, windows: list[Window]) -> None:
        """Write the matrices of the last windows of a run that has ended."""
        for number, gram in self._open.items():
            if number < len(windows) and windows[number].updates == gram.updates > 0:
                self._write(number, gram)
        self._background.wait()
        updates = max((window.updates for window in windows), default=1)
        if self._plan.open_ended:
            self._array.resize((len(windows), updates, updates))

    def state_dict(self) -> dict[str, Any]:
        """Return what is not in the files yet; call it after waiting for the background thread."""
        return {"next": self._next, "open": {number: gram.state_dict() for number, gram in self._open.items()}}

    def load_state_dict(self, state: Mapping[str, Any], step: int) -> None:
        """Resume from the state after ``step`` steps, and remove the files of later windows."""
        self._plan.extend(step)
        self._order = _by_start(self._plan.windows)
        self._next = int(state["next"])
        for number, gram in state["open"].items():
            self._begin(int(number)).load_state_dict(gram)
        finished = {str(number) for number in set(self._order[: self._next]) - set(self._open)}
        for folder in self._folder.glob("c/*"):
            if folder.name not in finished:
                remove(folder)

    def _begin(self, number: int) -> WindowGram:
        window = self._plan.windows[number]
        gram = WindowGram(window, self._parameters, self._background, self._free_blocks, *self._block_sizes)
        self._open[number] = gram
        return gram

    def _write(self, number: int, gram: WindowGram) -> None:
        result = gram.close()

        def write() -> None:
            matrix = result()
            updates = len(matrix)
            if number >= self._array.shape[0]:
                self._array.resize((number + 1, *self._array.shape[1:]))
            self._array[number, :updates, :updates] = matrix

        self._background.submit(write)


def _blocks_on_device(updates: int, parameters: int, memory: float, itemsize: int = 4) -> tuple[int, int]:
    """Return the rows of a block and the number of full blocks that stay on the device.

    Two more blocks need room: the one being filled and one copied back from the host.
    """
    row = itemsize * parameters
    left = memory - 2 * row - 8 * updates**2  # two points, and G itself
    rows = min(BLOCK_UPDATES, int(left // (3 * row)))
    if rows < 1:
        needed = (5 * row + 8 * updates**2) / 2**20
        raise ConfigError(
            f"recording.device_memory: a window of {updates} updates of {parameters} parameters needs {needed:.0f} MiB or more "
            f"on the device, but has {memory / 2**20:.0f}; give more, shorten the windows, or let fewer overlap"
        )
    return rows, int(left // (rows * row)) - 2


def _by_start(windows: list[Window]) -> list[int]:
    """Return the numbers of the windows in the order in which they begin."""
    return sorted(range(len(windows)), key=lambda number: windows[number].start)


def _largest_overlap(windows: list[Window]) -> int:
    """Return the largest number of windows that contain the same update."""
    starts = np.sort([window.start for window in windows])
    ends = np.sort([window.start + window.length for window in windows])
    return int((np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")).max())
