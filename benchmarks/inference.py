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
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.inference.networks.wadnet import WADNet
from anodiff.inference.simulated.tracks import make_tracks

#: Tracks a second of andi-datasets in one dimension, 200 points.
ANDI = {"attm": [3537], "ctrw": [18_466], "fbm": [7199], "lw": [940], "sbm": [24_277]}
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


def measure_andi(python, points, seconds):
    """Tracks a second of andi-datasets, by kind: in one, two and three dimensions."""
    script = Path(__file__).with_name("andi_reference.py")
    command = [python, script, "--time", "--points", str(points), "--seconds", str(seconds)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    measured = {kind: [] for kind in KINDS}
    for kind, _, found in (line.split() for line in lines):
        measured[kind].append(int(found))
    return measured


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/inference.json"))
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--andi", help="Python that has andi-datasets")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    andi = measure_andi(arguments.andi, arguments.points, arguments.seconds) if arguments.andi else ANDI
    made = {kind: [] for kind in KINDS}
    print(f"tracks of {arguments.points} points a second of one core\n")
    print("| | " + " | ".join(f"{d}D | andi-datasets" for d in (1, 2, 3)) + " |\n|" + " --- |" * 7)
    for number, kind in enumerate(KINDS):
        made[kind] = [round(making(number, d, arguments.points, arguments.seconds)) for d in (1, 2, 3)]
        theirs = [*andi[kind], None, None][:3]
        print(f"| {kind} | " + " | ".join(shown(each) for pair in zip(made[kind], theirs, strict=True) for each in pair) + " |")
    for index in range(len(andi["fbm"])):
        ours, theirs = (
            len(KINDS) / sum(1 / rates[index] for rates in each.values()) for each in (made, andi)
        )  # kinds in equal parts
        print(f"\nkinds in equal parts, {index + 1}D: {ours:,.0f}, andi-datasets {theirs:,.0f}: {ours / theirs:.1f} times")
    print("\n| 2D | parameters | multiplications | tracks/s in training | tracks/s in answers |\n|" + " --- |" * 5)
    read = {}
    for name, network in (("pyramid", Pyramid(2)), ("wadnet", WADNet(2, 1))):
        read[name] = reading(network, 2, arguments.points, arguments.seconds)
        print(f"| {name} | " + " | ".join(shown(value) for value in read[name].values()) + " |", flush=True)
    arguments.json.write_text(
        json.dumps({"points": arguments.points, "made": made, "andi": andi, "read": read}, indent=2) + "\n"
    )


def shown(number):
    return "" if number is None else f"{number:,.0f}"


if __name__ == "__main__":
    main()
