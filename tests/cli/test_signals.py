"""A signal ends a command in one line at any time, and what two processes write at once stays whole."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from anodiff.errors import RunLockedError
from anodiff.geometry import compute_geometry, open_geometry

#: A module that is imported first, and slowly.
SLOW = "import time; print('importing', flush=True); time.sleep(60)"

#: `anodiff geometry`, which stays in its first product.
AT_WORK = """
import sys, time
from anodiff.geometry import reduce
def product(*arguments, **options):
    print("working", flush=True)
    time.sleep(60)
reduce.update_gram = product
sys.argv = ["anodiff", "geometry", sys.argv[1]]
from anodiff.__main__ import main
main()
"""


def started(command, said, **environment):
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout.readline() == said
    return process


def at_work(path):
    return started(["-c", AT_WORK, path], "working\n")


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
class TestSignals:
    def test_while_modules_are_imported(self, tmp_path, number, status):
        (tmp_path / "typer.py").write_text(SLOW)
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        with started(["-m", "anodiff", "doctor"], "importing\n", PYTHONPATH=path) as process:
            process.send_signal(number)
            said = process.communicate()[1]
        assert (process.returncode, said) == (status, f"anodiff: interrupted by {number.name}; run it again\n")

    def test_while_a_store_is_written(self, record_path, number, status):
        path = record_path(np.eye(5))
        with at_work(path) as process:
            assert len(names(path.parent)) == 3  # the lock, and what is half written
            process.send_signal(number)
            said = process.communicate()[1]
        assert process.returncode == status
        assert said.endswith(f"anodiff: interrupted by {number.name}; run it again\n")
        assert said.count("anodiff:") == 1
        assert "Traceback" not in said
        assert names(path.parent) == [path.name]


def test_a_second_process_is_refused_and_takes_over_once_the_first_is_dead(record_path):
    path = record_path(np.eye(5))
    output = path.parent / "geometry.zarr"
    with at_work(path) as process:
        (half,) = path.parent.glob(".geometry.zarr.*.partial")
        for overwrite in (False, True):
            with pytest.raises(RunLockedError, match=rf"geometry\.zarr is in use: process {process.pid} on host") as refused:
                compute_geometry(path, output, overwrite=overwrite)
            assert "\n" not in str(refused.value)
        assert half.is_dir()
        process.kill()
        process.communicate()
    assert half.is_dir()
    compute_geometry(path, output)
    assert open_geometry(output).read(0).gram.shape == (4, 4)
    assert names(path.parent) == ["geometry.zarr", path.name]
