"""How good are the networks on tracks of andi-datasets, beside classical estimates and published scores?

    python benchmarks/inference_targets.py FOLDER [--weights FOLDER] [--dimensions 1 2 3] [--tracks N] [--json FILE]

FOLDER holds the sets that `benchmarks/andi_test.py` makes. ``--weights`` has 1d.safetensors and so
on; default: the networks that anodiff ships. Prints Markdown tables. The error of α is the mean
absolute one, of the posterior's median under the challenge's prior of the exponent. F1 is
micro-averaged, so it is the share of right kinds. Coverage is that of the 90 % intervals, on the
tracks of the kind, where kinds are equally frequent as in the training. The rows are of one band of
points, of one kind or of one noise.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from classical import time_averaged, whittle

from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.cells import KINDS, exponent_prior
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE
from anodiff.inference.teaching.validation import BANDS, expected_calibration_error

#: Published mean absolute errors of α and F1. AnDi-J: its authors' figures in 2D. TA-MSD: the published count of
#: the challenge's baseline. Constant: every exponent said to be 1.
PUBLISHED = {
    "AnDi-J": {2: (0.137, 0.892)},
    "time-averaged MSD": {1: (0.329, None), 2: (0.320, None), 3: (0.290, None)},
    "constant": {1: (0.50, 0.20), 2: (0.50, 0.20), 3: (0.50, 0.20)},
}
GOAL = {1: (0.18, 0.80), 2: (0.16, 0.85), 3: (0.15, 0.88)}


class TaskSet:
    """The tracks of one task, and what is found of each."""

    def __init__(self, path, task, most):
        with np.load(path) as file:
            self.points, self.kinds, self.exponents, self.noise = (
                file[f"{task}_{name}"][:most] for name in ("points", "kinds", "exponents", "noise")
            )
            self._positions = file[f"{task}_positions"]
        self._ends = np.cumsum(self.points)

    def each(self, *functions):
        """What each function says of positions (N, dimensions, points), tracks of one length at a time."""
        found = [np.empty(len(self.points)) for _ in functions]
        seconds = [0.0] * len(functions)
        for length in np.unique(self.points):
            chosen = np.flatnonzero(self.points == length)
            tracks = np.stack([self._positions[:, self._ends[number] - length : self._ends[number]] for number in chosen])
            for number, function in enumerate(functions):
                start = time.process_time()
                found[number][chosen] = function(tracks)
                seconds[number] += time.process_time() - start
        return found, [len(self.points) / each for each in seconds]

    def rows(self):
        """Names and members of the rows of a table."""
        yield "all", np.ones(len(self.points), bool)
        if self._positions.shape[0] == 3:
            yield "all but attm", self.kinds != KINDS.index("attm")  # the package's are no walk
        for first, last in pairwise(BANDS):
            yield f"{first}–{last - 1} points", (self.points >= first) & (self.points < last)
        for number, kind in enumerate(KINDS):
            yield kind, self.kinds == number
        for noise in CHALLENGE_NOISE:
            yield f"noise {noise:g}", self.noise == noise

    def table(self, **columns):
        """Print and return the means of columns by row."""
        print("| | tracks | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 2))
        means = {}
        for name, members in self.rows():
            means[name] = {column: round(float(values[members].mean()), 4) for column, values in columns.items()}
            print(f"| {name} | {members.sum():,} | " + " | ".join(f"{each:.3f}" for each in means[name].values()) + " |")
        print(flush=True)
        return means


def measure(path, dimensions, weights, most):
    reader = TrackReader.load(dimensions, weights)
    prior = exponent_prior()
    given = TaskSet(path, "exponent", most)
    estimates, rates = given.each(
        lambda tracks: reader.read(tracks).posterior.with_prior(prior).median, time_averaged, whittle, lambda tracks: 1.0
    )
    print(f"### {dimensions}D: mean absolute error of α\n")
    names = ("network", "time-averaged MSD", "Whittle", "constant")
    errors = {name: abs(each - given.exponents) for name, each in zip(names, estimates, strict=True)}
    exponent = given.table(**errors)
    print("Tracks a second of one core: " + ", ".join(f"{n} {r:,.0f}" for n, r in zip(names[:3], rates, strict=False)) + "\n")

    given = TaskSet(path, "kind", most)
    answers = []

    def chosen(tracks):
        answers.append(reader.read(tracks))
        return answers[-1].kinds.argmax(axis=1)

    (kind,), _ = given.each(chosen)
    order = np.argsort(np.argsort(given.points, kind="stable"), kind="stable")  # answers come by length
    confidence, low, high = (
        np.concatenate(each)[order]
        for each in ([a.kinds.max(axis=1) for a in answers], [a.low for a in answers], [a.high for a in answers])
    )
    right = kind == given.kinds
    print(f"### {dimensions}D: F1 of the kind, and coverage of the 90 % intervals of α\n")
    inside = (low - 1e-9 <= given.exponents) & (given.exponents <= high + 1e-9)
    kinds = given.table(**{"F1": right, "coverage": inside, "width": high - low})
    calibration = expected_calibration_error(confidence, right)
    print(f"Expected calibration error of the kind: {calibration:.4f}\n", flush=True)
    return {"exponent": exponent, "kind": kinds, "ece": round(calibration, 4), "tracks_per_second": rates[0]}


def summary(found):
    """Print the scores over all tracks beside published ones."""
    print("### All tracks, beside published scores: error of α / F1\n")
    print("| | " + " | ".join(f"{d}D" for d in found) + " |\n|" + " --- |" * (len(found) + 1))

    def shown(pair):
        return "–" if pair is None else " / ".join("–" if each is None else f"{each:.3f}" for each in pair)

    measured = {
        name: {
            d: (each["exponent"]["all"][name], each["kind"]["all"]["F1"] if name == "network" else None)
            for d, each in found.items()
        }
        for name in ("network", "time-averaged MSD", "Whittle")
    }
    for name, row in measured.items():
        print(f"| {name} | " + " | ".join(shown(row[d]) for d in found) + " |")
    for name, row in {"goal": GOAL, **{f"{name}, published": row for name, row in PUBLISHED.items()}}.items():
        print(f"| {name} | " + " | ".join(shown(row.get(d)) for d in found) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tracks", type=int, help="read only the first of each task")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/inference_targets.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for dimensions in arguments.dimensions:
        name = f"{dimensions}d"
        weights = arguments.weights and arguments.weights / f"{name}.safetensors"
        found[dimensions] = measure(arguments.folder / f"{name}.npz", dimensions, weights, arguments.tracks)
    summary(found)
    arguments.json.write_text(json.dumps({"goal": GOAL, "published": PUBLISHED, "measured": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
