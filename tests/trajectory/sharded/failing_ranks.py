"""What two ranks say when something is wrong. Run as two processes with RANK, WORLD_SIZE and so on.

Each leaves FOLDER/<rank>.json with the error of each case by name. At the end rank 1 kills itself.
"""

import contextlib
import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from sharded_cases import Numbers, mesh
from torch import nn
from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor

from anodiff.errors import AnodiffError
from anodiff.trajectory import TrajectoryRecorder
from anodiff.trajectory.sharded import ranks as messages
from anodiff.trajectory.shards import ShardFiles

FOLDER, RANK = Path(sys.argv[1]), int(os.environ["RANK"])
WINDOW = {"windows": "contiguous", "window_length": 4}


def sharded():
    model = Numbers()
    model.cube = nn.Parameter(distribute_tensor(model.cube.detach(), mesh(2), [Shard(0)]))
    return model


def plain(seed=0, name="first", size=3):
    torch.manual_seed(seed)
    return nn.ModuleDict({name: nn.Linear(size, 2)})


def begin(model, name, **options):
    return TrajectoryRecorder(model, FOLDER / f"{name}.zarr", **WINDOW, **options)


def move(model):
    with torch.no_grad():
        for one in model.parameters():
            (one.to_local() if isinstance(one, DTensor) else one).add_(0.1)


def marked(**attributes):
    model = plain()
    for parameter in model.parameters():
        for name, value in attributes.items():
            setattr(parameter, name, value)
    return model


def with_partial():
    model = plain()
    values = torch.ones(2, 3)
    model["first"].weight = nn.Parameter(DTensor.from_local(values, mesh(2), [Partial()], run_check=False))
    return model


def first_fsdp():
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel(plain(), device_id=torch.device("cpu"), use_orig_params=True)


def record(recorder, model, steps):
    for _ in range(steps):
        move(model)
        recorder.record()


def finished_before():
    model = plain()
    with begin(model, "finished", weights="none") as recorder:
        record(recorder, model, 3)
    begin(plain(), "finished", weights="none")


def other_numbers_of_steps():
    model = sharded()
    with begin(model, "steps", weights="none") as recorder:
        record(recorder, model, 3 + RANK)


def state_of_another_rank():
    model = sharded()
    recorder = begin(model, "swapped", sketch_size=8)
    record(recorder, model, 2)
    states = [None, None]
    dist.all_gather_object(states, recorder.state())
    recorder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    begin(model, "swapped", sketch_size=8, resume=states[1 - RANK])


def state_of_one_process():
    begin(sharded(), "swapped", sketch_size=8, resume={"completed": 1})


def refused_disk():
    """Rank 1 cannot write."""
    model = sharded()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write = ShardFiles.write
    if RANK == 1:
        ShardFiles.write = full
    try:
        with begin(model, "disk", steps=600) as recorder:
            record(recorder, model, 600)
    finally:
        ShardFiles.write = write


def failed_training():
    """The training of rank 1 fails, but its process lives."""
    model = sharded()
    with begin(model, "training", weights="none", steps=8) as recorder:
        record(recorder, model, 5)
        if RANK == 1:
            raise ValueError("the loss is NaN")
        record(recorder, model, 3)


@contextlib.contextmanager
def impatient():
    messages.MEET_SECONDS, before = 1, messages.MEET_SECONDS
    try:
        yield
    finally:
        messages.MEET_SECONDS = before


def state_of_one_rank():
    model = sharded()
    with begin(model, "state", sketch_size=8) as recorder:
        record(recorder, model, 2)
        if RANK == 0:
            with impatient():
                recorder.state()


def destroyed_group():
    """The group of the recorder's messages, or that of the training."""
    model = sharded()
    with begin(model, "destroyed", weights="none") as recorder:
        record(recorder, model, 2)
        initialised, dist.is_initialized = dist.is_initialized, lambda: False
        try:
            recorder.finish()
        finally:
            dist.is_initialized = initialised


def on_meta():
    model = plain().to("meta")
    begin(model, "meta")


def missing_rank():
    if RANK == 0:
        with impatient():
            begin(plain(), "missing", weights="none")
    messages._begun += RANK  # as if it had begun as many


def killed_rank():
    """The last one: rank 1 ends in the middle of a window."""
    model = sharded()
    with begin(model, "killed", weights="none") as recorder:
        for _ in range(1000):
            if RANK == 1 and recorder.completed == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            record(recorder, model, 1)
            time.sleep(0.001)


CASES = {
    "other values": lambda: begin(plain(seed=RANK), "a"),
    "other names": lambda: begin(plain(name=("first", "second")[RANK]), "a"),
    "other shapes": lambda: begin(plain(size=3 + RANK), "a"),
    "partial": lambda: begin(with_partial(), "a"),
    "fsdp1": lambda: begin(first_fsdp(), "a"),
    "deepspeed": lambda: begin(marked(ds_id=3, ds_tensor=None), "a"),
    "megatron": lambda: begin(marked(tensor_model_parallel=True), "a"),
    "too large a sketch": lambda: begin(sharded(), "a", sketch_size=4096),
    "finished": finished_before,
    "steps": other_numbers_of_steps,
    "swapped": state_of_another_rank,
    "alone": state_of_one_process,
    "disk": refused_disk,
    "training": failed_training,
    "state": state_of_one_rank,
    "destroyed": destroyed_group,
    "meta": on_meta,
    "missing": missing_rank,
    "killed": killed_rank,
}


def main():
    dist.init_process_group("gloo")
    said = {}
    for name, case in CASES.items():
        began = time.monotonic()
        try:
            case()
            said[name] = ["nothing", ""]
        except (AnodiffError, ValueError) as error:
            said[name] = [type(error).__name__, str(error)]
        print(RANK, name, *said[name], f"{time.monotonic() - began:.1f}", flush=True)
        (FOLDER / f"{RANK}.json").write_text(json.dumps(said))
        if name != "killed":
            dist.barrier()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
