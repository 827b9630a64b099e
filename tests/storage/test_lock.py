"""One process at a time works on a run, and a dead one stands in nobody's way."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from anodiff.errors import RunLockedError
from anodiff.storage import lock as module
from anodiff.storage.lock import run_lock

HOLDER = """
import sys, time
from pathlib import Path
from anodiff.storage.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of ``tmp_path/run``."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "run"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    monkeypatch.setattr(module, "BEAT", 0.05)


def left_by(folder, **owner):
    """A lock file that a process has left behind, and that no process of this machine holds."""
    folder.mkdir()
    default = {"token": "t", "process": 12, "host": "elsewhere", "since": "2026-01-01 00:00:00"}
    (folder / "lock").write_text(json.dumps(default | owner))


def test_the_second_process_is_refused_with_the_firsts_number_and_host(tmp_path, holder):
    with pytest.raises(RunLockedError) as refused, run_lock(tmp_path / "run"):
        pass
    assert f"process {holder.pid} on host {socket.gethostname()}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / "lock").exists()
    told = []
    with run_lock(tmp_path / "run", told.append):
        assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == os.getpid()
    assert told == [line for line in told if f"process {holder.pid}" in line and "has ended" in line]
    assert len(told) == 1


def test_a_lock_given_up_leaves_nothing(tmp_path):
    with run_lock(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []
    with run_lock(tmp_path / "run"):
        (tmp_path / "run" / "kept").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["kept"]


def test_a_lock_is_given_up_after_an_error_too(tmp_path):
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path / "run"):
        raise ZeroDivisionError
    with run_lock(tmp_path / "run"):
        pass


def test_a_file_that_was_removed_under_the_lock_is_not_taken_for_it(tmp_path, monkeypatch):
    """The second process opens the file, the first removes it and leaves, a third makes it anew: only the new one counts."""
    taken, flock = [], fcntl.flock

    def removed_just_before(descriptor, operation):
        if not taken:
            (tmp_path / "run" / "lock").unlink()
        taken.append(descriptor)
        return flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_just_before)
    with run_lock(tmp_path / "run") as held:
        assert len(taken) == 2
        held.check()


def test_a_silent_holder_on_another_host_is_taken_for_dead_after_a_while(tmp_path, impatient):
    left_by(tmp_path / "run")
    told, start = [], time.monotonic()
    with run_lock(tmp_path / "run", told.append):
        assert 0.5 <= time.monotonic() - start < 5
    assert len(told) == 2
    assert "process 12 on host elsewhere" in told[0]
    assert "no sign of life" in told[1]


def test_a_living_holder_on_another_host_is_heard_and_the_second_refused(tmp_path, impatient):
    left_by(tmp_path / "run")
    beating = threading.Timer(0.2, os.utime, [tmp_path / "run" / "lock"])
    beating.start()
    with pytest.raises(RunLockedError, match=r"process 12 on host elsewhere.*remove") as refused, run_lock(tmp_path / "run"):
        pass
    beating.join()
    assert "\n" not in str(refused.value)
    assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == 12


def test_a_holder_gives_signs_of_life(tmp_path, impatient):
    with run_lock(tmp_path / "run"):
        path = tmp_path / "run" / "lock"
        os.utime(path, (0, 0))
        end = time.monotonic() + 5
        while path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_job_that_slurm_requeued_goes_on_at_once_on_another_node(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    left_by(tmp_path / "run", job="77", restart=0)
    start = time.monotonic()
    with run_lock(tmp_path / "run"):
        assert time.monotonic() - start < 5
        assert json.loads((tmp_path / "run" / "lock").read_text())["restart"] == 1


@pytest.mark.parametrize("owner", [{"job": "77", "restart": 1}, {"job": "76", "restart": 0}], ids=["same try", "other job"])
def test_a_job_that_was_not_requeued_waits_for_a_sign_of_life(tmp_path, monkeypatch, impatient, owner):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    left_by(tmp_path / "run", **owner)
    told = []
    with run_lock(tmp_path / "run", told.append):
        assert "no sign of life" in told[1]


def test_without_the_kernels_lock_signs_of_life_decide(tmp_path, monkeypatch, impatient):
    def unsupported(descriptor, operation):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with run_lock(tmp_path / "run"), pytest.raises(RunLockedError, match=str(os.getpid())), run_lock(tmp_path / "run"):
        pass


def test_a_holder_that_slept_through_a_take_over_stops_and_leaves_the_others_lock(tmp_path):
    with pytest.raises(RunLockedError, match=r"process 99 on host elsewhere.*taken this run over"):  # noqa: PT012, SIM117
        with run_lock(tmp_path / "run") as held:
            held.check()
            (tmp_path / "run" / "lock").write_text(json.dumps({"token": "x", "process": 99, "host": "elsewhere"}))
            held.check()
    assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == 99
