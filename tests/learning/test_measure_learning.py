"""What runs learn when: a network whose outputs are known at each step, a trained one against a slow version, and odd runs."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import torch

from anodiff.data import Augmentation, load
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.learning.measure import chosen_points, measure_learning
from anodiff.learning.modes import group_means, singular_modes
from anodiff.learning.recorded_outputs import RecordedNetwork, Samples, margins
from anodiff.learning.store import open_learning
from anodiff.learning.times import learning_times
from anodiff.learning.windows import ModeValues, mode_motion, share_in_span
from anodiff.settings.learning import LearningSettings
from anodiff.settings.run import RunSettings, TrainingSettings
from anodiff.storage.tables import read_table
from anodiff.training.losses import build_loss, sample_losses
from anodiff.training.recorded.network import run_network
from anodiff.training.run import train_run
from anodiff.trajectory import TrajectoryRecorder, Window
from anodiff.trajectory.store import open_trajectory

DIGITS = {"data": {"name": "digits", "train_samples": 200}, "model": {"name": "mlp3", "width": 8}}
TRAINING = {"training": {"steps": 60, "batch_size": 50}, "optimiser": {"learning_rate": 0.2}}
RECORDING = {"recording": {"window_length": 20, "gradient_coordinates": 0}}
QUICK = LearningSettings(points=12, samples=64, draws=20)


def run_settings(**changes):
    return RunSettings.model_validate(DIGITS | TRAINING | RECORDING | changes)


def trained(folder, **changes):
    train_run(run_settings(**changes), folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    return folder / "trajectory.zarr"


def measured(trajectory, settings=QUICK, name="learning.zarr", folder=None):
    """Measure, and return store, curves and windows."""
    output = (folder or trajectory.parent) / name
    measure_learning(trajectory, output, settings, device="cpu")
    windows = output.with_name(f"{output.stem}_windows.csv")
    return (
        open_learning(output),
        read_table(output.with_suffix(".csv"), keep_default_na=False, na_values=[""]),
        read_table(windows),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("learning"))


@pytest.fixture(scope="module")
def found(run):
    return measured(run)


PATH = np.concatenate([[0.0], 1 / (1 + np.exp(-(np.arange(1, 41) - 15) / 3))])


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A linear network that goes straight to the solution of least squares: at step t it has the share PATH[t] of it."""
    path = tmp_path_factory.mktemp("straight") / "trajectory.zarr"
    settings = run_settings(model={"name": "mlp1"}, training={"steps": 40, "batch_size": 50, "loss": "mse"})
    dataset = load(settings.data, "data")
    x = Augmentation(settings.data, dataset).normalise(dataset.train_images).flatten(1).double().numpy()
    y = np.eye(10)[dataset.train_labels.numpy()]
    weight = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0), rcond=None)[0].T
    bias = y.mean(axis=0) - weight @ x.mean(axis=0)
    model = run_network(settings, dataset)
    attributes = {"settings": settings.model_dump(mode="json")}
    layer = model[-1]

    def go(share):
        layer.weight.data.copy_(torch.from_numpy(share * weight))
        layer.bias.data.copy_(torch.from_numpy(share * bias))

    go(PATH[0])
    with TrajectoryRecorder(model, path, steps=40, windows=[Window(0, 20), Window(20, 20)], attributes=attributes) as recorder:
        for share in PATH[1:]:
            go(share)
            recorder.record(loss=1.0, learning_rate=0.1)
    return path


@pytest.fixture
def every_window(monkeypatch):
    """Gradients are taken in every window, whatever that costs."""
    monkeypatch.setattr("anodiff.learning.window_table.SHARE", 1e3)


def test_each_mode_of_a_linear_network_is_learned_like_its_weights(straight, every_window):
    store, curves, windows = measured(straight, LearningSettings(points=100, samples=None, draws=20))
    modes = [number for number, sort in enumerate(store.sorts) if sort == "mode"]
    assert len(modes) == 9
    assert store["step"].tolist() == list(range(41))
    np.testing.assert_allclose(store["curve"][:, modes], np.repeat(PATH[:, None], 9, axis=1), atol=2e-5)
    rows = curves.iloc[modes]
    np.testing.assert_allclose(rows["learning_time"], learning_times(store["step"], PATH), rtol=1e-4)
    np.testing.assert_allclose(rows["learning_time"], 15, rtol=1e-3)
    np.testing.assert_allclose(rows["final"], PATH[-1], atol=2e-5)
    np.testing.assert_allclose(rows["strength"], store["singular_value"])
    assert (rows["law"] == "logistic").sum() >= 8
    np.testing.assert_allclose(windows["learned"], 9 * np.diff(PATH[[0, 20, 40]]), atol=2e-4)
    np.testing.assert_allclose(windows["first_order"], 1, rtol=1e-4)  # outputs are linear in the weights
    trajectory, dataset = open_trajectory(straight), load(run_settings().data, "data")
    x = Augmentation(run_settings().data, dataset).normalise(dataset.train_images).flatten(1).double().numpy()
    displacement = trajectory.point(20).astype(np.float64) - trajectory.point(0)
    share = 0.0
    for u, v in zip(store["output_mode"][:5], store["input_mode"][:5], strict=True):  # gradients u mᵀ are orthogonal
        m = (x * ((x - x.mean(axis=0)) @ v)[:, None]).mean(axis=0)
        share += (u @ displacement[:640].reshape(10, 64) @ m) ** 2 / (m @ m)
    np.testing.assert_allclose(windows["mode_share"], share / (displacement @ displacement), rtol=1e-4)
    np.testing.assert_allclose(windows["mode_share_chance"], 5 / 650)


def test_all_samples_of_a_linear_network_are_learned_at_once(straight):
    # at least for good: its outputs are those of the end, times a growing number, from step 1 on
    store, curves, _ = measured(straight, LearningSettings(points=100, samples=None, draws=20), "again.zarr")
    right = store["train_margin"][-1] > 0
    assert (store["train_margin"][1:] > 0).all(axis=0)[right].all()
    assert (store["train_forgetting"] == 0).all()
    assert np.isnan(store["train_learning_time"][~right]).all()
    assert (store["train_learning_time"][right] <= 1).all()
    assert curves["accuracy"][0] == pytest.approx(right.mean())


def slow(run, settings, index):
    """Return margins, losses and right probabilities of training samples at a step, and their outputs, one by one."""
    trajectory = open_trajectory(run)
    dataset = load(settings.data, "data")
    network = run_network(settings, dataset)
    images = Augmentation(settings.data, dataset).normalise(dataset.train_images[index])
    labels = dataset.train_labels[index]
    for step in range(61):
        point = torch.from_numpy(trajectory.point(step))
        torch.nn.utils.vector_to_parameters(point, network.parameters())
        yield network(images).detach().double(), labels


def test_margins_losses_and_mode_curves_equal_those_of_the_network_step_by_step(run, found):
    store, curves, _ = found
    settings, steps = run_settings(), store["step"]
    dataset = load(settings.data, "data")
    normalise = Augmentation(settings.data, dataset).normalise
    index = store["train_index"]
    classes = group_means(dataset.train_images, dataset.train_labels.numpy(), 10, normalise)
    modes = singular_modes(classes, 10)
    along = (normalise(dataset.train_images[index]).flatten(1).double().numpy() - classes.centre) @ modes.inputs.T
    outputs = [each for step, each in enumerate(slow(run, settings, index)) if step in steps]
    values = []
    for point, (given, labels) in enumerate(outputs):
        for sample in range(0, 64, 7):
            others = np.delete(given[sample].numpy(), labels[sample])
            assert store["train_margin"][point, sample] == pytest.approx(
                float(given[sample, labels[sample]]) - others.max(), abs=1e-5
            )
        losses = torch.nn.functional.cross_entropy(given, labels, reduction="none")
        np.testing.assert_allclose(store["train_loss"][point], losses, rtol=1e-4)
        values.append(((given.softmax(1).numpy() @ modes.outputs.T) * along).mean(axis=0))
    target = ((np.eye(10)[labels] @ modes.outputs.T) * along).mean(axis=0)
    expected = (np.array(values) - values[0]) / (target - values[0])
    np.testing.assert_allclose(store["curve"][:, [sort == "mode" for sort in store.sorts]], expected, atol=1e-4)
    probability = np.array([given.softmax(1)[torch.arange(64), labels].numpy() for given, labels in outputs])
    everything = store["curve"][:, store.number("all")]
    np.testing.assert_allclose(
        everything, (probability.mean(1) - probability[0].mean()) / (1 - probability[0].mean()), atol=1e-5
    )
    seven = labels.numpy() == 7
    mean = probability[:, seven].mean(axis=1)
    np.testing.assert_allclose(store["curve"][:, store.number("class 7")], (mean - mean[0]) / (1 - mean[0]), atol=1e-5)
    row = curves[curves["curve"] == "class 7"].iloc[0]
    assert row["samples"] == seven.sum()
    assert row["frequency"] == (dataset.train_labels == 7).double().mean().item()
    assert row["accuracy"] == (store["train_margin"][-1, seven] > 0).mean()


def test_gradients_that_cost_too_much_are_taken_where_most_is_learned(run, found):
    _, _, windows = found
    assert windows["mode_share"].notna().tolist() == (windows["learned"] == windows["learned"].max()).tolist()
    assert windows["note"].str.contains("not among the windows in which most is learned").sum() == 2


def test_a_repeated_measurement_has_the_same_bits(run, found, tmp_path):
    again, curves, windows = measured(run, folder=tmp_path)
    for name, values in found[0].arrays.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    pd.testing.assert_frame_equal(curves, found[1], check_exact=True)
    pd.testing.assert_frame_equal(windows, found[2], check_exact=True)


def test_points_are_evenly_spaced_in_the_logarithm_with_both_ends(run):
    trajectory = open_trajectory(run)
    assert chosen_points(trajectory, 100).tolist() == list(range(61))
    points = chosen_points(trajectory, 9)
    assert (points[0], points[1], points[-1]) == (0, 1, 60)
    assert len(points) <= 9
    expected = [0, *np.geomspace(1, 60, 8)]
    assert np.abs(points - expected).max() <= 0.5


@pytest.fixture
def function(run):
    return mode_values(run, run_settings())


def mode_values(run, settings, samples=50):
    dataset, trajectory = load(settings.data, "data"), open_trajectory(run)
    normalise = Augmentation(settings.data, dataset).normalise
    classes = group_means(dataset.train_images, dataset.train_labels.numpy(), 10, normalise)
    modes = singular_modes(classes, 3)
    network = RecordedNetwork(trajectory, settings, dataset, torch.device("cpu"))
    few = slice(samples)
    along = (normalise(dataset.train_images[few]).flatten(1).double().numpy() - classes.centre) @ modes.inputs.T
    given = Samples(dataset.train_images[few], dataset.train_labels[few], normalise, network)
    return ModeValues(network, given, "cross_entropy", modes.outputs, along)


def gradients_at(function, step):
    point = function.network.trajectory.point(step)
    assert function.network.set(step, point, function.samples)
    return point.astype(np.float64), [each.double().numpy() for each in function.values_and_gradients()[1]]


def test_a_path_along_the_gradient_of_a_mode_is_in_their_span_and_learns_what_it_predicts(function):
    point, gradients = gradients_at(function, 20)
    along = gradients[0] / np.linalg.norm(gradients[0])
    motion = mode_motion(function, (20, point), (20, point + 1e-2 * along), np.ones(3))
    assert motion.share == pytest.approx(1, abs=1e-9)
    assert motion.first_order == pytest.approx(1, rel=0.02)
    assert motion.share_chance == 3 / len(point)
    across = np.random.default_rng(0).normal(size=len(point))
    for gradient in np.linalg.qr(np.transpose(gradients))[0].T:
        across -= (across @ gradient) * gradient
    assert mode_motion(function, (20, point), (20, point + 1e-2 * across), np.ones(3)).share == pytest.approx(0, abs=1e-9)


def test_a_random_direction_has_the_share_of_chance(function):
    point, _ = gradients_at(function, 20)
    random = np.random.default_rng(1)
    shares = [
        mode_motion(function, (20, point), (20, point + random.normal(size=len(point))), np.ones(3)).share for _ in range(60)
    ]
    assert np.mean(shares) == pytest.approx(3 / len(point), rel=0.4)


def test_gradients_go_through_the_statistics_of_batch_normalisation(tmp_path):
    settings = run_settings(model={"name": "mlp2", "width": 8, "batch_norm": True}, training={"steps": 20, "batch_size": 50})
    path = trained(tmp_path, model={"name": "mlp2", "width": 8, "batch_norm": True}, training={"steps": 20, "batch_size": 50})
    function = mode_values(path, settings)
    point, gradients = gradients_at(function, 10)
    hidden = next(layer.weight for layer in function.network.network.modules() if isinstance(layer, torch.nn.Linear)).numel()
    scaling = np.concatenate([point[:hidden], np.zeros(len(point) - hidden)])  # changes no output
    for gradient in gradients:
        assert abs(gradient @ scaling) < 1e-4 * np.linalg.norm(gradient) * np.linalg.norm(scaling)
    end = point + 1e-2 * gradients[1] / np.linalg.norm(gradients[1])
    assert mode_motion(function, (10, point), (10, end), np.ones(3)).first_order == pytest.approx(1, rel=0.05)
    _, curves, windows = measured(path)
    assert np.isfinite(curves["final"]).all()
    assert windows["mode_share"].between(0, 1).all()


def test_the_share_in_a_span_is_that_of_an_orthonormal_basis():
    random = np.random.default_rng(4)
    vectors, other = random.normal(size=(3, 40)), random.normal(size=40)
    basis = np.linalg.qr(vectors.T)[0]
    expected = ((other @ basis) ** 2).sum() / (other @ other)
    vectors = np.vstack([1e6 * vectors, vectors[0] - vectors[1], np.zeros(40)])  # dependent, and of no length
    share, dimensions = share_in_span(vectors @ vectors.T, vectors @ other, other @ other)
    assert share == pytest.approx(expected)
    assert dimensions == 3
    assert np.isnan(share_in_span(vectors @ vectors.T, vectors @ np.zeros(40), 0.0)[0])


@pytest.mark.parametrize("classes", [2, 5])
def test_losses_of_samples_have_the_loss_of_training_as_mean(classes):
    outputs = torch.randn(40, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % classes
    for name in ("cross_entropy", "mse", "hinge"):
        mean = build_loss(TrainingSettings(loss=name, steps=2), classes)(outputs, labels)
        assert sample_losses(name, outputs, labels).mean().item() == pytest.approx(mean.item())
    assert torch.isinf(margins(outputs[:, :1], torch.zeros(40, dtype=torch.int64))).all()


def test_a_run_that_stops_before_its_first_window_has_rows_without_values(tmp_path):
    path = trained(tmp_path, optimiser={"learning_rate": 1e30}, training={"steps": 60, "batch_size": 50, "loss": "mse"})
    store, curves, windows = measured(path)
    assert store["step"].shape == (0,)
    assert set(curves["note"]) == {"the run stopped before the end of its first window"}
    assert curves["learning_time"].isna().all()
    assert windows["note"].tolist() == ["the run ended before its end"] * 3
    assert np.isnan(store["train_learning_time"]).all()


def test_a_network_that_stops_being_finite_has_values_until_then(straight, tmp_path, every_window):
    settings = run_settings(model={"name": "mlp1"}, training={"steps": 40, "batch_size": 50, "loss": "mse"})
    trajectory = open_trajectory(straight)
    model = run_network(settings, load(settings.data, "data"))
    path = tmp_path / "trajectory.zarr"
    attributes = {"settings": settings.model_dump(mode="json")}
    torch.nn.utils.vector_to_parameters(torch.from_numpy(trajectory.point(0)), model.parameters())
    with TrajectoryRecorder(model, path, steps=40, windows=[Window(0, 20), Window(20, 20)], attributes=attributes) as recorder:
        for step in range(1, 41):
            point = torch.from_numpy(trajectory.point(step)) if step <= 30 else torch.full((650,), np.nan)
            torch.nn.utils.vector_to_parameters(point, model.parameters())
            recorder.record(loss=1.0, learning_rate=0.1)
    store, curves, windows = measured(path, LearningSettings(points=100, samples=None, draws=20))
    assert np.isnan(store["train_margin"][31:]).all()
    assert np.isfinite(store["train_margin"][:31]).all()
    mode = curves.iloc[store.number("mode 1")]
    assert mode["learning_time"] == pytest.approx(15, rel=1e-3)
    assert "not finite at 10 points, the first is step 31" in mode["note"]
    assert np.isnan(mode["final"])
    assert windows["note"].tolist()[1] == "a point is not finite"
    assert np.isfinite(windows["mode_share"][0])


def test_without_full_weights_one_line_says_what_to_set(tmp_path):
    path = trained(tmp_path, recording={"window_length": 20, "weights": "none"})
    with pytest.raises(ConfigError, match=r"needs recording\.weights: full"):
        measure_learning(path, tmp_path / "learning.zarr", QUICK, device="cpu")
    assert sorted(file.name for file in tmp_path.iterdir() if "learning" in file.name) == []
    with pytest.raises(StoreMissingError):
        measure_learning(tmp_path / "none.zarr", tmp_path / "learning.zarr", QUICK)


def test_fewer_samples_without_modes_and_with_groups(run, tmp_path, monkeypatch):
    labels = load(run_settings().data, "data").train_labels.numpy()
    kind = pd.Series(np.where(labels % 2, "odd", "even"))
    kind[:5] = None
    kind.to_frame("kind").to_csv(tmp_path / "kinds.csv")
    (tmp_path / "made_groups.py").write_text("def bright(images, labels):\n    return images.mean(axis=(1, 2, 3)) > 0.3\n")
    monkeypatch.chdir(tmp_path)
    groups = {"parity": "kinds.csv:kind", "bright": "made_groups:bright"}
    settings = LearningSettings(points=8, samples=16, modes=0, draws=20, groups=groups)
    store, curves, windows = measured(run, settings, folder=tmp_path)
    sys.modules.pop("made_groups")
    assert store["input_mode"].shape == (0, 64)
    own = curves[curves["sort"] == "group"]
    assert own["curve"].tolist() == ["parity: even", "parity: odd", "bright: False", "bright: True"]
    assert own["frequency"].iloc[0] == (kind == "even").mean()
    even = (kind == "even").to_numpy()[store["train_index"]]
    assert own["samples"].iloc[0] == even.sum()
    assert own["accuracy"].iloc[0] == (store["train_margin"][-1, even] > 0).mean()
    missing = curves[curves["samples"] == 0]
    assert set(missing["note"]) <= {"none of them is among the 16 samples that were drawn"}
    assert windows["modes_in_transition"].tolist() == [0, 0, 0]
    assert windows["learned"].isna().all()


def test_versions_of_the_test_images_have_curves_of_their_own(tmp_path):
    data = {"name": "digits", "train_samples": 200, "cue": {"strength": 0.5, "fraction": 1.0}}
    store, curves, _ = measured(trained(tmp_path, data=data))
    dataset = load(run_settings(data=data).data, "data")
    rows = curves[curves["sort"] == "probe"]
    assert rows["curve"].tolist() == list(dataset.probes)
    assert set(rows["split"]) == {"test"}
    labels = dataset.test_labels[store["test_index"]]
    network = run_network(run_settings(data=data), dataset)
    point = torch.from_numpy(open_trajectory(tmp_path / "trajectory.zarr").point(60))
    torch.nn.utils.vector_to_parameters(point, network.parameters())
    normalise = Augmentation(run_settings(data=data).data, dataset).normalise
    for name, accuracy in zip(rows["curve"], rows["accuracy"], strict=True):
        outputs = network(normalise(dataset.probes[name][store["test_index"]]))
        assert accuracy == pytest.approx((outputs.argmax(1) == labels).double().mean().item())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("kinds", "expected file.csv:column or package.module:function"),
        ("none.csv:kind", "no such file"),
        ("kinds.csv:kidn", "no column 'kidn'; did you mean 'kind'?"),
        ("short.csv:kind", "3 values for 200 training samples"),
        ("kinds.csv:number", "200 different values; groups are at most 100"),
        ("made_bad:nothing", "has no 'nothing'"),
        ("made_bad:fails", "fails failed: ZeroDivisionError"),
        ("made_bad:two", "returned an array of shape (2, 3)"),
        ("no_such_module:f", "cannot import no_such_module"),
    ],
)
def test_groups_that_cannot_be_read_are_one_line(run, tmp_path, monkeypatch, source, message):
    pd.DataFrame({"kind": ["a"] * 200, "number": range(200)}).to_csv(tmp_path / "kinds.csv")
    pd.DataFrame({"kind": ["a"] * 3}).to_csv(tmp_path / "short.csv")
    text = "def fails(images, labels):\n    1 / 0\n\ndef two(images, labels):\n    return [[1, 2, 3], [4, 5, 6]]\n"
    (tmp_path / "made_bad.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as raised:
        measure_learning(run, tmp_path / "learning.zarr", QUICK.model_copy(update={"groups": {"g": source}}), device="cpu")
    sys.modules.pop("made_bad", None)
    assert str(raised.value).startswith(f"learning.groups: g: {source}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_curve_that_is_not_there_names_those_that_are(found):
    with pytest.raises(ConfigError, match="no curve 'mode 11' of the train samples; did you mean 'mode 1'"):
        found[0].number("mode 11")
