"""A model that several processes train together has the recording that one process makes of the same path."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sharded_cases import CASES, KINDS, STEPS, WINDOWS, options_of, plain_model

from anodiff.errors import IncompleteStoreError
from anodiff.trajectory import TrajectoryRecorder, open_trajectory


def torchrun(ranks, *arguments, check=True):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    script = Path(__file__).with_name("sharded_cases.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert not check or done.returncode == 0, done.stderr[-5000:]
    return done


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    torchrun(4, folder, *(f"run={case}" for case in CASES))
    return folder


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Runs that were interrupted on four ranks, two of them resumed."""
    folder = tmp_path_factory.mktemp("resumed")
    torchrun(4, folder, "interrupt+resume=hsdp", "interrupt+resume=ddp", "interrupt=fsdp")
    return folder


def whole_recording(case, kind, folder, path):
    """Record the same points by one process, with a plain model, and return its trajectory."""
    saved = np.load(folder / case / "points.npz")
    model = plain_model(case)
    trained = [one for one in model.parameters() if one.requires_grad]

    def move(values, gradient):
        start = 0
        for one in trained:
            size = one.numel() * (2 if one.is_complex() else 1)
            part = torch.from_numpy(values[start : start + size].copy())
            part = torch.view_as_complex(part.view(-1, 2)) if one.is_complex() else part
            target = one.data if not gradient else torch.empty_like(one.data)
            target.copy_(part.view(one.shape))
            if gradient:
                one.grad = target
            start += size

    move(saved["points"][0], False)
    with TrajectoryRecorder(model, path, **options_of(case, kind)) as recorder:
        for step in range(STEPS):
            move(saved["gradients"][step], True)
            move(saved["points"][step + 1], False)
            recorder.record(loss=float(step))
    return open_trajectory(path)


def arrays_of(trajectory, left_out=("loss",)):
    return {name: np.asarray(array[:]) for name, array in trajectory.group.arrays() if name not in left_out}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_a_sharded_model_has_the_recording_of_one_process(recorded, tmp_path, case, kind):
    sharded = open_trajectory(recorded / case / f"{kind}.zarr")
    whole = whole_recording(case, kind, recorded, tmp_path / "whole.zarr")
    left_out = ("checksums",)
    assert {k: v for k, v in sharded.group.attrs.items() if k not in left_out} == {
        k: v for k, v in whole.group.attrs.items() if k not in left_out
    }
    ours, theirs = arrays_of(sharded), arrays_of(whole)
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert ours[name].dtype == expected.dtype
        if name in ("gram", "group_gram"):
            scale = np.sqrt(np.nanmax(np.abs(expected)))
            np.testing.assert_allclose(ours[name], expected, rtol=1e-6, atol=1e-6 * scale**2, err_msg=name)
        elif kind == "sketch" and name == "weights":
            np.testing.assert_allclose(ours[name], expected, rtol=1e-13, atol=1e-13, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], expected, err_msg=name)


@pytest.mark.parametrize("case", ["fsdp", "both", "tensor_parallel", "ddp", "optimiser"])
def test_walks_of_a_sharded_optimiser_are_those_of_its_gradients_and_weights(recorded, case):
    saved = np.load(recorded / case / "points.npz")
    points, gradients = saved["points"], saved["gradients"]
    rate, decay = 0.05, 0.1
    updates = {
        "gradient": -rate * gradients,
        "preconditioned": np.diff(points, axis=0) + rate * decay * points[:-1],
        "decay": -rate * decay * points[:-1],
    }
    store = open_trajectory(recorded / case / "walks.zarr")
    assert tuple(store.group.attrs["walks"]) == tuple(updates)
    for number, steps in enumerate(updates.values()):
        for window, planned in enumerate(WINDOWS):
            within = steps[planned.start : planned.start + planned.length]
            summed = within.reshape(planned.updates, planned.stride, -1).sum(1)
            found = store.array("walk_gram")[number, window, : planned.updates, : planned.updates]
            expected = summed @ summed.T
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_groups_of_a_sharded_model_add_up_to_the_whole(recorded):
    for case in CASES:
        store = open_trajectory(recorded / case / "none.zarr")
        np.testing.assert_array_equal(np.asarray(store.array("group_gram")[:]).sum(0), store.array("gram")[:])


def test_each_rank_writes_whole_shards_of_adjacent_columns(recorded):
    store = open_trajectory(recorded / "fsdp" / "full.zarr")
    array = store.array("weights")
    assert 4 * array.shards[1] >= array.shape[1] > 3 * array.shards[1]
    files = sorted(file.name for file in (recorded / "fsdp" / "full.zarr" / "weights" / "c" / "0").iterdir())
    assert files == ["0", "1", "2", "3"]


@pytest.mark.parametrize("case", ["hsdp", "ddp"])
@pytest.mark.parametrize("kind", [*KINDS, "walks"])
def test_a_resumed_recording_has_the_bits_of_one_that_was_not_interrupted(recorded, resumed, case, kind):
    """Both were made by processes of their own, so a recording has the same bits from run to run."""
    once, twice = (open_trajectory(folder / case / f"{kind}.zarr") for folder in (recorded, resumed))
    assert once.content == twice.content


@pytest.fixture(scope="module")
def on_fewer_ranks(resumed):
    """A run that was interrupted on four ranks and resumed on three."""
    torchrun(3, resumed, "resume=fsdp")
    return resumed / "fsdp"


def test_points_go_on_when_other_ranks_resume(on_fewer_ranks):
    before, after = (np.load(on_fewer_ranks / f"{name}.npz")["points"] for name in ("before", "after"))
    points = np.concatenate([before, after[1:]])
    np.testing.assert_array_equal(before[-1], after[0])
    store = open_trajectory(on_fewer_ranks / "full.zarr")
    for window in store.windows:
        np.testing.assert_array_equal(store.points(window), points[window.steps].astype(np.float32))


def test_windows_that_were_open_when_other_ranks_resume_have_no_matrix(on_fewer_ranks):
    points = np.concatenate(
        [np.load(on_fewer_ranks / f"{name}.npz")["points"][skip:] for name, skip in (("before", 0), ("after", 1))]
    )
    store = open_trajectory(on_fewer_ranks / "none.zarr")
    assert store.group.attrs["windows_without_gram"] == {"path": [0, 1]}
    assert np.isnan(store.gram(0)).all()
    assert np.isnan(store.gram(1)).all()
    updates = np.diff(points[store.windows[2].steps].astype(np.float32), axis=0).astype(np.float64)
    np.testing.assert_allclose(store.gram(2), updates @ updates.T, rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """What each of two ranks said of each fault, and how the processes ended."""
    folder = tmp_path_factory.mktemp("failures")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    script = Path(__file__).with_name("failing_ranks.py")
    processes = [
        subprocess.Popen([sys.executable, script, folder], env=os.environ | shared | {"RANK": str(rank)}) for rank in range(2)
    ]
    ended = [process.wait(timeout=200) for process in processes]
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], ended


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("other values", "first.weight has other values on rank 0 than on rank 1"),
        ("other names", "ranks 0 and 1 hold different parameters, such as second.weight"),
        ("other shapes", "hold different parameters, such as first.weight of shape"),
        ("partial", "first.weight is distributed as (Partial(sum),)"),
        ("fsdp1", "shard by torch's fully_shard"),
        ("deepspeed", "DeepSpeed ZeRO-3"),
        ("megatron", "Megatron's tensor parallelism"),
        ("too large a sketch", "sketch_size 4096 is not below the model's 157 parameters"),
        ("finished", "holds a finished recording of 3 steps"),
        ("steps", "the ranks record different steps"),
        ("swapped", "give each rank its own"),
        ("alone", "this state is of a recording by one process"),
        ("destroyed", "the process group was destroyed before the recording was finished"),
        ("meta", "first.weight is on the meta device"),
    ],
)
def test_every_rank_says_in_one_line_what_is_wrong(failures, fault, line):
    _, said, _ = failures
    for rank in range(2):
        kind, message = said[rank][fault]
        assert kind in ("ConfigError", "OutputExistsError")
        assert line in message
        assert "\n" not in message


def test_a_recorder_or_its_state_on_one_rank_alone_is_refused(failures):
    _, said, _ = failures
    assert "rank 1 does not call state(); call it on every rank" in said[0]["state"][1]
    assert "rank 1 makes no recorder; make it on every rank" in said[0]["missing"][1]


@pytest.mark.parametrize(("fault", "cause"), [("disk", "StorageError"), ("training", "ValueError")])
def test_when_a_rank_fails_the_others_end_with_an_error_and_the_store_is_refused(failures, fault, cause):
    folder, said, _ = failures
    assert said[1][fault][0] == cause
    assert said[0][fault][0] == "LostRankError"
    with pytest.raises(IncompleteStoreError):
        open_trajectory(folder / f"{fault}.zarr")


def test_when_a_rank_is_killed_the_others_end_with_an_error_and_the_store_is_refused(failures):
    folder, said, ended = failures
    assert ended == [0, -signal.SIGKILL]
    assert said[0]["killed"][0] == "LostRankError"
    assert "another rank has ended" in said[0]["killed"][1]
    with pytest.raises(IncompleteStoreError):
        open_trajectory(folder / "killed.zarr")
