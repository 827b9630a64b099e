"""A signal is deferred to between two steps, or obeyed at once if nothing can be lost; handlers are restored."""

import os
import signal
import threading

import pytest

from anodiff.errors import Interrupted
from anodiff.training.interruption import SIGNALS, watch_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_in_the_loop_is_kept(number):
    with watch_signals() as interruption:
        interruption.deferred = True
        assert interruption.signal is None
        os.kill(os.getpid(), number)
        for other in SIGNALS:
            os.kill(os.getpid(), other)
        assert interruption.signal == number


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_before_the_loop_ends_it_with_a_status_that_asks_for_another_attempt(number, status):
    with pytest.raises(Interrupted) as interrupted, watch_signals():
        os.kill(os.getpid(), number)
    assert (interrupted.value.signal, interrupted.value.exit_status) == (number, status)


def test_handlers_are_restored():
    def mine(number, frame):
        pass

    before = {number: signal.signal(number, mine) for number in SIGNALS}
    try:
        with watch_signals():
            assert all(signal.getsignal(number) is not mine for number in SIGNALS)
        assert all(signal.getsignal(number) is mine for number in SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with watch_signals() as interruption:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert interruption.signal is None
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_another_thread_handles_no_signal_and_runs_anyway():
    handlers, seen = {number: signal.getsignal(number) for number in SIGNALS}, []

    def run():
        with watch_signals() as interruption:
            seen.append((interruption.signal, {number: signal.getsignal(number) for number in SIGNALS} == handlers))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(None, True)]
