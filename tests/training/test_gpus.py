"""Trainings side by side take different GPUs by themselves."""

import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import torch

from anodiff.errors import ConfigError, StorageError
from anodiff.training import gpus
from anodiff.training.gpus import claim, claim_device, memory_in_use

DEVICES = ["aaa", "bbb", "ccc"]


def test_trainings_take_one_gpu_each_and_then_a_second_one_each(tmp_path):
    with ExitStack() as stack:
        taken = [stack.enter_context(claim(DEVICES, {}, tmp_path)) for _ in range(7)]
    assert sorted(taken[:3]) == sorted(taken[3:6]) == [0, 1, 2]


def test_a_gpu_given_up_is_free_again(tmp_path):
    with claim(DEVICES, {}, tmp_path) as first:
        assert first == 0
        with claim(DEVICES, {}, tmp_path) as second:
            assert second == 1
        with claim(DEVICES, {}, tmp_path) as again:
            assert again == 1


def test_among_gpus_without_a_training_of_ours_the_emptiest_is_taken(tmp_path):
    in_use = {"aaa": 30_000.0, "bbb": 500.0, "ccc": 3.0}
    with claim(DEVICES, in_use, tmp_path) as first, claim(DEVICES, in_use, tmp_path) as second:
        assert (first, second) == (2, 1)


def test_a_killed_process_leaves_its_gpu_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from anodiff.training.gpus import claim\n"
        "with claim(['aaa', 'bbb'], {}, Path(sys.argv[1])) as index: print(index, flush=True); os.kill(os.getpid(), 9)"
    )
    finished = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert finished.stdout == "0\n"
    with claim(["aaa", "bbb"], {}, tmp_path) as index:
        assert index == 0


def test_processes_see_each_others_claims(tmp_path):
    code = (
        "import sys; from pathlib import Path; from anodiff.training.gpus import claim\n"
        "with claim(['aaa', 'bbb'], {}, Path(sys.argv[1])) as index: print(index, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "0\n"
        with claim(["aaa", "bbb"], {}, tmp_path) as index:
            assert index == 1
        other.stdin.close()


def test_more_trainings_than_a_machine_can_share_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "SHARES", 1)
    with claim(["aaa"], {}, tmp_path), pytest.raises(StorageError, match="--device"), claim(["aaa"], {}, tmp_path):
        pass


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that pretends that torch sees so many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"gpu{index}"))
        monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.setattr(gpus, "memory_in_use", dict)

    return pretend


@pytest.mark.parametrize(("count", "expected"), [(0, "cpu"), (1, "cuda"), (2, "cuda:0")])
def test_auto_is_a_gpu_where_there_is_one(machine, count, expected):
    machine(count)
    with claim_device() as device:
        assert device == torch.device(expected)


def test_concurrent_trainings_on_auto_get_different_gpus(machine):
    machine(2)
    with claim_device() as first, claim_device() as second:
        assert {first, second} == {torch.device("cuda:0"), torch.device("cuda:1")}


def test_a_device_that_is_named_is_taken_whoever_has_it(machine):
    machine(0)
    with claim_device("cpu") as first, claim_device("cpu") as second:
        assert first == second == torch.device("cpu")
    with pytest.raises(ConfigError, match="--device gpu"), claim_device("gpu"):
        pass


def test_memory_is_read_from_nvidia_smi_and_unknown_without_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory_in_use() == {}
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU-1234-ab, 17'\necho 'GPU-99, 40000'\n")
    smi.chmod(0o755)
    assert memory_in_use() == {"1234-ab": 17.0, "99": 40000.0}
