"""One process at a time works on a run, and a dead process blocks nobody."""

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
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)


def left_by(folder, **owner):
    """Write the lock file of another process that no process on this machine holds."""
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
    lines = []
    with run_lock(tmp_path / "run", lines.append):
        assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == os.getpid()
    assert lines == [line for line in lines if f"process {holder.pid}" in line and "has ended" in line]
    assert len(lines) == 1


def test_a_released_lock_leaves_nothing(tmp_path):
    with run_lock(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []
    with run_lock(tmp_path / "run"):
        (tmp_path / "run" / "kept").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["kept"]


def test_a_lock_is_released_after_an_error_too(tmp_path):
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path / "run"):
        raise ZeroDivisionError
    with run_lock(tmp_path / "run"):
        pass


def test_a_lock_on_a_removed_file_does_not_count(tmp_path, monkeypatch):
    """The second process opens the file, the first removes it and ends, a third makes a new one: only the new one counts."""
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


def test_a_holder_on_another_host_without_heartbeats_counts_as_dead_after_the_timeout(tmp_path, impatient):
    left_by(tmp_path / "run")
    lines, start = [], time.monotonic()
    with run_lock(tmp_path / "run", lines.append):
        assert 0.5 <= time.monotonic() - start < 5
    assert len(lines) == 2
    assert "process 12 on host elsewhere" in lines[0]
    assert "no sign of life" in lines[1]


def test_a_holder_on_another_host_with_heartbeats_refuses_the_second(tmp_path, impatient):
    left_by(tmp_path / "run")
    beating = threading.Timer(0.2, os.utime, [tmp_path / "run" / "lock"])
    beating.start()
    with pytest.raises(RunLockedError, match=r"process 12 on host elsewhere.*remove") as refused, run_lock(tmp_path / "run"):
        pass
    beating.join()
    assert "\n" not in str(refused.value)
    assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == 12


def test_a_holder_sends_heartbeats(tmp_path, impatient):
    with run_lock(tmp_path / "run"):
        path = tmp_path / "run" / "lock"
        os.utime(path, (0, 0))
        end = time.monotonic() + 5
        while path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_requeued_slurm_job_takes_over_at_once_on_another_node(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    left_by(tmp_path / "run", job="77", restart=0)
    start = time.monotonic()
    with run_lock(tmp_path / "run"):
        assert time.monotonic() - start < 5
        assert json.loads((tmp_path / "run" / "lock").read_text())["restart"] == 1


@pytest.mark.parametrize("owner", [{"job": "77", "restart": 1}, {"job": "76", "restart": 0}], ids=["same attempt", "other job"])
def test_a_job_that_was_not_requeued_waits_for_heartbeats(tmp_path, monkeypatch, impatient, owner):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    left_by(tmp_path / "run", **owner)
    lines = []
    with run_lock(tmp_path / "run", lines.append):
        assert "no sign of life" in lines[1]


def test_without_the_kernels_lock_heartbeats_decide(tmp_path, monkeypatch, impatient):
    def unsupported(descriptor, operation):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with run_lock(tmp_path / "run"), pytest.raises(RunLockedError, match=str(os.getpid())), run_lock(tmp_path / "run"):
        pass


def test_a_suspended_holder_that_lost_its_lock_stops_and_leaves_the_new_lock(tmp_path):
    with pytest.raises(RunLockedError, match=r"process 99 on host elsewhere.*taken this over"):  # noqa: PT012, SIM117
        with run_lock(tmp_path / "run") as held:
            held.check()
            (tmp_path / "run" / "lock").write_text(json.dumps({"token": "x", "process": 99, "host": "elsewhere"}))
            held.check()
    assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == 99
