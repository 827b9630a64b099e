"""Programs of Python in forks of a process that has already imported what takes them seconds."""

import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

_READY = multiprocessing.get_context("forkserver")
_READY.set_forkserver_preload(
    ["prepared", "anodiff.training", "pandas", "snakemake.cli", "snakemake_executor_plugin_slurm", "anodiff.sweep.runs"]
)


def forked(main, *arguments, cwd, **environment):
    """Call a program's function, such as ``anodiff.__main__:main``, or run a script, with arguments, in a process of its own.

    Return what `subprocess.run` returns.
    """
    arguments = [*map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        process = _READY.Process(target=_run, args=(main, arguments, str(cwd), os.environ | environment, folder))
        process.start()
        process.join()
        said = [Path(folder, name).read_text() for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess([main, *arguments], process.exitcode, *said)


def _run(main, arguments, cwd, environment, folder):
    for number, name in enumerate(("stdout", "stderr"), 1):
        os.dup2(os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ |= environment
    module, _, function = main.partition(":")
    sys.argv = [module.partition(".")[0], *arguments]
    if function:
        getattr(importlib.import_module(module), function)()
    else:
        runpy.run_path(main, run_name="__main__")
