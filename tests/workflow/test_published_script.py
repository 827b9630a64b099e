"""The published rows on a GPU: which runs, which windows, how long; and what the script does, without a GPU."""

import math
import os
import re
import runpy
import shlex
import subprocess
import sys

import pytest
import yaml
from tiny import ROOT, snakemake

from anodiff.settings.loading import load_config
from anodiff.sweep.published.rows import published_row, published_rows
from anodiff.sweep.runs import sweep_runs

SCRIPT, PROFILE = ROOT / "benchmarks" / "published.sh", ROOT / "profiles" / "gpu"
STAGES = {14: "published", 20: "published-resnet20", 56: "published-resnet56"}

#: Training images of CIFAR-10; minutes that a stage's trainings may take, so that ten are enough for all of it.
IMAGES, MINUTES = 50_000, 8.5


def config_of(depth):
    return ROOT / "config" / f"{STAGES[depth]}.yaml"


def runs_of(depth):
    return [run.settings for run in sweep_runs(load_config(config_of(depth))).values()]


@pytest.mark.parametrize("depth", STAGES)
def test_a_stage_has_the_six_published_rows_of_its_network_once_each(depth):
    rows = [published_row(settings.model_dump(mode="json"))[0] for settings in runs_of(depth)]
    expected = [row for row in published_rows() if row.depth == depth and row.learning_rate == 0.1 and row.shortcut is not None]
    assert len(expected) == 6
    assert sorted(rows, key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("depth", STAGES)
def test_windows_are_those_of_the_study_in_whole_epochs_from_the_first_to_the_end_of_the_run(depth):
    for settings in runs_of(depth):
        epoch = math.ceil(IMAGES / settings.training.batch_size)
        first = epoch * (1000 // epoch + 1)  # ends with the epoch in which its steps exceed 1,000
        study = [(0, first), *((first + number * (first - epoch), first - epoch) for number in range(23))]
        windows = [(window.start, window.length) for window in settings.recording.windows]
        assert {window.stride for window in settings.recording.windows} == {1}
        assert windows == sorted(set(windows) & set(study))
        assert windows[:2] == study[:2]
        assert sum(windows[-1]) == settings.training.steps


def test_resnet14_at_batch_size_128_has_the_last_window_that_the_study_plots():
    assert max(settings.training.steps for settings in runs_of(14)) == 19_159


def test_a_stage_trains_within_ten_minutes_by_the_step_times_of_its_documentation():
    text = (ROOT / "docs" / "gpu.md").read_text()
    rows = re.findall(r"^\| (?:ResNet-(\d+) )?\| batch (\d+) \| ([\d,]+) \| ([\d.]+) ms \| (\d+) s \|$", text, re.M)
    assert len(rows) == 9
    said, depth = {}, ""
    for row in rows:
        depth = row[0] or depth
        said[int(depth), int(row[1])] = int(row[2].replace(",", "")), float(row[3]) / 1000, int(row[4])
    for depth in STAGES:
        runs = [(settings.training.steps, *said[depth, settings.training.batch_size]) for settings in runs_of(depth)]
        assert all(steps == stated for steps, stated, _, _ in runs)
        assert all(seconds == pytest.approx(steps * step, abs=1) for steps, _, step, seconds in runs)
        assert sum(seconds for *_, seconds in runs) < 60 * MINUTES


@pytest.mark.workflow
def test_the_profile_trains_on_a_gpu_in_shares_and_the_tables_need_nothing_but_training_and_analysis(tmp_path):
    planned = snakemake(tmp_path, "tables", "--dry-run", "--profile", PROFILE, config=config_of(14))
    assert planned.returncode == 0, planned.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout, re.M))
    assert jobs.pop("total") == "21"
    assert jobs == dict.fromkeys(["train", "geometry", "diffusion"], "6") | dict.fromkeys(
        ["tables_of_runs", "table_of_claims", "tables"], "1"
    )
    (shares,) = re.findall(r"^resources: \[gpu_share=(\d+)\]", (PROFILE / "config.yaml").read_text(), re.M)
    assert int(shares) == 6
    trainings = [line for line in planned.stdout.splitlines() if "gpu_share=1" in line]
    assert len(trainings) == 6
    assert all("device=cuda" in line for line in trainings)


def run_script(*arguments, **environment):
    return subprocess.run(
        ["bash", SCRIPT, *map(str, arguments)], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_without_a_gpu_the_script_says_in_one_line_what_to_do_instead(tmp_path):
    refused = run_script("--folder", tmp_path / "made", CUDA_VISIBLE_DEVICES="", PYTHON=sys.executable)
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert line.endswith("a CPU can train some rows: snakemake --configfile config/reproduction.yaml")
    assert (ROOT / "config" / "reproduction.yaml").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stage", "4"], "--stage is 1 (ResNet-14), 2 (ResNet-20) or 3 (ResNet-56), not 4"),
        (["--stage"], "--stage needs a value"),
        (["--minutes", "0"], "whole numbers above 0, not 0"),
        (["--gpu"], "unknown option --gpu"),
        (["--any-device"], "needs --config FILE"),
        (["--config", "other.yaml"], "--config is for --any-device"),
        (["--any-device", "--only-measurements"], "nothing to do"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(arguments, said):
    refused = run_script(*arguments, PYTHON="/bin/false")
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert said in line


@pytest.fixture
def pretended(tmp_path):
    """Return a function that runs the script with a Python that claims a GPU and does nothing, and returns what it was told."""
    told, python = tmp_path / "told", tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f"""#!/bin/bash
case $1 in
    -c) exit 0 ;;
    -) exec {shlex.quote(sys.executable)} "$@" ;;
esac
printf '%s\\0' "$@" >>{told}
printf '\\n' >>{told}
case " $* " in *" $FAILING "*) exit 3 ;; esac
"""
    )
    for name in ("python", "anodiff"):
        (python.parent / name).touch()
        (python.parent / name).chmod(0o755)

    def run(*arguments, failing="nothing"):
        finished = run_script(*arguments, PYTHON=str(python), PYTHONPATH=str(ROOT), FAILING=failing)
        return finished, [line.split("\0")[:-1] for line in told.read_text().splitlines()]

    return run


def test_the_script_trains_with_the_profile_then_sets_beside_the_published_rows_then_measures(pretended, tmp_path):
    folder, data = tmp_path / "it's here", tmp_path / "it's data"
    data.mkdir()
    finished, (training, table, *measured) = pretended("--folder", folder, "--data", data, "--stage", "2", "--at-once", "3")
    assert finished.returncode == 0, finished.stderr
    assert training[:3] == ["-m", "snakemake", "tables"]
    asked = dict(zip(training[3::2], training[4::2], strict=True))
    assert asked == {
        "--snakefile": f"{ROOT}/Snakefile",
        "--profile": f"{PROFILE}",
        "--resources": "gpu_share=3",
        "--configfile": f"{config_of(20)}",
        "--config": asked["--config"],
    }
    key, value = asked["--config"].split("=", 1)
    assert load_config(asked["--configfile"], changes={key: yaml.safe_load(value)}).paths.data == str(data)
    results = folder / "results" / "published-resnet20"
    assert table == ["-m", "anodiff", "published", str(results), "--output", f"{results}/published.csv", "--overwrite"]
    assert [name for name, *_ in measured] == ["settings.py", "recording.py", "training.py", "settings.py"]
    assert re.search(r"^published.sh: \d+ s in all$", finished.stdout, re.M)


def test_a_part_that_fails_gives_the_exit_status_and_stops_no_other(pretended, tmp_path):
    finished, told = pretended("--folder", tmp_path / "made", failing="snakemake")
    assert finished.returncode == 3
    assert "exit status 3 of: " in finished.stderr
    assert len(told) == 6


@pytest.mark.parametrize(("option", "number"), [("--skip-measurements", 2), ("--only-measurements", 4)])
def test_either_half_can_be_left_out(pretended, tmp_path, option, number):
    finished, told = pretended("--folder", tmp_path / "made", option)
    assert finished.returncode == 0, finished.stderr
    assert len(told) == number


def test_what_the_script_measures_are_cases_and_kinds_of_the_benchmarks(pretended, tmp_path, monkeypatch):
    _, measured = pretended("--folder", tmp_path / "made", "--only-measurements")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    for name, *arguments in measured:
        words = " ".join(map(shlex.quote, arguments)) + " "
        options = {option: shlex.split(values) for option, values in re.findall(r"--(\w+) (.*?)(?= --|$)", words)}
        benchmark = runpy.run_path(str(ROOT / "benchmarks" / name))
        on_a_gpu = benchmark["CASES_ON_A_GPU" if name == "settings.py" else "ON_A_GPU"]
        assert options["device"] == ["cuda"]
        assert set(options["cases"]) <= set(on_a_gpu)
        assert "resnet14, cifar10, batch 1024" in options["cases"]
        if name == "settings.py":
            assert set(options["kinds"]) <= {*benchmark["KINDS"], *benchmark["ON_A_GPU"]}
    for name in ("images", "training"):
        sys.modules.pop(name, None)
