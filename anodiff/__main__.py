"""``python -m anodiff`` and ``anodiff``: the command line, which a signal ends in one line at any time.

Nothing heavy is imported before the signals are handled. SIGTERM and SIGUSR1 end a command with
exit status 75, which asks for another attempt, and Ctrl-C with 130. A command that writes nothing yet
ends at once, even in the middle of an import. Otherwise an exception unwinds it, so that it removes
what it has half written. `anodiff.training.interruption` takes over while a network trains.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

#: Exit status after each signal; 75 is EX_TEMPFAIL of sysexits.h.
STATUS = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGINT: 130}

#: Seconds to clean up in; SLURM kills a job 30 seconds after it has asked it to end.
GRACE = 20.0


#: Objects that are made before Python looks for unreachable ones. With its own 700, that takes a twelfth of the time of
#: drawing figures.
GARBAGE_COLLECTED_EVERY = 5000

#: A bar of progress hides the cursor of a terminal.
SHOW_CURSOR = "\x1b[?25h"


class Stopped(BaseException):
    """A signal has arrived. No library takes it for an error of its own."""


class _Signals:
    """What has arrived, and whether the command has begun to work."""

    def __init__(self) -> None:
        self.arrived: int | None = None
        self.working = False
        for number in STATUS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None = None) -> None:
        """End the process at once if it holds no lock; else raise `Stopped`, and end it after
        `GRACE` seconds whatever became of that. Further signals do not disturb the cleaning up.
        """
        if self.arrived is not None:
            return
        self.arrived = number
        locks = sys.modules.get("anodiff.storage.lock")
        if not self.working or not getattr(locks, "HELD", None):
            self.end()
        import threading

        timer = threading.Timer(GRACE, self.end)
        timer.daemon = True
        timer.start()
        raise Stopped

    def end(self) -> None:
        """Write the line and end the process as it is."""
        self.say()
        os._exit(self.status)

    @property
    def status(self) -> int:
        """The exit status after the signal that has arrived."""
        return STATUS[signal.Signals(self.arrived or signal.SIGTERM)]

    def say(self) -> None:
        """Write the one line."""
        name = signal.Signals(self.arrived or signal.SIGTERM).name
        shown = SHOW_CURSOR if os.isatty(2) else ""
        os.write(2, f"{shown}anodiff: interrupted by {name}; run it again\n".encode())


def main() -> None:
    """Run the command line, see `anodiff.cli.app.main`."""
    signals = _Signals()
    gc.set_threshold(GARBAGE_COLLECTED_EVERY)
    from anodiff.cli.app import main as run

    try:
        signals.working = True
        run()
    except SystemExit as ended:
        if signals.arrived is None or ended.code:  # it says itself why it has ended
            raise
    except BaseException:
        if signals.arrived is None:
            raise
    finally:
        signals.working = False
    if signals.arrived is not None:
        signals.end()


if __name__ == "__main__":
    main()
