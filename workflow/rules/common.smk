# What all rules share: the checked config, the sweep's runs, and the results folder.

import shlex
import sys
from functools import partial
from pathlib import Path

from anodiff.sweep import costs
from anodiff.settings.sweep import Config
from anodiff.settings.loading import validate
from anodiff.errors import AnodiffError
from anodiff.report.figures.catalogue import (
    ALL_FIGURES,
    FIGURES,
    GEOMETRY_FIGURES,
    LANDSCAPE_FIGURES,
    MODEL_FIGURES,
)
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.sweep.runs import landscape_runs, sweep_runs
from anodiff.sweep.tables import TABLES

try:
    SETTINGS = validate(Config, config, "config")
    RUNS = sweep_runs(SETTINGS)
except AnodiffError as error:
    print(f"anodiff: {error}", file=sys.stderr)
    raise SystemExit(2)

RESULTS = f"{SETTINGS.paths.results}/{SETTINGS.sweep.name}"

# This machine's folders reach the commands through the environment. If they were parameters of
# rules, a moved folder would retrain every run. PATH begins with the folder of the interpreter that
# runs Snakemake, so rules find anodiff even if its environment is not activated.
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
    """Return the folders of runs, as arguments of a command."""
    return expand(f"{RESULTS}/runs/{{run}}", run=runs)


def run_estimate(estimate):
    """Return a function that gives the scheduler an estimate of `anodiff.sweep.costs` for a run.

    Inside the run's job nobody needs it and it would import torch, so it is 0 there.
    """

    def value(wildcards, attempt):
        return (
            estimate(RUNS[wildcards.run].settings, attempt)
            if workflow.is_main_process
            else 0
        )

    return value


def minutes(estimate):
    """Return a function that gives the time limit of a run's job."""
    return run_estimate(lambda settings, _: estimate(settings, SETTINGS.longest_job))


def memory_for_attempt(estimate, settings, attempt):
    """Return the memory of a run's job in MB; later attempts get more, up to three times."""
    return estimate(settings) * min(attempt, 3)


def attempt_number(wildcards, attempt):
    """Return which attempt of a job this is; its log begins with it."""
    return attempt
