"""What does recording cost a training? Milliseconds a step bare, with all weights, and with weights: none; and the layout.

    python benchmarks/recording.py [--json FILE] [--rounds 12] [--device cpu] [--no-cuda-graph] [--folder FOLDER]

The runs are those of config/config.yaml: the MLP and ResNet-14 on digits, augmented; on a GPU also ResNet-14 on images like
those of CIFAR-10 in batches of 1024, and steps are replayed as graphs unless told otherwise. For each network three trainings
take turns in one process, in an order that is drawn anew every round; each has its own network, and its turn ends when
the background thread has nothing left to do. Slow-downs are medians over the rounds of the ratio to the bare training
of the same round, so that what else the machine does falls on all alike. The 90 % interval is that of the median, by
resampling rounds.

The layout's part takes the recorded paths, at their beginning and at their end, and writes and reads them once more: as anodiff
does, in chunks of the same shape in C order, and as zarr-python does by itself. MB are of uncompressed weights.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import zarr
from images import dataset

from anodiff.data import Batches
from anodiff.settings.loading import load_config
from anodiff.settings.run import RunSettings, TrainingSettings
from anodiff.training.device import choose_device, repeatable
from anodiff.training.loop import build_model, walk_on
from anodiff.training.seeding import generator
from anodiff.training.state import Walk
from anodiff.trajectory import TrajectoryRecorder, open_trajectory
from anodiff.trajectory.format import sample_layout
from anodiff.trajectory.shards import ShardFiles

CONFIG = Path(__file__).parents[1] / "config/config.yaml"

#: The run's data, model and batch size, and the epochs of a turn.
CASES = {
    "mlp": ("digits", {"name": "mlp", "depth": 3, "width": 128}, 64, 60),
    "resnet14": ("digits", {"name": "resnet14", "width": 8}, 128, 30),
}
ON_A_GPU = {"resnet14, batch 1024": ("like cifar10", {"name": "resnet14"}, 1024, 3)}
MODES = ("bare", "full", "none")


class Turn:
    """A recorder, or none, that a loop may use for so many steps at a time."""

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


def training(settings, images, mode, folder, device):
    """Return a function that trains on for so many epochs and tells milliseconds a step, and the recorder.

    The first two epochs are not counted: in them graphs are recorded.
    """
    order = {"replacement": False, "drop_last": False, "generator": generator(0, "order"), "device": device}
    batches = Batches(len(images.train_labels), settings.training.batch_size, **order)
    torch.manual_seed(0)
    walk = Walk(settings, build_model(settings, images).to(device), batches, device)
    turn = Turn()
    if mode != "bare":
        coordinates = settings.recording.gradient_coordinates if mode == "none" else 0
        turn = Turn(TrajectoryRecorder(walk.model, folder / f"{mode}.zarr", weights=mode, gradient_coordinates=coordinates))

    def train(epochs):
        first, begun = turn.steps + 2 * batches.steps_per_epoch, 0.0
        turn.steps += (epochs + 2) * batches.steps_per_epoch

        def report(step, total, message):
            nonlocal begun
            if step == first:
                synchronise(device)
                begun = time.perf_counter()

        walk_on(settings, walk, images, turn, report=report)
        turn.wait()
        synchronise(device)
        return (time.perf_counter() - begun) / (epochs * batches.steps_per_epoch) * 1e3

    return train, turn.recorder


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
    trainings = {mode: training(settings, images, mode, folder, device) for mode in MODES}
    times = {mode: [] for mode in MODES}
    order = np.random.default_rng(0)
    for round_number in range(rounds + 1):
        for mode in order.permutation(MODES):
            milliseconds = trainings[mode][0](epochs)
            if round_number:  # the first is a warm-up
                times[mode].append(milliseconds)
    for _, recorder in trainings.values():
        if recorder is not None:
            recorder.finish()
    ratios = {mode: np.array(times[mode]) / np.array(times["bare"]) for mode in MODES}
    draws = order.integers(rounds, size=(2000, rounds))
    interval = {mode: np.quantile(np.median(ratios[mode][draws], axis=1), [0.05, 0.95]).tolist() for mode in MODES}
    return {
        "parameters": sum(parameter.numel() for parameter in build_model(settings, images).parameters()),
        "batch size": batch_size,
        "epochs a turn": epochs,
        "median, ms per step": {mode: float(np.median(values)) for mode, values in times.items()},
        "best, ms per step": {mode: min(values) for mode, values in times.items()},
        "ratio to bare": {mode: float(np.median(values)) for mode, values in ratios.items()},
        "its 90 % interval": interval,
        "MB of weights a second": 4e-6 * trainings["full"][1]._point.size / np.median(times["full"]) * 1e3,
    }


def layouts(path, folder, samples=512):
    """Write and read pieces of a stored path in several layouts."""
    weights = open_trajectory(path).weights
    results = {}
    for place, start in (("beginning", 0), ("end", (weights.shape[0] - 1) // samples * samples - samples)):
        points = np.ascontiguousarray(weights[start : start + samples])
        size = points.nbytes / 1e6

        def ours(target, points=points):
            array = zarr.create_array(target, **sample_layout(*points.shape), overwrite=True)
            files = ShardFiles(array, target)
            for shard, first in enumerate(range(0, len(points), files.rows)):
                files.write(shard, points[first : first + files.rows])
            return array

        def c_order(target, points=points):
            layout = sample_layout(*points.shape) | {"filters": []}
            return write(zarr.create_array(target, **layout, overwrite=True), points)

        def by_itself(target, points=points):
            return write(zarr.create_array(target, shape=points.shape, dtype="float32", overwrite=True), points)

        for name, layout in (("anodiff", ours), ("C order, same codecs", c_order), ("zarr's own", by_itself)):
            target = folder / "layout.zarr"
            written = min(timed(lambda: layout(target))[0] for _ in range(3))  # noqa: B023
            array = layout(target)
            read, values = min((timed(lambda: array[:]) for _ in range(3)), key=lambda one: one[0])  # noqa: B023
            assert values.tobytes() == points.tobytes()
            stored = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
            results[f"{place}, {name}"] = {
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
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-cuda-graph", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to write the stores; default: the system's folder for such")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(arguments.device)
    about = {"torch": torch.__version__, "zarr": zarr.__version__, "cpu_count": os.cpu_count(), "threads": 1}
    about |= {"machine": platform.processor() or platform.machine(), "rounds": arguments.rounds, "load before": os.getloadavg()}
    about["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"torch {torch.__version__}, zarr {zarr.__version__}, {about['device']}, {os.cpu_count()} cores", flush=True)
    cases = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for case, what in (CASES | (ON_A_GPU if device.type == "cuda" else {})).items():
            folder = Path(name) / case
            folder.mkdir()
            with repeatable(TrainingSettings(steps=2), device):
                cases[case] = compare(what, folder, device, arguments.rounds, not arguments.no_cuda_graph)
            cases[case]["layout"] = layouts(folder / "full.zarr", folder)
            tell(case, cases[case])
    about["load after"] = os.getloadavg()
    arguments.json.write_text(json.dumps(about | {"cases": cases}, indent=2) + "\n")
    print("load", *(f"{about[when][0]:.1f}" for when in ("load before", "load after")))


def tell(case, result):
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
