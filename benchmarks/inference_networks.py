"""Which network reads exponents best at the same cost? WADNet as published, with fewer layers, and the pyramid.

    python benchmarks/inference_networks.py [--seconds 180] [--points 200] [--dimensions 1] [--json FILE]

All read tracks of one length, since WADNet is trained for one. They learn side by side in one
process on one core. The next step belongs to the network that has used the least time of the
processor, its tracks included, until each has used ``--seconds``. Tracks are those of the challenge
for the exponent. Every network is scored on the same held-out tracks.

``wadnet``: as published (mean squared error, Adam 1e-3, batches of 512). ``wadnet, 8 layers``: the
same without the eight largest dilations. ``wadnet, our training``: the published layers with the
pyramid's outputs, loss and training: 140 cells, AdamW 2e-3 over a cosine, batches of 128. The
authors lower the rate when three epochs bring nothing; nothing ends an epoch here.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from inference import multiplications
from torch import nn

from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, exponent_prior
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.inference.networks.wadnet import WADNet
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE, make_tracks

#: Parts of the seconds after which all are scored.
PARTS = (1 / 8, 1 / 4, 1 / 2, 1)
HELD_OUT, TRAINING = 0, 1
TOGETHER = 500


def draw(number, points, dimensions, rng):
    prior = exponent_prior()
    return make_tracks(rng.choice(len(prior), number, p=prior), rng.choice(CHALLENGE_NOISE, number), points, dimensions, rng)


def shallow(network, layers):
    """WADNet with the first layers only."""
    network.filters, network.gates = network.filters[:layers], network.gates[:layers]
    return network


class Contestant:
    """A network that learns the exponent, and the time it has used."""

    def __init__(self, network, *, cells, seconds):
        self.network, self.cells, self.seconds, self.spent, self.tracks = network, cells, seconds, 0.0, 0
        self.batch = 128 if cells else 512
        parameters = network.parameters()
        self.optimiser = torch.optim.AdamW(parameters, lr=2e-3) if cells else torch.optim.Adam(parameters, lr=1e-3)

    def learn(self, points, dimensions, rng):
        start = time.process_time()
        tracks = draw(self.batch, points, dimensions, rng)
        answers = self.network(torch.from_numpy(tracks.positions))
        if self.cells:
            share = self.spent / self.seconds
            for group in self.optimiser.param_groups:
                group["lr"] = 2e-3 * min(1, share / 0.01 + 0.01) * (1 + math.cos(math.pi * share)) / 2
            loss = nn.functional.cross_entropy(answers, torch.from_numpy(tracks.cells))
        else:
            loss = nn.functional.mse_loss(answers[:, 0], torch.from_numpy(CELL_EXPONENT[tracks.cells]).float())
        self.optimiser.zero_grad()
        loss.backward()
        if self.cells:
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.tracks += self.batch
        self.spent += time.process_time() - start

    def exponents(self, positions):
        """Estimates of α and the seconds they took."""
        self.network.eval()
        start = time.process_time()
        with torch.inference_mode():
            answers = torch.cat([self.network(part) for part in torch.from_numpy(positions).split(TOGETHER)]).double()
        seconds = time.process_time() - start
        self.network.train()
        estimates = Posterior.from_logits(answers).median if self.cells else np.clip(answers[:, 0].numpy(), 0.05, 2)
        return estimates, seconds


def score(contestant, tracks):
    estimates, seconds = contestant.exponents(tracks.positions)
    errors = estimates - tracks.exponents
    return {
        "tracks": contestant.tracks,
        "error": round(float(abs(errors).mean()), 4),
        "rms": round(float(np.sqrt((errors**2).mean())), 4),
        "answers": round(len(errors) / seconds),
        "kinds": [round(float(abs(errors[tracks.kinds == kind]).mean()), 3) for kind in np.unique(CELL_KIND)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/inference_networks.json"))
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--dimensions", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=4000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    points, dimensions = arguments.points, arguments.dimensions
    held_out = draw(arguments.held_out, points, dimensions, np.random.default_rng([0, HELD_OUT]))
    networks = {
        "wadnet": (WADNet(dimensions, 1), False),
        "wadnet, 8 layers": (shallow(WADNet(dimensions, 1), 8), False),
        "wadnet, our training": (WADNet(dimensions, len(CELL_KIND)), True),
        "pyramid": (Pyramid(dimensions), True),
    }
    size = {
        name: {
            "parameters": sum(each.numel() for each in network.parameters()),
            "multiplications": multiplications(network.eval(), torch.zeros(1, dimensions, points)),
        }
        for name, (network, _) in networks.items()
    }
    contestants = {
        name: Contestant(network.train(), cells=cells, seconds=arguments.seconds) for name, (network, cells) in networks.items()
    }
    rngs = {name: np.random.default_rng([0, TRAINING]) for name in contestants}
    found = []
    for part in PARTS:
        while min(each.spent for each in contestants.values()) < part * arguments.seconds:
            name = min(contestants, key=lambda each: contestants[each].spent)
            contestants[name].learn(points, dimensions, rngs[name])
        found.append({name: score(each, held_out) for name, each in contestants.items()})
        print(
            f"after {part * arguments.seconds:.0f} s of one core, {points} points, {dimensions}d\n\n"
            "| network | parameters | multiplications | tracks learned from | answers/s | error of α | rms error "
            "| attm | ctrw | fbm | lw | sbm |\n|" + " --- |" * 12
        )
        for name, got in found[-1].items():
            kinds = " | ".join(f"{each:.3f}" for each in got["kinds"])
            print(
                f"| {name} | {size[name]['parameters']:,} | {size[name]['multiplications']:,} | {got['tracks']:,} "
                f"| {got['answers']:,} | {got['error']:.3f} | {got['rms']:.3f} | {kinds} |"
            )
        print(flush=True)
    settings = vars(arguments) | {"json": None}
    arguments.json.write_text(json.dumps({"settings": settings, "size": size, "parts": PARTS, "found": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
