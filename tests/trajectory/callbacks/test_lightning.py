"""The store holds the path of Lightning's Trainer."""

import importlib
import math

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError, IncompleteStoreError, OutputExistsError
from anodiff.trajectory import Window, open_trajectory

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, of many kinds


@pytest.fixture
def lightning():
    pytest.importorskip("lightning.pytorch", reason="needs Lightning: pip install anodiff[callbacks]")
    return importlib.import_module("with_lightning")


@pytest.mark.parametrize("accumulate", [1, 3, 4], ids="{} batches a step".format)
@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_there_is_one_point_after_every_optimiser_step_and_it_is_the_weights(lightning, tmp_path, optimiser, accumulate):
    module, path = lightning.Network(optimiser), tmp_path / "path.zarr"
    callback = lightning.TrajectoryCallback(path, windows=[Window(0, 4)], epoch_metrics={"test_loss": "val_loss"})
    lightning.trainer(tmp_path, callback, accumulate_grad_batches=accumulate).fit(module, lightning.data(), lightning.data())
    trajectory = open_trajectory(path)
    steps = 2 * math.ceil(11 / accumulate)
    assert trajectory.steps_completed == steps == len(module.weights) - 1
    np.testing.assert_array_equal(trajectory.weights[:], torch.stack(module.weights[:5]).numpy())
    np.testing.assert_allclose(trajectory.series("learning_rate"), module.rates, rtol=1e-6)
    batches = [list(range(start, min(start + accumulate, 11))) for start in range(0, 11, accumulate)]
    losses = [np.mean([module.losses[epoch * 11 + batch] for batch in step]) for epoch in range(2) for step in batches]
    np.testing.assert_allclose(trajectory.series("loss"), losses, rtol=1e-5)
    np.testing.assert_allclose(
        trajectory.series("train_loss"), [np.mean(losses[: steps // 2]), np.mean(losses[steps // 2 :])], rtol=1e-5
    )
    assert np.isfinite(trajectory.series("test_loss")).all()
    assert trajectory.group.attrs["steps_per_epoch"] == steps // 2


def test_the_gradient_is_the_one_that_the_optimiser_used_after_clipping(lightning, tmp_path):
    norms = lightning.Norms()
    callback = lightning.TrajectoryCallback(tmp_path / "path.zarr", gradient_coordinates=1000)
    lightning.trainer(tmp_path, norms, callback, gradient_clip_val=0.1).fit(lightning.Network(), lightning.data())
    trajectory = open_trajectory(tmp_path / "path.zarr")
    gradients = torch.stack(norms.gradients).numpy()
    np.testing.assert_array_equal(trajectory.array("gradient_sample")[:-1], gradients)
    np.testing.assert_allclose(trajectory.series("gradient_norm"), np.linalg.norm(gradients, axis=1), rtol=1e-5)
    assert trajectory.series("gradient_norm").max() == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("weights", ["full", "none"])
def test_resuming_from_a_checkpoint_resumes_the_path(lightning, tmp_path, weights):
    options = {"weights": weights, "window_length": 20}
    lightning.trainer(tmp_path, lightning.TrajectoryCallback(tmp_path / "whole.zarr", **options), epochs=4).fit(
        lightning.Network(), lightning.data()
    )
    stopped = lightning.trainer(
        tmp_path, lightning.TrajectoryCallback(tmp_path / "path.zarr", **options), lightning.Stop(tmp_path, 1), epochs=4
    )
    with pytest.raises(RuntimeError, match="killed"):
        stopped.fit(lightning.Network(), lightning.data())
    again = lightning.trainer(tmp_path, lightning.TrajectoryCallback(tmp_path / "path.zarr", **options), epochs=4)
    again.fit(lightning.Network(), lightning.data(), ckpt_path=tmp_path / "checkpoint.ckpt")
    whole, path = (open_trajectory(tmp_path / f"{name}.zarr") for name in ("whole", "path"))
    assert sorted(whole.group.array_keys()) == sorted(path.group.array_keys())
    for name, array in whole.group.arrays():
        np.testing.assert_array_equal(path.group[name][...], array[...], err_msg=name)


def test_a_second_fit_does_not_replace_the_path_of_the_first_unless_asked(lightning, tmp_path):
    callback = lightning.TrajectoryCallback(tmp_path / "path.zarr")
    lightning.trainer(tmp_path, callback).fit(lightning.Network(), lightning.data())
    for again in (callback, lightning.TrajectoryCallback(tmp_path / "path.zarr")):
        with pytest.raises(OutputExistsError, match="finished recording of 22 steps"):
            lightning.trainer(tmp_path, again, epochs=1).fit(lightning.Network(), lightning.data())
        assert open_trajectory(tmp_path / "path.zarr").steps_completed == 22
    replacing = lightning.TrajectoryCallback(tmp_path / "path.zarr", overwrite=True)
    lightning.trainer(tmp_path, replacing, epochs=1).fit(lightning.Network(), lightning.data())
    assert open_trajectory(tmp_path / "path.zarr").steps_completed == 11


def test_after_an_error_the_store_is_unfinished(lightning, tmp_path):
    class Broken(lightning.Network):
        def training_step(self, batch, batch_idx):
            return super().training_step(batch, batch_idx) if batch_idx < 5 else 1 / 0

    with pytest.raises(ZeroDivisionError):
        lightning.trainer(tmp_path, lightning.TrajectoryCallback(tmp_path / "path.zarr")).fit(Broken(), lightning.data())
    with pytest.raises(IncompleteStoreError):
        open_trajectory(tmp_path / "path.zarr")


def test_a_run_that_is_stopped_early_leaves_its_path(lightning, tmp_path):
    class Early(lightning.pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            trainer.should_stop = trainer.global_step >= 7

    module = lightning.Network()
    lightning.trainer(tmp_path, lightning.TrajectoryCallback(tmp_path / "path.zarr"), Early(), min_epochs=0).fit(
        module, lightning.data()
    )
    np.testing.assert_array_equal(open_trajectory(tmp_path / "path.zarr").weights[:], torch.stack(module.weights).numpy())


def test_several_optimiser_steps_in_a_batch_are_refused_in_one_line(lightning, tmp_path):
    class Manual(lightning.Network):
        automatic_optimization = False

        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch, batch_idx):
            optimiser = self.optimizers()
            for _ in range(2):
                optimiser.zero_grad()
                self.manual_backward(super().training_step(batch, batch_idx))
                optimiser.step()

    with pytest.raises(ConfigError, match=r"2 optimiser steps within a batch; call recorder\.record"):
        lightning.trainer(tmp_path, lightning.TrajectoryCallback(tmp_path / "path.zarr")).fit(Manual(), lightning.data())


def test_the_trainers_optimiser_gives_the_walks_of_clipped_gradients(lightning, tmp_path):
    module, norms = lightning.Network(torch.optim.AdamW), lightning.Norms()
    options = {"weights": "none", "walks": ["gradient"], "windows": [Window(0, 10)]}
    callback = lightning.TrajectoryCallback(tmp_path / "path.zarr", **options)
    lightning.trainer(tmp_path, callback, norms, gradient_clip_val=0.1).fit(module, lightning.data())
    steps = -np.array(module.rates)[:10, None] * torch.stack(norms.gradients).double().numpy()[:10]
    found = open_trajectory(tmp_path / "path.zarr").part_gram("walk_gram", 0, 0)
    np.testing.assert_allclose(found, steps @ steps.T, atol=1e-5 * found.max())
