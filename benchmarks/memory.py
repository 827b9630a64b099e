"""Does a training take the memory that its job asks for?

For six networks: the estimate of `anodiff.sweep.costs`, and the largest resident memory of the
command, with a checkpoint, as the kernel counts it. The estimate must be enough, and at most 1.5
times as much. On a CPU; a GPU's own memory is not counted.

    python benchmarks/memory.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from anodiff.settings.run import RunSettings
from anodiff.sweep.costs import training_memory
from anodiff.sweep.run_size import network_size

#: The estimate divided by what was measured is between 1 and this.
MOST = 1.5

CLUSTERS = {"name": "gaussian_clusters", "clusters": {"samples": 2000, "image_size": 32}}

#: Network, data and steps: enough that the recorder's buffers are full, and with few parameters recorded where steps are slow.
CASES = {
    "mlp, 650 parameters": {"model": {"name": "mlp", "depth": 2, "width": 8}, "steps": 700},
    "mlp, 2 million parameters": {"model": {"name": "mlp", "depth": 3, "width": 1000}, "steps": 600},
    "resnet14": {"model": "resnet14", "steps": 600},
    "vgg9, 32 pixels": {"model": "vgg9", "data": CLUSTERS, "steps": 30, "recording": {"weights": "sketch"}},
    "densenet22, 32 pixels": {"model": "densenet22", "data": CLUSTERS, "steps": 20, "recording": {"weights": "sketch"}},
    "vit, no weights kept": {"model": "vit", "steps": 60, "recording": {"weights": "none", "window_length": 50}},
}


def settings_of(case):
    values = {"data": case.get("data", "digits"), "model": case["model"], "recording": case.get("recording", {})}
    return RunSettings.model_validate(values | {"training": {"batch_size": 64, "steps": case["steps"]}})


def measure(settings, folder):
    """Train; return the MB of the largest resident memory."""
    folder.mkdir()
    (folder / "run.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    command = [sys.executable, "-m", "anodiff", "train", "run.yaml", "--device", "cpu", "--checkpoint-every", "5"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit((folder / "log").read_text())
    return usage.ru_maxrss * 1024 / 1e6


def main():
    chosen = sys.argv[1:] or CASES
    print(f"{'network':28}{'parameters':>12}{'estimate, MB':>14}{'measured, MB':>14}{'ratio':>7}")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, case) in enumerate((name, CASES[name]) for name in chosen):
            settings = settings_of(case)
            estimate, measured = training_memory(settings, "cpu"), measure(settings, Path(folder, str(number)))
            wrong += not 1 <= estimate / measured <= MOST
            parameters, ratio = network_size(settings)[0], estimate / measured
            print(f"{name:28}{parameters:12,}{estimate:14,}{measured:14,.0f}{ratio:7.2f}", flush=True)
    return f"{wrong} estimates are too small, or more than {MOST} times too large" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
