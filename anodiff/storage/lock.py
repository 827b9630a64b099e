"""Does another process work on this run?

The first process locks the run's scratch folder. A second one is refused unless the first has died.

The lock is the kernel's: `flock` on a file. The kernel releases it as soon as its holder dies, for
whatever reason. On one machine that settles the question. Between machines it does so only where
the file system shares locks (NFS 4, Lustre mounted with ``flock``, GPFS). Elsewhere, a free lock
proves nothing about a holder on another machine. So the holder also touches the file every
`HEARTBEAT` seconds. A process that finds a free lock with another host's name in the file watches
it for `TIMEOUT` seconds: if the file is touched, the holder is alive; if not, it is dead. No clocks
of two machines are compared. A job that SLURM has requeued keeps its id and takes over at once.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anodiff.errors import RunLockedError

#: Seconds between two touches of the lock file.
HEARTBEAT = 15.0

#: Seconds without a touch after which a holder on another host counts as dead.
TIMEOUT = 75.0

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


class Lock:
    """A lock that this process holds."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        owner = {
            "token": self._token,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            **_slurm_job(),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        os.fsync(descriptor)
        self._thread = threading.Thread(target=self._send_heartbeats, name="anodiff lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise `RunLockedError` if another process took the lock while this one was suspended."""
        owner = read_owner(self.path)
        if owner.get("token") != self._token:
            raise RunLockedError(f"{self.path}: {describe_owner(owner)} has taken this run over; this process stops")

    def release(self) -> None:
        """Release the lock; remove its file, and the folder if nothing else is in it."""
        self._released.set()
        self._thread.join()
        if read_owner(self.path).get("token") == self._token:
            self.path.unlink(missing_ok=True)
            with suppress(OSError):
                self.path.parent.rmdir()
        os.close(self._descriptor)

    def _send_heartbeats(self) -> None:
        while not self._released.wait(HEARTBEAT):
            with suppress(OSError):
                os.utime(self._descriptor)


@contextmanager
def run_lock(folder: Path, notify: Callable[[str], None] = lambda line: None) -> Iterator[Lock]:
    """Hold the lock of a run's scratch folder, which is made if necessary.

    Parameters
    ----------
    notify
        Called with a line for the user before a wait, and when a dead process's lock is taken over.

    Raises
    ------
    RunLockedError
        If another process works on the run; the message names the process and its host.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    descriptor = _acquire(path, notify)
    lock = Lock(path, descriptor)
    try:
        yield lock
    finally:
        lock.release()


def read_owner(path: Path) -> dict[str, Any]:
    """Return what the lock file says of its holder; nothing if it is missing or unreadable."""
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _acquire(path: Path, notify: Callable[[str], None]) -> int:
    """Return an open descriptor of the lock file, locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _try_flock(descriptor, path)
            # A holder removes the file when it is done, and a lock on a removed file excludes nobody.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    _wait_for_dead_owner(path, locked, notify)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_flock(descriptor: int, path: Path) -> bool:
    """Take the kernel's lock; return False if the file system has none.

    Raises
    ------
    RunLockedError
        If a living process holds it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        owner = describe_owner(read_owner(path))
        raise RunLockedError(f"{path.parent} is in use: {owner} works on this run; wait for it, or end it") from None
    return True


def _wait_for_dead_owner(path: Path, locked: bool, notify: Callable[[str], None]) -> None:
    """Return when the owner named in the file, if any, is known to be dead.

    Raises
    ------
    RunLockedError
        If the owner is alive.
    """
    owner = read_owner(path)
    if not owner:
        return
    here = _slurm_job()
    requeued = "job" in here and owner.get("job") == here["job"] and owner.get("restart", 0) < here["restart"]
    if requeued or (locked and owner.get("host") == socket.gethostname()):
        notify(f"taking the run over from {describe_owner(owner)}, which has ended")
        return
    notify(f"the run belongs to {describe_owner(owner)}; watching up to {TIMEOUT:.0f} s for a sign of life")
    last, end = _last_heartbeat(path), time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        time.sleep(min(1.0, TIMEOUT / 10))
        if _last_heartbeat(path) != last or read_owner(path) != owner:
            raise RunLockedError(
                f"{path.parent} is in use: {describe_owner(read_owner(path) or owner)} works on this run; "
                f"wait for it, end it, or remove {path} if you are sure that it is dead"
            )
    notify(f"taking the run over from {describe_owner(owner)}, which shows no sign of life")


def _last_heartbeat(path: Path) -> int:
    """Return when the file was last touched, in ns. Opening the file makes NFS ask its server."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns


def _slurm_job() -> dict[str, Any]:
    """Return this process's SLURM job and how often it was requeued; nothing outside SLURM."""
    job = os.environ.get("SLURM_JOB_ID")
    return {"job": job, "restart": int(os.environ.get("SLURM_RESTART_COUNT", 0))} if job else {}


def describe_owner(owner: dict[str, Any]) -> str:
    """Return which process holds the lock, on which host and since when, for a message."""
    if not owner:
        return "another process"
    job = f" (SLURM job {owner['job']})" if owner.get("job") else ""
    return f"process {owner.get('process')} on host {owner.get('host')}{job}, since {owner.get('since')}"
