"""Does another process work on this run, or write this output?

The first process locks the run's scratch folder, or the output. A second one is refused unless the
first has died.

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
import sys
import threading
import time
import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anodiff.errors import RunLockedError

#: Seconds between two touches of the lock file.
HEARTBEAT = 15.0

#: Seconds without a touch after which a holder on another host counts as dead.
TIMEOUT = 75.0

#: Called with a line for the user.
Notify = Callable[[str], None]

#: The locks that this process holds.
HELD: set[Lock] = set()

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


class Lock:
    """Lock files that this process holds, by their open descriptors."""

    def __init__(self, descriptors: Mapping[Path, int]) -> None:
        self._descriptors = dict(descriptors)
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        owner = {
            "token": self._token,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            **_slurm_job(),
        }
        for descriptor in self._descriptors.values():
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(owner).encode(), 0)
            os.fsync(descriptor)
        HELD.add(self)
        self._thread = threading.Thread(target=self._send_heartbeats, name="anodiff lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise `RunLockedError` if another process took a lock while this one was suspended."""
        for path in self._descriptors:
            owner = read_owner(path)
            if owner.get("token") != self._token:
                raise RunLockedError(f"{path}: {describe_owner(owner)} has taken this over; this process stops")

    def release(self) -> None:
        """Release the locks and remove their files."""
        HELD.discard(self)
        self._released.set()
        self._thread.join()
        for path, descriptor in self._descriptors.items():
            if read_owner(path).get("token") == self._token:
                path.unlink(missing_ok=True)
            os.close(descriptor)

    def _send_heartbeats(self) -> None:
        while not self._released.wait(HEARTBEAT):
            for descriptor in self._descriptors.values():
                with suppress(OSError):
                    os.utime(descriptor)


@contextmanager
def run_lock(folder: Path, notify: Notify = lambda line: None) -> Iterator[Lock]:
    """Hold the lock of a run's scratch folder, which is made if necessary, and removed in the end
    if nothing else is in it.

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
    lock = _hold({folder / "lock": folder}, notify)
    try:
        yield lock
    finally:
        lock.release()
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def output_lock(outputs: Iterable[Path], notify: Notify = lambda line: print(line, file=sys.stderr)) -> Iterator[Lock]:
    """Hold the locks of outputs: of each a hidden file next to it. Their folders exist.

    Parameters
    ----------
    notify
        As of `run_lock`.

    Raises
    ------
    RunLockedError
        If another process writes one of them.
    """
    lock = _hold({output.with_name(f".{output.name}.lock"): output for output in outputs}, notify)
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


def _hold(locked: Mapping[Path, Path], notify: Notify) -> Lock:
    """Take the lock files, each by what it locks: all of them or none."""
    held: dict[Path, int] = {}
    unshared: set[Path] = set()
    try:
        for path, what in locked.items():
            held[path], by_kernel = _acquire(path, what)
            if not by_kernel:
                unshared.add(path)
        _wait_for_dead_owners(locked, unshared, notify)
        return Lock(held)
    except BaseException:
        for path, descriptor in held.items():
            if path not in unshared and not os.fstat(descriptor).st_size:  # made by this process, and nobody's
                path.unlink(missing_ok=True)
            os.close(descriptor)
        raise


def _acquire(path: Path, what: Path) -> tuple[int, bool]:
    """Return an open descriptor of the lock file, and whether the kernel has locked it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _try_flock(descriptor, path, what)
            # A holder removes the file when it is done, and a lock on a removed file excludes nobody.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor, locked
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_flock(descriptor: int, path: Path, what: Path) -> bool:
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
        raise RunLockedError(f"{what} is in use: {owner} works on it; wait for it, or end it") from None
    return True


def _wait_for_dead_owners(locked: Mapping[Path, Path], unshared: Container[Path], notify: Notify) -> None:
    """Return when the owners named in the files, if any, are known to be dead; all are watched at
    once.

    Raises
    ------
    RunLockedError
        If one of them is alive.
    """
    here = _slurm_job()
    watched: dict[Path, tuple[dict[str, Any], int]] = {}
    for path, what in locked.items():
        owner = read_owner(path)
        if not owner:
            continue
        requeued = "job" in here and owner.get("job") == here["job"] and owner.get("restart", 0) < here["restart"]
        if requeued or (path not in unshared and owner.get("host") == socket.gethostname()):
            notify(f"taking {what} over from {describe_owner(owner)}, which has ended")
        else:
            watched[path] = owner, _last_heartbeat(path)
            notify(f"{what} belongs to {describe_owner(owner)}; watching up to {TIMEOUT:.0f} s for a sign of life")
    end = time.monotonic() + TIMEOUT
    while watched and time.monotonic() < end:
        time.sleep(min(1.0, TIMEOUT / 10))
        for path, (owner, last) in watched.items():
            if _last_heartbeat(path) != last or read_owner(path) != owner:
                raise RunLockedError(
                    f"{locked[path]} is in use: {describe_owner(read_owner(path) or owner)} works on it; "
                    f"wait for it, end it, or remove {path} if you are sure that it is dead"
                )
    for path, (owner, _) in watched.items():
        notify(f"taking {locked[path]} over from {describe_owner(owner)}, which shows no sign of life")


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
