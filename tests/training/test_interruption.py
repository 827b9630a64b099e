"""A signal is noted between steps, obeyed at once where nothing can be lost, and the old handlers come back."""

import os
import signal
import threading

import pytest

from anodiff.errors import Interrupted
from anodiff.training.interruption import SIGNALS, interruptions


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_in_the_loop_are_noted_the_first_one_for_good(number):
    with interruptions() as interruption:
        interruption.deferred = True
        assert interruption.signal is None
        os.kill(os.getpid(), number)
        for other in SIGNALS:
            os.kill(os.getpid(), other)
        assert interruption.signal == number


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_before_the_loop_ends_it_with_a_status_that_asks_for_another_try(number, status):
    with pytest.raises(Interrupted) as interrupted, interruptions():
        os.kill(os.getpid(), number)
    assert (interrupted.value.signal, interrupted.value.exit_status) == (number, status)


def test_handlers_are_put_back():
    def mine(number, frame):
        pass

    before = {number: signal.signal(number, mine) for number in SIGNALS}
    try:
        with interruptions():
            assert all(signal.getsignal(number) is not mine for number in SIGNALS)
        assert all(signal.getsignal(number) is mine for number in SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with interruptions() as interruption:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert interruption.signal is None
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_another_thread_watches_for_nothing_and_runs_all_the_same():
    handlers, seen = {number: signal.getsignal(number) for number in SIGNALS}, []

    def run():
        with interruptions() as interruption:
            seen.append((interruption.signal, {number: signal.getsignal(number) for number in SIGNALS} == handlers))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(None, True)]
