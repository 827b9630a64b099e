"""What is one window's update Gram matrix, summed up update by update?

G holds the products of all pairs of updates, so every update is needed until the window ends: T
rows of P numbers. The columns may be divided into groups; then each has a matrix, whose sum is G.
They are collected in blocks. The products of a full block with itself and with all earlier blocks
are added to G: O(T²P) multiplications in all. On the CPU a background thread multiplies. On another
device as many blocks stay there as its memory allows. The others are in the host's memory, from
which each is copied back for the products of every later block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.products import add_products, blas, full_precision
from anodiff.trajectory.update_sources import UpdateSource
from anodiff.trajectory.windows import Window

if TYPE_CHECKING:
    from torch import Tensor

#: Full blocks that may wait for their products before training waits.
MAX_QUEUED_BLOCKS = 2


class WindowGram:
    """The matrices of one window that begins at the current point.

    A full block is never written again. Blocks are taken from ``free_blocks`` and returned there,
    because using memory for the first time is slow.

    Parameters
    ----------
    source
        Where the updates come from.
    groups
        The columns of each group: ranges that follow one another.
    block_rows
        Rows of a block.
    blocks_on_device
        Full blocks that stay on the device; None on the CPU, where there is no other place.
    """

    def __init__(
        self,
        window: Window,
        source: UpdateSource,
        groups: Sequence[slice],
        background: BackgroundThread,
        free_blocks: list[Tensor],
        block_rows: int,
        blocks_on_device: int | None,
    ) -> None:
        import torch

        self.window = window
        self.updates = 0
        self._source, self._groups, self._steps = source, groups, 0
        self._own = source.begin()
        self._background, self._free_blocks = background, free_blocks
        self._block_rows, self._bounded = block_rows, blocks_on_device is not None
        self._on_device = window.updates if blocks_on_device is None else blocks_on_device
        self._blocks: list[Tensor] = []
        self._shared = 0
        self._begin_block()
        self._jobs: deque[Future[None]] = deque()
        self._copied_back: Tensor | None = None
        shape = (len(groups), window.updates, window.updates)
        self._gram: Any = np.zeros(shape)
        if self._bounded:
            self._gram = torch.zeros(shape, dtype=torch.float64, device=source.device)

    def add_step(self) -> None:
        """Add the step that led to the current point."""
        phase = self._steps % self.window.stride
        last = phase == self.window.stride - 1
        self._own.write(self._rows[self._filled], first=phase == 0, last=last)
        self._steps += 1
        if last:
            self.updates += 1
            self._filled += 1
            if self._filled == self._block_rows:
                self._multiply_block()

    def close(self) -> Callable[[], NDArray[np.float64]]:
        """Multiply the last block, and return a function for the background thread that returns the
        matrices, (groups, updates, updates).
        """
        if self._filled:
            self._multiply_block()
        updates = self.updates
        if self._bounded:
            self._gram = self._gram.cpu().numpy()

        def result() -> NDArray[np.float64]:
            lower = np.tril(self._gram[:, :updates, :updates])
            self._free_blocks.extend([*self._blocks[self._shared : self._on_device], self._filling])
            return lower + np.tril(lower, -1).swapaxes(1, 2)

        return result

    def state_dict(self) -> dict[str, Any]:
        """Return everything; full blocks are not copied, so they are never reused."""
        import torch

        self._shared = len(self._blocks)
        gram = self._gram.cpu().clone() if self._bounded else torch.from_numpy(self._gram.copy())
        begun = self._filled + (self._steps % self.window.stride > 0)
        return {
            "steps": self._steps,
            "source": self._own.state_dict(),
            "blocks": [block.cpu() for block in self._blocks],
            "filling": self._filling[:begun].cpu().clone(),
            "sum": gram,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        self._steps = int(state["steps"])
        self.updates = self._steps // self.window.stride
        self._own.load_state_dict(state["source"])
        for number, values in enumerate(state["blocks"]):
            self._blocks.append(self._free_block().copy_(values) if number < self._on_device else values)
        self._filled = self.updates - len(self._blocks) * self._block_rows
        self._filling[: len(state["filling"])] = state["filling"].to(self._filling.device)
        if self._bounded:
            self._gram.copy_(state["sum"])
        else:
            self._gram[:] = state["sum"].numpy()

    def _begin_block(self) -> None:
        self._filling = self._free_block()
        self._rows = self._filling.unbind(0)  # views made once: slicing takes as long as subtracting
        self._filled = 0

    def _free_block(self) -> Tensor:
        if self._free_blocks:
            return self._free_blocks.pop()
        return self._new_block()

    def _new_block(self) -> Tensor:
        import torch

        return torch.empty((self._block_rows, self._source.size), dtype=self._source.dtype, device=self._source.device)

    def _multiply_block(self) -> None:
        """Add the products of the filled block, and begin another."""
        block, filled = self._filling, self._filled
        earlier = list(self._blocks)
        if self._bounded:
            with full_precision():
                self._multiply(block[:filled], earlier)
        else:
            job = partial(_with_torch_threads, self._multiply, block[:filled], earlier)
            self._jobs.append(self._background.submit(job))
            if len(self._jobs) > MAX_QUEUED_BLOCKS:
                self._background.wait(self._jobs.popleft())
        if len(earlier) < self._on_device:
            self._blocks.append(block)
            self._begin_block()
        else:
            import torch

            on_host = torch.empty(block.shape, dtype=block.dtype).copy_(block)
            self._blocks.append(on_host)  # the block is filled again
            self._filled = 0

    def _multiply(self, block: Tensor, earlier: list[Tensor]) -> None:
        start = len(earlier) * self._block_rows
        rows = slice(start, start + len(block))
        for number, other in enumerate([*earlier, block]):
            left: Any = block
            right: Any = other
            if self._on_device <= number < len(earlier):
                right = self._copy_back(other)
            columns = slice(number * self._block_rows, number * self._block_rows + len(right))
            if not self._bounded:
                left, right = left.numpy(), right.numpy()
            with np.errstate(invalid="ignore", over="ignore"):  # weights that are not finite give a G that is not
                for gram, part in zip(self._gram, self._groups, strict=True):
                    add_products(gram[rows, columns], left[:, part], right[:, part])

    def _copy_back(self, block: Tensor) -> Tensor:
        """Copy a block from the host's memory to the device."""
        if self._copied_back is None:
            self._copied_back = self._new_block()
        return self._copied_back.copy_(block)


def _with_torch_threads(multiply: Callable[..., None], *arguments: Any) -> None:
    """Multiply by numpy with torch's number of threads, instead of all that the machine has."""
    import torch

    with blas().limit(limits=torch.get_num_threads()):
        multiply(*arguments)
