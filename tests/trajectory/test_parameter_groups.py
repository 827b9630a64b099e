"""Groups of parameters: each parameter is in one, and their Gram matrices add up to the whole."""

import numpy as np
import pytest
import reference
import torch
from torch import nn

from anodiff import models
from anodiff.errors import ConfigError
from anodiff.trajectory import TrajectoryRecorder, Window, open_trajectory
from anodiff.trajectory.groups import parameter_groups, selected

STEPS = 25
NAMES = ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 3))


def walked(path, stop=(), **options):
    """Record a random walk; return its points (T+1, P) in float64, with names of the columns' parameters."""
    model = network()
    generator = torch.Generator().manual_seed(2)

    def move():
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)

    def point():
        return torch.cat([parameter.detach().double().view(-1) for parameter in model.parameters()]).numpy()

    options = {"steps": STEPS, "windows": [Window(0, 10), Window(5, 20, 5)], "weights": "none"} | options
    recorder = TrajectoryRecorder(model, path, **options)
    points = [point()]
    for step in range(STEPS):
        if step in stop:
            state = recorder.state()
            recorder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
            recorder = TrajectoryRecorder(model, path, resume=state, **options)
        move()
        recorder.record()
        points.append(point())
    recorder.finish()
    columns = np.repeat([name for name, _ in model.named_parameters()], [each.numel() for each in model.parameters()])
    return np.array(points), columns


@pytest.mark.parametrize("groups", ["layer", "kind", {"biases": "*.bias", "last": ["3"]}], ids=str)
def test_each_group_has_the_gram_matrix_of_its_own_columns_and_they_add_up(tmp_path, groups):
    points, columns = walked(tmp_path / "t.zarr", groups=groups)
    trajectory = open_trajectory(tmp_path / "t.zarr")
    assert sorted(name for group in trajectory.groups for name in group["parameters"]) == sorted(NAMES)
    for number, window in enumerate(trajectory.windows):
        matrices = []
        for part, group in enumerate(trajectory.groups):
            own = np.isin(columns, group["parameters"])
            assert group["size"] == own.sum()
            matrices.append(trajectory.part_gram("group_gram", part, number))
            np.testing.assert_allclose(matrices[-1], reference.gram(points[window.steps][:, own]), rtol=1e-4, atol=1e-7)
        assert np.array_equal(np.sum(matrices, axis=0), trajectory.gram(number))


def test_interrupted_recordings_have_the_same_groups_to_the_bit(tmp_path):
    walked(tmp_path / "whole.zarr", groups="layer")
    walked(tmp_path / "again.zarr", groups="layer", stop=(3, 8, 17))
    whole, again = (open_trajectory(tmp_path / f"{name}.zarr") for name in ("whole", "again"))
    assert whole.content == again.content


def test_a_run_of_unknown_length_has_the_groups_of_one_of_known_length(tmp_path):
    options = {"groups": "kind", "windows": "contiguous", "window_length": 8}
    walked(tmp_path / "known.zarr", **options)
    walked(tmp_path / "open.zarr", **options | {"steps": None})
    known, opened = (open_trajectory(tmp_path / f"{name}.zarr") for name in ("known", "open"))
    for number in range(len(known.windows)):
        for part in range(len(known.groups)):
            one, other = (each.part_gram("group_gram", part, number) for each in (known, opened))
            assert np.array_equal(one, other)


def test_a_selection_is_the_path_of_its_parameters_alone(tmp_path):
    points, columns = walked(tmp_path / "t.zarr", parameters=["3", "*.bias"], groups="layer")
    trajectory = open_trajectory(tmp_path / "t.zarr")
    own = np.isin(columns, ["0.bias", "1.bias", "3.weight", "3.bias"])
    assert trajectory.parameters == own.sum()
    assert [group["name"] for group in trajectory.groups] == ["0", "3"]
    np.testing.assert_allclose(trajectory.gram(0), reference.gram(points[:11][:, own]), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        ("mlp3", {}, ["hidden1.0", "hidden2.0", "output"]),
        ("vgg9", {}, None),
        ("resnet14", {}, ["stem.0", *(f"stage{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1)), "output"]),
        ("vit", {"depth": 2}, ["class_token", "positions", "embedding", "blocks.0", "blocks.1", "output.0", "output.1"]),
    ],
)
def test_layers_are_the_repeated_blocks_and_what_is_beside_them(name, options, layers):
    model = models.build(name, channels=3, size=32, classes=10, **options)
    names = [each for each, _ in model.named_parameters()]
    for division in ("layer", "kind"):
        groups = parameter_groups(model, names, division)
        assert sorted(each for group in groups for each in group.parameters) == sorted(names)
        if division == "layer" and layers:
            assert [group.name for group in groups] == layers


def test_kinds_are_those_of_the_modules():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False)
    model = nn.ModuleDict(
        {"embedding": nn.Embedding(9, 8), "encoder": encoder, "conv": nn.Conv1d(2, 2, 1), "head": nn.Linear(8, 9)}
    )
    names = [name for name, _ in model.named_parameters()]
    kinds = {name: group.name for group in parameter_groups(model, names, "kind") for name in group.parameters}
    assert kinds["embedding.weight"] == "embedding"
    assert (
        kinds["encoder.layers.1.self_attn.in_proj_weight"] == kinds["encoder.layers.0.self_attn.out_proj.bias"] == "attention"
    )
    assert kinds["encoder.layers.0.linear1.weight"] == "mlp"
    assert kinds["encoder.layers.1.norm2.bias"] == "normalisation"
    assert kinds["conv.weight"] == "convolution"
    assert kinds["head.weight"] == "output"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "layers"}, "groups is 'layers'; give layer, kind, or"),
        ({"groups": {}}, "give layer, kind, or"),
        ({"groups": {"all": "*", "none": "0"}}, "groups: none: '0' fits no parameter"),
        ({"groups": {"rest": "0"}}, "'rest' is the name for such"),
        ({"parameters": "2.*"}, "parameters: '2.*' fits no parameter; the model's are 0.weight"),
        ({"parameters": []}, "is no pattern"),
        ({"weights": "sketch", "sketch_size": 8, "groups": "layer"}, "a sketch mixes all parameters"),
    ],
)
def test_what_is_no_division_is_refused_before_there_is_a_store(tmp_path, options, message):
    with pytest.raises(ConfigError) as error:
        walked(tmp_path / "t.zarr", **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "t.zarr").exists()


def test_patterns_are_names_of_parameters_or_of_what_holds_them():
    assert selected(["a.b", "a.b.c", "ab"], "a.b") == ["a.b", "a.b.c"]
    assert selected(["a.b", "ab"], ["a?", "a.*"]) == ["a.b", "ab"]
