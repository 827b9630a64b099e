"""The recorded path is that of the training described by the settings."""

import numpy as np
import pytest
import torch

from anodiff.data import Augmentation, load
from anodiff.errors import ConfigError, DatasetMissingError, OutputExistsError
from anodiff.settings.run import RunSettings, TrainingSettings
from anodiff.storage.stores import DIVERGED
from anodiff.training import train_run
from anodiff.training.gradients import noise_norm
from anodiff.training.loop import build_batches, evaluate
from anodiff.training.losses import build_loss
from anodiff.trajectory import Window, open_trajectory
from anodiff.trajectory.sketch import Sketch

BASE = {
    "data": {"name": "digits", "shift": 1, "noise": 0.5},
    "model": {"name": "mlp", "width": 8, "depth": 2},
    "training": {"batch_size": 100, "steps": 40},
    "recording": {"window_length": 20},
}


@pytest.fixture
def train(tmp_path):
    """Return a function that trains with changed settings and opens the path."""

    def run(name="run", **sections):
        values = {key: BASE.get(key, {}) | sections.get(key, {}) for key in {*BASE, *sections} - {"seed"}}
        settings = RunSettings.model_validate(values | {"seed": sections.get("seed", 0)})
        output = tmp_path / name / "trajectory.zarr"
        outcome = train_run(settings, output, scratch=tmp_path / "scratch" / name)
        return open_trajectory(output), outcome

    return run


def path_of(trajectory):
    return trajectory.points(Window(0, trajectory.steps))


def test_the_same_settings_and_seed_give_the_same_bits(train):
    (first, _), (second, _) = train("first"), train("second")
    for name in ("weights", "loss", "gradient_norm", "learning_rate", "train_loss", "test_accuracy"):
        np.testing.assert_array_equal(first.array(name)[:], second.array(name)[:])


def test_another_seed_gives_another_path(train):
    assert not np.array_equal(path_of(train("zero")[0]), path_of(train("one", seed=1)[0]))


@pytest.mark.parametrize("model", [{}, {"name": "resnet8", "width": 2, "depth": None}], ids=["mlp", "resnet"])
def test_measuring_the_noise_does_not_change_the_path(train, model):
    quiet, _ = train("quiet", model=model)
    measured, _ = train("measured", model=model, recording={"window_length": 20, "noise_every": 7})
    np.testing.assert_array_equal(path_of(quiet), path_of(measured))
    noise = measured.series("noise_norm")
    assert np.flatnonzero(np.isfinite(noise)).tolist() == [0, 7, 14, 21, 28, 35]
    assert np.isnan(quiet.series("noise_norm")).all()


def test_batch_indices_are_on_the_images_device():
    settings = RunSettings.model_validate(BASE)
    dataset = load(settings.data, "data").to("meta")
    assert {indices.device.type for indices in build_batches(settings, dataset).epoch()} == {"meta"}


class Spare(torch.nn.Sequential):
    def __init__(self, channels, size, classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(channels * size**2, classes))
        self.spare = torch.nn.Parameter(torch.ones(3))


def test_a_parameter_that_the_loss_does_not_depend_on_has_no_noise(train):
    trajectory, _ = train(model={"name": "test_loop:Spare", "width": None, "depth": None}, recording={"noise_every": 10})
    assert np.isfinite(trajectory.series("noise_norm")[::10]).all()
    np.testing.assert_array_equal(path_of(trajectory)[:, :3], 1)


def test_plain_sgd_steps_by_learning_rate_times_gradient(train):
    trajectory, _ = train(optimiser={"learning_rate": 0.05, "schedule": {"name": "cosine", "warmup": 5}})
    lengths = np.linalg.norm(np.diff(path_of(trajectory).astype(np.float64), axis=0), axis=1)
    expected = trajectory.series("learning_rate") * trajectory.series("gradient_norm")
    np.testing.assert_allclose(lengths, expected, rtol=1e-4)
    assert trajectory.series("learning_rate")[:5] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])


def test_the_path_is_that_of_a_hand_written_loop(train):
    trajectory, _ = train(data={"name": "digits", "shift": 0, "noise": 0.0}, training={"batch_size": 1437, "steps": 5})
    dataset = load(RunSettings.model_validate(BASE).data, "data")
    images = (dataset.train_images - dataset.mean) / dataset.std
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10))
    start = torch.from_numpy(path_of(trajectory)[0])
    torch.nn.utils.vector_to_parameters(start, model.parameters())
    for step in range(5):
        loss = torch.nn.functional.cross_entropy(model(images), dataset.train_labels)
        assert trajectory.series("loss")[step] == pytest.approx(loss.item(), rel=1e-5)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
        reached = torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
        np.testing.assert_allclose(path_of(trajectory)[step + 1], reached, rtol=1e-4, atol=1e-6)


def test_the_whole_training_set_in_one_batch_has_no_noise():
    dataset = load(RunSettings.model_validate(BASE).data, "data")
    augment = Augmentation(RunSettings.model_validate(BASE).data, dataset)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    criterion = build_loss(TrainingSettings(), 10)
    criterion(model(augment.normalise(dataset.train_images)), dataset.train_labels).backward()
    whole = float(torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()]))
    assert noise_norm(model, lambda batch: model(augment.normalise(batch)), criterion, dataset, 100) < 1e-5 * whole
    model.zero_grad()
    criterion(model(augment.normalise(dataset.train_images[:50])), dataset.train_labels[:50]).backward()
    part = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    criterion(model(augment.normalise(dataset.train_images)), dataset.train_labels).backward()
    difference = [one - parameter.grad for one, parameter in zip(part, model.parameters(), strict=True)]
    for one, parameter in zip(part, model.parameters(), strict=True):
        parameter.grad = one
    expected = float(torch.nn.utils.get_total_norm(difference))
    assert noise_norm(model, lambda batch: model(augment.normalise(batch)), criterion, dataset, 100) == pytest.approx(
        expected, rel=1e-4
    )


def test_a_diverged_run_is_published_with_the_step_at_which_its_loss_is_not_finite(train):
    trajectory, outcome = train(optimiser={"learning_rate": 1e30}, training={"batch_size": 100, "steps": 40, "loss": "mse"})
    assert trajectory.status == outcome.status == DIVERGED
    step = trajectory.group.attrs["diverged_at"]
    assert step == trajectory.steps_completed == outcome.steps_completed < 10
    assert np.isfinite(trajectory.series("loss")[:step]).all()
    assert np.isnan(trajectory.series("loss")[step:]).all()
    assert np.isnan(path_of(trajectory)[step + 1 :]).all()


def test_a_sketched_run_is_the_same_run_and_its_path_the_sketch_of_the_full_one(train):
    full, _ = train("full")
    first, again = (train(name, recording={"weights": "sketch", "sketch_size": 128})[0] for name in ("first", "again"))
    np.testing.assert_array_equal(first.series("loss"), full.series("loss"))
    np.testing.assert_array_equal(path_of(first), path_of(again))
    about, points = first.group.attrs["sketch"], torch.from_numpy(np.ascontiguousarray(path_of(full)))
    sketch = Sketch(points.shape[1], 128, seed=about["seed"])
    np.testing.assert_array_equal(path_of(first), torch.stack([sketch(point) for point in points]))
    assert train("other", seed=1, recording={"weights": "sketch"} | {"sketch_size": 128})[0].group.attrs["sketch"] != about


def test_a_network_smaller_than_its_sketch_is_refused_with_both_numbers(train, tmp_path):
    with pytest.raises(ConfigError, match="sketch_size 1024 is not below the model's 610 parameters"):
        train(recording={"weights": "sketch"})
    assert not list(tmp_path.rglob("*.zarr"))


@pytest.mark.parametrize(
    "changed",
    [
        {"optimiser": {"momentum": 0.9}},
        {"optimiser": {"name": "adam", "learning_rate": 0.01}},
        {"recording": {"window_length": 20}},
    ],
    ids=["momentum", "adam", "plain"],
)
def test_gradients_are_sampled_if_the_updates_do_not_give_them(train, changed):
    trajectory, _ = train(**changed)
    if "optimiser" not in changed:
        assert "gradient_sample" not in trajectory.group
        return
    sample = trajectory.gradient_sample(Window(0, 40))
    assert sample.shape == (41, 256)
    assert np.isfinite(sample[:-1]).all()
    assert np.isnan(sample[-1]).all()
    norms = trajectory.series("gradient_norm")
    assert (np.linalg.norm(sample[:-1], axis=1) <= norms).all()


def test_no_gradient_is_sampled_if_the_settings_ask_for_none(train):
    trajectory, _ = train(optimiser={"momentum": 0.9}, recording={"gradient_coordinates": 0})
    assert "gradient_sample" not in trajectory.group


def test_all_sampled_gradients_of_plain_sgd_are_its_updates_over_the_learning_rate(train):
    windows = [{"start": 0, "length": 40}, {"start": 0, "length": 40, "stride": 2}]
    trajectory, _ = train(recording={"windows": windows, "gradient_coordinates": 10**6})
    points = path_of(trajectory).astype(np.float64)
    sample = trajectory.gradient_sample(Window(0, 40))
    assert sample.shape == points.shape
    rounding = np.abs(points).max() * np.finfo(np.float32).eps / 0.1
    np.testing.assert_allclose(sample[:-1], -np.diff(points, axis=0) / 0.1, rtol=0, atol=rounding)
    np.testing.assert_allclose(np.linalg.norm(sample[:-1].astype(np.float64), axis=1), trajectory.series("gradient_norm"), 1e-5)


def test_training_learns_the_digits(train):
    _, outcome = train(
        model={"name": "mlp", "width": 64, "depth": 2},
        training={"batch_size": 100, "steps": 400},
        data={"name": "digits", "shift": 0, "noise": 0.0},
    )
    assert outcome.test_accuracy > 0.9


def test_evaluation_leaves_the_model_in_its_mode_and_its_statistics_alone():
    dataset = load(RunSettings.model_validate(BASE).data, "data")
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 10)).train()
    before = model[1].running_mean.clone()
    loss, accuracy = evaluate(model, lambda images: model(images.float()), build_loss(TrainingSettings(), 10), dataset, 100)
    assert model.training
    assert torch.equal(model[1].running_mean, before)
    model.eval()
    outputs = model(dataset.test_images.float())
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(outputs, dataset.test_labels).item(), rel=1e-5)
    assert accuracy == pytest.approx(float((outputs.argmax(1) == dataset.test_labels).float().mean()))


@pytest.mark.parametrize("batch_size", [4, 16, 359, 1436])
def test_a_batch_of_one_that_batch_norm_cannot_train_on_is_refused_before_step_0(train, tmp_path, batch_size):
    model = {"name": "mlp", "width": 8, "depth": 2, "batch_norm": True}
    left_over = 1437 % batch_size
    training = {"batch_size": batch_size, "steps": 3}
    if left_over == 1:
        with pytest.raises(ConfigError, match=r"leaves one of 1437 samples .*training\.drop_last: true"):
            train("refused", model=model, training=training)
        assert not (tmp_path / "scratch" / "refused" / "trajectory.zarr").exists()
        train("dropped", model=model, training=training | {"drop_last": True})
    else:
        train("trained", model=model, training=training)


def test_the_trial_of_a_batch_of_one_changes_nothing(train):
    one, two = (
        train(name, training={"batch_size": 359, "steps": 8, "drop_last": drop}) for name, drop in (("a", True), ("b", False))
    )
    np.testing.assert_array_equal(path_of(one[0])[:4], path_of(two[0])[:4])


def test_global_state_is_restored(train):
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(training={"batch_size": 100, "steps": 40, "threads": 2})
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_bad_runs_are_refused_before_anything_is_written(train, tmp_path):
    with pytest.raises(ConfigError, match="batch_size 5000 is larger than the 1437 training samples"):
        train(training={"batch_size": 5000, "steps": 40})
    window = {"windows": [{"start": 0, "length": 500}]}
    with pytest.raises(ConfigError, match="beyond the run's"):
        train(training={"batch_size": 100, "steps": None, "epochs": 2}, recording=window)
    with pytest.raises(DatasetMissingError, match="download=True"):
        train(data={"name": "mnist", "shift": 0, "noise": 0.0})
    assert not list(tmp_path.rglob("*.zarr"))


def test_a_finished_path_is_not_replaced_without_overwrite(train, tmp_path):
    train()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        train()
