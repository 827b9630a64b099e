"""How far each stage of a sweep is, how long it will take, and how a person sees it; on folders made for the purpose."""

import io
import math
import os
import re
from dataclasses import replace

import pytest
from rich.console import Console

from anodiff.cli.job import read_begin
from anodiff.cli.overview import (
    CHARACTER_TABLES,
    LANDSCAPE_TABLES,
    LEARNING_TABLES,
    MODEL_TABLES,
    PART_TABLES,
    RUN_STAGES,
    SILENCE,
    TABLES,
    Job,
    Overview,
    Stage,
)
from anodiff.cli.overview import read_overview as read
from anodiff.cli.overview_text import failure_lines, overview_line, page_words, render_overview
from anodiff.cli.progress import duration, seconds_of
from anodiff.cli.snakemake_output import SnakemakeOutput
from anodiff.cli.sweep_parts import SweepParts, sweep_parts
from anodiff.cli.time_left import TimeLeft, time_left
from anodiff.settings.loading import validate
from anodiff.settings.sweep import Config

NOW = 2_000_000_000.0
RUNS = tuple(f"{network}-seed{seed}" for network in ("mlp", "vgg9") for seed in (0, 1))
LINE = "train a: 1422/5000 steps in 10 s, 142/s, 25 s left  loss 0.933"


class Folder:
    """A sweep's folder, to which results, logs and benchmarks are added with their times."""

    def __init__(self, path):
        self.sweep = SweepParts(path / "s", RUNS, RUNS[::2], model=True, drawn=RUNS, characters=True, learning=RUNS, cue=True)
        self.sweep = replace(self.sweep, parts=RUNS[:3], groups=True, walks=True)

    def put(self, name, at, content=""):
        path = self.sweep.results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (at, at))
        return path

    def result(self, rule, run, at):
        return self.put(f"runs/{run}/{RUN_STAGES[rule][1]}", at)

    def finished(self, rule, run, begin, seconds):
        """Add all that a finished job leaves."""
        self.put(f"logs/{rule}/{run}.log", begin + seconds - 0.1)
        if rule in RUN_STAGES:
            self.result(rule, run, begin + seconds)
        self.put(f"benchmarks/{rule}/{run}.tsv", begin + seconds, f"s\th:m:s\n{seconds}\t0:00:01\n")

    def running(self, rule, run, at, *lines):
        return self.put(
            f"logs/{rule}/{run}.log", at, "\n".join([f"anodiff {rule}: 2030-01-01 00:00:00, host n", *lines]) + "\n"
        )

    def stages(self, **options):
        overview = read(self.sweep, now=NOW, **options)
        return {stage.rule: (stage.done, stage.running, stage.failed, stage.waiting) for stage in overview.stages}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_at_first_everything_waits(folder):
    stages = folder.stages()
    assert {rule: state[:3] for rule, state in stages.items()} == dict.fromkeys(stages, (0, 0, 0))
    assert [stages[rule][3] for rule in RUN_STAGES] == [4, 4, 4, 4, 3, 2, 2, 2, 4, 4]
    assert stages["page"][3] == stages["simplified_model"][3] == 1


def test_a_sweep_shows_the_stages_of_its_config_alone(tmp_path):
    without = {name: {"enabled": False} for name in ("simplified_model", "characters")}
    config = validate(Config, {"sweep": {"name": "s", "runs": [{"training.steps": 9}]}, **without}, "config")
    none = {name: getattr(config, name).model_copy(update={"seeds": "none"}) for name in ("landscape", "learning")}
    parts = sweep_parts(config.model_copy(update=none))
    assert {stage.rule for stage in read(parts).stages} == {
        "train",
        "geometry",
        "diffusion",
        "run_figure",
        "tables",
        "figures",
        "page",
    }


def test_figures_of_runs_are_those_that_are_asked_for(tmp_path):
    values = {"sweep": {"name": "s", "runs": [{"training.steps": 9, "seed": seed} for seed in range(3)]}}
    stages = {
        stage.rule: stage for stage in read(sweep_parts(validate(Config, values | {"figures": {"seeds": "first"}}, "c"))).stages
    }
    assert (stages["diffusion"].total, stages["run_figure"].total) == (3, 1)


def test_each_job_is_done_running_failed_or_waiting(folder):
    folder.finished("train", RUNS[0], NOW - 100, 30)
    folder.running("train", RUNS[1], NOW - 5, LINE)
    folder.running("train", RUNS[2], NOW - 5, LINE, "anodiff: the disk is full")
    assert folder.stages()["train"] == (1, 1, 1, 1)
    overview = read(folder.sweep, now=NOW)
    assert overview.runs == {"done": 0, "running": 1, "failed": 1, "waiting": 2}
    assert [(job.name, job.failed, job.progress, job.left) for job in overview.jobs] == [
        (RUNS[1], False, "1422/5000 steps", 25.0),
        (RUNS[2], True, "1422/5000 steps", 25.0),
    ]
    assert overview.jobs[1].last_line == "the disk is full"
    assert overview.jobs[0].elapsed == NOW - read_begin(overview.jobs[0].log)


def test_a_silent_log_is_a_running_job_only_for_the_process_that_has_begun_it(folder):
    folder.running("train", RUNS[0], NOW - 2 * SILENCE, LINE)
    assert folder.stages()["train"] == (0, 0, 0, 4)
    assert folder.stages(since=NOW - 3 * SILENCE)["train"] == (0, 1, 0, 3)
    assert folder.stages(since=NOW - SILENCE)["train"] == (0, 0, 0, 4)


def test_an_interrupted_training_waits_for_its_next_attempt(folder):
    folder.running("train", RUNS[0], NOW - 1, LINE, "anodiff: interrupted at step 7 of 9; run again")
    assert folder.stages()["train"] == (0, 0, 0, 4)


def test_results_that_are_made_again_wait_until_their_job_has_begun(folder):
    for run in RUNS:
        folder.finished("diffusion", run, NOW - 1000, 10)
    assert folder.stages(since=NOW - 50)["diffusion"] == (4, 0, 0, 0)
    planned = {"diffusion": 4}
    assert folder.stages(since=NOW - 50, planned=planned)["diffusion"] == (0, 0, 0, 4)
    folder.finished("diffusion", RUNS[0], NOW - 40, 10)
    (folder.sweep.results / "runs" / RUNS[1] / "diffusion.zarr").unlink()  # as Snakemake does before a job
    assert folder.stages(since=NOW - 50, planned=planned)["diffusion"] == (1, 0, 0, 3)
    folder.running("diffusion", RUNS[1], NOW - 5)
    assert folder.stages(since=NOW - 50, planned=planned)["diffusion"] == (1, 1, 0, 2)


def test_tables_and_figures_older_than_a_run_do_not_count(folder):
    for run in RUNS:
        folder.finished("diffusion", run, NOW - 100, 10)
    folder.put("tables/exponents.csv", NOW - 50)
    folder.put("tables/tails.csv", NOW - 95)
    folder.put("figures/msd.svg", NOW - 50)
    folder.put("figures/roughness.svg", NOW - 50)  # the landscape is not there yet
    folder.put("tables/exponents-partial.csv", NOW)
    stages = folder.stages()
    assert (stages["tables"][0], stages["figures"][0]) == (1, 1)
    folder.running("figures", "runs", NOW - 1, "figures: 1/20 figures in 10 s, 10 s each, 3 min 10 s left")
    assert folder.stages()["figures"][1] == 1


def test_the_tables_that_are_counted_are_those_of_the_workflow():
    from anodiff.sweep.tables import TABLES as KINDS

    assert {*TABLES, *CHARACTER_TABLES, *LANDSCAPE_TABLES, *LEARNING_TABLES, *MODEL_TABLES, *PART_TABLES} == set(KINDS)


def test_a_sweep_is_done_with_its_page(folder):
    for run in RUNS:
        for rule in RUN_STAGES:
            folder.finished(rule, run, NOW - 100, 10)
    folder.put("simplified_model.zarr", NOW - 95)
    for table in (*TABLES, *CHARACTER_TABLES, *LANDSCAPE_TABLES, *LEARNING_TABLES, *MODEL_TABLES, *PART_TABLES):
        folder.put(f"tables/{table}.csv", NOW - 80)
    from anodiff.report.figures.catalogue import ALL_FIGURES

    for kind in ALL_FIGURES:
        folder.put(f"figures/{kind}.svg", NOW - 70)
    assert {rule for rule, state in folder.stages().items() if state[3]} == {"page"}
    folder.put("index.html", NOW - 75)
    assert page_words(read(folder.sweep)).endswith("index.html (of an earlier time)")
    folder.put("index.html", NOW - 60)
    overview = read(folder.sweep, now=NOW)
    assert overview.done
    assert overview.runs["done"] == 4
    assert page_words(overview) == str(folder.sweep.page)
    assert time_left(overview, 2) == TimeLeft(0.0)


def test_the_page_is_said_to_come_then_to_show_the_runs_so_far(folder):
    assert page_words(read(folder.sweep)) == f"{folder.sweep.page} (after the first run)"
    folder.put("index.html", 315_532_800, '<html>\n<meta name="runs-so-far" content="3 of 14">')
    assert page_words(read(folder.sweep)) == f"{folder.sweep.page} (3 of 14 runs so far)"


def made(stages, jobs=(), seconds=None):
    parts = SweepParts(None, RUNS, (), model=False, drawn=RUNS)
    return Overview(parts, list(stages), list(jobs), {}, seconds or {})


def test_without_any_history_the_time_left_is_unknown():
    waiting = Stage("train", "training", 4, 0, waiting_runs=RUNS)
    assert math.isnan(time_left(made([waiting]), 1).seconds)
    running = Stage("train", "training", 4, 0, running=1, waiting_runs=RUNS[1:])
    assert math.isnan(time_left(made([running], [Job("train", RUNS[0], None, elapsed=5)]), 1).seconds)
    geometry = Stage("geometry", "geometry", 4, 0, waiting_runs=RUNS)
    assert math.isnan(time_left(made([waiting, geometry], seconds={"train": {RUNS[0]: 10}}), 1).seconds)


def test_the_time_left_is_the_mean_of_finished_jobs_of_the_same_network_for_each_job_that_waits():
    seconds = {"train": {"mlp-seed0": 10.0, "mlp-seed7": 20.0, "vgg9-seed7": 100.0}}
    stage = Stage("train", "training", 4, 1, waiting_runs=RUNS[1:])
    assert time_left(made([stage], seconds=seconds), 1) == TimeLeft(15.0 + 2 * 100.0)
    assert time_left(made([stage], seconds=seconds), 2) == TimeLeft(107.5)
    assert time_left(made([stage], seconds=seconds), 50) == TimeLeft(100.0)  # no less than the longest job
    other = Stage("train", "training", 1, 0, waiting_runs=("resnet14-seed0",))
    assert time_left(made([other], seconds=seconds), 1).seconds == pytest.approx(130 / 3)
    again = Stage("train", "training", 4, 2)  # two results are made again, nobody knows which
    assert time_left(made([again], seconds=seconds), 1).seconds == pytest.approx(2 * 130 / 3)


def test_a_running_job_is_left_what_its_log_says_or_what_such_jobs_took():
    stage = Stage("train", "training", 1, 0, running=1)
    seconds = {"train": {"mlp-seed7": 60.0}}

    def left(**job):
        return time_left(made([stage], [Job("train", "mlp-seed0", None, **job)], seconds), 1).seconds

    assert left(elapsed=10, left=30.0) == 50
    assert left(elapsed=45, left=30.0) == 30
    assert left(elapsed=45) == 15
    assert left(elapsed=200) == 0


def test_a_running_job_tells_of_those_that_wait_until_one_has_finished():
    stage = Stage("train", "training", 4, 0, running=1, waiting_runs=RUNS[1:])
    job = Job("train", RUNS[0], None, elapsed=10, left=20.0)
    assert time_left(made([stage], [job]), 1) == TimeLeft(20.0 + 3 * 30.0)
    assert time_left(made([stage], [job], {"train": {"mlp-seed9": 15.0}}), 1) == TimeLeft(20.0 + 3 * 15.0)


def test_what_comes_last_makes_the_time_left_a_lower_bound_until_it_has_been_measured():
    stages = [Stage("train", "training", 4, 3, waiting_runs=RUNS[3:]), Stage("figures", "figures", 20, 0)]
    seconds = {"train": {RUNS[3]: 10.0}}
    assert time_left(made(stages, seconds=seconds), 1) == TimeLeft(10.0, least=True)
    assert time_left(made(stages, seconds=seconds | {"figures": {"runs": 30.0, "model": 6.0}}), 1) == TimeLeft(46.0)


@pytest.mark.parametrize("seconds", [0.25, 9, 25, 59, 187, 3600, 7500, 200_000 - 200_000 % 3600])
def test_a_span_of_time_is_read_as_it_was_written(seconds):
    assert seconds_of(duration(seconds)) == seconds


def test_the_log_of_parts_says_nothing_of_the_whole_job(folder):
    line = "landscape: 100/441 points in 5 s, 20/s, 17 s left  path_first row 5 of 21"
    folder.running("landscape", RUNS[0], NOW - 1, line)
    folder.running("roughness", RUNS[0], NOW - 1, line)
    assert [job.left for job in read(folder.sweep, now=NOW).jobs] == [None, 17.0]


def test_the_overview_fits_into_80_columns_and_24_lines(folder):
    for number, run in enumerate(RUNS):
        folder.running("train", run, NOW - 1, LINE.replace("loss", f"loss {'9' * 90 * number}"))
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=True, color_system=None)
    log = folder.sweep.results / ("long" * 40)
    console.print(render_overview(read(folder.sweep, now=NOW), 125.0, TimeLeft(200.0), log))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert lines[0] == "s: 4 runs: 4 running"
    assert lines[1] == "2 min 05 s so far, about 4 min left"
    assert re.search(r"^  training .* 0 of 4 +4 running *$", lines[2])


def test_a_line_of_the_log_names_the_stages_that_have_begun(folder):
    folder.finished("train", RUNS[0], NOW - 100, 30)
    folder.running("train", RUNS[1], NOW - 5, LINE)
    line = overview_line(read(folder.sweep, now=NOW), 65.0, TimeLeft(math.nan))
    page = f"{folder.sweep.page} (after the first run)"
    assert line == f"s: 4 runs: 1 running, 3 waiting; 1 min 05 s so far, time left unknown yet; training 1/4; page: {page}"


OUTPUT = """\
Building DAG of jobs...
Job stats:
job            count
-----------  -------
train              4
table_tails        1
total              5

Error in rule train:
    message: None
    log: {log} (check log file(s) for error details)
"""


def test_snakemake_s_output_says_what_is_planned_and_what_has_failed(folder):
    log = folder.running("train", RUNS[0], NOW - 10)
    output = folder.put("logs/snakemake.log", NOW, "an earlier attempt\n")
    reader = SnakemakeOutput(output, output.stat().st_size)
    text = OUTPUT.format(log=log)
    for part in (text[:100], text[100:170], text[170:]):  # as it comes, not line by line
        with output.open("a") as file:
            file.write(part)
        reader.update()
    assert reader.planned == {"train": 4, "table_tails": 1}
    assert reader.failed == [log]
    assert folder.stages(since=NOW - 20, failed=reader.failed)["train"] == (0, 0, 1, 3)
    folder.running("train", RUNS[0], NOW)  # its next attempt
    assert reader.failed == []


def test_after_a_failure_the_last_lines_of_the_failed_jobs_are_shown(folder):
    folder.running("train", RUNS[0], NOW - 1, *map(str, range(50)), "anodiff: the disk is full")
    output = folder.put("logs/snakemake.log", NOW, "\n".join(map(str, range(1000))))
    shown = failure_lines(read(folder.sweep, now=NOW), output)
    assert shown[0] == f"failed: training {RUNS[0]}, {folder.sweep.results}/logs/train/{RUNS[0]}.log"
    assert [line.strip() for line in shown[1:]] == ["48", "49", "anodiff: the disk is full", f"The whole log: {output}"]


def test_if_no_job_has_failed_the_end_of_the_output_of_this_attempt_is_shown(folder):
    output = folder.put("logs/snakemake.log", NOW, "of an earlier attempt\n\nLockException:\nlocked\n")
    shown = failure_lines(read(folder.sweep, now=NOW), output, begin=23)
    assert [line.strip() for line in shown] == ["LockException:", "locked", f"The whole log: {output}"]
