# What all rules share: the checked config, the sweep's runs, and the results folder.

import os
import shlex
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from anodiff.sweep import costs, inference_costs, learning_costs, parts_costs, run_size
from anodiff.settings.loading import load_config
from anodiff.errors import AnodiffError
from anodiff.report.figures.catalogue import (
    ALL_FIGURES,
    CHARACTER_FIGURES,
    FIGURES,
    LANDSCAPE_FIGURES,
    LEARNING_FIGURES,
    MODEL_FIGURES,
    PART_FIGURES,
)
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.page_state import RUN_LIST
from anodiff.cli.job import read_last_job
from anodiff.storage.peak_memory import read_peak
from anodiff.sweep.job_memory import largest_node, next_memory
from anodiff.sweep.finished import why_gather, why_train, write_mark
from anodiff.sweep.runs import (
    landscape_runs,
    learning_runs,
    parts_runs,
    runs_of_seeds,
    sweep_runs,
)
from anodiff.sweep.tables import TABLES


# The config files are read again: Snakemake's own reader takes 1e-1 for text, and the last of two
# equal keys.
def end_with(error):
    """End Snakemake with one line about a user's mistake."""
    print(f"anodiff: {error}", file=sys.stderr)
    raise SystemExit(2)


try:
    if set("{}") & set(workflow.basedir):
        raise AnodiffError(
            f"{workflow.basedir}: Snakemake reads braces in the workflow's folder as wildcards; move it"
        )
    SETTINGS = load_config(
        *workflow.configfiles, changes=workflow.config_settings.config
    )
    RUNS = sweep_runs(SETTINGS)
except AnodiffError as error:
    end_with(error)

RESULTS = str(Path(SETTINGS.paths.results, SETTINGS.sweep.name))

# Small files that say which trainings and tables are the right ones; see anodiff.sweep.finished.
MARKS = f".snakemake/anodiff/{SETTINGS.sweep.name}-{sha256(RESULTS.encode()).hexdigest()[:8]}"
RUNS_MARK = f"{MARKS}/runs"
if workflow.is_main_process:
    waiting = []
    for name, run in RUNS.items():
        why = why_train(Path(RESULTS, "runs", name, "trajectory.zarr"), run.settings)
        write_mark(Path(MARKS, "train", name), run.yaml, why)
        if why:
            waiting.append(run.settings)
    try:
        run_size.check_networks(waiting)
    except AnodiffError as error:
        end_with(error)
    write_mark(
        Path(RUNS_MARK),
        "\n".join(RUNS),
        why_gather(Path(RESULTS, "tables", "exponents.csv"), RUNS),
    )

# This machine's folders reach the commands through the environment, which every job's process gets
# here. If they were parameters of rules, a moved folder would retrain every run; and in a command
# or a prefix, a path could be taken for a template. PATH begins with the folder of the interpreter
# that runs Snakemake, so rules find anodiff even if its environment is not activated.
os.environ |= {
    "ANODIFF_SCRATCH": str(Path(SETTINGS.paths.scratch, SETTINGS.sweep.name)),
    "ANODIFF_DATA": SETTINGS.paths.data,
    "ANODIFF_DOWNLOAD": str(int(SETTINGS.download)),
    "PATH": os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    ),
}


wildcard_constraints:
    run=r"[^/]+",


def run_folders(runs):
    """Return the folders of runs, as arguments of a command."""
    return expand(f"{RESULTS}/runs/{{run}}", run=runs)


def run_estimate(estimate):
    """Return a function that gives the scheduler an estimate of `anodiff.sweep.costs` for a run.

    Inside the run's job nobody needs it and it would import torch, so it is 0 there.
    """

    def value(wildcards):
        return estimate(RUNS[wildcards.run].settings) if workflow.is_main_process else 0

    return value


def minutes(estimate):
    """Return a function that gives the time limit of a run's job."""
    return run_estimate(lambda settings: estimate(settings, SETTINGS.longest_job))


def profile_resource(rule, name):
    """Return what the profile sets a resource of a rule to, if it is a number or a text."""
    settings = workflow.resource_settings
    value = settings.overwrite_resources.get(rule, {}).get(name)
    if value is None and settings.default_resources:
        value = settings.default_resources.get(name)
    return getattr(value, "raw", value)


def device_of(rule):
    """Return where the jobs of a rule compute, as far as is known beforehand, cpu or cuda."""
    device = str(profile_resource(rule, "device") or "auto")
    gpu = profile_resource(rule, "gpu") or profile_resource(rule, "gres")
    if device == "auto":
        return "cuda" if gpu or shutil.which("nvidia-smi") else "cpu"
    return "cpu" if device == "cpu" else "cuda"


def memory_for_attempt(estimate, attempt, rule, *logs, peak=None):
    """Return the memory of a job in MB; `anodiff.sweep.job_memory` says when a later attempt gets more.

    The logs are those of all rules that share the job.
    """
    if not workflow.is_main_process:
        return estimate
    written = [log for log in map(Path, logs) if log.exists()]
    newest = max(written, key=lambda log: log.stat().st_mtime, default=None)
    last = read_last_job(newest) if attempt > 1 and newest else None
    partition = profile_resource(rule, "slurm_partition")
    largest = largest_node(partition) if isinstance(partition, str) else None
    return next_memory(estimate, last, peak, largest)


def run_memory(estimate, rule, *together):
    """Return a function that gives the scheduler the memory of a run's job, for rules without torch."""

    def value(wildcards, attempt):
        run = wildcards.run
        logs = [f"{RESULTS}/logs/{name}/{run}.log" for name in (rule, *together)]
        return memory_for_attempt(estimate(RUNS[run].settings), attempt, rule, *logs)

    return value


def run_memory_with_torch(estimate, rule, *together):
    """Do as `run_memory`, for a rule with torch; a training has written how much it took."""

    def value(wildcards, attempt):
        if not workflow.is_main_process:
            return 0  # nobody needs it there, and it would import torch
        run = wildcards.run
        logs = [f"{RESULTS}/logs/{name}/{run}.log" for name in (rule, *together)]
        scratch = Path(SETTINGS.paths.scratch, SETTINGS.sweep.name, run)
        peak = read_peak(scratch) if rule == "train" else None
        estimated = estimate(RUNS[run].settings, device_of(rule))
        return memory_for_attempt(estimated, attempt, rule, *logs, peak=peak)

    return value


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
