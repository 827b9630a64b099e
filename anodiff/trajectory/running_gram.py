"""What are the update Gram matrices of a run, if no weights are stored? They are summed up while the network trains.

A matrix is held while the run is within its window, see `anodiff.trajectory.window_gram`, and written to the store at the
window's end. Differences are taken in float32 and their products summed as `anodiff.trajectory.products` tells, as in the
geometry of a stored path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from anodiff.errors import ConfigError
from anodiff.storage.stores import remove
from anodiff.trajectory.background import Background
from anodiff.trajectory.flat_parameters import Point
from anodiff.trajectory.window_gram import WindowGram
from anodiff.trajectory.windows import Plan, Window

if TYPE_CHECKING:
    from torch import Tensor

#: Updates of a block, at most: from so many on the products run at the processor's speed.
BLOCK_UPDATES = 64


class RunningGrams:
    """The Gram matrices of all windows of a run, of which those that the run is within are summed up.

    Parameters
    ----------
    plan
        The windows.
    point
        The position of the model.
    group, path
        The store, in whose array ``gram`` finished matrices go, shape (window, update, update).
    memory
        Bytes that updates may take on the device; of no meaning on the CPU.
    bounded
        Whether ``memory`` counts: not on the CPU, unless told so.

    Raises
    ------
    ConfigError
        If a window's updates do not fit in the machine's memory, or not two of them on the device.
    """

    def __init__(
        self,
        plan: Plan,
        point: Point,
        group: zarr.Group,
        path: Path,
        background: Background,
        *,
        memory: float,
        bounded: bool | None = None,
    ) -> None:
        self._plan, self._point, self._background = plan, point, background
        array: Any = group["gram"]
        self._array = array.with_config({"write_empty_chunks": True})  # a matrix of NaN was computed; it must not look missing
        self._folder = path / "gram"
        self._bounded = point.device.type != "cpu" if bounded is None else bounded
        together = _most_at_once(plan.windows)
        _check_fits(max(window.updates for window in plan.windows) * together, point.size)
        self._blocks: tuple[int, int | None] = (BLOCK_UPDATES, None)
        if self._bounded:
            self._blocks = _blocks_on_device(max(window.updates for window in plan.windows), point.size, memory / together)
        self._spare: list[Tensor] = []
        self._open: dict[int, WindowGram] = {}
        self._order = _by_start(plan.windows)
        self._next = 0

    def visit(self, step: int) -> None:
        """Take the point that the model stands at, after so many steps, into all windows that it belongs to."""
        for number, gram in list(self._open.items()):
            if (step - gram.window.start) % gram.window.stride == 0:
                gram.add(self._point)
                if gram.updates == gram.window.updates:
                    self._write(number, self._open.pop(number))
        self._plan.extend(step)
        if len(self._order) != len(self._plan.windows):
            self._order = _by_start(self._plan.windows)
        while self._next < len(self._order) and self._plan.windows[self._order[self._next]].start == step:
            self._begin(self._order[self._next])
            self._next += 1

    def finish(self, windows: list[Window]) -> None:
        """Write what is known of the windows of a run that has ended, once they are known."""
        for number, gram in self._open.items():
            if number < len(windows) and windows[number].updates == gram.updates > 0:
                self._write(number, gram)
        self._background.wait()
        updates = max((window.updates for window in windows), default=1)
        if self._plan.open_ended:
            self._array.resize((len(windows), updates, updates))

    def state(self) -> dict[str, Any]:
        """Return what is not in the files; the background has been waited for."""
        return {"next": self._next, "open": {number: gram.state() for number, gram in self._open.items()}}

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Go on from the state after ``step`` steps; files of windows that were not finished then are removed."""
        self._plan.extend(step)
        self._order = _by_start(self._plan.windows)
        self._next = int(state["next"])
        for number, one in state["open"].items():
            self._begin(int(number)).restore(one)
        finished = {str(number) for number in set(self._order[: self._next]) - set(self._open)}
        for folder in self._folder.glob("c/*"):
            if folder.name not in finished:
                remove(folder)

    def _begin(self, number: int) -> WindowGram:
        window = self._plan.windows[number]
        gram = WindowGram(window, self._point, self._background, self._spare, *self._blocks)
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


def _blocks_on_device(updates: int, parameters: int, memory: float) -> tuple[int, int]:
    """Return the rows of a block and how many full blocks stay on the device, beside the one being filled and a visitor."""
    row = 4 * parameters
    left = memory - 2 * row - 8 * updates**2  # two points, and G itself
    rows = min(BLOCK_UPDATES, int(left // (3 * row)))
    if rows < 1:
        needed = (5 * row + 8 * updates**2) / 2**20
        raise ConfigError(
            f"recording.device_memory: a window of {updates} updates of {parameters} parameters takes {needed:.0f} MiB on the "
            f"device at least, and has {memory / 2**20:.0f}; give more, shorten the windows, or let fewer overlap"
        )
    return rows, int(left // (rows * row)) - 2


def _by_start(windows: list[Window]) -> list[int]:
    """Return the numbers of the windows in the order in which they begin."""
    return sorted(range(len(windows)), key=lambda number: windows[number].start)


def _most_at_once(windows: list[Window]) -> int:
    """Return the largest number of windows that a step belongs to."""
    starts = np.sort([window.start for window in windows])
    ends = np.sort([window.start + window.length for window in windows])
    return int((np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")).max())


def _check_fits(updates: int, parameters: int) -> None:
    needed = 4 * updates * parameters
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise ConfigError(
            f"without weights the {updates} updates of a window of {parameters} parameters are held in memory, "
            f"{needed / 2**30:.0f} GiB of the machine's {there / 2**30:.0f}; shorten the windows, or record a sketch"
        )
