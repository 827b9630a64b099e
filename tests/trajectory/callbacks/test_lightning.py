"""The store holds the path of Lightning's Trainer."""

import math

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError, IncompleteStoreError
from anodiff.trajectory import Window, open_trajectory

pl = pytest.importorskip("lightning.pytorch", reason="needs Lightning: pip install anodiff[callbacks]")

from anodiff.trajectory.callbacks.lightning import TrajectoryCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, of many kinds

SAMPLES, BATCH = 44, 4  # 11 batches an epoch


class Network(pl.LightningModule):
    """A small network that keeps its weights, losses and learning rates at each optimiser step."""

    def __init__(self, optimiser=torch.optim.SGD):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        self.optimiser, self.weights, self.losses, self.rates, self.norms = optimiser, [self.flat()], [], [], []

    def flat(self):
        return torch.nn.utils.parameters_to_vector(self.layers.parameters()).detach().clone()

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        loss = (self.layers(inputs) - targets).square().mean()
        self.losses.append(float(loss))
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", (self.layers(batch[0]) - batch[1]).square().mean())

    def configure_optimizers(self):
        optimiser = self.optimiser(self.layers.parameters(), lr=0.1)
        optimiser.register_step_pre_hook(self.before)
        optimiser.register_step_post_hook(lambda *_: self.weights.append(self.flat()))
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.9)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def before(self, optimiser, *_):
        self.rates.append(optimiser.param_groups[0]["lr"])


class Norms(pl.Callback):
    """The gradient as the optimiser used it."""

    def __init__(self):
        self.gradients = []

    def on_train_batch_end(self, trainer, module, *_):
        self.gradients.append(torch.cat([parameter.grad.flatten() for parameter in module.parameters()]).clone())


def data():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(SAMPLES, 3, generator=generator)
    dataset = torch.utils.data.TensorDataset(inputs, inputs.prod(1, keepdim=True))
    return torch.utils.data.DataLoader(dataset, BATCH)


def trainer(folder, *callbacks, epochs=2, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = quiet | {"accelerator": "cpu", "max_epochs": epochs, "default_root_dir": folder} | options
    return pl.Trainer(callbacks=list(callbacks), **options)


@pytest.mark.parametrize("accumulate", [1, 3, 4], ids="{} batches a step".format)
@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_there_is_one_point_after_every_optimiser_step_and_it_is_the_weights(tmp_path, optimiser, accumulate):
    module, path = Network(optimiser), tmp_path / "path.zarr"
    callback = TrajectoryCallback(path, windows=[Window(0, 4)], epoch_metrics={"test_loss": "val_loss"})
    trainer(tmp_path, callback, accumulate_grad_batches=accumulate).fit(module, data(), data())
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


def test_the_gradient_is_the_one_that_the_optimiser_used_after_clipping(tmp_path):
    norms = Norms()
    callback = TrajectoryCallback(tmp_path / "path.zarr", gradient_coordinates=1000)
    trainer(tmp_path, norms, callback, gradient_clip_val=0.1).fit(Network(), data())
    trajectory = open_trajectory(tmp_path / "path.zarr")
    gradients = torch.stack(norms.gradients).numpy()
    np.testing.assert_array_equal(trajectory.array("gradient_sample")[:-1], gradients)
    np.testing.assert_allclose(trajectory.series("gradient_norm"), np.linalg.norm(gradients, axis=1), rtol=1e-5)
    assert trajectory.series("gradient_norm").max() == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("weights", ["full", "none"])
def test_resuming_from_a_checkpoint_resumes_the_path(tmp_path, weights):
    options = {"weights": weights, "window_length": 20}
    trainer(tmp_path, TrajectoryCallback(tmp_path / "whole.zarr", **options), epochs=4).fit(Network(), data())
    stopped = trainer(tmp_path, TrajectoryCallback(tmp_path / "path.zarr", **options), Stop(tmp_path, 1), epochs=4)
    with pytest.raises(RuntimeError, match="killed"):
        stopped.fit(Network(), data())
    again = trainer(tmp_path, TrajectoryCallback(tmp_path / "path.zarr", **options), epochs=4)
    again.fit(Network(), data(), ckpt_path=tmp_path / "checkpoint.ckpt")
    whole, path = (open_trajectory(tmp_path / f"{name}.zarr") for name in ("whole", "path"))
    assert sorted(whole.group.array_keys()) == sorted(path.group.array_keys())
    for name, array in whole.group.arrays():
        np.testing.assert_array_equal(path.group[name][...], array[...], err_msg=name)


class Stop(pl.Callback):
    """Writes a checkpoint after an epoch, and dies some steps later."""

    def __init__(self, folder, epoch):
        self.folder, self.epoch = folder, epoch

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.folder / "checkpoint.ckpt")

    def on_train_batch_end(self, trainer, *_):
        if trainer.current_epoch > self.epoch:
            raise RuntimeError("killed")


def test_after_an_error_the_store_is_unfinished(tmp_path):
    class Broken(Network):
        def training_step(self, batch, batch_idx):
            return super().training_step(batch, batch_idx) if batch_idx < 5 else 1 / 0

    with pytest.raises(ZeroDivisionError):
        trainer(tmp_path, TrajectoryCallback(tmp_path / "path.zarr")).fit(Broken(), data())
    with pytest.raises(IncompleteStoreError):
        open_trajectory(tmp_path / "path.zarr")


def test_a_run_that_is_stopped_early_leaves_its_path(tmp_path):
    class Early(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            trainer.should_stop = trainer.global_step >= 7

    module = Network()
    trainer(tmp_path, TrajectoryCallback(tmp_path / "path.zarr"), Early(), min_epochs=0).fit(module, data())
    np.testing.assert_array_equal(open_trajectory(tmp_path / "path.zarr").weights[:], torch.stack(module.weights).numpy())


def test_several_optimiser_steps_in_a_batch_are_refused_in_one_line(tmp_path):
    class Manual(Network):
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
        trainer(tmp_path, TrajectoryCallback(tmp_path / "path.zarr")).fit(Manual(), data())
