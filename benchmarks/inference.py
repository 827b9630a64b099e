"""How fast are tracks made and read, beside the package andi-datasets?

    python benchmarks/inference.py [--json FILE] [--points 200] [--seconds 1]

Tracks a second of one core by kind and dimensions, next to those of andi-datasets 2.1.13. That
package needs an environment of its own, so its figures are constants here, measured on one core by
``python benchmarks/andi_reference.py --time``; give ``--andi PYTHON`` to measure them anew with its
interpreter. Then the tracks a second that a network learns from and answers, and the
multiplications of one answer. Times are of the processor, so other programs disturb them less.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from anodiff.inference.cells import CELL_KIND, KINDS
from anodiff.inference.pyramid import Pyramid
from anodiff.inference.tracks import make_tracks
from anodiff.inference.wadnet import WADNet

#: Tracks a second of andi-datasets in one dimension, 200 points.
ANDI = {"attm": 3537, "ctrw": 18_466, "fbm": 7199, "lw": 940, "sbm": 24_277}
BATCH = 512


def rate(function, number, seconds):
    """Units a second of the processor, over at least ``seconds`` after a call that does not count."""
    function()
    done, start = 0, time.process_time()
    while time.process_time() < start + seconds:
        function()
        done += number
    return done / (time.process_time() - start)


def making(kind, dimensions, points, seconds):
    rng = np.random.default_rng(0)
    cells = rng.choice(np.flatnonzero(kind == CELL_KIND), BATCH)
    noise = rng.random(BATCH)
    return rate(lambda: make_tracks(cells, noise, points, dimensions, rng, walk_points=points), BATCH, seconds)


def multiplications(network, positions):
    """Multiplications of one answer. torch's counter leaves out LSTMs: one for each weight and point."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(positions[:1])
    recurrent = [module for module in network.modules() if isinstance(module, torch.nn.LSTM)]
    weights = sum(values.numel() for each in recurrent for name, values in each.named_parameters() if "weight" in name)
    return counter.get_total_flops() // 2 + weights * positions.shape[2]


def reading(network, dimensions, points, seconds):
    """Tracks a second in training and in answers, and multiplications of an answer."""
    positions = torch.randn(64, dimensions, points).cumsum(2)

    def learn():
        network.zero_grad()
        network(positions).square().mean().backward()

    def answer():
        with torch.inference_mode():
            network(positions)

    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "multiplications": multiplications(network, positions),
        "learns": rate(learn, len(positions), seconds),
        "answers": rate(answer, len(positions), seconds),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/inference.json"))
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--andi", help="Python that has andi-datasets")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.andi:
        script = Path(__file__).with_name("andi_reference.py")
        print(subprocess.run([arguments.andi, script, "--time"], capture_output=True, text=True, check=True).stdout)
    made = {}
    print(f"tracks of {arguments.points} points a second, one core; andi-datasets: 200 points, one dimension")
    for number, kind in enumerate(KINDS):
        made[kind] = [round(making(number, d, arguments.points, arguments.seconds)) for d in (1, 2, 3)]
        print(
            f"{kind:5s} 1d {made[kind][0]:7d}  2d {made[kind][1]:7d}  3d {made[kind][2]:7d}   andi 1d {ANDI[kind]:6d}",
            flush=True,
        )
    equal = [len(KINDS) / sum(1 / each for each in rates) for rates in ([made[kind][0] for kind in KINDS], ANDI.values())]
    print(f"kinds in equal parts, 1d: {equal[0]:.0f}, andi {equal[1]:.0f}: {equal[0] / equal[1]:.1f} times")
    read = {}
    for name, network in (("pyramid", Pyramid(2)), ("wadnet", WADNet(2, 1))):
        read[name] = reading(network, 2, arguments.points, arguments.seconds)
        print(f"{name}, 2d: " + ", ".join(f"{key} {value:,.0f}" for key, value in read[name].items()), flush=True)
    arguments.json.write_text(
        json.dumps({"points": arguments.points, "made": made, "andi": ANDI, "read": read}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
