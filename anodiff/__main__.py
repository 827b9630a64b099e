"""``python -m anodiff`` and ``anodiff``: the command line, which a signal ends in one line at any time.

Nothing heavy is imported before the signals are handled. SIGTERM and SIGUSR1 end a command with
exit status 75, which asks for another attempt, and Ctrl-C with 130. While it starts, nothing can be
lost, so it ends at once. Later, an exception unwinds it, so that it removes what it has half
written. `anodiff.training.interruption` takes over while a network trains.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

#: Exit status after each signal; 75 is EX_TEMPFAIL of sysexits.h.
STATUS = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGINT: 130}


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
        """End the process at once while it starts; later raise `Stopped`."""
        self.arrived = self.arrived or number
        if not self.working:
            self.say()
            os._exit(STATUS[signal.Signals(self.arrived)])
        raise Stopped

    def say(self) -> None:
        """Write the one line."""
        name = signal.Signals(self.arrived or 0).name
        os.write(2, f"anodiff: interrupted by {name}; run it again\n".encode())


def main() -> None:
    """Run the command line, see `anodiff.cli.app.main`."""
    signals = _Signals()
    from anodiff.cli.app import main as run

    try:
        signals.working = True
        run()
    except SystemExit:
        raise  # the command has ended as it wanted to, if with a line of its own about the signal
    except BaseException:
        if signals.arrived is None:
            raise
    if signals.arrived is not None:
        signals.say()
        raise SystemExit(STATUS[signal.Signals(signals.arrived)])


if __name__ == "__main__":
    main()
