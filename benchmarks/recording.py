"""How much does recording slow training down, and what does the layout of the store bring?

    python benchmarks/recording.py [--json FILE] [--rounds 12] [--device cpu] [--no-cuda-graph]
    [--folder FOLDER] [--cases …]
    python benchmarks/recording.py --model gpt  # benchmarks/recording_gpt.py says what it measures

bare  nothing is recorded
full  all weights
zarr  the same files, written by zarr-python instead of `anodiff.trajectory.shards`
none  Gram matrices, with weights: none

The runs are those of config/digits.yaml: the MLP and ResNet-14 on digits, augmented. A GPU also
gets ResNet-14 on images like those of CIFAR-10 in batches of 128 and 1024, and replays steps as
graphs unless --no-cuda-graph is given. For each network four runs take turns in one process, in a new
random order every round. Each has its own network, and its turn ends when the background thread has
finished. Slow-downs are medians over the rounds of the ratio to the bare run of the same round, so
that other load on the machine affects all alike. The 90 % interval is that of the median, by
resampling rounds.

The layout part writes and reads the beginning and the end of the recorded paths again: as anodiff
does, in the same layout by zarr-python, in chunks of the same shape in C order, and with
zarr-python's defaults. MB are of uncompressed weights.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import recording_gpt
import torch
import zarr
from images import dataset

from anodiff.data import Batches
from anodiff.settings.loading import load_config
from anodiff.settings.run import RunSettings, TrainingSettings
from anodiff.training.device import choose_device, repeatable
from anodiff.training.loop import build_model, train_steps
from anodiff.training.seeding import generator
from anodiff.training.state import TrainingState
from anodiff.trajectory import TrajectoryRecorder, open_trajectory
from anodiff.trajectory.format import sample_layout
from anodiff.trajectory.shards import ShardFiles

CONFIG = Path(__file__).parents[1] / "config/digits.yaml"

#: The run's data, model and batch size, and the epochs of a turn.
CASES = {
    "mlp": ("digits", {"name": "mlp", "depth": 3, "width": 128}, 64, 60),
    "resnet14": ("digits", {"name": "resnet14", "width": 8}, 128, 30),
}
ON_A_GPU = {
    "resnet14, cifar10, batch 128": ("like cifar10", {"name": "resnet14", "options": {"projection": True}}, 128, 1),
    "resnet14, cifar10, batch 1024": ("like cifar10", {"name": "resnet14", "options": {"projection": True}}, 1024, 3),
}
MODES = ("bare", "full", "zarr", "none")


class ZarrFiles(ShardFiles):
    """Writes the same shards by zarr-python."""

    def __init__(self, array, folder):
        super().__init__(array, folder)
        self._array = array

    def write(self, shard, rows):
        first = shard * self.rows
        if self._array.shape[0] < first + len(rows):  # the length of the run is not known beforehand
            self._array.resize((first + self.rows, self.columns))
        self._array[first : first + len(rows)] = rows


class Turn:
    """A recorder, or none, for a limited number of steps at a time."""

    def __init__(self, recorder=None):
        self.recorder, self.steps, self._completed = recorder, 0, 0
        if recorder is not None:
            self.record, self.record_epoch = recorder.record, recorder.record_epoch

    @property
    def completed(self):
        return self._completed if self.recorder is None else self.recorder.completed

    def record(self, **values):
        self._completed += 1

    def record_epoch(self, epoch, **values):
        pass

    def wait(self):
        if self.recorder is not None:
            self.recorder._background.wait()


def build_training(settings, images, mode, folder, device):
    """Return the recorder, and a function that trains further epochs and returns ms per step.

    The first two epochs are not counted, because graphs are captured in them.
    """
    order = {"replacement": False, "drop_last": False, "generator": generator(0, "order"), "device": device}
    batches = Batches(len(images.train_labels), settings.training.batch_size, **order)
    torch.manual_seed(0)
    state = TrainingState(settings, build_model(settings, images).to(device), batches, device)
    turn = Turn()
    if mode != "bare":
        coordinates = settings.recording.gradient_coordinates if mode == "none" else 0
        weights = "full" if mode == "zarr" else mode
        path = folder / f"{mode}.zarr"
        turn = Turn(TrajectoryRecorder(state.model, path, weights=weights, gradient_coordinates=coordinates))
        if mode == "zarr":
            turn.recorder._samples._points._files = ZarrFiles(turn.recorder._group["weights"], path / "weights")

    def train(epochs):
        first, start = turn.steps + 2 * batches.steps_per_epoch, 0.0
        turn.steps += (epochs + 2) * batches.steps_per_epoch

        def report(step, total, message):
            nonlocal start
            if step == first:
                synchronise(device)
                start = time.perf_counter()

        train_steps(settings, state, images, turn, report=report)
        turn.wait()
        synchronise(device)
        return (time.perf_counter() - start) / (epochs * batches.steps_per_epoch) * 1e3

    return turn.recorder, train


def synchronise(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def compare(case, folder, device, rounds, graph):
    data, model, batch_size, epochs = case
    defaults = load_config(CONFIG).sweep.defaults
    training_settings = {"batch_size": batch_size, "steps": 10**6, "evaluate_every": 10**6, "cuda_graph": graph}
    run = defaults | {"model": model, "training": training_settings, "recording": {}}
    settings = RunSettings.model_validate(run)
    images = dataset(data, device)
    trainings = {mode: build_training(settings, images, mode, folder, device) for mode in MODES}
    times = {mode: [] for mode in MODES}
    order = np.random.default_rng(0)
    for round_number in range(rounds + 1):
        for mode in order.permutation(MODES):
            milliseconds = trainings[mode][1](epochs)
            if round_number:  # the first is a warm-up
                times[mode].append(milliseconds)
    for recorder, _ in trainings.values():
        if recorder is not None:
            recorder.finish()
    ratios = {mode: np.array(times[mode]) / np.array(times["bare"]) for mode in MODES}
    draws = order.integers(rounds, size=(2000, rounds))
    interval = {mode: np.quantile(np.median(ratios[mode][draws], axis=1), [0.05, 0.95]).tolist() for mode in MODES}
    parameters = sum(parameter.numel() for parameter in build_model(settings, images).parameters())
    return {
        "parameters": parameters,
        "batch size": batch_size,
        "epochs a turn": epochs,
        "median, ms per step": {mode: float(np.median(values)) for mode, values in times.items()},
        "best, ms per step": {mode: min(values) for mode, values in times.items()},
        "ratio to bare": {mode: float(np.median(values)) for mode, values in ratios.items()},
        "its 90 % interval": interval,
        "MB of weights a second": 4e-6 * parameters / np.median(times["full"]) * 1e3,
    }


def layouts(path, folder, samples=512):
    """Write and read parts of a stored path in several layouts."""
    weights = open_trajectory(path).weights
    results = {}
    for part, start in (("beginning", 0), ("end", (weights.shape[0] - 1) // samples * samples - samples)):
        points = np.ascontiguousarray(weights[start : start + samples])
        size = points.nbytes / 1e6

        def ours(target, points=points):
            array = zarr.create_array(target, **sample_layout(*points.shape), overwrite=True)
            files = ShardFiles(array, target)
            for shard, first in enumerate(range(0, len(points), files.rows)):
                files.write(shard, points[first : first + files.rows])
            return array

        def by_zarr(target, points=points):
            return write(zarr.create_array(target, **sample_layout(*points.shape), overwrite=True), points)

        def c_order(target, points=points):
            layout = sample_layout(*points.shape) | {"filters": []}
            return write(zarr.create_array(target, **layout, overwrite=True), points)

        def by_default(target, points=points):
            return write(zarr.create_array(target, shape=points.shape, dtype="float32", overwrite=True), points)

        layouts = {"anodiff": ours, "anodiff's layout, by zarr": by_zarr}
        layouts |= {"C order, same codecs": c_order, "zarr's defaults": by_default}
        for name, layout in layouts.items():
            target = folder / "layout.zarr"
            written = min(timed(lambda: layout(target))[0] for _ in range(3))  # noqa: B023
            array = layout(target)
            read, values = min((timed(lambda: array[:]) for _ in range(3)), key=lambda one: one[0])  # noqa: B023
            assert values.tobytes() == points.tobytes()
            stored = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
            results[f"{part}, {name}"] = {
                "ratio": size / stored * 1e6,
                "MB/s written": size / written,
                "MB/s read": size / read,
            }
    return results


def write(array, points):
    array[:] = points
    return array


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/recording.json"))
    parser.add_argument("--rounds", type=int, help="default: 12, and 6 for --model gpt")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-cuda-graph", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to write the stores; default: the system's temporary folder")
    parser.add_argument("--cases", nargs="+", choices=[*CASES, *ON_A_GPU], help="default: all")
    parser.add_argument("--model", choices=["gpt"], help="measure a language model of ten million parameters instead")
    parser.add_argument("--threads", type=int, default=2, help="of the language model's training")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (6 if arguments.model else 12)
    device = choose_device(arguments.device)
    if arguments.model:
        measure_gpt(arguments, device)
        return
    torch.set_num_threads(1)
    about = {"torch": torch.__version__, "zarr": zarr.__version__, "cpu_count": os.cpu_count(), "threads": 1}
    about |= {"machine": platform.processor() or platform.machine(), "rounds": arguments.rounds, "load before": os.getloadavg()}
    about["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"torch {torch.__version__}, zarr {zarr.__version__}, {about['device']}, {os.cpu_count()} cores", flush=True)
    chosen = CASES | (ON_A_GPU if device.type == "cuda" else {})
    if arguments.cases:
        chosen = {case: (CASES | ON_A_GPU)[case] for case in arguments.cases}
    cases = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for case, values in chosen.items():
            folder = Path(name) / case
            folder.mkdir()
            with repeatable(TrainingSettings(steps=2), device):
                cases[case] = compare(values, folder, device, arguments.rounds, not arguments.no_cuda_graph)
            cases[case]["layout"] = layouts(folder / "full.zarr", folder)
            print_case(case, cases[case])
    about["load after"] = os.getloadavg()
    arguments.json.write_text(json.dumps(about | {"cases": cases}, indent=2) + "\n")
    print("load", *(f"{about[when][0]:.1f}" for when in ("load before", "load after")))


def measure_gpt(arguments, device):
    """Measure the language model alone."""
    about = {"torch": torch.__version__, "rounds": arguments.rounds, "load before": os.getloadavg()}
    about["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        result = recording_gpt.compare(Path(name), device, arguments.rounds, arguments.threads)
    recording_gpt.print_result(result)
    about["load after"] = os.getloadavg()
    arguments.json.write_text(json.dumps(about | result, indent=2) + "\n")
    print("load", *(f"{about[when][0]:.1f}" for when in ("load before", "load after")))


def print_case(case, result):
    print(f"{case}: {result['parameters']:,} parameters, {result['MB of weights a second']:.0f} MB of weights a second")
    for mode in MODES:
        low, high = (100 * (bound - 1) for bound in result["its 90 % interval"][mode])
        milliseconds, slower = result["median, ms per step"][mode], 100 * (result["ratio to bare"][mode] - 1)
        print(f"  {mode:6s} {milliseconds:8.3f} ms a step   {slower:+5.1f} % ({low:+.1f} … {high:+.1f})")
    for layout, values in result["layout"].items():
        numbers = "   ".join(f"{value:7.2f} {key}" for key, value in values.items())
        print(f"  {layout:32s} {numbers}", flush=True)


if __name__ == "__main__":
    main()
