"""Trainers of other libraries record with several processes, replicated or sharded."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anodiff.trajectory import open_trajectory

pytestmark = pytest.mark.long


def trained(folder, *cases):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = Path(__file__).with_name("with_callbacks.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, script, folder, *cases], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.fixture(scope="module")
def lightning(tmp_path_factory):
    pytest.importorskip("lightning.pytorch", reason="needs Lightning: pip install anodiff[callbacks]")
    return trained(tmp_path_factory.mktemp("lightning"), "lightning_ddp", "lightning_shards")


@pytest.fixture(scope="module")
def huggingface(tmp_path_factory):
    pytest.importorskip("accelerate", reason="needs accelerate: pip install anodiff[callbacks]")
    pytest.importorskip("transformers", reason="needs transformers: pip install anodiff[callbacks]")
    return trained(tmp_path_factory.mktemp("huggingface"), "huggingface_ddp", "huggingface_shards")


def test_lightnings_shards_have_the_matrices_of_its_replicated_weights(lightning):
    whole, shards = (open_trajectory(lightning / f"lightning_{name}.zarr") for name in ("ddp", "shards"))
    assert whole.steps_completed == shards.steps_completed == 12
    for number, window in enumerate(whole.windows):
        updates = np.diff(whole.points(window), axis=0).astype(np.float64)
        gram = updates @ updates.T
        np.testing.assert_allclose(shards.gram(number), gram, rtol=1e-4, atol=1e-5 * gram.max())
    for name in ("loss", "gradient_norm", "learning_rate"):
        np.testing.assert_allclose(shards.series(name), whole.series(name), rtol=1e-4)


def test_lightnings_checkpoint_resumes_the_path_of_shards_with_the_same_bits(lightning):
    once, twice = (open_trajectory(lightning / f"lightning_{name}.zarr") for name in ("shards", "resumed"))
    assert once.content == twice.content


def test_accelerates_shards_have_the_matrices_of_its_replicated_weights(huggingface):
    assert (huggingface / "huggingface_ddp.txt").read_text() == "0 of 28"
    assert (huggingface / "huggingface_shards.txt").read_text() == "28 of 28"
    whole, shards = (open_trajectory(huggingface / f"huggingface_{name}.zarr") for name in ("ddp", "shards"))
    assert whole.steps_completed == shards.steps_completed == 8
    for number in range(len(whole.windows)):
        gram = whole.gram(number)
        np.testing.assert_allclose(shards.gram(number), gram, rtol=1e-4, atol=1e-4 * gram.max())
    for name in ("loss", "gradient_norm", "learning_rate"):
        np.testing.assert_allclose(shards.series(name), whole.series(name), rtol=1e-4)
