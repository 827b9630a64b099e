"""What is one window's update Gram matrix, summed up update by update?

Every update of the window is needed to its end, for G holds the products of all pairs: T rows of P numbers. They are gathered
in blocks; when a block is full, its products with itself and with all blocks before it are added to G: O(T²P) multiplications
in all. On the CPU the blocks lie in memory and a background thread multiplies. On another device they lie there as far as the
memory allows, the others in the host's memory, whence each comes back for the products of every later block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.trajectory.background import Background
from anodiff.trajectory.flat_parameters import Point
from anodiff.trajectory.products import add_products, blas, full_precision
from anodiff.trajectory.windows import Window

if TYPE_CHECKING:
    from torch import Tensor

#: Full blocks that may wait for their products before training waits.
WAITING = 2


class WindowGram:
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

    def close(self) -> Callable[[], NDArray[np.float64]]:
        """Multiply what is left and return a function of the background's that gives G, shape (updates, updates), float64."""
        if self._filled:
            self._multiply_block()
        updates = self.updates
        if self._bounded:
            self._sum = self._sum.cpu().numpy()

        def result() -> NDArray[np.float64]:
            lower = np.tril(self._sum[:updates, :updates])
            self._spare.extend([*self._blocks[self._shared : self._most], self._filling])
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

    with blas().limit(limits=torch.get_num_threads()):
        multiply(*arguments)
