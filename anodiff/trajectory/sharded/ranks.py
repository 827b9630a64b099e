"""How do the recorders of all ranks speak with each other? Over a gloo group of their own.

While a run trains, only the background thread does, so training does not wait, and the messages
never mix with those of the training. A sum is of numbers in the order of the ranks, so its bits do
not depend on which message comes first.

The pitfall: a rank that waits for a message of one that has failed. A rank that dies closes its
connections, and that ends the waiting. A rank whose own training has failed stops waiting by
`Ranks.leave`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from anodiff.errors import AnodiffError, ConfigError, LostRankError

#: Seconds within which all ranks must make their recorder or ask for its state, and within which a message must come.
MEET_SECONDS, MESSAGE_SECONDS = 180, 3600

_begun = 0


class Ranks:
    """The ranks of the default process group, and this one among them.

    Attributes
    ----------
    rank, size
        Number of this rank, and of all.

    Raises
    ------
    ConfigError
        If not all ranks begin a recording.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._left = threading.Event()
        self._work: Any = None
        global _begun
        _begun += 1
        self._name, self._met = f"anodiff/recording/{_begun}", 0
        self.meet(
            f"a process group of {self.size} ranks is initialised, but rank {{}} makes no recorder; make it on every rank "
            "(with replicated weights it records on rank 0 alone)"
        )
        self._group: Any = dist.new_group(backend="gloo", timeout=timedelta(seconds=MESSAGE_SECONDS))

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes what is in the store once."""
        return self.rank == 0

    def meet(self, otherwise: str) -> None:
        """Wait until all ranks are here.

        Raises
        ------
        ConfigError
            With the text ``otherwise``, in which the number of a missing rank is inserted.
        """
        self._met += 1
        store = dist.distributed_c10d._get_default_store()
        names = [f"{self._name}/{self._met}/{number}" for number in range(self.size)]
        store.set(names[self.rank], "here")
        try:
            store.wait(names, timedelta(seconds=MEET_SECONDS))
        except RuntimeError:
            missing = [number for number, name in enumerate(names) if not store.check([name])]
            raise ConfigError(otherwise.format(missing[0] if missing else "?")) from None

    def gathered(self, value: Any) -> list[Any]:
        """Return a small plain value of each rank, on every rank."""
        values: list[Any] = [None] * self.size
        self._announce(0)
        with _lost_ranks():
            dist.all_gather_object(values, value, group=self._group)
        return values

    def gathered_on_first(self, value: Any) -> list[Any] | None:
        """Return a value of each rank on rank 0, and None on the others."""
        values: list[Any] | None = [None] * self.size if self.is_first else None
        self._announce(-2)
        with _lost_ranks():
            dist.gather_object(value, values, dst=0, group=self._group)
        return values

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do something on all ranks; if it fails on one, it fails on all.

        Raises
        ------
        AnodiffError
            This rank's error, or the first one of another rank.
        """
        error: Exception | None = None
        try:
            yield
        except Exception as found:
            error = found
        messages = self.gathered(None if error is None else f"{error}" if isinstance(error, AnodiffError) else repr(error))
        if error is not None:
            raise error
        failed = next((rank for rank, message in enumerate(messages) if message is not None), None)
        if failed is not None:
            raise ConfigError(f"{messages[failed]} (rank {failed} of {self.size})")

    def sum_on_first(self, values: Tensor) -> Tensor | None:
        """Return the sum of all ranks' values on rank 0, and None on the others.

        Each rank adds up a part of the numbers, in the order of the ranks, and sends it to rank 0.

        Parameters
        ----------
        values
            Shape (numbers,), float64, on the CPU.
        """
        if self.size == 1:
            return values
        self._announce(len(values))
        share = -(-len(values) // self.size)
        padded = values.new_zeros(self.size * share)
        padded[: len(values)] = values
        received = torch.empty_like(padded)
        self._wait(lambda: dist.all_to_all_single(received, padded, group=self._group, async_op=True))
        parts = received.view(self.size, share)
        total = parts[0].clone()
        for part in parts[1:]:
            total += part
        gathered = list(padded.view(self.size, share).unbind(0)) if self.is_first else None
        self._wait(lambda: dist.gather(total, gathered, dst=0, group=self._group, async_op=True))
        return padded[: len(values)] if self.is_first else None

    def exchange(self, sent: Tensor, sent_sizes: Sequence[int], received_sizes: Sequence[int]) -> Tensor:
        """Send a part of ``sent`` to each rank, and return what all ranks sent here, in their order.

        Parameters
        ----------
        sent
            Shape (numbers,), on the CPU: the parts one after another, of ``sent_sizes``.
        """
        if self.size == 1:
            return sent
        self._announce(-1)
        received = sent.new_empty(sum(received_sizes))
        sizes = list(received_sizes), list(sent_sizes)
        self._wait(lambda: dist.all_to_all_single(received, sent, *sizes, group=self._group, async_op=True))
        return received

    def leave(self) -> None:
        """Stop waiting for messages, because this rank's training has failed."""
        self._left.set()

    def close(self) -> None:
        """End the group, which tells ranks that wait for a message that there will be none.

        A message that is still on its way must first arrive; a thread waits for it.
        """
        held, self._group, self._work = [self._group, self._work], None, None
        if held[0] is None or _ended(held):
            return
        threading.Thread(target=_end, args=(held,), daemon=True).start()

    def _announce(self, size: int) -> None:
        """Tell the others which message follows, and check that they mean the same one."""
        if not dist.is_initialized():
            raise ConfigError("the process group was destroyed before the recording was finished; call finish() first")
        own = torch.tensor([size])
        announced = [torch.empty_like(own) for _ in range(self.size)]
        self._wait(lambda: dist.all_gather(announced, own, group=self._group, async_op=True))
        if any(int(one) != size for one in announced):
            raise ConfigError("the ranks record different steps; call record() on every rank after every step, and finish()")

    def _wait(self, start: Callable[[], Any]) -> None:
        """Send messages and wait for the answers, or until this rank leaves."""
        with _lost_ranks():
            self._work, pause = start(), 1e-4
            while not self._work.is_completed():
                if self._left.is_set():
                    raise LostRankError("this rank left the recording")
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
            self._work.wait()


@contextmanager
def _lost_ranks() -> Iterator[None]:
    """Make one line of what gloo says when a rank is gone."""
    try:
        yield
    except RuntimeError as error:
        reason = re.sub(r"^\[.*?\] |\. This is typically.*", "", (str(error).splitlines() or [type(error).__name__])[0])
        raise LostRankError(f"another rank has ended, so the recording cannot go on ({reason}); see its output") from None


def _ended(held: list[Any]) -> bool:
    """End a group if its last message has arrived, and return whether it has.

    Whatever refers to either keeps the connections open, so ``held`` is emptied.
    """
    if held[1] is not None and not held[1].is_completed():
        return False
    if dist.is_initialized():
        dist.destroy_process_group(held[0])
    held.clear()
    return True


def _end(held: list[Any]) -> None:
    while not _ended(held):
        time.sleep(0.05)
