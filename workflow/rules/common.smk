# What all rules share: the checked config, the sweep's runs, and the results folder.

import shlex
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from anodiff.sweep import costs
from anodiff.settings.sweep import Config
from anodiff.settings.loading import validate
from anodiff.errors import AnodiffError
from anodiff.report.figures.catalogue import (
    ALL_FIGURES,
    FIGURES,
    LANDSCAPE_FIGURES,
    MODEL_FIGURES,
)
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.page_state import RUN_LIST
from anodiff.sweep.finished import why_gather, why_train, write_mark
from anodiff.sweep.runs import landscape_runs, sweep_runs
from anodiff.sweep.tables import TABLES

try:
    SETTINGS = validate(Config, config, "config")
    RUNS = sweep_runs(SETTINGS)
except AnodiffError as error:
    print(f"anodiff: {error}", file=sys.stderr)
    raise SystemExit(2)

RESULTS = f"{SETTINGS.paths.results}/{SETTINGS.sweep.name}"

# Small files that say which trainings and tables are the right ones; see anodiff.sweep.finished.
MARKS = f".snakemake/anodiff/{SETTINGS.sweep.name}-{sha256(RESULTS.encode()).hexdigest()[:8]}"
RUNS_MARK = f"{MARKS}/runs"
if workflow.is_main_process:
    for name, run in RUNS.items():
        write_mark(
            Path(MARKS, "train", name),
            run.yaml,
            why_train(Path(RESULTS, "runs", name, "trajectory.zarr"), run.settings),
        )
    write_mark(
        Path(RUNS_MARK),
        "\n".join(RUNS),
        why_gather(Path(RESULTS, "tables", "exponents.csv"), RUNS),
    )

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


# A caption does not know which of a rule's files it is for, so each file has one of its own.
CAPTIONS = TemporaryDirectory(prefix="anodiff-captions-")


def caption(template, name, **texts):
    """Return the path of a file's caption in the report: a template of workflow/report, filled in."""
    text = Path(workflow.basedir, "workflow", "report", f"{template}.rst").read_text()
    path = Path(CAPTIONS.name, f"{template}_{name}.rst")
    path.write_text(Template(text).substitute(texts))
    return str(path)


def pictures(kinds):
    """Return the files of figures: SVG by kind, for the report, and those in more formats."""
    return {
        kind: report(
            f"{RESULTS}/figures/{kind}.svg",
            caption=caption("figure", kind, caption=ALL_FIGURES[kind].caption),
            category="Figures",
            labels={"figure": ALL_FIGURES[kind].title},
        )
        for kind in kinds
    } | {
        f"{kind}_{ending}": f"{RESULTS}/figures/{kind}.{ending}"
        for kind in kinds
        for ending in SETTINGS.figures.formats
        if ending != "svg"
    }


def csv_and_parquet(kinds):
    """Return the files of tables: CSV by kind, for the report, and Parquet."""
    return {
        kind: report(
            f"{RESULTS}/tables/{kind}.csv",
            caption=caption(
                "table", kind, row=TABLES[kind].row, holds=TABLES[kind].holds
            ),
            category="Tables",
            labels={"table": kind},
        )
        for kind in kinds
    } | {f"{kind}_parquet": f"{RESULTS}/tables/{kind}.parquet" for kind in kinds}
