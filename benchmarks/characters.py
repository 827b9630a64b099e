"""What does the stage `characterise` say of known walks in 300 dimensions, and what does it cost?

    python benchmarks/characters.py [WINDOWS] [UPDATES]

For each walk, as many windows: α of random coordinates and pairs, and of the first principal coordinate with its
null, the share of p-values of at most 0.1 and of at least 0.95 (each 0.1 by chance), and seconds of one core for a window.
"""

import sys
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from anodiff.geometry import path_geometry
from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.cells import KINDS
from anodiff.inference.runs.window_characters import window_rows
from anodiff.inference.runs.window_tracks import window_tracks
from anodiff.settings.stages import CharacterSettings

DIMENSIONS, BOWL = 300, 0.95


def walk(name, updates, rng):
    noise = rng.normal(size=(updates, DIMENSIONS))
    if name == "bowl":
        points = rng.normal(size=(updates + 1, DIMENSIONS)) / np.sqrt(1 - BOWL**2)
        for number in range(updates):
            points[number + 1] = BOWL * points[number] + noise[number]
        return points
    if name == "drift":
        noise += 0.3
    if name == "student":
        noise *= 1 / np.sqrt(rng.chisquare(3, (updates, 1)) / 3)
    return np.vstack([np.zeros(DIMENSIONS), noise.cumsum(axis=0)])


def main(windows=24, updates=300):
    threadpool_limits(1)
    torch.set_num_threads(1)
    settings, single, pair = CharacterSettings(), TrackReader.load(1), TrackReader.load(2)
    print(f"{windows} windows of {updates} updates")
    for name in ("brownian", "bowl", "drift", "student"):
        rows, seconds = [], 0.0
        for number in range(windows):
            path = path_geometry(walk(name, updates, np.random.default_rng(number)))
            begin = time.process_time()
            rows.append(window_rows(window_tracks(path, settings, number), settings.components, single, pair))
            seconds += time.process_time() - begin
        found = {row["coordinate"]: [own[place] for own in rows] for place, row in enumerate(rows[0])}

        def mean(sort, column, found=found):
            return np.mean([row.get(column, np.nan) for row in found[sort]])

        p = np.array([row["exponent_p_shuffled"] for row in found["principal_1"]])
        kinds = {kind: mean("random", kind) for kind in KINDS}
        print(
            f"{name:9} random α {mean('random', 'exponent'):.2f}"
            f" [{mean('random', 'exponent_quartile_1'):.2f}, {mean('random', 'exponent_quartile_3'):.2f}]"
            f" pairs {mean('random_pair', 'exponent'):.2f}; unlike all {mean('random', 'unfamiliar'):.2f};"
            f" first principal {mean('principal_1', 'exponent'):.2f}, null {mean('principal_1', 'exponent_shuffled'):.2f},"
            f" p ≤ .1: {(p <= 0.1).mean():.2f}, p ≥ .95: {(p > 0.94).mean():.2f};"
            f" {', '.join(f'{kind} {share:.2f}' for kind, share in kinds.items())}; {seconds / windows:.2f} s a window"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
