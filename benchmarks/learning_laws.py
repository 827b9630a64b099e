"""How often is a curve called sigmoidal that is none, how often one that is, and with its right law?

    python benchmarks/learning_laws.py [--curves 400] [--seed 0]

Curves over 400 or 10,000 steps at 40 or 16 points, evenly spaced in the logarithm of the step. Half is
learned at a step drawn between 2 and half the run. Gaussian noise of 2, 5 or 10 % of the plateau is
forgotten over a thirtieth or a fifth of the run, as that of a path. Besides the exponential there are
other curves without a slow beginning: stretched exponentials, which are mixtures of exponentials;
1 − 1/(1 + t); a logarithm; and a linear model under cross-entropy. Prints per cent of curves.
"""

import argparse

import numpy as np

from anodiff.learning.columns import LAWS
from anodiff.learning.fits import ADVANTAGE, fit_laws
from anodiff.learning.laws import OneMode, part_learned
from anodiff.learning.laws.shapes import rises

RUNS, NOISES, FORGOTTEN = ((400, 40), (400, 16), (10_000, 40), (10_000, 16)), (0.02, 0.05, 0.1), (1 / 30, 1 / 5)


def linear_model(y):
    """Part learned by one layer under cross-entropy, whose half is at u = ln 3."""
    mode = OneMode("cross_entropy", depth=1, start=1e-9)
    return part_learned(mode.margin(y * float(mode.time(np.log(3)))), "cross_entropy")


CONCAVE = {
    "exponential": lambda y: -np.expm1(-np.log(2) * y),
    "stretched, 0.7": lambda y: -np.expm1(-np.log(2) * y**0.7),
    "stretched, 0.5": lambda y: -np.expm1(-np.log(2) * y**0.5),
    "1 - 1/(1 + t)": lambda y: y / (1 + y),
    "logarithm": lambda y: np.log1p(9 * y) / np.log(100),
    "linear model": linear_model,
}


def noise(steps, forgotten, rng):
    found = rng.normal(size=len(steps))
    found[0] = 0
    for later in range(2, len(steps)):
        kept = np.exp(-(steps[later] - steps[later - 1]) / forgotten)
        found[later] = kept * found[later - 1] + np.sqrt(1 - kept**2) * found[later]
    return found


def shape(name, steps, half, rng):
    if name in CONCAVE:
        return CONCAVE[name](steps / half)
    start = np.exp(rng.uniform(np.log(1e-6), np.log(0.1)))
    return rises(name, steps, np.array([half]), np.array([start]))[0]


def fits(name, deviation, curves, seed):
    """Fits of curves of all runs in turn."""
    rng = np.random.default_rng(seed)
    for number in range(curves):
        last, points = RUNS[number % len(RUNS)]
        forgotten = last * FORGOTTEN[number // len(RUNS) % len(FORGOTTEN)]
        steps = np.unique(np.append(0, np.round(np.geomspace(1, last, points - 1)))).astype(float)
        half = np.exp(rng.uniform(np.log(2), np.log(last / 2)))
        yield fit_laws(steps, shape(name, steps, half, rng) + deviation * noise(steps, forgotten, rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'curve':16s} {'noise':>6s} {'above 0':>8s} {f'above {ADVANTAGE:g}':>8s} {'above 10':>8s} {'right law':>9s}")
    for name in (*CONCAVE, *LAWS[:3]):
        for deviation in NOISES:
            found = list(fits(name, deviation, options.curves, options.seed))
            advantages = np.array([each.sigmoid_advantage for each in found])
            shares = [100 * np.mean(advantages > level) for level in (0, ADVANTAGE, 10)]
            right = f"{100 * np.mean([each.law == name for each in found]):9.1f}" if name in LAWS else f"{'–':>9s}"
            print(f"{name:16s} {deviation:6.2f} {shares[0]:8.1f} {shares[1]:8.1f} {shares[2]:8.1f} {right}", flush=True)


if __name__ == "__main__":
    main()
