"""How far a sweep is, from its files: every state that a run can be in."""

import io
import json
import os
import time

import pytest
from rich.console import Console

from anodiff.cli.status import SILENCE, sweep_status
from anodiff.cli.status_text import render_status
from anodiff.errors import StoreMissingError
from anodiff.storage.lock import run_lock

LINE = "train a: 1422/5000 steps in 10 s, 142/s, 25 s left  loss 0.933"


@pytest.fixture
def sweep(tmp_path):
    """A function that makes a run with some stages done, a log of the next one, and files in its scratch folder."""

    def make(name, *, done=(), log=None, stage="train", checkpoint=None, age=0.0):
        folder = tmp_path / "results/s/runs" / name
        folder.mkdir(parents=True)
        (folder / "run.yaml").touch()
        for output in done:
            (folder / output).mkdir()
        if log is not None:
            path = tmp_path / "results/s/logs" / stage / f"{name}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("anodiff train: 2030-01-01, host n1\n" + log + "\n")
            os.utime(path, (time.time() - age,) * 2)
        if checkpoint is not None:
            checkpoints = tmp_path / "scratch/s" / name / "checkpoints"
            checkpoints.mkdir(parents=True)
            for step in (checkpoint - 100, checkpoint):
                (checkpoints / f"{step:012d}-{'0' * 32}.pt").touch()
        return name

    return make


def status(tmp_path, runs=None):
    found = sweep_status(tmp_path / "results/s", tmp_path / "scratch/s", runs)
    return {run.name: run for run in found}


ALL = ("trajectory.zarr", "geometry.zarr", "diffusion.zarr")


def test_a_sweep_has_the_runs_that_are_listed_and_those_that_have_begun(sweep, tmp_path):
    sweep("begun")
    (tmp_path / "results/s/runs.txt").write_text("begun\nlisted\n")
    assert {name: run.state for name, run in status(tmp_path).items()} == {"begun": "waiting", "listed": "waiting"}


def test_done_waiting_and_not_begun(sweep, tmp_path):
    sweep("done", done=ALL)
    sweep("trained", done=ALL[:1])
    sweep("listed")
    found = status(tmp_path, ["done", "trained", "listed", "unheard"])
    assert [run.state for run in found.values()] == ["done", "waiting", "waiting", "waiting"]
    assert (found["trained"].stage, found["unheard"].stage) == ("geometry", "train")


def test_a_landscape_counts_once_it_has_been_begun(sweep, tmp_path):
    sweep("a", done=ALL, stage="curvature", log="curvature a: 2/5 points in 10 s, 0.2/s, 15 s left")
    sweep("b", done=(*ALL, "landscape"), stage="landscape", log="anodiff: the disk is full")
    sweep("c", done=ALL)
    found = status(tmp_path)
    assert [(run.state, run.stage) for run in found.values()] == [
        ("running", "curvature"),
        ("failed", "landscape"),
        ("done", ""),
    ]
    assert found["a"].progress == "2/5 points"
    (tmp_path / "results/s/runs/b/landscape/slices").mkdir()
    assert status(tmp_path)["b"].state == "done"


def test_a_training_runs_as_long_as_its_lock_is_touched(sweep, tmp_path):
    sweep("a", log=LINE, checkpoint=1300)
    with run_lock(tmp_path / "scratch/s/a"):
        run = status(tmp_path)["a"]
        assert (run.state, run.stage, run.progress, run.rate, run.left) == (
            "running",
            "train",
            "1422/5000 steps",
            "142/s",
            "25 s",
        )
        assert run.step == 1300
        assert run.owner.startswith(f"process {os.getpid()} on host {os.uname().nodename}")
        os.utime(tmp_path / "scratch/s/a/lock", (time.time() - 2 * SILENCE,) * 2)
        assert status(tmp_path)["a"].state == "interrupted"
        with run_lock(tmp_path / "scratch/s/b"):  # looking does not prevent locking
            status(tmp_path, ["a", "b"])


def test_an_analysis_runs_as_long_as_its_log_grows(sweep, tmp_path):
    sweep("a", done=ALL[:2], stage="diffusion", log="diffusion: 2/5 windows in 20 s, 10 s each, 30 s left")
    sweep("b", done=ALL[:2], stage="diffusion", log="diffusion: 2/5 windows in 20 s", age=2 * SILENCE)
    found = status(tmp_path)
    assert (found["a"].state, found["a"].stage, found["a"].rate) == ("running", "diffusion", "10 s each")
    assert (found["b"].state, found["b"].last_line) == ("failed", "diffusion: 2/5 windows in 20 s")


@pytest.mark.parametrize(
    ("log", "state", "last_line"),
    [
        ("anodiff: cifar10: not found in data", "failed", "cifar10: not found in data"),
        ("Traceback (most recent call last)\nRuntimeError: CUDA error", "failed", "RuntimeError: CUDA error"),
        ("anodiff: interrupted at step 7 of 9; run again", "interrupted", "interrupted at step 7 of 9; run again"),
    ],
)
def test_a_run_that_ended_too_early_shows_the_last_line_of_its_log(sweep, tmp_path, log, state, last_line):
    sweep("a", log=LINE + "\n" + log)
    run = status(tmp_path)["a"]
    assert (run.state, run.last_line) == (state, last_line)


def test_a_diverged_run_has_its_own_state(make_run, tmp_path):
    make_run({"seed": 0}, taken=25, status="diverged", diverged_at=25)
    make_run({"seed": 1})
    found = sweep_status(tmp_path / "results/sweep", tmp_path / "scratch/sweep")
    assert [run.state for run in found] == ["diverged", "done"]


def test_the_table_shows_what_needs_a_look_first(sweep, tmp_path):
    sweep("bad", log="anodiff: [no] data")
    sweep("done", done=ALL)
    sweep("later")
    text = io.StringIO()
    runs = list(status(tmp_path).values())
    Console(file=text, width=200).print(render_status("s", runs))
    lines = text.getvalue().splitlines()
    assert lines[0] == "s: 3 runs: 1 failed, 1 waiting, 1 done"
    assert [line.split()[0] for line in lines[1:]] == ["run", "bad"]
    assert lines[2].rstrip().endswith("[no] data")
    Console(file=text, width=200).print(render_status("s", runs, everything=True))
    assert len(text.getvalue().splitlines()) == 3 + 5


def test_damaged_lock_files_and_empty_sweeps(sweep, tmp_path):
    with pytest.raises(StoreMissingError, match="no runs in it"):
        status(tmp_path)
    sweep("a", log=LINE)
    lock = tmp_path / "scratch/s/a/lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps([1]))
    assert status(tmp_path)["a"].owner == ""
