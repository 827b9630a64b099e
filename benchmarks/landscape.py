"""How many points of a loss landscape are evaluated per second?

    pip install loss-landscapes
    python benchmarks/landscape.py [--json FILE] [--points 15] [--width 8] [--device cpu]

This evaluates a plane through a ResNet-14 over 1,024 digits in three ways: with
`anodiff.landscape.losses_on`, with the package loss-landscapes, and with a plain loop that sets the
weights and evaluates. All use the same network and data in one process, with batch norm in
evaluation mode. loss-landscapes normalises by model, because by filter it divides by zero at a bias
of 0. The floor is measured too: one forward pass of the unchanged network, on all threads.
"""

import argparse
import copy
import json
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from anodiff.data import Augmentation, load
from anodiff.landscape import LossSurface, grid, losses_on, random_directions
from anodiff.settings.run import RunSettings
from anodiff.training.device import choose_device
from anodiff.training.loop import build_model

SAMPLES = 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/landscape.json"))
    parser.add_argument("--points", type=int, default=15)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device, points = choose_device(arguments.device), arguments.points
    settings = RunSettings.model_validate(
        {"data": "digits", "model": {"name": "resnet14", "width": arguments.width}, "training": {"steps": 10}}
    )
    dataset = load(settings.data, "data", device=device)
    images = Augmentation(settings.data, dataset).normalise(dataset.train_images[:SAMPLES])
    labels = dataset.train_labels[:SAMPLES]
    model = build_model(settings, dataset).to(device).eval()
    criterion = nn.functional.cross_entropy
    surface = LossSurface(model, images, labels, criterion)
    directions = random_directions(surface.centre, surface.shapes, 0)
    axes = grid(directions, points)

    def ours():
        losses_on(surface, directions, axes)

    def plain():
        network, flat = copy.deepcopy(model), torch.from_numpy(directions.origin).float().to(device)
        first, second = (torch.from_numpy(vector).float().to(device) for vector in directions.vectors)
        with torch.no_grad():
            for b in axes[1]:
                for a in axes[0]:
                    nn.utils.vector_to_parameters(flat + float(a) * first + float(b) * second, network.parameters())
                    criterion(network(images), labels).item()

    def forward():
        with torch.no_grad():
            for _ in range(points**2):
                criterion(model(images), labels).item()

    scans = {"anodiff": ours, "plain loop": plain, "forward passes alone": forward}
    try:
        import loss_landscapes
        from loss_landscapes.metrics import Loss

        metric = Loss(nn.CrossEntropyLoss(), images, labels)

        def package():
            loss_landscapes.random_plane(model, metric, 1.0, points, "model", deepcopy_model=True)

        scans["loss-landscapes"] = package
    except ImportError:
        print("loss-landscapes is not installed (pip install loss-landscapes)")
    rates = {name: [] for name in scans}
    for number in range(arguments.rounds + 1):
        for name, scan in scans.items():
            start = time.perf_counter()
            scan()
            if number:  # the first is a warm-up
                rates[name].append(points**2 / (time.perf_counter() - start))
    results = {}
    for name, own in rates.items():
        ratio = statistics.median(ours / other for ours, other in zip(rates["anodiff"], own, strict=True))
        results[name] = {"points a second": max(own), "anodiff is faster by": ratio}
        print(f"{name:24s} {max(own):8.1f} points/s   anodiff is {ratio:5.2f} times as fast")
    about = {"torch": torch.__version__, "device": str(device), "threads": torch.get_num_threads(), "width": arguments.width}
    arguments.json.write_text(json.dumps(about | {"scans": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
