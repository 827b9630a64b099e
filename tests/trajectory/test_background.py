"""The background thread: training waits for it only if it must, its errors are raised, and it always ends."""

import errno
import gc
import threading
from contextlib import suppress

import numpy as np
import pytest
import torch

from anodiff.errors import IncompleteStoreError, StorageError
from anodiff.trajectory import TrajectoryRecorder, Window, format, open_trajectory
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.shards import ShardFiles


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 16)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("anodiff")] == []


class Walker(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.position = torch.nn.Parameter(torch.zeros(37))

    def step(self):
        with torch.no_grad():
            self.position += 1


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device", "some/file")


def broken(*arguments):
    raise ZeroDivisionError("broken")


def record(path, steps, model=None, **options):
    model = model or Walker()
    with TrajectoryRecorder(model, path, steps=40, windows=[Window(0, 40)], **options) as recorder:
        for _ in range(steps):
            model.step()
            recorder.record()


def test_a_full_disk_ends_the_recording_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(ShardFiles, "write", full)
    with pytest.raises(
        StorageError, match=r"^some/file: No space left on device; nothing was published; free some space"
    ) as error:
        record(tmp_path / "t.zarr", 40)
    assert "\n" not in str(error.value)
    with pytest.raises(IncompleteStoreError):
        open_trajectory(tmp_path / "t.zarr")


@pytest.mark.parametrize("call", ["record", "state", "finish"])
def test_the_first_error_is_raised_by_the_next_call_and_every_later_one(tmp_path, monkeypatch, call):
    monkeypatch.setattr(ShardFiles, "write", broken)
    model = Walker()
    recorder = TrajectoryRecorder(model, tmp_path / "t.zarr", steps=40, windows=[Window(0, 40)])
    with pytest.raises(ZeroDivisionError) as first:  # noqa: PT012
        for _ in range(8):
            model.step()
            recorder.record()  # the eighth step begins a shard, so the previous one is submitted
        recorder._background.wait()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as again:
            getattr(recorder, call)()
        assert again.value is first.value
    with pytest.raises(ZeroDivisionError), recorder:
        pass


def test_after_an_error_of_the_loop_the_thread_is_joined_and_its_last_file_is_whole_or_not_there(tmp_path):
    with suppress(KeyError), TrajectoryRecorder(model := Walker(), tmp_path / "t.zarr", steps=40) as recorder:
        for _ in range(30):
            model.step()
            recorder.record()
        raise KeyError
    assert not list(tmp_path.rglob("*.partial"))


def test_training_waits_when_two_shards_are_in_memory_and_continues_when_one_is_written(tmp_path, monkeypatch):
    began, may_write, points = threading.Event(), threading.Semaphore(0), []
    write = ShardFiles.write

    def slow(files, shard, rows):
        began.set()
        assert may_write.acquire(timeout=60)
        write(files, shard, rows)

    monkeypatch.setattr(ShardFiles, "write", slow)
    model = Walker()

    def train():
        with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=40, windows=[Window(0, 40)]) as recorder:
            for step in range(40):
                model.step()
                recorder.record()
                points.append(step + 1)

    training = threading.Thread(target=train)
    training.start()
    assert began.wait(60)
    training.join(0.5)
    assert len(points) == 15  # the 16th begins a third shard, for which there is no memory
    may_write.release()
    while len(points) < 23:
        training.join(0.01)
    training.join(0.3)
    assert len(points) == 23
    may_write.release(10)
    training.join(60)
    np.testing.assert_array_equal(open_trajectory(tmp_path / "t.zarr").weights[:, 0], np.arange(41))


def test_a_state_holds_the_points_that_no_file_holds_yet(tmp_path, monkeypatch):
    write, written = ShardFiles.write, []
    monkeypatch.setattr(ShardFiles, "write", lambda *arguments: (write(*arguments), written.append(arguments[1])))
    model = Walker()
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=40, windows=[Window(0, 40)]) as recorder:
        for step in range(40):
            model.step()
            recorder.record()
            state = recorder.state()["samples"]["weights"]
            assert state["start"] == 8 * len(written)
            assert state["rows"][:, 0].tolist() == list(range(8 * len(written), step + 2))


def test_jobs_are_done_in_order_and_not_after_stopping(tmp_path):
    done, release = [], threading.Event()
    background = BackgroundThread(tmp_path)
    for number in range(100):
        background.submit(lambda number=number: done.append(number))
    background.wait()
    assert done == list(range(100))
    background.submit(lambda: release.wait(60))
    background.submit(lambda: done.append("later"))
    stopping = threading.Thread(target=background.stop)
    stopping.start()
    while not background._stopped.is_set():
        stopping.join(0.001)
    release.set()
    stopping.join(60)
    assert "later" not in done


def test_a_deleted_recorder_leaves_no_thread(tmp_path):
    model = Walker()
    recorder = TrajectoryRecorder(model, tmp_path / "t.zarr", steps=40, windows=[Window(0, 40)])
    for _ in range(20):
        model.step()
        recorder.record()
    (thread,) = (one for one in threading.enumerate() if one.name.startswith("anodiff"))
    del recorder
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
