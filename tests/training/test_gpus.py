"""Concurrent runs take different GPUs."""

import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import torch

from anodiff.errors import ConfigError, StorageError
from anodiff.training import gpus
from anodiff.training.gpus import claim_device, claim_gpu, memory_in_use

DEVICES = ["aaa", "bbb", "ccc"]


def test_each_gpu_gets_one_run_before_any_gets_a_second(tmp_path):
    with ExitStack() as stack:
        taken = [stack.enter_context(claim_gpu(DEVICES, {}, tmp_path)) for _ in range(7)]
    assert sorted(taken[:3]) == sorted(taken[3:6]) == [0, 1, 2]


def test_a_released_gpu_is_free_again(tmp_path):
    with claim_gpu(DEVICES, {}, tmp_path) as first:
        assert first == 0
        with claim_gpu(DEVICES, {}, tmp_path) as second:
            assert second == 1
        with claim_gpu(DEVICES, {}, tmp_path) as again:
            assert again == 1


def test_of_the_free_gpus_the_emptiest_is_taken(tmp_path):
    in_use = {"aaa": 30_000.0, "bbb": 500.0, "ccc": 3.0}
    with claim_gpu(DEVICES, in_use, tmp_path) as first, claim_gpu(DEVICES, in_use, tmp_path) as second:
        assert (first, second) == (2, 1)


def test_a_killed_process_leaves_its_gpu_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from anodiff.training.gpus import claim_gpu\n"
        "with claim_gpu(['aaa', 'bbb'], {}, Path(sys.argv[1])) as index: print(index, flush=True); os.kill(os.getpid(), 9)"
    )
    finished = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert finished.stdout == "0\n"
    with claim_gpu(["aaa", "bbb"], {}, tmp_path) as index:
        assert index == 0


def test_processes_see_each_others_claims(tmp_path):
    code = (
        "import sys; from pathlib import Path; from anodiff.training.gpus import claim_gpu\n"
        "with claim_gpu(['aaa', 'bbb'], {}, Path(sys.argv[1])) as index: print(index, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "0\n"
        with claim_gpu(["aaa", "bbb"], {}, tmp_path) as index:
            assert index == 1
        other.stdin.close()


def test_more_runs_than_the_gpus_may_share_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "MAX_RUNS_PER_GPU", 1)
    with claim_gpu(["aaa"], {}, tmp_path), pytest.raises(StorageError, match="--device"), claim_gpu(["aaa"], {}, tmp_path):
        pass


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that makes torch see this many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"gpu{index}"))
        monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.setattr(gpus, "memory_in_use", dict)

    return pretend


@pytest.mark.parametrize(("count", "expected"), [(0, "cpu"), (1, "cuda"), (2, "cuda:0")])
def test_auto_is_a_gpu_if_there_is_one(machine, count, expected):
    machine(count)
    with claim_device() as device:
        assert device == torch.device(expected)


def test_concurrent_runs_on_auto_get_different_gpus(machine):
    machine(2)
    with claim_device() as first, claim_device() as second:
        assert {first, second} == {torch.device("cuda:0"), torch.device("cuda:1")}


def test_a_named_device_is_taken_even_if_another_run_has_it(machine):
    machine(0)
    with claim_device("cpu") as first, claim_device("cpu") as second:
        assert first == second == torch.device("cpu")
    with pytest.raises(ConfigError, match="--device gpu"), claim_device("gpu"):
        pass


class FakeDriver:
    """The functions of pynvml on a machine with GPUs: by index, UUID and bytes in use."""

    def __init__(self, **used):
        self.used, self.open = used, 0

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return len(self.used)

    def nvmlDeviceGetHandleByIndex(self, index):
        return list(self.used)[index]

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=self.used[handle])


@pytest.fixture
def install_driver(monkeypatch):
    """Return a function that replaces NVIDIA's driver by a fake one."""

    def install(driver):
        for name in dir(FakeDriver):
            if name.startswith("nvml"):
                monkeypatch.setattr(gpus.pynvml, name, getattr(driver, name))
        return driver

    return install


def test_memory_in_use_is_in_mib_by_uuid(install_driver):
    driver = install_driver(FakeDriver(aaa=17 * 2**20, bbb=40_000 * 2**20))
    assert memory_in_use() == {"aaa": 17.0, "bbb": 40_000.0}
    assert driver.open == 0


def test_without_a_driver_the_memory_in_use_is_unknown(install_driver):
    class NoDriver(FakeDriver):
        def nvmlInit(self):
            raise gpus.pynvml.NVMLError(gpus.pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    driver = install_driver(NoDriver(aaa=1))
    assert memory_in_use() == {}
    assert driver.open == 0


def test_a_driver_that_does_not_know_the_memory_in_use_is_closed_again(install_driver):
    class Unsupported(FakeDriver):
        def nvmlDeviceGetMemoryInfo(self, handle):
            raise gpus.pynvml.NVMLError(gpus.pynvml.NVML_ERROR_NOT_SUPPORTED)

    driver = install_driver(Unsupported(aaa=1))
    assert memory_in_use() == {}
    assert driver.open == 0


def test_with_a_driver_auto_takes_the_emptiest_gpu(install_driver, machine, monkeypatch):
    machine(2)
    monkeypatch.setattr(gpus, "memory_in_use", memory_in_use)
    install_driver(FakeDriver(gpu0=9 * 2**30, gpu1=2**20))
    with claim_device() as device:
        assert device == torch.device("cuda:1")
