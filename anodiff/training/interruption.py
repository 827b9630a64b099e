"""Has someone asked this training to stop? A scheduler by SIGTERM or SIGUSR1, a person by Ctrl-C.

Within the training loop a signal only raises a flag, which the loop looks at between two steps. So a further signal, even one
in the middle of a checkpoint, disturbs nothing.
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
    """The signal that has come, if any.

    Attributes
    ----------
    signal
        Number of the first signal, or None.
    deferred
        True: a signal is only noted. False: it raises `Interrupted` at once, as is right while nothing can be lost.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.deferred = False

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Take a signal in; this is the handler."""
        if self.signal is None:
            self.signal = number
        if not self.deferred:
            raise Interrupted("interrupted before the first step; run again", number)


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Watch for `SIGNALS`, and put the handlers back that were there.

    Outside of the main thread, where Python allows no handlers, nothing is watched; a signal that is ignored stays ignored.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    watched = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in watched:
            signal.signal(number, interruption.note)
        yield interruption
    finally:
        interruption.deferred = True
        for number in watched:
            signal.signal(number, before[number])
