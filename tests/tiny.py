"""The test-sized sweep, and the project's workflow on this machine."""

import os
import re
from pathlib import Path

from forks import forked, standing_by

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"

#: Finds this package and the networks in this folder, one thread each.
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")])),
    "OMP_NUM_THREADS": "1",
}


def arguments_of(folder, config, *arguments):
    return [*map(str, arguments), "--directory", str(folder), "--configfile", str(config)]


def snakemake(folder, *arguments, config=TINY, **environment):
    """Run the project's workflow with its results under ``folder``, in a forked process; return as `subprocess.run` does."""
    return forked("snakemake.cli:main", *arguments_of(folder, config, *arguments), cwd=ROOT, **ENVIRONMENT, **environment)


def whole_sweep(folder, *arguments, config=TINY):
    """Do the same where many jobs follow; all but the trainings are forked as well."""
    with standing_by() as environment:
        return snakemake(folder, *arguments, config=config, **environment)


def dry_run(folder, *arguments, config=TINY):
    """What `snakemake` would do: the jobs by rule. A failure is an AssertionError with what was said."""
    finished = snakemake(folder, "--dry-run", *arguments, config=config)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", finished.stdout, re.M)}
