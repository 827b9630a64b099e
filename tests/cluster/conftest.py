"""A SLURM cluster for the tests of a module, and Snakemake on it."""

import os
import subprocess
import sys

import pytest
from on_cluster import changed_profile
from tiny import ROOT

from slurm import Cluster


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    yield cluster
    folder = cluster.folder
    cluster.close()
    assert not cluster.processes()
    assert not folder.exists()


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return changed_profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def start(cluster, profile):
    """Return a function that starts ``snakemake --profile slurm`` in a folder, which then has its log."""
    processes = []

    def started(folder, config, *arguments, to="trajectories", profile=profile):
        command = [sys.executable, ROOT / "tests" / "impatient.py", to, "--directory", folder, "--configfile", config]
        environment = cluster.environment | {"ANODIFF_CHECKPOINT_EVERY": "1", "OMP_NUM_THREADS": "1"}
        with (folder / "log").open("a") as log:
            process = subprocess.Popen(
                list(map(str, [*command, "--profile", profile, *arguments])),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield started
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
    cluster.output("scancel", "--user", str(os.getuid()))
    cluster.wait(lambda: not cluster.jobs("pending,running,completing"), 30)
