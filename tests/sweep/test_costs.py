"""What jobs ask for, against the real networks, data sets, batches and arrays."""

import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from parted import with_groups

from anodiff.data import load
from anodiff.data.files import TORCHVISION
from anodiff.diffusion.analysis import compute_diffusion
from anodiff.diffusion.parts.analysis import compute_parts
from anodiff.errors import ConfigError
from anodiff.geometry import compute_geometry
from anodiff.models import build, count_parameters
from anodiff.settings.data import DATASETS
from anodiff.settings.run import ModelSettings, RunSettings
from anodiff.settings.stages import AnalysisSettings
from anodiff.sweep import costs, footprint, run_size
from anodiff.sweep.footprint import activation_bytes
from anodiff.training.loop import build_batches


def settings(**changes):
    return RunSettings.model_validate({"data": "cifar10", "training": {"steps": 10_000}} | changes)


@pytest.mark.parametrize("name", ["mlp", "resnet14", "vgg9", "densenet40", "alexnet", "vit"])
def test_parameters_are_those_of_the_network(name):
    parameters, tensors = run_size.network_size(settings(model=name))
    network = build(name, channels=3, size=32, classes=10)
    assert parameters == count_parameters(network)
    assert tensors == len(list(network.parameters()))


def test_nothing_is_allocated_and_no_random_number_drawn():
    before = torch.get_rng_state()
    run_size.network_size(settings(model={"name": "mlp", "width": 60_000}))  # 14 GB of weights
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "data",
    [
        "digits",
        "gaussian_clusters",
        {"name": "gaussian_clusters", "clusters": {"samples": 333, "classes": 3, "image_size": 6}},
        {"name": "digits", "train_samples": 100},
        {"name": "digits", "imbalance": 7},
        {"name": "digits", "merged_classes": 3, "imbalance": 10},
        {"name": "digits", "imbalance": 100, "train_samples": 50},
        {"name": "gaussian_clusters", "clusters": {"samples": 333, "classes": 7}, "imbalance": 2},
        {"name": "gaussian_modes", "normalise": False},
        {
            "name": "gaussian_modes",
            "modes": {"strengths": [1, 1, 1], "frequencies": [3, 2, 1], "samples": 98},
            "normalise": False,
            "imbalance": 3,
        },
        "cifar10",
        "mnist",
        "fashion_mnist",
    ],
    ids=str,
)
def test_images_are_those_of_the_data_set(data):
    run = settings(data=data)
    folder = os.environ.get("ANODIFF_TEST_DATA")
    if run.data.name in TORCHVISION and not folder:
        pytest.skip("ANODIFF_TEST_DATA names no folder with the real data sets")
    dataset = load(run.data, Path(folder or "data"))
    held = run_size.images(run.data)
    assert tuple(dataset.train_images.shape) == (held.samples, held.channels, held.size, held.size)
    assert dataset.classes == held.classes


def test_every_known_data_set_has_its_images():
    for name in set(DATASETS) - {"gaussian_clusters", "gaussian_modes", "text"}:
        assert name in run_size.IMAGES


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_run_of_epochs_has_the_steps_of_its_batches(drop_last):
    run = settings(
        data={"name": "digits", "train_samples": 200}, training={"epochs": 3, "batch_size": 64, "drop_last": drop_last}
    )
    batches = build_batches(run, load(run.data, Path("data")))
    assert costs.steps(run) == sum(1 for _ in range(3) for _ in batches.epoch())


def test_a_run_twice_as_long_asks_for_twice_the_time_up_to_the_longest_job():
    none, short, long = (settings(model="resnet14", training={"steps": steps}) for steps in (2, 100_000, 200_000))
    start, once, twice = (costs.training_minutes(run, 10**6) for run in (none, short, long))
    assert twice - start == pytest.approx(2 * (once - start), abs=2)
    for minutes in (costs.training_minutes, costs.geometry_minutes, costs.analysis_minutes, costs.landscape_minutes):
        assert minutes(long, 10**6) > minutes(long, 12) == 12


def test_memory_for_training_grows_with_the_weights_and_with_the_updates_held():
    small, large = settings(model="mlp"), settings(model={"name": "mlp", "width": 2000})
    assert costs.training_memory(large) - costs.training_memory(small) > 32e-6 * (
        run_size.network_size(large)[0] - run_size.network_size(small)[0]
    )
    held, sketched = (
        settings(recording={"weights": weights, "window_length": 2000} | further)
        for weights, further in (("none", {}), ("sketch", {"sketch_size": 4}))
    )
    updates = 4e-6 * run_size.network_size(held)[0] * 2000
    assert costs.training_memory(held) - costs.training_memory(sketched) > updates


def test_a_gpu_takes_more_memory_of_the_host_than_a_cpu_and_a_batch_takes_none_of_it():
    small, large = (settings(model="resnet14", training={"steps": 10, "batch_size": size}) for size in (16, 512))
    assert costs.training_memory(small, "cuda") > costs.training_memory(small, "cpu")
    assert costs.training_memory(large, "cuda") == costs.training_memory(small, "cuda")
    assert costs.training_memory(large, "cpu") > costs.training_memory(small, "cpu")


def test_what_autograd_keeps_is_counted_exactly():
    """Of an MLP: the input of each layer, and the output of each ReLU, which is the input of the next."""
    kept = activation_bytes(ModelSettings(name="mlp", depth=3, width=50).model_dump_json(), 1, 8, 10)
    assert kept == 4 * (8 * 8 + 50 + 50)


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """Return a function that writes a factory of a class's networks and returns the settings of one, as JSON."""
    monkeypatch.chdir(tmp_path)
    written = []

    def write(*lines):
        written.append(f"counted{len(written)}_{tmp_path.name.replace('-', '_')}")
        text = "import torch\nfrom torch import nn\n\n\ndef net(channels, size, classes):\n"
        Path(f"{written[-1]}.py").write_text(text + "".join(f"    {line}\n" for line in lines))
        return ModelSettings(name=f"{written[-1]}:net").model_dump_json()

    yield write
    for name in written:
        sys.modules.pop(name, None)


PLAIN = "model = nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, 50), nn.Tanh(), nn.Linear(50, classes))"


@pytest.mark.parametrize(
    "lines",
    [
        ("model[1].bias.sum().item()",),  # in the factory
        ("model.register_forward_hook(lambda module, inputs, outputs: outputs * (1 if outputs.sum().item() else 1))",),
        ("model.register_forward_hook(lambda module, inputs, out: out * (out.sum().item() ** 0 if module.training else 1))",),
    ],
    ids=["built", "tried", "trained"],
)
def test_a_network_that_cannot_live_on_the_meta_device_is_counted_on_the_cpu(factory, lines):
    plain, valued = factory(PLAIN, "return model"), factory(PLAIN, *lines, "return model")
    before = torch.get_rng_state()
    assert footprint.network_size(valued, 1, 8, 10) == footprint.network_size(plain, 1, 8, 10) == (64 * 50 + 50 + 510, 4)
    assert footprint.activation_bytes(valued, 1, 8, 10) >= footprint.activation_bytes(plain, 1, 8, 10) == 4 * (64 + 50)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("kind", "numbers", "bytes_"), [("float32", 1, 4), ("float64", 1, 8), ("complex64", 2, 4)])
def test_a_point_takes_as_much_as_its_numbers(factory, kind, numbers, bytes_):
    lines = "model = nn.Flatten()", f"model.weight = nn.Parameter(torch.ones(channels * size**2, classes, dtype=torch.{kind}))"
    forward = "model.forward = lambda images: (images.flatten(1).to(model.weight.dtype) @ model.weight).abs()"
    run = settings(model=json.loads(factory(*lines, forward, "return model")), training={"steps": 100})
    assert run_size.network_size(run) == (30_720 * numbers, 1)
    assert run_size.point_bytes(run) == 30_720 * numbers * bytes_
    sketched = run.model_copy(update={"recording": run.recording.model_copy(update={"weights": "sketch", "sketch_size": 64})})
    assert run_size.point_bytes(sketched) == 8 * 64


def test_one_that_cannot_be_counted_has_stated_bounds(factory):
    large = factory(PLAIN, "raise RuntimeError('DefaultCPUAllocator: cannot allocate memory')")
    on_a_gpu = factory(PLAIN, "return model.to('cuda:7')")
    for model in (large, on_a_gpu):
        assert footprint.network_size(model, 1, 8, 10) == (footprint.BOUND_PARAMETERS, footprint.BOUND_TENSORS)
    fails = "model.register_forward_hook(lambda module, inputs, out: out if not module.training else out.no_such_method())"
    bound = 4 * (footprint.BOUND_IMAGES * 64 + 64 * 50 + 50 + 510)
    assert footprint.activation_bytes(factory(PLAIN, fails, "return model"), 1, 8, 10) == bound


def test_a_mistake_in_a_factory_is_one_line(factory):
    with pytest.raises(ConfigError, match=r"net failed: KeyError: 'width' \(counted0_\w+\.py, line 6\)$"):
        footprint.network_size(factory("{}['width']"), 1, 8, 10)


@pytest.mark.parametrize("name", ["regnet_y_400mf", "swin_t", "shufflenet_v2_x0_5"])
def test_networks_of_torchvision_are_counted_wherever_they_can_live(name):
    run = settings(model=f"torchvision:{name}")
    assert run_size.network_size(run)[0] == count_parameters(build(f"torchvision:{name}", channels=3, size=32, classes=10))


def test_a_window_fits_in_the_memory_that_its_jobs_ask_for(record_path, tmp_path):
    """The arrays of the pass and of the analysis take less than the job asks for beyond the process's own memory."""
    updates, tiny = 500, settings(training={"steps": 2})
    points = np.cumsum(np.random.default_rng(0).normal(size=(updates + 1, 30)), axis=0)
    record_path(points, path=tmp_path / "trajectory.zarr")
    run = settings(training={"steps": updates}, recording={"window_length": updates})
    outputs = [tmp_path / name for name in ("diffusion.zarr", "exponents.csv", "tails.csv")]

    def peak(work):
        work()  # imports what it needs
        tracemalloc.start()
        work()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found / 1e6

    geometry = peak(lambda: compute_geometry(tmp_path / "trajectory.zarr", tmp_path / "geometry.zarr", overwrite=True))
    settled = AnalysisSettings(null_draws=4)
    analysis = peak(lambda: compute_diffusion(tmp_path / "geometry.zarr", *outputs, settled, overwrite=True))
    assert geometry < costs.geometry_memory(run) - costs.geometry_memory(tiny)
    assert analysis < costs.analysis_memory(run) - costs.analysis_memory(tiny)
    points = np.cumsum(np.random.default_rng(0).normal(size=(updates + 1, 180)), axis=0)
    with_groups(record_path(points, path=tmp_path / "g.zarr"), [30] * 6, {f"g{number}": [f"p{number}"] for number in range(6)})
    grouped, few = (
        settings(
            model={"name": "mlp", "depth": 6}, training={"steps": steps}, recording={"window_length": steps, "groups": "layer"}
        )
        for steps in (updates, 2)
    )
    assert run_size.part_counts(grouped) == (6, 0)
    geometry = peak(lambda: compute_geometry(tmp_path / "g.zarr", tmp_path / "geometry.zarr", overwrite=True))
    parts = [tmp_path / name for name in ("geometry.zarr", "parts.zarr", "parts.csv")]
    analysis = peak(lambda: compute_parts(*parts, settled, overwrite=True))
    assert geometry < costs.geometry_memory(grouped) - costs.geometry_memory(few)
    assert analysis < costs.analysis_memory(run) - costs.analysis_memory(tiny)
