"""A resumed run is the same as an uninterrupted one, bit for bit."""

import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sameness import same_store

from anodiff.errors import ConfigError, Interrupted, OutputExistsError, RunLockedError, StorageError
from anodiff.settings.run import RunSettings
from anodiff.storage.stores import DIVERGED
from anodiff.training import run as module
from anodiff.training import train_run
from anodiff.training.checkpoint import newest_checkpoint, write_checkpoint
from anodiff.trajectory import open_trajectory

#: Steps of a run: 16 epochs of 15 batches, the last of which has 37 samples.
STEPS = 240

BASE = {
    "data": {"name": "digits", "shift": 1, "noise": 0.5},
    "model": {"name": "restless:restless"},
    "optimiser": {"learning_rate": 0.05},
    "training": {"batch_size": 100, "steps": STEPS},
    "recording": {"window_length": 40},
}

CASES = {
    "plain": {},
    "momentum": {"optimiser": {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}},
    "adam": {"optimiser": {"name": "adam", "learning_rate": 0.01, "schedule": {"name": "cosine", "warmup": 50}}},
    "with replacement": {"training": {"sampling": "with_replacement", "evaluate_every": 2}},
    "epochs": {"training": {"steps": None, "epochs": 8, "drop_last": True}, "optimiser": {"schedule": "step"}},
    "sketch": {"recording": {"weights": "sketch", "sketch_size": 64}},
    "no weights": {"recording": {"weights": "none"}},
    "log windows, noise": {"recording": {"windows": "log", "window_length": 37, "noise_every": 50}},
    "bf16, channels last": {
        "training": {"precision": "bf16", "channels_last": True, "steps": 80},
        "model": {"name": "resnet8", "width": 2},
    },
    "strided window": {"recording": {"windows": [{"start": 30, "length": 150, "stride": 3}]}},
}

#: Cases that others are like, left to the long tests.
SIMILAR = ("plain", "momentum", "with replacement", "epochs", "no weights")


def settings_of(changes):
    values = {key: BASE[key] | changes.get(key, {}) for key in BASE}
    return RunSettings.model_validate(values | {"seed": changes.get("seed", 0)})


@pytest.fixture
def train(tmp_path):
    """Return a function that trains, with a signal after each of ``stops``, and resumes until the run is done."""

    def run(name, changes, stops=(), number=signal.SIGTERM, **options):
        output, scratch = tmp_path / name / "trajectory.zarr", tmp_path / "scratch" / name
        left = list(stops)

        def report(step, steps, message):
            if left and step == left[0]:
                left.pop(0)
                os.kill(os.getpid(), number)

        while not output.exists():
            with suppress(Interrupted):
                train_run(settings_of(changes), output, scratch=scratch, report=report, notify=lambda line: None, **options)
        assert left == []
        assert not scratch.exists()
        return output

    return run


@pytest.mark.parametrize(
    "changes",
    [pytest.param(each, id=name, marks=pytest.mark.long if name in SIMILAR else ()) for name, each in CASES.items()],
)
def test_interrupted_is_uninterrupted(train, changes):
    asked = BASE["training"] | changes.get("training", {})
    steps = asked["steps"] or asked["epochs"] * 14
    stops = [stop for stop in (1, 15, 40, 78, 128, 129, 239) if stop < steps]
    same_store(train("whole", changes), train("interrupted", changes, stops))


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler, g++")
def test_a_compiled_run_is_repeatable_whichever_batch_size_comes_first(train):
    changes = {"model": {"name": "mlp", "depth": 2, "width": 8}, "training": {"compile": True, "steps": 40}}
    sizes = open_trajectory(whole := train("whole", changes)).group.attrs["steps_per_epoch"]
    assert sizes == 15  # the last batch has 37 samples
    same_store(whole, train("interrupted", changes, [14, 29]))


def test_a_second_run_with_the_same_settings_is_the_same(train):
    same_store(train("first", {}), train("second", {}))


def test_a_run_that_diverges_after_an_interruption_is_published_as_diverged(train):
    changes = {
        "model": {"name": "mlp", "depth": 2, "width": 8},
        "optimiser": {"learning_rate": 10},
        "training": {"loss": "mse"},
    }
    whole = train("whole", changes)
    trajectory = open_trajectory(whole)
    assert trajectory.status == DIVERGED
    assert 5 < trajectory.steps_completed < STEPS
    same_store(whole, train("interrupted", changes, [1, trajectory.steps_completed - 1]))


def test_every_session_is_in_the_provenance(train):
    about = open_trajectory(train("run", {}, [20, 30])).group.attrs["provenance"]
    assert [session["first_step"] for session in about["sessions"]] == [0, 20, 30]
    assert all(session["host"] == about["host"] for session in about["sessions"])


def test_if_the_newest_checkpoint_is_damaged_the_previous_one_is_used(train, tmp_path):
    whole = train("whole", {})
    output, scratch = tmp_path / "run" / "trajectory.zarr", tmp_path / "scratch" / "run"
    interrupt(scratch, output, at=100)
    interrupt(scratch, output, at=150)
    newest = max((scratch / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    logged = []
    train_run(settings_of({}), output, scratch=scratch, notify=logged.append)
    assert [line.split(str(newest))[-1] for line in logged] == [
        " is damaged; falling back to the previous one", f"resuming at step 100 of {STEPS}"
    ]  # fmt: skip
    same_store(whole, output)


def interrupt(scratch, output, at, changes=None, **options):
    def report(step, steps, message):
        if step == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match=f"interrupted at step {at} of {STEPS}; checkpoint written; run again to resume"):
        train_run(settings_of(changes or {}), output, scratch=scratch, report=report, notify=lambda line: None, **options)


@pytest.mark.parametrize("key", ["settings", "sessions", "walk", "recorder"])
@pytest.mark.parametrize("foreign", [None, {}, [1], {"device": "cpu", "completed": 3}], ids=str)
def test_an_intact_checkpoint_of_something_else_is_refused_in_one_line(tmp_path, key, foreign):
    output, scratch = tmp_path / "run" / "trajectory.zarr", tmp_path / "scratch" / "run"
    interrupt(scratch, output, at=20)
    content = newest_checkpoint(scratch / "checkpoints", lambda line: None)
    write_checkpoint(scratch / "checkpoints", 21, content | {key: foreign})
    with pytest.raises(ConfigError) as refused:
        train_run(settings_of({}), output, scratch=scratch, notify=lambda line: None)
    assert "\n" not in str(refused.value)
    assert str(scratch) in str(refused.value)
    assert "--restart" in str(refused.value)


@pytest.mark.parametrize("damage", ["checkpoints", "store"])
def test_without_anything_to_resume_from_the_run_starts_again_and_says_so(train, tmp_path, damage):
    output, scratch = tmp_path / "run" / "trajectory.zarr", tmp_path / "scratch" / "run"
    interrupt(scratch, output, at=100)
    if damage == "checkpoints":
        for path in (scratch / "checkpoints").iterdir():
            path.write_bytes(b"nothing")
    else:
        (scratch / "trajectory.zarr").rename(tmp_path / "moved")
    logged = []
    train_run(settings_of({}), output, scratch=scratch, notify=logged.append)
    assert logged[-1].endswith("starting again from step 0")
    same_store(train("whole", {}), output)


def test_an_unfinished_run_with_other_settings_is_refused_and_the_setting_named(train, tmp_path):
    output, scratch = tmp_path / "run" / "trajectory.zarr", tmp_path / "scratch" / "run"
    interrupt(scratch, output, at=100)
    other = {"optimiser": {"learning_rate": 0.07}}
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rate is 0\.05 there and 0\.07 here; .*--restart") as refused:
        train_run(settings_of(other), output, scratch=scratch)
    assert "\n" not in str(refused.value)
    assert not output.exists()
    train_run(settings_of(other), output, scratch=scratch, restart=True, notify=lambda line: None)
    same_store(train("whole", other), output)


def test_a_finished_store_that_was_never_published_is_published_without_a_step(train, tmp_path, monkeypatch):
    output, scratch = tmp_path / "run" / "trajectory.zarr", tmp_path / "scratch" / "run"
    with monkeypatch.context() as patch:
        patch.setattr(module, "publish", lambda *arguments: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            train_run(settings_of({}), output, scratch=scratch, notify=lambda line: None)
    with pytest.raises(ConfigError, match="seed is 0 there and 1 here"):
        train_run(settings_of({"seed": 1}), output, scratch=scratch)
    monkeypatch.setattr(module, "train_steps", None)
    outcome = train_run(settings_of({}), output, scratch=scratch)
    assert (outcome.status, outcome.steps_completed) == ("complete", STEPS)
    assert 0 <= outcome.test_accuracy <= 1
    assert not scratch.exists()
    monkeypatch.undo()
    same_store(train("whole", {}), output)


def test_overwriting_a_link_publishes_in_its_place_and_leaves_what_it_points_to(train, tmp_path):
    short = {"training": {"steps": 5}}
    first = train("first", short)
    archived = first.rename(tmp_path / "archived.zarr")
    first.symlink_to(archived)
    arguments = {"scratch": tmp_path / "scratch" / "again", "notify": lambda line: None}
    with pytest.raises(OutputExistsError):
        train_run(settings_of(short), first, **arguments)
    train_run(settings_of(short), first, overwrite=True, **arguments)
    assert not first.is_symlink()
    same_store(first, archived)


def test_a_run_whose_path_could_not_be_published_is_refused_before_its_first_step(tmp_path):
    (tmp_path / "results").write_text("a file, not a folder")
    output, steps = tmp_path / "results" / "run" / "trajectory.zarr", []
    with pytest.raises(StorageError, match="results"):
        train_run(settings_of({}), output, scratch=tmp_path / "scratch", report=lambda step, *_: steps.append(step))
    assert not steps


def test_checkpoints_are_written_at_the_given_interval_and_change_nothing(train, monkeypatch):
    written, write = [], module.write_checkpoint

    def count(folder, step, content):
        written.append(step)
        return write(folder, step, content)

    monkeypatch.setattr(module, "write_checkpoint", count)
    never = train("never", {}, checkpoint_every=0)
    assert written == []
    same_store(never, train("ever", {}, checkpoint_every=1e-9))
    assert written == list(range(1, STEPS + 1))


def test_another_device_type_is_refused_and_another_torch_is_logged_and_recorded(tmp_path, monkeypatch):
    output, scratch = tmp_path / "run" / "trajectory.zarr", tmp_path / "scratch" / "run"
    interrupt(scratch, output, at=100, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(module, "newest_checkpoint", started_on_cuda)
        with pytest.raises(ConfigError, match=r"started on cuda and cannot resume.* on cpu; .*--restart"):
            train_run(settings_of({}), output, scratch=scratch, device="cpu")
    original = module.provenance

    def upgraded(*arguments):
        about = original(*arguments)
        return about | {"versions": about["versions"] | {"torch": "99.0"}}

    monkeypatch.setattr(module, "provenance", upgraded)
    logged = []
    train_run(settings_of({}), output, scratch=scratch, notify=logged.append, device="cpu")
    assert logged[-1] == f"the bits may differ from those of an uninterrupted run: torch {version('torch')}, then 99.0"
    sessions = open_trajectory(output).group.attrs["provenance"]["sessions"]
    assert [session["versions"]["torch"] for session in sessions] == [version("torch"), "99.0"]


def test_the_commit_of_a_checkout_is_told_and_its_index_is_left_alone(tmp_path, monkeypatch):
    """A process that is killed while it writes the index would lock the user out of the repository."""
    from anodiff.training import device

    def git(*arguments):
        line = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()

    def commit():
        return device.provenance(settings_of({}).training, torch.device("cpu"))["commit"]

    (tmp_path / "code").write_text("one")
    git("init")
    git("add", "code")
    git("commit", "-m", "one")
    monkeypatch.setattr(device, "__file__", str(tmp_path / "anodiff" / "training" / "device.py"))
    os.utime(tmp_path / "code", (10**9, 10**9))  # git looks again whether it has changed
    index = (tmp_path / ".git" / "index").stat()
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "code").write_text("two")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"
    now = (tmp_path / ".git" / "index").stat()
    assert (now.st_ino, now.st_mtime_ns) == (index.st_ino, index.st_mtime_ns)


def started_on_cuda(folder, notify):
    from anodiff.training.checkpoint import newest_checkpoint

    found = newest_checkpoint(folder, notify)
    found["walk"]["device"] = "cuda"
    return found


def test_the_callers_generators_are_restored(train):
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()
    train("run", {}, [50])
    after = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def command(folder, *options, **environment):
    line = [sys.executable, "-m", "anodiff", "train", folder / "run.yaml", *options]
    return subprocess.Popen(line, cwd=folder, env=os.environ | environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def folder(tmp_path):
    """A run folder whose run takes far longer than a test."""
    settings = settings_of({"model": {"name": "mlp", "depth": 2, "width": 8}, "training": {"steps": 10**6}})
    settings = settings.model_copy(update={"recording": settings.recording.model_copy(update={"windows": "log"})})
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    return tmp_path


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        os.sched_yield()


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 75), pytest.param(signal.SIGUSR1, 75, marks=pytest.mark.long), (signal.SIGINT, 130)],
)
def test_a_signal_ends_the_command_with_a_checkpoint_one_line_and_its_status(folder, number, status):
    with command(folder, ANODIFF_CHECKPOINT_EVERY="0.05") as process:
        scratch = folder / "scratch" / folder.name
        wait_for(lambda: list(scratch.glob("checkpoints/*.pt")), process)
        process.send_signal(number)
        process.send_signal(number)
        lines = process.stderr.read().splitlines()
        assert process.wait() == status
    assert lines[-1].startswith("anodiff: interrupted at step ")
    assert lines[-1].endswith(" of 1000000; checkpoint written; run again to resume")
    step = lines[-1].split()[4]
    assert max(path.name for path in (scratch / "checkpoints").iterdir()).startswith(f"{int(step):012d}-")
    assert not (scratch / "lock").exists()
    assert not Path(folder / "trajectory.zarr").exists()


def test_the_second_process_on_a_run_is_refused_and_the_first_continues(folder):
    with command(folder, ANODIFF_CHECKPOINT_EVERY="0.05") as first:
        wait_for(lambda: list(folder.glob("scratch/*/checkpoints/*.pt")), first)
        with command(folder) as second:
            (line,) = second.stderr.read().splitlines()
            assert second.wait() == 2
        assert f"process {first.pid} on host" in line
        with pytest.raises(RunLockedError):
            train_run(settings_of({}), folder / "trajectory.zarr", scratch=folder / "scratch" / folder.name)
        assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    with command(folder, ANODIFF_CHECKPOINT_EVERY="0.05") as third:
        line = third.stderr.readline()
        assert f"over from process {first.pid}" in line
        assert "resuming at step" in third.stderr.readline()
        third.send_signal(signal.SIGKILL)
