"""How are Gram matrices computed without stored weights? Update by update, while the run trains.

So are those of walks other than the path, such as the sum of its gradients. A matrix is in memory
while the run is in its window, see `anodiff.trajectory.window_gram`, and is written to the store at
the window's end. Differences are taken in the points' type, and their products are summed as in the
geometry of a stored path, see `anodiff.trajectory.products`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.errors import ConfigError
from anodiff.storage.memory import require_memory
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.format import NONE
from anodiff.trajectory.gram_arrays import GramArrays
from anodiff.trajectory.update_sources import PointUpdates, UpdateSource
from anodiff.trajectory.window_gram import WindowGram
from anodiff.trajectory.windows import Window, WindowPlan

if TYPE_CHECKING:
    from torch import Tensor

    from anodiff.trajectory.output import Output
    from anodiff.trajectory.point_parts import PointParts

#: Most updates of a block; with this many the products run at the processor's full speed.
BLOCK_UPDATES = 64


def running_grams(plan: WindowPlan, parts: PointParts, output: Output, *, memory: float) -> dict[str, RunningGrams]:
    """Return the matrices that a recorder sums: of the path if no weights are stored, and of each walk beside it.

    Parameters
    ----------
    memory
        Bytes that the updates of all of them may take on the device.
    """
    found: dict[str, RunningGrams] = {}
    if not parts.records:
        return found
    walks = parts.walks.walks if parts.walks else ()
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if parts.ranks > 1 else 1  # as torchrun counts them
    share = memory / (len(walks) + (parts.representation == NONE) or 1)
    if parts.representation == NONE:
        by_name = dict(parts.model.trainable)
        members = [[(name, by_name[name]) for name in each.parameters] for each in parts.model.groups]
        ends = np.cumsum([0, *(parts.flattened(each).size for each in members)]).tolist()
        together = parts.flattened([one for each in members for one in each]) if members else parts.flat
        columns = [slice(first, last) for first, last in pairwise(ends)]
        arrays, background = output.gram_arrays(), output.background
        found["path"] = RunningGrams(
            plan, PointUpdates(together), arrays, background, memory=share, groups=columns, beside=beside
        )
    for number, walk in enumerate(walks):
        if parts.walks:
            arrays = output.gram_arrays(number)
            found[walk] = RunningGrams(plan, parts.walks.source(walk), arrays, output.background, memory=share, beside=beside)
    return found


class RunningGrams:
    """The Gram matrices of all windows of a walk; those of the current windows are being summed up.

    Parameters
    ----------
    plan
        The windows.
    source
        The walk.
    arrays
        Where finished matrices are written.
    memory
        Bytes that updates may take on the device.
    groups
        The columns of each group of parameters, see `anodiff.trajectory.window_gram`; by default
        all are one.
    bounded
        Whether ``memory`` is a limit; by default not on the CPU.
    beside
        Ranks that record as much on this machine.

    Raises
    ------
    ConfigError
        If a window's updates do not fit in the machine's memory, or not even two on the device.
    """

    def __init__(
        self,
        plan: WindowPlan,
        source: UpdateSource,
        arrays: GramArrays,
        background: BackgroundThread,
        *,
        memory: float,
        groups: Sequence[slice] = (),
        bounded: bool | None = None,
        beside: int = 1,
    ) -> None:
        self._plan, self._source, self._arrays, self._background = plan, source, arrays, background
        self._groups = list(groups) or [slice(0, source.size)]
        bounded = source.device.type != "cpu" if bounded is None else bounded
        overlap, updates = _largest_overlap(plan.windows), max(window.updates for window in plan.windows)
        what = f"recording {overlap * updates} updates of {source.size} parameters without weights"
        size = source.dtype.itemsize * source.size + 8 * len(self._groups) * updates
        require_memory(what, beside * overlap * updates * size, "shorten the windows, or record a sketch")
        self._block_sizes: tuple[int, int | None] = (BLOCK_UPDATES, None)
        if bounded:
            self._block_sizes = _blocks_on_device(
                updates, max(1, source.size), memory / overlap, source.dtype.itemsize, len(self._groups)
            )
        self._free_blocks: list[Tensor] = []
        self._open: dict[int, WindowGram] = {}
        self._order = _by_start(plan.windows)
        self._next = 0

    def add_point(self, step: int) -> None:
        """Add the current point, after ``step`` steps, to all windows that contain it."""
        for number, gram in list(self._open.items()):
            gram.add_step()
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
        if self._plan.open_ended:
            self._arrays.set_length(len(windows), max((window.updates for window in windows), default=1))

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
        self._arrays.keep_only(set(self._order[: self._next]) - set(self._open))

    def lose(self, state: Mapping[str, Any], step: int) -> list[int]:
        """Resume without the windows that were open in a state, and return their numbers; they have NaN."""
        open_windows = sorted(int(number) for number in state["open"])
        self.load_state_dict({"next": state["next"], "open": {}}, step)
        for number in open_windows:
            updates = self._plan.windows[number].updates
            self._arrays.write_missing(number, (len(self._groups), updates, updates))
        return open_windows

    def _begin(self, number: int) -> WindowGram:
        window = self._plan.windows[number]
        gram = WindowGram(window, self._source, self._groups, self._background, self._free_blocks, *self._block_sizes)
        self._open[number] = gram
        return gram

    def _write(self, number: int, gram: WindowGram) -> None:
        result = gram.close()

        self._background.submit(lambda: self._arrays.write(number, result()))


def _blocks_on_device(updates: int, parameters: int, memory: float, itemsize: int = 4, groups: int = 1) -> tuple[int, int]:
    """Return the rows of a block and the number of full blocks that stay on the device.

    Two more blocks need room: the one being filled and one copied back from the host.
    """
    row = itemsize * parameters
    left = memory - 2 * row - 8 * groups * updates**2  # two points, and the matrices
    rows = min(BLOCK_UPDATES, int(left // (3 * row)))
    if rows < 1:
        needed = (5 * row + 8 * groups * updates**2) / 2**20
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
