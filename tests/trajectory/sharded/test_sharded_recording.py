"""A model that several processes train together has the recording that one process makes of the same path."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sharded_cases import CASES, KINDS, STEPS, WINDOWS, optimiser_of, options_of, plain_model

from anodiff.trajectory import TrajectoryRecorder, open_trajectory

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata")


def torchrun(ranks, *arguments, check=True):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    script = Path(__file__).with_name("sharded_cases.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, script, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=300)
    assert not check or done.returncode == 0, done.stderr[-5000:]
    return done


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    torchrun(4, folder)
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
    left_out = ("checksums", "sketch") if case == "ddp" else ("checksums",)
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
