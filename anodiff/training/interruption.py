"""Has someone asked this run to stop? A scheduler by SIGTERM or SIGUSR1, a person by Ctrl-C.

While the run trains, a signal only sets a flag, which the loop checks between two steps. So a
further signal, even in the middle of a checkpoint, does no harm.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from anodiff.errors import Interrupted

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Interruption:
    """The signal that has arrived, if any.

    Attributes
    ----------
    signal
        Number of the first signal, or None.
    deferred
        True: a signal only sets ``signal``. False: it raises `Interrupted` at once, which is right
        while nothing can be lost.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.deferred = False

    def handle(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        if self.signal is None:
            self.signal = number
        if not self.deferred:
            raise Interrupted("interrupted before the first step; run again", number)


@contextmanager
def watch_signals() -> Iterator[Interruption]:
    """Handle `SIGNALS` while the context lasts, then restore the previous handlers.

    Outside the main thread, where Python allows no handlers, nothing is handled. An ignored signal
    stays ignored.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in handled:
            signal.signal(number, interruption.handle)
        yield interruption
    finally:
        interruption.deferred = True
        for number in handled:
            signal.signal(number, before[number])
