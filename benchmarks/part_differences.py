"""How often does the interval of `difference_long` hold the true difference?

    python benchmarks/part_differences.py [WINDOWS] [UPDATES] [DIRECTIONS …]

Heavy-ball paths, whose gradients are white noise in some directions, beside the walk of the same
gradients, and beside that of other gradients: errors that depend on each other, and errors that do
not. Their MSDs are known exactly. A line for each momentum and number of directions: the true
difference, the mean of what was measured, the share of windows whose interval holds the truth and
the mean half-width, of the same gradients and of others.
"""

import sys

import numpy as np

from anodiff.diffusion.exponents import local_exponents, slope
from anodiff.diffusion.parts.differences import difference
from anodiff.diffusion.window_exponents import measure_exponents
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.geometry.path import path_geometry

#: Steps before a window begins: the momentum has settled.
BEFORE = 1000


def measured(steps, seed, long):
    """Return the exponent of a walk with these steps over the long lags."""
    path = path_geometry(np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)]))
    lags = logarithmic_lags(len(steps), 20, 0.9)
    msd = time_averaged_msd(path.squared_displacements)
    return measure_exponents(path, msd, lags, local_exponents(msd, lags, 0.25), 0.25, long, seed).long


def exact_slope(momentum, long):
    """Return the exponent of the exact MSD of steps with autocorrelation momentum^m over the long lags."""
    lags, q = np.arange(1, int(long[1]) + 1, dtype=float), momentum
    msd = lags * (1 + q) / (1 - q) - 2 * q * (1 - q**lags) / (1 - q) ** 2
    within = lags >= long[0]
    return slope(lags[within], msd[within])


def heavy_ball(gradients, momentum):
    """Return the steps that these gradients make."""
    velocity, steps = np.zeros(gradients.shape[1]), np.empty_like(gradients)
    for row, gradient in enumerate(gradients):
        velocity = momentum * velocity + gradient
        steps[row] = velocity
    return steps


def main(windows=100, updates=400, *directions):
    """Print a line for each momentum and number of directions."""
    long = (0.2 * updates, 0.9 * updates)
    print("directions momentum  true  measured  same: held, half-width  other: held, half-width", flush=True)
    for many in directions or (4, 40):
        drawn = [np.random.default_rng([seed, many]).normal(size=(updates + BEFORE, many)) for seed in range(windows)]
        walks = [measured(gradients[BEFORE:], seed, long) for seed, gradients in enumerate(drawn)]
        for momentum in (0.9, 0.99):
            truth = exact_slope(momentum, long) - 1
            paths = [measured(heavy_ball(own, momentum)[BEFORE:], seed, long) for seed, own in enumerate(drawn)]
            row = f"{many:10} {momentum:8} {truth:5.2f}"
            for shift in (0, 1):
                pairs = zip(paths, walks[shift:] + walks[:shift], strict=True)
                found = [difference(path, walk) for path, walk in pairs]
                held = np.mean([each.low <= truth <= each.high for each in found])
                row += "" if shift else f" {np.mean([each.value for each in found]):9.2f}"
                row += f"  {held:10.2f} {np.mean([each.high - each.low for each in found]) / 2:11.2f}"
            print(row, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
