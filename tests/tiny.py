"""The test-sized sweep, and the project's workflow on this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import forks

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"

#: Finds this package and the networks in this folder, one thread each.
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")])),
    "OMP_NUM_THREADS": "1",
}


def arguments_of(folder, config, *arguments):
    return [*map(str, arguments), "--directory", str(folder), "--configfile", str(config)]


def snakemake(folder, *arguments, config=TINY):
    """Run the project's workflow with its results under ``folder``."""
    command = [sys.executable, "-m", "snakemake", *arguments_of(folder, config, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | ENVIRONMENT)


def dry_run(folder, *arguments, config=TINY):
    """What `snakemake` would do: the jobs by rule. A failure is an AssertionError with what was said."""
    status, said = forked(folder, "--dry-run", *arguments, config=config)
    assert status == 0, said
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.M)}


def forked(folder, *arguments, config=TINY):
    """Do as `snakemake` in a forked process; return its exit status and what it said."""
    finished = forks.forked("snakemake.cli:main", *arguments_of(folder, config, *arguments), cwd=ROOT, **ENVIRONMENT)
    return finished.returncode, finished.stdout + finished.stderr
