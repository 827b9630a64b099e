"""Runs commands of anodiff and kills them, one after another, in forks of a process that has
already loaded torch.

    python killing.py

It reads one job per line from standard input and writes one answer per line to standard output,
both as JSON.

A job is ``{"arguments": [...], "log": file}``. With ``"after": seconds`` this process kills it that
long after the fork. With ``"at": [moment, number]`` it kills itself when it reaches one of
`MOMENTS` for the number-th time. With ``"when": pattern, "signal": number, "times": times`` this
process sends the job that signal, so many times at once, as soon as there is a new file of the pattern. The
answer is ``{"status": ..., "seconds": ...}``, with the status of `os.waitstatus_to_exitcode`: -9 if
the job was killed.
"""

import glob
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

#: Renames of files during a run, by name: whether the old and the new path belong to it.
RENAMED = {
    "checkpoint": lambda source, target: target.endswith(".pt"),
    "weights": lambda source, target: "/weights/c/" in target,
    "last metadata": lambda source, target: target.endswith("trajectory.zarr/zarr.json") and is_finished(source),
    "discarding": lambda source, target: source.endswith("/checkpoints"),
    "publishing": lambda source, target: source.endswith("trajectory.zarr") and target.endswith("trajectory.zarr"),
}
#: The same for a measurement of the landscape: a part is marked as done, the whole is published.
MEASURED = {
    "part": lambda source, target: "/part_done/c/" in target,
    "whole": lambda source, target: ".scan/" in source and ".scan/" not in target,
}
MOMENTS = [f"{when} {name}" for name in RENAMED for when in ("before", "after")]
MOMENTS += ["within checkpoint", "within weights", "lock"]


def is_finished(path):
    return '"status": "complete"' in Path(path).read_text()


def die_at(moment, number):
    """Make this process kill itself when it reaches ``moment`` for the ``number``-th time."""
    when, _, name = moment.partition(" ")
    passed = 0

    def here():
        nonlocal passed
        passed += 1
        if passed == number:
            os.kill(os.getpid(), signal.SIGKILL)

    if moment == "lock":
        patch(os, "ftruncate", lambda truncate: lambda *arguments: (truncate(*arguments), here()))
    elif when == "within":
        patch(
            Path, "open", lambda opened: lambda path, *mode, **options: halved(name, path, opened(path, *mode, **options), here)
        )
    else:
        for rename in ("rename", "replace"):
            patch(os, rename, lambda renamed: around(renamed, (RENAMED | MEASURED)[name], when, here))


def patch(owner, name, wrap):
    setattr(owner, name, wrap(getattr(owner, name)))


def around(rename, belongs, when, here):
    def renaming(source, target, *rest, **options):
        chosen = belongs(str(source), str(target))  # checked first, because afterwards the source is gone
        if chosen and when == "before":
            here()
        rename(source, target, *rest, **options)
        if chosen and when == "after":
            here()

    return renaming


def halved(name, path, file, here):
    """Return a file whose process is killed halfway through a write to it."""
    path = str(path)
    if not file.writable() or not (path.endswith("checkpoints/.partial") if name == "checkpoint" else "/weights/c/" in path):
        return file
    write = file.write

    class Halved:
        def __getattr__(self, attribute):
            return getattr(file, attribute)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            file.close()

        def write(self, content):
            view = memoryview(content).cast("B")
            write(view[: len(view) // 2])
            file.flush()
            here()
            write(view[len(view) // 2 :])
            return len(view)

    return Halved()


def run(job):
    """Run the command as ``python -m anodiff`` does, and return its exit status."""
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if "at" in job:
        die_at(*job["at"])
    sys.argv = ["anodiff", *job["arguments"]]
    from anodiff.__main__ import main

    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


def files(job):
    return set(glob.glob(job.get("when", "")))  # noqa: PTH207


def serve():
    for module in ("anodiff.cli.app", "anodiff.settings.loading", "anodiff.training", "torch._dynamo"):
        importlib.import_module(module)  # everything that takes a run seconds to import

    for line in sys.stdin:
        job, start = json.loads(line), time.monotonic()
        before = files(job)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = run(job)
            finally:
                sys.stderr.flush()
                os._exit(status)
        if "after" in job:
            time.sleep(job["after"])
            os.kill(child, signal.SIGKILL)
        if "when" in job:
            while not files(job) - before:
                time.sleep(0.001)
            for _ in range(job["times"]):
                os.kill(child, job["signal"])
                time.sleep(0.002)
        _, status = os.waitpid(child, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - start}
        os.write(3, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    os.dup2(1, 3)  # for the answers; a job's own output goes to its log
    serve()
