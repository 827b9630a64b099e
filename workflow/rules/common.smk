# What all rules share: the checked config, the sweep's runs, and where results go.

import shlex
import sys
from functools import partial
from pathlib import Path

from anodiff.sweep import costs
from anodiff.settings.sweep import Config
from anodiff.settings.loading import validate
from anodiff.errors import AnodiffError
from anodiff.report.figures.catalogue import ALL_FIGURES, FIGURES, GEOMETRY_FIGURES, LANDSCAPE_FIGURES, MODEL_FIGURES
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.sweep.runs import landscape_runs, sweep_runs
from anodiff.sweep.tables import JUDGED, TABLES

try:
    SETTINGS = validate(Config, config, "config")
    RUNS = sweep_runs(SETTINGS)
except AnodiffError as error:
    print(f"anodiff: {error}", file=sys.stderr)
    raise SystemExit(2)

RESULTS = f"{SETTINGS.paths.results}/{SETTINGS.sweep.name}"

# Where things lie on this machine reaches the commands by the environment: as a parameter, a moved folder would retrain all.
# The interpreter that runs Snakemake has anodiff: rules find it whether or not the environment is activated.
MACHINE = {
    "ANODIFF_SCRATCH": f"{SETTINGS.paths.scratch}/{SETTINGS.sweep.name}",
    "ANODIFF_DATA": SETTINGS.paths.data,
    "ANODIFF_DOWNLOAD": str(int(SETTINGS.download)),
}
exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in MACHINE.items())
shell.prefix(
    f'set -euo pipefail; export {exports} PATH="{Path(sys.executable).parent}:$PATH"; '
)


wildcard_constraints:
    run=r"[^/]+",


def run_folders(runs):
    """The folders of runs, as arguments of a command."""
    return expand(f"{RESULTS}/runs/{{run}}", run=runs)


def asked_of_scheduler(estimate):
    """An estimate of `anodiff.sweep.costs` for a run; within its job, where nobody asks and torch would be imported, 0."""

    def value(wildcards, attempt):
        return (
            estimate(RUNS[wildcards.run].settings, attempt)
            if workflow.is_main_process
            else 0
        )

    return value


def minutes(estimate):
    """The time limit of a run's job."""
    return asked_of_scheduler(
        lambda settings, _: estimate(settings, SETTINGS.longest_job)
    )


def more_each_time(estimate, settings, attempt):
    """The memory of a run's job in MB: one that had too little gets more, up to three times."""
    return estimate(settings) * min(attempt, 3)


def this_attempt(wildcards, attempt):
    """For the how-manieth time a job is tried; its log begins with it."""
    return attempt
