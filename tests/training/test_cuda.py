"""On a GPU a replayed graph gives the same bits, and the recorded path is that of the network."""

import numpy as np
import pytest
import torch
from sameness import same_store

from anodiff.errors import ConfigError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.models import FAMILIES, build
from anodiff.settings.run import RunSettings
from anodiff.training import train_run
from anodiff.training.backward import build_forward_backward
from anodiff.training.device import repeatable
from anodiff.training.state import TrainingState
from anodiff.training.timing import measure
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory
from anodiff.trajectory.gradients import GradientSample

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

BASE = {
    "data": {"name": "digits", "shift": 1, "noise": 0.5},
    "model": {"name": "resnet8", "width": 4},
    "optimiser": {"learning_rate": 0.05},
    "training": {"batch_size": 100, "steps": 300},
    "recording": {"window_length": 100},
}

CASES = {
    "resnet": {},
    "dropout": {"model": {"name": "test_cuda:dropping"}, "recording": {"noise_every": 50}},
    "mlp, adam": {"model": {"name": "mlp", "depth": 3, "width": 64}, "optimiser": {"name": "adam", "learning_rate": 0.01}},
    "gpt, in parts, clipped": {
        "data": {"name": "text", "train_samples": 640},
        "model": {"name": "gpt", "depth": 1, "width": 16, "heads": 2, "context": 16},
        "optimiser": {"name": "adamw", "learning_rate": 0.01, "clip": 0.5},
        "training": {"accumulation": 2, "steps": 100},
    },
    "momentum, bf16, channels last": {
        "optimiser": {"momentum": 0.9},
        "training": {"precision": "bf16", "channels_last": True},
    },
}


class Dropping(torch.nn.Sequential):
    def __init__(self, inputs, classes):
        super().__init__(
            torch.nn.Flatten(),
            torch.nn.Linear(inputs, 32),
            torch.nn.BatchNorm1d(32),
            torch.nn.Dropout(0.2),
            torch.nn.ReLU(),
            torch.nn.Linear(32, classes),
        )
        self.unused = torch.nn.Parameter(torch.ones(3))


def dropping(channels, size, classes):
    return Dropping(channels * size**2, classes)


@pytest.fixture
def train(tmp_path):
    """Return a function that trains on the GPU and gives the store."""

    def run(name, changes, **more):
        values = {key: BASE[key] | changes.get(key, {}) | more.get(key, {}) for key in BASE}
        values |= {key: changes[key] for key in ("data", "model") if "name" in changes.get(key, {})}
        output = tmp_path / name / "trajectory.zarr"
        train_run(RunSettings.model_validate(values), output, scratch=tmp_path / "scratch" / name, device="cuda")
        return output

    return run


def arrays(path):
    group = open_trajectory(path).group
    return {name: group[name][...] for name in sorted(group.array_keys())}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_a_graph_gives_the_bits_of_single_launches(train, changes):
    launched, replayed = (arrays(train(str(graph), changes, training={"cuda_graph": graph})) for graph in (False, True))
    assert launched.keys() == replayed.keys()
    for name, values in launched.items():
        assert values.tobytes() == replayed[name].tobytes(), name
    assert np.any(np.diff(launched["weights"], axis=0))


OURS = [family.examples[0] for family in FAMILIES.values() if family.samples == "images" and ":" not in family.examples[0]]


@pytest.mark.parametrize("name", OURS)
def test_a_graph_of_each_of_our_networks_gives_the_bits_of_single_launches(name):
    settings = RunSettings.model_validate({"model": {"name": name}, "training": {"steps": 4, "batch_size": 16}})
    device = torch.device("cuda")
    random = torch.Generator(device).manual_seed(0)
    images = torch.randn(4, 16, 3, 32, 32, device=device, generator=random)
    labels = torch.randint(10, (4, 16), device=device, generator=random)
    ends = []
    with repeatable(settings.training, device):
        for graph in (False, "auto"):
            torch.manual_seed(0)
            state = TrainingState(settings, build(name, channels=3, size=32, classes=10).to(device), None, device)
            chosen = settings.model_copy(update={"training": settings.training.model_copy(update={"cuda_graph": graph})})
            forward_backward = build_forward_backward(state, state.model, torch.nn.functional.cross_entropy, chosen, device)
            losses = []
            for batch, answers in zip(images, labels, strict=True):
                losses.append(forward_backward(batch, answers)[1]())
                state.step(0.01)
            ends.append((losses, [value.cpu() for value in state.model.state_dict().values()]))
    assert ends[0][0] == ends[1][0]
    assert len(set(ends[0][0])) == 4
    assert all(map(torch.equal, ends[0][1], ends[1][1]))


def test_a_run_is_measured_on_the_gpu(tmp_path):
    found = measure(RunSettings.model_validate(BASE), data_root="data", scratch=tmp_path, device="cuda", seconds=0.5)
    assert found.device.startswith("cuda")
    assert 0 < found.step < 1


@pytest.mark.parametrize("graph", [False, True])
def test_the_same_settings_give_the_same_store_again(train, graph):
    first, second = (train(name, {}, training={"cuda_graph": graph}) for name in ("first", "second"))
    same_store(first, second)


def test_a_graph_of_a_network_that_waits_for_the_gpu_is_refused_in_one_line(train):
    with pytest.raises(ConfigError, match=r"training\.cuda_graph: .*; set it to false") as refused:
        train("asking", {"model": {"name": "test_cuda:asking"}}, training={"cuda_graph": True})
    assert "\n" not in str(refused.value)


class Asking(Dropping):
    def forward(self, images):
        return super().forward(images) * (1 + images.mean().item() * 1e-3)


def asking(channels, size, classes):
    return Asking(channels * size**2, classes)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
def test_the_gradients_sample_is_of_the_gradient(layout):
    model = build("resnet8", channels=3, size=8, classes=10).to("cuda", memory_format=layout)
    sample = GradientSample(list(model.parameters()), 300)
    for _ in range(3):
        model.zero_grad()
        model(torch.randn(16, 3, 8, 8, device="cuda")).square().mean().backward()
        row = torch.empty(300, device="cuda")
        sample.copy_to(row)
        whole = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        assert torch.equal(row, whole[torch.from_numpy(sample.coordinates).cuda()])


@pytest.mark.parametrize("memory", [1024, 4])
def test_gram_matrices_summed_up_on_the_gpu_are_those_of_the_stored_path(tmp_path, memory):
    class Walker(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one = torch.nn.Parameter(torch.randn(70, 100, device="cuda", generator=generator))
            self.other = torch.nn.Parameter(torch.randn(13, device="cuda", generator=generator))

    generator = torch.Generator("cuda").manual_seed(0)
    model = Walker()
    windows = [Window(0, 300), Window(100, 200, 2)]
    with (
        TrajectoryRecorder(model, tmp_path / "full.zarr", steps=300, windows=windows) as full,
        TrajectoryRecorder(
            model, tmp_path / "none.zarr", steps=300, windows=windows, weights="none", device_memory=memory
        ) as none,
    ):
        for _ in range(300):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn(parameter.shape, device="cuda", generator=generator), alpha=1e-3)
            full.record()
            none.record()
    last = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).cpu().numpy()
    assert open_trajectory(tmp_path / "full.zarr").group["weights"][-1].tobytes() == last.tobytes()
    compute_geometry(tmp_path / "full.zarr", tmp_path / "geometry.zarr")
    stored, summed = open_geometry(tmp_path / "geometry.zarr"), open_trajectory(tmp_path / "none.zarr")
    for number in range(len(windows)):
        expected = stored.read(number).gram
        lengths = np.sqrt(np.diagonal(expected))
        assert (np.abs(summed.gram(number) - expected) / np.outer(lengths, lengths)).max() < 1e-6
