"""What compresses, multiplies and writes while the network trains? One background thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from anodiff.storage.stores import storage_errors

Job = Callable[[], None]


class BackgroundThread:
    """A thread that does jobs in the order in which they were submitted.

    After the first error no further job is done, and each further call raises that error again. If
    the file system refuses a write, the error is a `StorageError` of one line about ``path``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="anodiff-recorder")
        self._error: BaseException | None = None
        self._stopped = threading.Event()

    def submit(self, job: Job) -> Future[None]:
        """Queue a job and return its future. The caller limits the queue, because jobs hold memory.

        Raises
        ------
        BaseException
            The error of an earlier job.
        """
        self.check()
        return self._executor.submit(self._run, job)

    def wait(self, job: Future[None] | None = None) -> None:
        """Wait for a job, or for all that were submitted; raise the first error of any."""
        (self._executor.submit(lambda: None) if job is None else job).result()
        self.check()

    def check(self) -> None:
        """Raise the first error of the jobs done so far."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Cancel the jobs that have not begun, and join the thread, without raising an error."""
        self._stopped.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Job) -> None:
        if self._error is not None or self._stopped.is_set():
            return
        try:
            with storage_errors(self._path):
                job()
        except BaseException as error:
            self._error = error
