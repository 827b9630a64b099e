"""What the tests of the callback for Lightning train. Only they import it, since Lightning takes seconds to import."""

import lightning.pytorch as pl
import torch

from anodiff.trajectory.callbacks.lightning import TrajectoryCallback

__all__ = ["Network", "Norms", "Stop", "TrajectoryCallback", "data", "pl", "trainer"]

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


def data():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(SAMPLES, 3, generator=generator)
    dataset = torch.utils.data.TensorDataset(inputs, inputs.prod(1, keepdim=True))
    return torch.utils.data.DataLoader(dataset, BATCH)


def trainer(folder, *callbacks, epochs=2, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = quiet | {"accelerator": "cpu", "max_epochs": epochs, "default_root_dir": folder} | options
    return pl.Trainer(callbacks=list(callbacks), **options)
