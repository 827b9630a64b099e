"""Trainers of other libraries with two processes. Run by torchrun: with_callbacks.py FOLDER CASE …"""

import contextlib
import os
import sys
import warnings
from pathlib import Path

import torch

warnings.filterwarnings("ignore")

FOLDER = Path(sys.argv[1])
OPTIONS = {"windows": "contiguous", "window_length": 6}


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Linear(3, 5), torch.nn.Linear(5, 1)

    def forward(self, inputs):
        return self.last(torch.tanh(self.first(inputs)))


def samples():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(48, 3, generator=generator)
    return torch.utils.data.TensorDataset(inputs, inputs.prod(1, keepdim=True))


def lightning(name, strategy, shards=False, stops=False, checkpoint=None, epochs=2, **options):
    import lightning.pytorch as pl

    from anodiff.trajectory.callbacks.lightning import TrajectoryCallback

    class Network(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layers = Layers()

        def configure_model(self):
            if shards:
                from torch.distributed.fsdp import fully_shard

                fully_shard(self.layers.first, mesh=self.device_mesh["data_parallel"])
                fully_shard(self.layers, mesh=self.device_mesh["data_parallel"])

        def training_step(self, batch, batch_idx):
            return (self.layers(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.layers.parameters(), lr=0.01)

    class Stop(pl.Callback):
        """Save a checkpoint after the first epoch, and end two steps later."""

        def on_train_epoch_end(self, trainer, module):
            if stops:
                trainer.save_checkpoint(FOLDER / f"{name}.ckpt")

        def on_train_batch_end(self, trainer, module, outputs, batch, number):
            if stops and trainer.current_epoch and number == 1:
                raise KeyError("killed")

    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    callback = TrajectoryCallback(FOLDER / f"{name}.zarr", **OPTIONS, **options)
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy=strategy(), max_epochs=epochs, callbacks=[callback, Stop()], **quiet
    )
    with contextlib.suppress(KeyError):
        trainer.fit(Network(), torch.utils.data.DataLoader(samples(), 4), ckpt_path=checkpoint)


def lightning_ddp():
    from lightning.pytorch.strategies import DDPStrategy

    lightning("lightning_ddp", DDPStrategy)


def lightning_shards():
    from lightning.pytorch.strategies import ModelParallelStrategy

    def strategy():
        return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)

    lightning("lightning_shards", strategy, shards=True, weights="none")
    lightning("lightning_resumed", strategy, shards=True, weights="none", stops=True)
    lightning("lightning_resumed", strategy, shards=True, weights="none", checkpoint=FOLDER / "lightning_resumed.ckpt")


def huggingface(name, **settings):
    import transformers

    from anodiff.trajectory.callbacks.huggingface import TrajectoryCallback

    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=17, n_positions=8, n_embd=8, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(17, (24, 8), generator=torch.Generator().manual_seed(1))
    options = {"output_dir": str(FOLDER / "trainer"), "max_steps": 8, "report_to": [], "disable_tqdm": True, "use_cpu": True}
    options |= {"per_device_train_batch_size": 2, "save_strategy": "no", "logging_strategy": "no", "seed": 3} | settings
    dataset = [{"input_ids": row, "labels": row} for row in tokens]
    callback = TrajectoryCallback(FOLDER / f"{name}.zarr", **OPTIONS, weights="none")
    trainer = transformers.Trainer(
        model, transformers.TrainingArguments(**options), train_dataset=dataset, callbacks=[callback]
    )
    trainer.train()
    sharded = sum(hasattr(parameter, "placements") for parameter in trainer.model.parameters())
    (FOLDER / f"{name}.txt").write_text(f"{sharded} of {len(list(trainer.model.parameters()))}")


def huggingface_ddp():
    huggingface("huggingface_ddp")


def huggingface_shards():
    """Accelerate shards on GPUs alone; here it is told that processors are such."""
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedType

    made = AcceleratorState.__init__

    def made_with_shards(self, *arguments, fsdp_plugin=None, **options):
        made(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
        if fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

    AcceleratorState.__init__ = made_with_shards
    wrap = {"version": 2, "transformer_layer_cls_to_wrap": ["GPT2Block"]}
    huggingface("huggingface_shards", fsdp=True, fsdp_config=wrap)


CASES = {
    "lightning_ddp": lightning_ddp,
    "lightning_shards": lightning_shards,
    "huggingface_ddp": huggingface_ddp,
    "huggingface_shards": huggingface_shards,
}

if __name__ == "__main__":
    for case in sys.argv[2:]:
        CASES[case]()
        print(case, "done", flush=True)
    os._exit(0)
