"""What does it take to record a model of 10⁷ … 10¹¹ parameters? Bytes, operations and messages.

``python benchmarks/scale.py`` prints the tables of docs/scale.md, from the formulas below and the
constants that were measured. ``--measure`` records a small sharded model with two processes on this
machine, and prints each formula beside what was counted and timed.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

#: Updates of a window, numbers of a sketch, rows that are written at once, and rows of a block of updates.
WINDOW, SKETCH, FLUSH, BLOCK = 1000, 1024, 256, 64

#: Bytes of a number of a point, and of a Gram matrix or sketch.
POINT, SUM = 4, 8

#: Columns of a chunk of the sketch, and tensors of a model.
CHUNK, TENSORS = 2**16, 300

#: Parameters, and the ranks that one might train them on.
SIZES = ((10**7, 1), (10**8, 8), (10**9, 64), (10**10, 512), (10**11, 1024))

#: Tokens of a training step, and bytes of the host's memory that a rank may have for updates.
TOKENS, HOST = 2**19, 64e9

#: Measured by ``--measure`` on one core of an AMD EPYC, seconds: of one multiply-add of G, and of one parameter of a step that
#: is sketched, or exchanged, compressed and written.
MULTIPLY_ADD, SKETCHED, WRITTEN = 5.2e-11, 5.7e-9, 3.1e-8


@dataclass(frozen=True)
class Cost:
    """Of one rank, but for ``disk``.

    Attributes
    ----------
    memory
        Bytes, of host and device together.
    operations
        Floating-point operations of a step.
    sent
        Bytes that are sent for a step, on average.
    disk
        Bytes of the store for 1,000 steps, uncompressed.
    seconds
        Of a core for a step.
    """

    memory: float
    operations: float
    sent: float
    disk: float
    seconds: float


def none(parameters: float, ranks: int, window: int = WINDOW) -> Cost:
    """``weights="none"``: T updates, two points, and G; T² P operations a window; half of G is sent twice."""
    own = parameters / ranks
    memory = POINT * own * (window + 2) + SUM * window**2
    half = SUM * window * (window + 1) / 2
    sent = (half * (ranks - 1) / ranks + half / ranks) / window if ranks > 1 else 0
    return Cost(memory, window * own, sent, 1000 / window * SUM * window**2, window * own / 2 * MULTIPLY_ADD)


def sketch(parameters: float, ranks: int, size: int = SKETCH, tensors: int = TENSORS) -> Cost:
    """``weights="sketch"``: the point, its chunks and their four signs; four products and sums; rows are sent twice.

    A rank's piece of a tensor reaches into one chunk more than it fills.
    """
    own = parameters / ranks
    touched = min(parameters, own + (ranks > 1) * tensors * CHUNK)
    memory = POINT * own + touched * (4 + POINT) + 2 * FLUSH * size * SUM
    sent = SUM * size if ranks > 1 else 0
    return Cost(memory, 8 * touched, sent, 1000 * SUM * size, touched * SKETCHED)


def full(parameters: float, ranks: int) -> Cost:
    """``weights="full"``: two shards of rows, and three copies while they are exchanged; each number is sent once."""
    own = parameters / ranks
    rows = max(1, min(FLUSH, 2**29 // (POINT * own)))
    copies = 2 if ranks == 1 else 5
    return Cost(copies * rows * POINT * own, 0, POINT * own * (ranks - 1) / ranks, 1000 * POINT * parameters, own * WRITTEN)


def copied_back(parameters: float, ranks: int, window: int = WINDOW) -> float:
    """Return bytes that a device reads back from the host for a step, if all updates are in the host's memory."""
    return window / (2 * BLOCK) * POINT * parameters / ranks


def amount(value: float, unit: str = "B") -> str:
    """Return a number with two digits and a prefix."""
    for power, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def power(value: float) -> str:
    """Return a power of ten."""
    return "10" + str(len(str(int(value))) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def costs_table() -> str:
    """What each kind takes, for a rank and a step."""
    head = [
        "parameters",
        "ranks",
        "weights",
        "memory of a rank",
        "operations a step",
        "time of a step",
        "sent a step",
        "disk, 1,000 steps",
    ]
    rows = []
    for parameters, ranks in SIZES:
        for name, cost in (("none", none), ("sketch", sketch), ("full", full)):
            found = cost(parameters, ranks)
            computed = [amount(found.operations, "flop") if found.operations else "none", f"{found.seconds:.2g} s"]
            values = [amount(found.memory), *computed, amount(found.sent), amount(found.disk)]
            rows.append([power(parameters), f"{ranks:,}", f"`{name}`", *values])
    return table(head, rows)


def none_table() -> str:
    """When ``none`` is possible: the longest window, and the largest part of the model at 1,000 updates."""
    head = [
        "parameters",
        "ranks",
        "longest window",
        "parameters at 1,000 updates",
        "read back a step",
        "time of G on 10 Tflop/s",
    ]
    rows = []
    for parameters, ranks in SIZES:
        longest = min(WINDOW * 10, int(HOST / (POINT * parameters / ranks)) - 2)
        part = min(1.0, HOST / none(parameters, ranks).memory)
        read, seconds = copied_back(parameters, ranks), 1e3 * none(parameters, ranks).operations / 1e13
        share = "all" if part == 1 else f"{amount(part * parameters, '').strip()} ({part:.0%})"
        rows.append([power(parameters), f"{ranks:,}", f"{longest:,}", share, amount(read), f"{seconds:.2g} ms"])
    return table(head, rows)


def tables() -> str:
    """Return all tables."""
    return f"{costs_table()}\n\n{none_table()}\n"


def measure(parameters: int, steps: int, ranks: int) -> None:
    """Record a sharded vector with several processes, and print what they counted."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        options = ["--worker", folder, "--parameters", str(parameters), "--steps", str(steps)]
        subprocess.run([*command, __file__, *options], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def work(folder: Path, parameters: int, steps: int) -> None:
    """Be one of the processes of `measure`."""
    import torch
    import torch.distributed as dist
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    from anodiff.trajectory import TrajectoryRecorder, Window

    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    sent = [0]
    exchange, gather = dist.all_to_all_single, dist.gather

    def counted_exchange(received, given, *sizes, **options):
        own = sizes[1][rank] * given.element_size() if sizes else given.nbytes // ranks
        sent[0] += given.nbytes - own
        return exchange(received, given, *sizes, **options)

    def counted_gather(given, *others, **options):
        sent[0] += given.nbytes if rank else 0
        return gather(given, *others, **options)

    dist.all_to_all_single, dist.gather = counted_exchange, counted_gather
    mesh = init_device_mesh("cpu", (ranks,))
    rows = torch.randn(parameters // 1000, 1000, generator=torch.Generator().manual_seed(0))
    print_row = print if rank == 1 else lambda *_: None
    for name, cost, options in (
        ("none", none(parameters, ranks, steps), {"weights": "none"}),
        ("sketch", sketch(parameters, ranks, tensors=8), {"sketch_size": SKETCH}),
        ("full", full(parameters, ranks), {}),
    ):
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        model = nn.Module()
        for layer, part in enumerate(rows.chunk(8)):
            model.register_parameter(f"layer{layer}", nn.Parameter(distribute_tensor(part, mesh, [Shard(0)])))
        changes = [torch.randn(one.to_local().shape) * 1e-3 for one in model.parameters()]
        begun = time.process_time()
        recorder = TrajectoryRecorder(model, folder / f"{name}.zarr", steps=steps, windows=[Window(0, steps)], **options)
        prepared, sent[0] = time.process_time() - begun, 0
        moving, began = 0.0, time.process_time()
        for _ in range(steps):
            start = time.thread_time()
            for parameter, change in zip(model.parameters(), changes, strict=True):
                parameter.to_local().data.add_(change)
            moving += time.thread_time() - start
            recorder.record()
        recorder.finish()
        seconds = (time.process_time() - began - moving) / steps
        own = parameters / ranks
        print_row(
            f"{name}: {parameters:,} parameters, {ranks} ranks, {steps} steps; CPU of a rank {seconds * 1e3:.2f} ms a step, "
            f"{seconds / own * 1e9:.2f} ns a parameter, formula {cost.seconds * 1e3:.2f} ms; "
            f"sent {sent[0] / steps:,.0f} B a step, formula {cost.sent:,.0f} B; prepared in {prepared:.2f} s"
        )
        if name == "none":
            peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) * 1024
            print_row(
                f"  a multiply-add: {seconds / (own * steps / 2):.2g} s; memory {amount(peak)}, formula {amount(cost.memory)}"
            )
    dist.barrier()
    os._exit(0)


def main() -> None:
    """Print the tables, or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--parameters", type=int, default=2_000_000)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.parameters, options.steps)
    elif options.measure:
        measure(options.parameters, options.steps, options.ranks)
    else:
        print(tables(), end="")


if __name__ == "__main__":
    main()
