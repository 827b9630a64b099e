"""Settings that make a step faster change its last bits, but not the meaning of the path."""

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.settings.run import RunSettings, TrainingSettings
from anodiff.training import train_run
from anodiff.training.precision import float32_precision, precision_warning
from anodiff.trajectory import open_trajectory

STEPS = 40

CPU_INFO = Path("/proc/cpuinfo")


@pytest.fixture
def points(tmp_path):
    """Return a function that trains a small ResNet and gives its path, shape (steps + 1, parameters)."""

    def run(**training):
        settings = RunSettings.model_validate(
            {
                "data": "digits",
                "model": {"name": "resnet8", "width": 4},
                "optimiser": {"learning_rate": 0.05},
                "training": {"batch_size": 64, "steps": STEPS, **training},
                "recording": {"window_length": STEPS},
            }
        )
        output = tmp_path / repr(sorted(training.items())) / "trajectory.zarr"
        train_run(settings, output, scratch=tmp_path / "scratch", device="cpu")
        trajectory = open_trajectory(output)
        return np.asarray(trajectory.group["weights"][:])

    return run


def relative_distance(path, other):
    """Distance between the last points of two paths, divided by the distance from start to end."""
    return np.linalg.norm(path[-1] - other[-1]) / np.linalg.norm(path[-1] - path[0])


@pytest.mark.parametrize(
    ("training", "within"),
    [
        ({"channels_last": True}, 1e-3),
        ({"precision": "bf16"}, 0.3),
        pytest.param(
            {"compile": True},
            1e-3,
            marks=[pytest.mark.long, pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler, g++")],
        ),
    ],
)
def test_the_path_is_the_same_up_to_the_last_bits(points, training, within):
    plain, other = points(), points(**training)
    np.testing.assert_array_equal(plain[0], other[0])  # the same parameters in the same order
    assert 0 < relative_distance(plain, other) < within
    assert other.dtype == np.float32
    assert np.any(other.view(np.uint32) & 0xFFFF)  # not rounded to bfloat16's bits


def test_products_have_the_precision_of_the_settings_and_the_callers_is_restored():
    def now():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    before = now()
    for precision, expected in (("tf32", ("high", True)), ("float32", ("highest", False)), ("bf16", ("highest", False))):
        with float32_precision(TrainingSettings(precision=precision)):
            assert now() == expected
        assert now() == before


@pytest.mark.skipif(platform.machine() != "x86_64" or not CPU_INFO.exists(), reason="needs an x86 processor's flags")
def test_bf16_gives_a_warning_if_the_processor_has_no_instructions_for_it():
    (flags, *_) = [set(line.split()) for line in CPU_INFO.read_text().splitlines() if line.startswith("flags")]
    known = {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= flags or "avx_ne_convert" in flags
    line = precision_warning(TrainingSettings(precision="bf16"), torch.device("cpu"))
    assert known == (line is None), line
    assert known or "bf16" in line
    assert precision_warning(TrainingSettings(precision="tf32"), torch.device("cpu")) is None
    assert precision_warning(TrainingSettings(precision="bf16"), torch.device("meta")) is None


def test_a_network_that_cannot_be_compiled_is_refused_in_one_line(points, monkeypatch):
    def broken(*arguments, **keywords):
        raise torch._dynamo.exc.BackendCompilerFailed(lambda: None, OSError("no compiler here"), None)

    monkeypatch.setattr(torch, "compile", lambda model, **keywords: broken)
    with pytest.raises(ConfigError, match=r"training\.compile: .*no compiler here; set it to false") as refused:
        points(compile=True)
    assert "\n" not in str(refused.value)
