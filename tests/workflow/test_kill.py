"""A sweep that is killed and started again until it is done gives the bits of one that was left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
import zarr
from killing import MOMENTS
from sameness import same_store

from anodiff.cli.progress import read_log_line
from anodiff.settings.run import RunSettings

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"

#: The delicate moments that are not left to the long tests: in the middle of a file, and just before
#: the last one takes its place.
SOON = ("within checkpoint", "before publishing")

#: A run of half a second, of a network and an optimiser with much to remember, whose weights fill several files.
RUN = {
    "data": {"name": "digits", "shift": 1, "noise": 0.5},
    "model": {"name": "restless:restless"},
    "optimiser": {"name": "adam", "learning_rate": 0.003, "schedule": "cosine"},
    "training": {"batch_size": 64, "steps": 400},
    "recording": {"window_length": 100, "noise_every": 100},
}


@pytest.fixture(scope="module")
def execute():
    """Return a function that runs a command in a process of its own, which may be killed."""
    path = os.pathsep.join([str(ROOT), str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, TESTS / "killing.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:

        def run(*arguments, log, **kill):
            job = {"arguments": [str(argument) for argument in arguments], "log": str(log)} | kill
            server.stdin.write(json.dumps(job) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        yield run
        server.stdin.close()


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def make_run(folder):
    folder.mkdir()
    (folder / "run.yaml").write_text(yaml.safe_dump(RunSettings.model_validate(RUN).model_dump(mode="json")))
    return folder


def training(folder):
    """The command that trains ``folder``'s run, with a checkpoint thirty times a second."""
    scratch = folder.parent / "scratch"
    return "train", folder / "run.yaml", "--scratch", scratch, "--checkpoint-every", "0.03"


@pytest.fixture(scope="module")
def undisturbed(execute, tmp_path_factory):
    """The store of the run that nobody disturbs, and how many seconds it takes."""
    folder = make_run(tmp_path_factory.mktemp("undisturbed") / "run")
    answer = execute(*training(folder), log=folder / "log")
    assert answer["status"] == 0, (folder / "log").read_text()
    return folder / "trajectory.zarr", answer["seconds"]


def test_a_run_killed_at_random_moments_is_the_undisturbed_run(execute, undisturbed, tmp_path):
    whole, seconds = undisturbed
    moments, end = (
        random.Random(int(os.environ["ANODIFF_TEST_SEED"])),
        time.monotonic() + float(os.environ["ANODIFF_TEST_SECONDS"]),
    )
    killed, resumed, tries, done = 0, 0, 0, 0
    folder = make_run(tmp_path / "run0")
    # beyond the time too, until a killed run has gone on: a machine may have become slower since the undisturbed one
    while (killing := time.monotonic() < end or (not resumed and killed < 200)) or not (folder / "trajectory.zarr").exists():
        if (folder / "trajectory.zarr").exists():
            same_store(whole, folder / "trajectory.zarr")
            done, tries = done + 1, 0
            folder = make_run(tmp_path / f"run{done}")
        tries += 1  # each try later, so that every run gets further than its first checkpoint
        kill = {"after": moments.uniform(0, 0.3 * (1 + tries) * seconds)} if killing else {}
        answer = execute(*training(folder), log=folder / "log", **kill)
        log = (folder / "log").read_text()
        assert answer["status"] == (-signal.SIGKILL if kill and answer["status"] else 0), log
        killed += answer["status"] == -signal.SIGKILL
        resumed += "resuming at step" in log
    same_store(whole, folder / "trajectory.zarr")
    assert killed
    assert resumed


@pytest.mark.parametrize("moment", [pytest.param(each, marks=() if each in SOON else pytest.mark.long) for each in MOMENTS])
def test_a_run_killed_at_a_delicate_moment_is_the_undisturbed_run(execute, undisturbed, run, moment):
    log, output = run / "log", run / "trajectory.zarr"
    for number in (1, 3) if "checkpoint" in moment else (1,):
        assert execute(*training(run), log=log, at=[moment, number])["status"] == -signal.SIGKILL, log.read_text()
        assert output.exists() == (moment == "after publishing")
    if not output.exists():
        assert execute(*training(run), log=log)["status"] == 0, log.read_text()
        assert not list((run.parent / "scratch").iterdir())
    same_store(undisturbed[0], output)


@pytest.fixture
def short(execute, tmp_path):
    """The folder of a run of a moment, of a network with a landscape that is quickly looked at."""
    run = {"data": "digits", "model": {"name": "mlp3", "width": 8}, "training": {"steps": 40}}
    run |= {"recording": {"window_length": 20}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RunSettings.model_validate(run).model_dump(mode="json")))
    trained = execute("train", tmp_path / "run.yaml", "--scratch", tmp_path / "scratch", log=tmp_path / "log")
    assert trained["status"] == 0, (tmp_path / "log").read_text()
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        ("roughness", "{at: [1.0], directions: 3, decades: 2}"),
        ("curvature", "{at: [1.0], eigenvalues: 1, lanczos_steps: 2, trace_products: 6}"),
    ],
)
def test_a_measurement_of_the_landscape_goes_on_behind_the_last_part_that_was_done(execute, short, stage, settings):
    def measure(name, **kill):
        output = short / f"{name}.zarr"
        where = ("-o", output, "--landscape", "{samples: 64}", "--settings", settings, "--device", "cpu")
        answer = execute(stage, short / "trajectory.zarr", *where, log=short / "log", **kill)
        assert answer["status"] == (-signal.SIGKILL if kill else 0), (short / "log").read_text()
        return output

    whole, output = measure("whole"), short / "killed.zarr"
    unfinished = short / ".killed.zarr.scan" / "killed.zarr"
    for moment, done in (("before", 1), ("after", 2), ("after", 3)):  # killed before the second mark: that part is done again
        measure("killed", at=[f"{moment} part", 3 if moment == "before" else 1])  # the first writes that none is done
        assert np.sum(zarr.open_group(unfinished)["part_done"]) == done
    measure("killed", at=["before whole", 1])
    assert not output.exists()
    same_store(whole, measure("killed"))
    assert not unfinished.exists()


@pytest.mark.long
def test_slices_of_the_landscape_go_on_in_the_plane_that_was_cut_off(execute, short):
    assert execute("geometry", short / "trajectory.zarr", log=short / "log")["status"] == 0, (short / "log").read_text()
    planes = ["path_first", "random", "gradient"]

    def look(name, planes, **kill):
        settings = {"samples": 64, "points": 3, "planes": planes}
        where = ("-o", short / name, "--landscape", json.dumps(settings), "--device", "cpu")
        answer = execute("landscape", short / "trajectory.zarr", *where, log=short / "log", **kill)
        assert answer["status"] == (-signal.SIGKILL if kill else 0), (short / "log").read_text()
        return short / name

    whole, finished = look("whole", planes), short / ".killed.scan" / "killed"
    look("killed", ["hessian", "path_first"], at=["after part", 6])  # a plane is begun, and has three rows
    assert [store.name for store in finished.iterdir()] == ["hessian.zarr"]
    look("killed", ["path_first", "path_last"], at=["after part", 4])
    assert [store.name for store in finished.iterdir()] == ["path_first.zarr"]
    once = (finished / "path_first.zarr").stat().st_ino
    look("killed", planes, at=["before whole", 1])
    killed = look("killed", planes)
    assert (killed / "path_first.zarr").stat().st_ino == once
    assert sorted(store.stem for store in killed.iterdir()) == sorted(planes)
    for name in planes:
        same_store(whole / f"{name}.zarr", killed / f"{name}.zarr")
    assert not finished.parent.exists()


def test_a_signal_of_the_scheduler_and_another_one_within_the_checkpoint_change_nothing(execute, undisturbed, run):
    signals = {"when": str(run.parent / "scratch/run/checkpoints/*.pt"), "signal": signal.SIGUSR1, "times": 3}
    for _ in range(2):
        answer = execute(*training(run), log=run / "log", **signals)
        assert answer["status"] == 75, (run / "log").read_text()
    assert execute(*training(run), log=run / "log")["status"] == 0, (run / "log").read_text()
    assert (run / "log").read_text().count("resuming at step") == 2
    same_store(undisturbed[0], run / "trajectory.zarr")


FULL = """
mount -t tmpfs -o size={small} tmpfs "$1"
cp -r "$2"/. "$1"
cd "$1"
set +e
"$3" -m anodiff train run/run.yaml --checkpoint-every 0.1 2> "$2/first"
echo $? > "$2/status"
ls run > "$2/published"
mount -o remount,size=200m "$1"
"$3" -m anodiff train run/run.yaml --checkpoint-every 0.1 2> "$2/second" && cp -r run/trajectory.zarr "$2/run"
"""


@pytest.mark.long
@pytest.mark.parametrize("small", ["500k", "700k", "1m"])
def test_a_full_file_system_is_one_line_and_the_run_goes_on_when_there_is_space(undisturbed, run, tmp_path, small):
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    isolated = ["unshare", "-rm", "sh", "-ec"]
    if not shutil.which("unshare") or subprocess.run([*isolated, 'mount -t tmpfs tmpfs "$1"', "sh", mounted]).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    kept = tmp_path / "kept"
    kept.mkdir()
    run.rename(kept / "run")
    path = os.pathsep.join([str(ROOT), str(TESTS)])
    command = [*isolated, FULL.format(small=small), "sh", mounted, kept, sys.executable]
    finished = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert finished.returncode == 0, finished.stderr + (kept / "second").read_text()
    (line,) = [line for line in (kept / "first").read_text().splitlines() if read_log_line(line) is None]
    assert "No space left on device; nothing was published; free some space and run this again" in line
    assert (kept / "status").read_text() == "2\n"
    assert (kept / "published").read_text() == "run.yaml\n"
    same_store(undisturbed[0], kept / "run" / "trajectory.zarr")


def sweep(folder, to="tables"):
    """Write a config of one run, whose every stage takes a moment, and return the command that makes its tables.

    Its landscape, whose measurements are killed above, is left out, and so is the simplified model.
    """
    config = yaml.safe_load((TESTS / "configs" / "tiny.yaml").read_text())
    config["sweep"] = {"name": "killed", "defaults": RUN, "runs": [{}]}
    config |= {
        "analysis": {"long_lags": [20, 90]},
        "landscape": {"seeds": "none"},
        "learning": {"seeds": "none"},
        "simplified_model": {"enabled": False},
    }
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    arguments = ["--directory", folder, "--configfile", folder / "config.yaml", "--nolock", "--rerun-incomplete", to]
    return [sys.executable, "-m", "snakemake", *map(str, arguments)]


def start(command):
    path = os.pathsep.join([str(ROOT), str(TESTS)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "ANODIFF_CHECKPOINT_EVERY": "0.1"}
    log = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)


#: What stands in a run's folder, or its scratch folder, when a stage is at work.
AT_WORK = {
    "train": "scratch/killed/*/checkpoints/*.pt",
    "publishing": "results/killed/runs/*/trajectory.zarr",
    "geometry": "results/killed/runs/*/.geometry.zarr.*.partial",
    "diffusion": "results/killed/runs/*/.diffusion.zarr.*.partial",
    "table": "results/killed/runs/*/exponents.csv",
}


@pytest.mark.long
@pytest.mark.workflow
def test_a_signal_to_a_job_of_the_workflow_reaches_the_training_and_the_next_attempt_goes_on(tmp_path):
    command = sweep(tmp_path / "swept", "trajectories")
    process = start(command)
    while not list((tmp_path / "swept").glob(AT_WORK["train"])):
        assert process.poll() is None
        time.sleep(0.001)
    for job in psutil.Process(process.pid).children():
        job.send_signal(signal.SIGUSR1)
    assert process.wait() != 0
    (log,) = (tmp_path / "swept" / "results" / "killed" / "logs" / "train").iterdir()
    assert "interrupted at step" in log.read_text()
    assert start(command).wait() == 0
    assert "resuming at step" in log.read_text()


@pytest.mark.long
@pytest.mark.workflow
def test_every_stage_of_a_workflow_that_is_killed_and_run_again_gives_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(sweep(whole)).wait() == 0
    command = sweep(killed)
    for stage, pattern in AT_WORK.items():
        process = start(command)
        while not list(killed.glob(pattern)):
            assert process.poll() is None, f"the workflow ended without {stage}"
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(command).wait() == 0
    (one,), (other,) = ((folder / "results" / "killed" / "runs").iterdir() for folder in (whole, killed))
    for name in ("trajectory.zarr", "geometry.zarr", "diffusion.zarr"):
        same_store(one / name, other / name)
    assert (one / "exponents.csv").read_bytes() == (other / "exponents.csv").read_bytes()
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    assert not list((killed / "scratch" / "killed").iterdir())
