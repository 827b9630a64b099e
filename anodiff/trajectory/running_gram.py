"""What is a window's update Gram matrix, if no weights are stored? It is summed up while the network trains.

Every update of the window is needed to its end, for G holds the products of all pairs: T rows of P numbers. They are gathered
in blocks; when a block is full, its products with itself and with all blocks before it are added to G: O(T²P) multiplications
in all. On the CPU the blocks lie in memory and a background thread multiplies. On another device they lie there as far as
``memory`` allows, the others in the host's memory, whence each comes back for the products of every later block.

Differences are taken in float32 and summed as `anodiff.trajectory.products` tells, as in the geometry of a stored path.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from anodiff.errors import ConfigError
from anodiff.stores import remove
from anodiff.trajectory.background import Background
from anodiff.trajectory.point import Point
from anodiff.trajectory.products import add_products, full_precision
from anodiff.trajectory.windows import Plan, Window

if TYPE_CHECKING:
    from torch import Tensor

#: Updates of a block, at most: from so many on the products run at the processor's speed.
BLOCK_UPDATES = 64

#: Full blocks that may wait for their products before training waits.
WAITING = 2


class RunningGrams:
    """The Gram matrices of all windows of a run, of which those that the run is within are summed up.

    Parameters
    ----------
    plan
        The windows.
    point
        The position of the model.
    array
        Where finished matrices go, shape (window, update, update); its files lie in ``folder``.
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
        array: zarr.Array,
        folder: Path,
        background: Background,
        *,
        memory: float,
        bounded: bool | None = None,
    ) -> None:
        self._plan, self._point, self._background = plan, point, background
        self._array = array.with_config({"write_empty_chunks": True})  # a matrix of NaN was computed; it must not look missing
        self._folder = folder
        self._bounded = point.device.type != "cpu" if bounded is None else bounded
        together = _most_at_once(plan.windows)
        _check_fits(max(window.updates for window in plan.windows) * together, point.size)
        self._blocks: tuple[int, int | None] = (BLOCK_UPDATES, None)
        if self._bounded:
            self._blocks = _blocks_on_device(max(window.updates for window in plan.windows), point.size, memory / together)
        self._spare: list[Tensor] = []
        self._open: dict[int, _RunningGram] = {}
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

    def _begin(self, number: int) -> _RunningGram:
        window = self._plan.windows[number]
        gram = _RunningGram(window, self._point, self._background, self._spare, *self._blocks)
        self._open[number] = gram
        return gram

    def _write(self, number: int, gram: _RunningGram) -> None:
        result = gram.close()

        def write() -> None:
            matrix = result()
            updates = len(matrix)
            if number >= self._array.shape[0]:
                self._array.resize((number + 1, *self._array.shape[1:]))
            self._array[number, :updates, :updates] = matrix

        self._background.submit(write)


class _RunningGram:
    """G of one window that begins where the model stands.

    Blocks that have been filled are only read. They are taken from ``spare`` and go back there: memory that is touched for the
    first time is slow.

    Parameters
    ----------
    rows
        Of a block.
    most
        Full blocks that stay on the device; None on the CPU, where there is no other place.
    """

    def __init__(
        self, window: Window, point: Point, background: Background, spare: list[Tensor], rows: int, most: int | None
    ) -> None:
        import torch

        self.window = window
        self.updates = 0
        self._background, self._spare = background, spare
        self._rows, self._most = rows, window.updates if most is None else most
        self._size, self._device, self._bounded = point.size, point.device, most is not None
        self._last, self._now = (torch.empty(point.size, device=point.device) for _ in range(2))
        self._blocks: list[Tensor] = []
        self._shared = 0
        self._begin_block()
        self._jobs: deque[Future[None]] = deque()
        self._visitor: Tensor | None = None
        shape = (window.updates, window.updates)
        self._sum: Any = torch.zeros(shape, dtype=torch.float64, device=self._device) if self._bounded else np.zeros(shape)
        point.write(self._last)

    def add(self, point: Point) -> None:
        """Take the update that led to where the model stands."""
        import torch

        point.write(self._now)
        torch.sub(self._now, self._last, out=self._places[self._filled])
        self._last, self._now = self._now, self._last
        self.updates += 1
        self._filled += 1
        if self._filled == self._rows:
            self._multiply_block()

    def close(self) -> Any:
        """Multiply what is left and return a function of the background's that gives G, shape (updates, updates), float64."""
        if self._filled:
            self._multiply_block()
        updates = self.updates
        if self._bounded:
            self._sum = self._sum.cpu().numpy()

        def result() -> NDArray[np.float64]:
            lower = np.tril(self._sum[:updates, :updates])
            self._spare += [block for block in self._blocks[self._shared : self._most] if len(block) == self._rows]
            return lower + np.tril(lower, -1).T

        return result

    def state(self) -> dict[str, Any]:
        """Return all of it; full blocks are handed out themselves and are not used again after the window."""
        import torch

        self._shared = len(self._blocks)
        total = self._sum.cpu().clone() if self._bounded else torch.from_numpy(self._sum.copy())
        return {
            "updates": self.updates,
            "last": self._last.cpu().clone(),
            "blocks": [block.cpu() for block in self._blocks],
            "filling": self._filling[: self._filled].cpu().clone(),
            "sum": total,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.updates = int(state["updates"])
        self._last.copy_(state["last"])
        for number, values in enumerate(state["blocks"]):
            self._blocks.append(self._block().copy_(values) if number < self._most else values)
        self._filled = len(state["filling"])
        self._filling[: self._filled] = state["filling"].to(self._device)
        if self._bounded:
            self._sum.copy_(state["sum"])
        else:
            self._sum[:] = state["sum"].numpy()

    def _begin_block(self) -> None:
        self._filling = self._block()
        self._places = self._filling.unbind(0)  # views made once: slicing costs as much as subtracting
        self._filled = 0

    def _block(self) -> Tensor:
        import torch

        return self._spare.pop() if self._spare else torch.empty((self._rows, self._size), device=self._device)

    def _multiply_block(self) -> None:
        """Add the products of the block that has been filled, and begin another."""
        block, filled = self._filling, self._filled
        before = list(self._blocks)
        if self._bounded:
            with full_precision():
                self._multiply(block[:filled], before)
        else:
            self._jobs.append(self._background.submit(partial(_at_ease, self._multiply, block[:filled], before)))
            if len(self._jobs) > WAITING:
                self._background.wait(self._jobs.popleft())
        if len(before) < self._most:
            self._blocks.append(block)
            self._begin_block()
        else:
            import torch

            self._blocks.append(torch.empty(block.shape).copy_(block))  # in the host's memory; the block is used again
            self._filled = 0

    def _multiply(self, block: Tensor, before: list[Tensor]) -> None:
        start = len(before) * self._rows
        rows = slice(start, start + len(block))
        for number, other in enumerate([*before, block]):
            left, right = block, other
            if number >= self._most and number < len(before):
                right = self._visiting(other)
            columns = slice(number * self._rows, number * self._rows + len(right))
            if self._bounded:
                add_products(self._sum[rows, columns], left, right)
            else:
                with np.errstate(invalid="ignore", over="ignore"):  # weights that are not finite give a G that is not
                    add_products(self._sum[rows, columns], left.numpy(), right.numpy())

    def _visiting(self, block: Tensor) -> Tensor:
        """Bring a block from the host's memory to the device."""
        import torch

        if self._visitor is None:
            self._visitor = torch.empty((self._rows, self._size), device=self._device)
        return self._visitor.copy_(block)


def _at_ease(multiply: Any, *arguments: Any) -> None:
    """Multiply by numpy with as many threads as torch has been given, rather than all that the machine has."""
    import torch

    with _OPENBLAS.limit(limits=torch.get_num_threads()):
        multiply(*arguments)


_OPENBLAS = ThreadpoolController().select(internal_api="openblas")


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
