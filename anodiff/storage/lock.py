"""Does another process work on this run? One locks its scratch folder; a second is refused, unless the first is dead.

The lock is the kernel's, `flock` on a file, so that of a process which dies is free at once, whatever it died of. On one
machine that settles the matter. Between machines it does so only where the file system carries locks across (NFS 4, Lustre
mounted with ``flock``, GPFS); elsewhere a free lock proves nothing about a holder on another machine. So the holder also
touches the file every `BEAT` seconds, and who finds a free lock with the name of another host in it watches for `PATIENCE`
seconds: a touch means a living holder, none a dead one. No clocks are compared. A job that SLURM has put back in its queue
keeps its id, and takes over at once.
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

#: Seconds between two signs of life.
BEAT = 15.0

#: Seconds without one after which a holder on another host counts as dead.
PATIENCE = 75.0

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


class Lock:
    """A lock that is held."""

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
            **_slurm(),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        os.fsync(descriptor)
        self._thread = threading.Thread(target=self._beat, name="anodiff lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise `RunLockedError` if another process has taken the lock, as it may after this one stood still for long."""
        owner = _owner(self.path)
        if owner.get("token") != self._token:
            raise RunLockedError(f"{self.path}: {_said(owner)} has taken this run over; this process stops")

    def release(self) -> None:
        """Give the lock up, and remove its file and the folder if nothing else is in it."""
        self._released.set()
        self._thread.join()
        if _owner(self.path).get("token") == self._token:
            self.path.unlink(missing_ok=True)
            with suppress(OSError):
                self.path.parent.rmdir()
        os.close(self._descriptor)

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            with suppress(OSError):
                os.utime(self._descriptor)


@contextmanager
def run_lock(folder: Path, tell: Callable[[str], None] = lambda line: None) -> Iterator[Lock]:
    """Hold the lock of a run's scratch folder, which is made if need be.

    Parameters
    ----------
    tell
        Called with a line for a person before a wait, and when a dead process's lock is taken over.

    Raises
    ------
    RunLockedError
        If another process works on the run: which, and on which host.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    descriptor = _acquire(path, tell)
    lock = Lock(path, descriptor)
    try:
        yield lock
    finally:
        lock.release()


def _acquire(path: Path, tell: Callable[[str], None]) -> int:
    """Return an open descriptor of the lock file, locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            proven = _flock(descriptor, path)
            # A holder removes the file when it is done; a lock on a removed file is worth nothing.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    _outlive(path, proven, tell)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _flock(descriptor: int, path: Path) -> bool:
    """Take the kernel's lock; False where the file system has none.

    Raises
    ------
    RunLockedError
        If a living process has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        owner = _said(_owner(path))
        raise RunLockedError(f"{path.parent} is in use: {owner} works on this run; wait for it, or end it") from None
    return True


def _outlive(path: Path, proven: bool, tell: Callable[[str], None]) -> None:
    """Return when the owner named in the file, if any, is known to be dead."""
    owner = _owner(path)
    if not owner:
        return
    here = _slurm()
    requeued = "job" in here and owner.get("job") == here["job"] and owner.get("restart", 0) < here["restart"]
    if requeued or (proven and owner.get("host") == socket.gethostname()):
        tell(f"taking the run over from {_said(owner)}, which has ended")
        return
    tell(f"the run belongs to {_said(owner)}; watching up to {PATIENCE:.0f} s for a sign of life")
    last, end = _touched(path), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(min(1.0, PATIENCE / 10))
        if _touched(path) != last or _owner(path) != owner:
            raise RunLockedError(
                f"{path.parent} is in use: {_said(_owner(path) or owner)} works on this run; wait for it, end it, "
                f"or remove {path} if you know better"
            )
    tell(f"taking the run over from {_said(owner)}, which shows no sign of life")


def _touched(path: Path) -> int:
    """Return when the file was last touched, by its file system's clock; opening it makes NFS ask its server."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns


def _owner(path: Path) -> dict[str, Any]:
    """Return what the lock file says of its holder; nothing where it says nothing."""
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _slurm() -> dict[str, Any]:
    """Return this process's SLURM job and how often that has been put back in the queue; nothing outside SLURM."""
    job = os.environ.get("SLURM_JOB_ID")
    return {"job": job, "restart": int(os.environ.get("SLURM_RESTART_COUNT", 0))} if job else {}


def _said(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process"
    job = f" (SLURM job {owner['job']})" if owner.get("job") else ""
    return f"process {owner.get('process')} on host {owner.get('host')}{job}, since {owner.get('since')}"
