"""Programs of Python in forks of a process that has already imported what takes them seconds."""

import importlib
import json
import multiprocessing
import os
import runpy
import shlex
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

_READY = multiprocessing.get_context("forkserver")
_READY.set_forkserver_preload(["prepared"])


def forked(main, *arguments, cwd, **environment):
    """Call a program's function, such as ``anodiff.__main__:main``, or run a script, with arguments, in a process of its own.

    Return what `subprocess.run` returns.
    """
    arguments = [*map(str, arguments)]
    _get_ready()
    with tempfile.TemporaryDirectory() as folder:
        process = _READY.Process(target=_run, args=(main, arguments, str(cwd), os.environ | environment, folder))
        process.start()
        process.join()
        said = [Path(folder, name).read_text() for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess([main, *arguments], process.exitcode, *said)


def _get_ready():
    """Start the process that is forked, where it is not running; it finds the modules in this folder."""
    path = [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, path))):
        forkserver.ensure_running()


@contextmanager
def standing_by():
    """Within this, ``anodiff`` in bash is a fork of a process that is ready; return the environment in which it is."""
    with tempfile.TemporaryDirectory() as folder:
        listening, functions = Path(folder, "socket"), Path(folder, "functions")
        command = shlex.join([sys.executable, "-IS", str(Path(__file__).with_name("ask.py")), str(listening)])
        functions.write_text(f'anodiff() {{ {command} anodiff.__main__:main "$@"; }}\n')
        _get_ready()
        ready = _READY.Event()
        server = _READY.Process(target=_serve, args=(str(listening), ready))
        server.start()
        assert ready.wait(60)
        try:
            yield {"BASH_ENV": str(functions)}
        finally:
            server.terminate()
            server.join()


def _serve(listening, ready):
    for name in ("xarray", "zarr", "anodiff.report.figures.catalogue", "anodiff.cli.app"):
        importlib.import_module(name)
    fork = multiprocessing.get_context("fork")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(listening)
        server.listen()
        ready.set()
        while True:
            asking, _ = server.accept()
            fork.Process(target=_answer, args=(asking, fork)).start()
            asking.close()
            fork.active_children()  # joins those that have ended


def _answer(asking, fork):
    length, streams, _, _ = socket.recv_fds(asking, 8, 3)
    (main, *arguments), cwd, environment = json.loads(asking.makefile("rb").read(int.from_bytes(length, "big")))
    process = fork.Process(target=_call, args=(main, arguments, cwd, environment, streams))
    process.start()
    process.join()
    asking.sendall(str(process.exitcode % 256).encode())


def _run(main, arguments, cwd, environment, folder):
    files = [os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("stdout", "stderr")]
    _call(main, arguments, cwd, environment, [os.open(os.devnull, os.O_RDONLY), *files])


def _call(main, arguments, cwd, environment, streams):
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ |= environment
    module, _, function = main.partition(":")
    sys.argv = [module.partition(".")[0], *arguments]
    if function:
        getattr(importlib.import_module(module), function)()
    else:
        runpy.run_path(main, run_name="__main__")
