"""Who compresses, multiplies and writes while the training goes on? One thread, whose errors come back to the training."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from anodiff.storage.stores import storage_errors

Job = Callable[[], None]


class Background:
    """A thread that does jobs in the order of their submission.

    The first error ends the work: later jobs are left out, and each further call here raises it again. What the file system
    refuses is a `StorageError` about ``path`` in one line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="anodiff-recorder")
        self._error: BaseException | None = None
        self._stopped = threading.Event()

    def submit(self, job: Job) -> Future[None]:
        """Queue a job; what comes back is done when the job is. Who submits bounds the queue, by the memory that jobs hold.

        Raises
        ------
        BaseException
            The error of an earlier job.
        """
        self.check()
        return self._thread.submit(self._do, job)

    def wait(self, job: Future[None] | None = None) -> None:
        """Wait for a job, or for all that were submitted; raise the first error of any."""
        (self._thread.submit(lambda: None) if job is None else job).result()
        self.check()

    def check(self) -> None:
        """Raise the first error of any job that has been done."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Leave out the jobs that have not begun, and join the thread. It raises nothing."""
        self._stopped.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _do(self, job: Job) -> None:
        if self._error is not None or self._stopped.is_set():
            return
        try:
            with storage_errors(self._path):
                job()
        except BaseException as error:
            self._error = error
