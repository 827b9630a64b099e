"""Do the shipped networks know how sure they may be? Coverage, probabilities and unfamiliar walks.

    python benchmarks/inference_calibration.py [--dimensions 2] [--tracks 30000]

Fresh tracks of the five kinds, exponents anywhere in their range, challenge's noise. Prints, in per
cent: how often 90 % intervals hold α, by kind and tenth of the lengths, and by kind and noise; how many
of the 150 cells (kind, tenth of the lengths, noise) hold between 87 and 93; the expected calibration
error of the kinds; how often tracks of the five kinds are called unlike them (1 % by construction),
and how often walks are that are none of them.
"""

import argparse

import numpy as np
import torch

from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.cells import KINDS, balanced_prior, exponents_near
from anodiff.inference.characters import UNFAMILIAR
from anodiff.inference.simulated.foreign import FOREIGN, observed
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE, make_tracks
from anodiff.inference.teaching.validation import expected_calibration_error

TOGETHER, LENGTHS = 60, (30, 100, 300, 1000)


def known(reader, number, rng):
    """Rows of points, kind, noise, held, chosen kind's probability, right, familiarity."""
    rows = []
    for group in range(-(-number // TOGETHER)):
        points = 10 + group * 990 // (-(-number // TOGETHER))
        cells = rng.choice(140, TOGETHER, p=balanced_prior())
        tracks = make_tracks(
            cells, rng.choice(CHALLENGE_NOISE, TOGETHER), points, reader.dimensions, rng, exponents=exponents_near(cells, rng)
        )
        answers = reader.read(tracks.positions)
        held = (answers.low <= tracks.exponents) & (tracks.exponents <= answers.high)
        right = answers.kinds.argmax(axis=1) == tracks.kinds
        sure = answers.kinds.max(axis=1)
        rows.append(np.stack([np.full(TOGETHER, points), tracks.kinds, tracks.noise, held, sure, right, answers.familiarity]))
    return np.concatenate(rows, axis=1)


def line(name, values):
    print(f"| {name} | " + " | ".join(f"{100 * each:.0f}" if each >= 0.02 else f"{100 * each:.1f}" for each in values) + " |")


def table(held, kinds, groups, names):
    print("| kind | " + " | ".join(names) + " |\n| --- |" + " --- |" * len(names))
    for number, kind in enumerate(KINDS):
        line(kind, [held[(kinds == number) & (groups == each)].mean() for each in range(len(names))])


def ornstein_uhlenbeck(rho):
    def draw(number, points, dimensions, rng):
        walk = np.zeros((number, dimensions, points))
        for step in range(1, points):
            walk[..., step] = rho * walk[..., step - 1] + rng.standard_normal((number, dimensions))
        return walk

    return draw


#: Walks that are none of the families which the classifier has been shown, or special cases of them.
OTHERS = {
    "Brownian": lambda number, points, dimensions, rng: rng.standard_normal((number, dimensions, points)).cumsum(axis=2),
    "Ornstein-Uhlenbeck, rho = 0.5": ornstein_uhlenbeck(0.5),
    "Ornstein-Uhlenbeck, rho = 0.95": ornstein_uhlenbeck(0.95),
    "Student's t, nu = 3": lambda number, points, dimensions, rng: rng.standard_t(3, (number, dimensions, points)).cumsum(
        axis=2
    ),
    "steps that grow ten-fold": lambda number, points, dimensions, rng: (
        rng.standard_normal((number, dimensions, points)) * np.linspace(0.2, 2, points)
    ).cumsum(axis=2),
    "drift 0.5 a step": lambda number, points, dimensions, rng: (
        rng.standard_normal((number, dimensions, points)) + 0.5
    ).cumsum(axis=2),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tracks", type=int, default=30_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for dimensions in arguments.dimensions:
        reader, rng = TrackReader.load(dimensions), np.random.default_rng([dimensions, 20_261_129])
        points, kinds, noise, held, sure, right, familiarity = known(reader, arguments.tracks, rng)
        tenth = np.minimum((points - 10) // 99, 9)
        level = np.searchsorted(CHALLENGE_NOISE, noise)
        print(f"\n{dimensions} dimensions, {len(points):,} tracks: held {100 * held.mean():.1f} %\n")
        table(held, kinds, tenth, [f"{10 + 99 * each:.0f}–" for each in range(10)])
        print()
        table(held, kinds, level, [f"noise {each}" for each in CHALLENGE_NOISE])
        cells = [(kinds == k) & (tenth == t) & (level == n) for k in range(5) for t in range(10) for n in range(3)]
        shares, sizes = np.array([held[each].mean() for each in cells]), np.array([each.sum() for each in cells])
        beyond = np.sqrt(max(0.0, float(np.mean((shares - 0.9) ** 2 - 0.09 / sizes))))
        within, chance = (
            np.mean(abs(each) <= 0.03) for each in (shares - 0.9, rng.standard_normal((99, 150)) * np.sqrt(0.09 / sizes))
        )
        print(
            f"\ncells of about {sizes.mean():.0f} tracks: {100 * within:.0f} % within 87–93 % "
            f"({100 * chance:.0f} % if all were exact); lowest {100 * shares.min():.0f} %, "
            f"standard deviation beyond chance {100 * beyond:.1f} %"
        )
        errors = [expected_calibration_error(sure[level == n], right[level == n]) for n in range(3)]
        print(
            f"kinds right {100 * right.mean():.1f} %; "
            f"expected calibration error {expected_calibration_error(sure, right):.4f}, by noise "
            + ", ".join(f"{each:.4f}" for each in errors)
        )
        print(
            "called unlike the five: "
            + ", ".join(f"{k} {100 * (familiarity[kinds == n] < UNFAMILIAR).mean():.1f}" for n, k in enumerate(KINDS))
        )
        print(
            "\n| walk, called unlike the five | "
            + " | ".join(f"T = {each}" for each in LENGTHS)
            + " |\n| --- |"
            + " --- |" * len(LENGTHS)
        )
        for name, draw in (FOREIGN | OTHERS).items():
            walks = [observed(draw(200, each, dimensions, rng), np.full(200, 0.1), rng) for each in LENGTHS]
            line(name, [(reader.read(each).familiarity < UNFAMILIAR).mean() for each in walks])


if __name__ == "__main__":
    main()
