"""Small models, sharded in every way, whose path several recorders record at once. Run by torchrun.

``python -m torch.distributed.run … sharded_cases.py FOLDER TASK …``. A run of a case leaves its stores in FOLDER/case,
and in points.npz the unsharded points and gradients, of which a test makes the recording by one process.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from anodiff.trajectory import TrajectoryRecorder, Window

STEPS = 12
WINDOWS = [Window(0, 6), Window(4, 8, 2), Window(6, 6)]
KINDS = {
    "none": {"weights": "none", "groups": {"ends": ["embedding", "scale"], "middle": "*"}},
    "sketch": {"sketch_size": 16, "gradient_coordinates": 9},
    "full": {"gradient_coordinates": 9},
}


class Tied(nn.Module):
    """Sizes that divide by nothing, tied weights, a scalar, a frozen layer and a buffer."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(7, 5, dtype=dtype)
        self.wide = nn.Linear(5, 6, dtype=dtype)
        self.narrow = nn.Linear(6, 5, dtype=dtype)
        self.head = nn.Linear(5, 7, bias=False, dtype=dtype)
        self.head.weight = self.embedding.weight
        self.frozen = nn.Linear(5, 5, bias=False, dtype=dtype).requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(1, dtype=dtype))
        self.register_buffer("mask", torch.arange(5, dtype=dtype) + 1)

    def forward(self, tokens):
        middle = self.narrow(torch.relu(self.wide(self.embedding(tokens)))) * self.mask + self.frozen(self.embedding(tokens))
        return self.head(middle * self.scale)


class Numbers(nn.Module):
    """Parameters without layers: of three dimensions, complex, of half precision, none of which divides evenly."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.cube = nn.Parameter(torch.randn(3, 5, 7, generator=generator))
        self.pairs = nn.Parameter(torch.randn(5, 3, generator=generator, dtype=torch.complex64))
        self.short = nn.Parameter(torch.randn(9, 2, generator=generator).to(torch.bfloat16))
        self.plain = nn.Parameter(torch.randn(4, generator=generator))


def mesh(*shape):
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh("cpu", shape, mesh_dim_names=("outer", "inner")[: len(shape)])


def fsdp(model, on, **options):
    from torch.distributed.fsdp import fully_shard

    fully_shard(model.wide, mesh=on, **options)
    return fully_shard(model, mesh=on, **options)


def tensor_parallel(model, on):
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    return parallelize_module(model, on, {"wide": ColwiseParallel(), "narrow": RowwiseParallel()})


def by_hand(model):
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    placements = {"cube": [Shard(1), Shard(2)], "pairs": [Shard(0), Shard(0)], "short": [Replicate(), Shard(1)]}
    for name, each in placements.items():
        whole = getattr(model, name).detach()
        setattr(model, name, nn.Parameter(distribute_tensor(whole, mesh(2, 2), each)))
    return model


def second_dimension(model):
    from torch.distributed.tensor import Shard

    return fsdp(model, mesh(2, 2), shard_placement_fn=lambda one: Shard(1) if one.ndim == 2 and one.shape[1] == 6 else None)


CASES = {
    "ddp": lambda: nn.parallel.DistributedDataParallel(Tied()),
    "optimiser": lambda: nn.parallel.DistributedDataParallel(Tied()),
    "fsdp": lambda: fsdp(Tied(), mesh(torch.distributed.get_world_size())),
    "doubles": lambda: fsdp(Tied(torch.float64), mesh(4)),
    "columns": lambda: second_dimension(Tied()),
    "hsdp": lambda: fsdp(Tied(), mesh(2, 2)),
    "tensor_parallel": lambda: tensor_parallel(Tied(), mesh(2, 2)["inner"]),
    "both": lambda: fsdp(tensor_parallel(Tied(), (two := mesh(2, 2))["inner"]), two["outer"]),
    "by_hand": lambda: by_hand(Numbers()),
}


def plain_model(case):
    """The same model in one process."""
    if case == "by_hand":
        return Numbers()
    return Tied(torch.float64 if case == "doubles" else torch.float32)


def options_of(case, kind):
    options = dict(KINDS[kind])
    if case == "by_hand" and kind == "none":
        options["groups"] = {"ends": ["plain", "cube"], "middle": "*"}
    return options | {"steps": STEPS, "windows": WINDOWS}


def train_step(model, optimiser, step):
    """One step whose gradients are the same numbers on any number of ranks, up to rounding."""
    if isinstance(model, Numbers):
        generator = torch.Generator().manual_seed(100 + step)
        for parameter in model.parameters():
            change = torch.randn(parameter.shape, generator=generator) * 0.1
            change = change.to(parameter.dtype)
            if hasattr(parameter, "to_local"):
                from torch.distributed.tensor import distribute_tensor

                change = distribute_tensor(change, parameter.device_mesh, parameter.placements)
            parameter.grad = change
            with torch.no_grad():
                parameter.sub_(change)
        return torch.tensor(float(step))
    tokens = torch.tensor([(step * 3 + k) % 7 for k in range(4)])
    optimiser.zero_grad()
    loss = nn.functional.cross_entropy(model(tokens), (tokens + 1) % 7)
    loss.backward()
    optimiser.step()
    return loss


def optimiser_of(case, model):
    options = {"lr": 0.05, "weight_decay": 0.1}
    if case == "optimiser":
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, **options)
    return torch.optim.AdamW(model.parameters(), **options)


def whole(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def flattened(tensors):
    reals = [torch.view_as_real(one) if one.is_complex() else one for one in (whole(each.detach()) for each in tensors)]
    return torch.cat([one.reshape(-1).to(torch.float64) for one in reals]).numpy()


def recorders_of(case, model, optimiser, folder, resume=None):
    resume = resume or {}
    walks = {"weights": "none", "walks": ("gradient", "preconditioned", "decay"), "optimiser": optimiser}
    options = {kind: options_of(case, kind) for kind in KINDS}
    if optimiser is not None:
        options["walks"] = {"steps": STEPS, "windows": WINDOWS, **walks}
    return {
        kind: TrajectoryRecorder(model, folder / f"{kind}.zarr", resume=resume.get(kind), **each)
        for kind, each in options.items()
    }


class Passed:
    """The unsharded points and gradients that a run passes."""

    def __init__(self, model):
        self.trained = [one for one in model.parameters() if one.requires_grad]
        self.points, self.gradients = [flattened(self.trained)], []

    def add(self):
        self.points.append(flattened(self.trained))
        self.gradients.append(flattened([one.grad for one in self.trained]))

    def save(self, file):
        import torch.distributed as dist

        if dist.get_rank() == 0:
            np.savez(file, points=self.points, gradients=self.gradients)


def evaluate(model):
    """A forward pass after which fully_shard keeps the gathered weights of the outermost module."""
    if not isinstance(model, Numbers):
        with torch.no_grad():
            model(torch.arange(7))


def train(case, model, optimiser, recorders, steps):
    path = Passed(model)
    for step in steps:
        loss = train_step(model, optimiser, step)
        evaluate(model)
        for recorder in recorders.values():
            recorder.record(loss=loss)
        path.add()
    return path


def run_case(folder, case):
    model = CASES[case]()
    optimiser = None if case == "by_hand" else optimiser_of(case, model)
    evaluate(model)
    recorders = recorders_of(case, model, optimiser, folder)
    path = train(case, model, optimiser, recorders, range(STEPS))
    for recorder in recorders.values():
        recorder.finish()
    path.save(folder / "points.npz")


#: Where an interrupted run saved its state, and how far it went.
SAVED, REACHED = 5, 7


def interrupt(folder, case):
    """Save a checkpoint, go on for two steps, and stop without finishing."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict

    model = CASES[case]()
    optimiser = optimiser_of(case, model)
    recorders = recorders_of(case, model, optimiser, folder)
    path = train(case, model, optimiser, recorders, range(SAVED))
    path.save(folder / "before.npz")
    weights, steps = get_state_dict(model, optimiser)
    states = {kind: recorder.state() for kind, recorder in recorders.items()}
    dcp.save({"model": weights, "optimiser": steps, "recorders": states}, checkpoint_id=folder / "checkpoint")
    train(case, model, optimiser, recorders, range(SAVED, REACHED))
    for recorder in recorders.values():
        recorder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def resume(folder, case):
    """Resume from the checkpoint, on however many ranks."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    from anodiff.trajectory.sharded import load_state

    model = CASES[case]()
    optimiser = optimiser_of(case, model)
    weights, steps = get_state_dict(model, optimiser)
    dcp.load({"model": weights, "optimiser": steps}, checkpoint_id=folder / "checkpoint")
    set_state_dict(model, optimiser, model_state_dict=weights, optim_state_dict=steps)
    states = {kind: load_state(folder / "checkpoint", key=f"recorders.{kind}") for kind in (*KINDS, "walks")}
    recorders = recorders_of(case, model, optimiser, folder, states)
    path = train(case, model, optimiser, recorders, range(SAVED, STEPS))
    for recorder in recorders.values():
        recorder.finish()
    path.save(folder / "after.npz")


def main(folder, tasks):
    """Do tasks such as ``run=ddp`` or ``interrupt+resume=hsdp``."""
    import torch.distributed as dist

    from anodiff.trajectory import format

    format.CHUNK_SAMPLES = 4  # several shards of rows, one of them begun when the state is saved
    dist.init_process_group("gloo")
    for task in tasks:
        modes, _, case = task.partition("=")
        if dist.get_rank() == 0:
            (folder / case).mkdir(parents=True, exist_ok=True)
        dist.barrier()
        for mode in modes.split("+"):
            MODES[mode](folder / case, case)
    dist.barrier()


MODES = {"run": run_case, "interrupt": interrupt, "resume": resume}

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # without the seconds that the end of an interpreter with torch takes
