"""How often does the interval of `difference_long` hold the true difference?

    python benchmarks/part_differences.py [WINDOWS] [UPDATES] [DIRECTIONS …]

Heavy-ball paths and the walks of the same gradients, white noise in some directions, whose MSDs are
known exactly. Printed for each momentum and number of directions: the true difference, the mean of
what was measured, the share of windows whose interval holds the truth, and the mean half-width.
"""

import sys

import numpy as np

from anodiff.diffusion.exponents import local_exponents, slope
from anodiff.diffusion.parts.differences import difference
from anodiff.diffusion.window_exponents import measure_exponents
from anodiff.geometry.msd import logarithmic_lags, time_averaged_msd
from anodiff.geometry.path import path_geometry


def measured(steps, seed, long):
    """Return the exponent of a walk with these steps over the long lags."""
    path = path_geometry(np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)]))
    lags = logarithmic_lags(len(steps), 20, 0.9)
    msd = time_averaged_msd(path.squared_displacements)
    return measure_exponents(path, msd, lags, local_exponents(msd, lags, 0.25), 0.25, long, seed).long


def exact_slope(momentum, long):
    """Return the exponent of the exact MSD of steps with autocorrelation momentum^m over the long lags."""
    lags = np.arange(1, int(long[1]) + 1, dtype=float)
    q = momentum
    msd = lags * (1 + q) / (1 - q) - 2 * q * (1 - q**lags) / (1 - q) ** 2
    within = lags >= long[0]
    return slope(lags[within], msd[within])


def main(windows=100, updates=500, *directions):
    """Print a line for each momentum and number of directions."""
    long = (0.2 * updates, 0.9 * updates)
    print("directions momentum  true  measured  coverage  half-width")
    for many in directions or (4, 40):
        for momentum in (0.9, 0.99):
            truth, found, held, widths = exact_slope(momentum, long) - 1, [], 0, []
            for seed in range(windows):
                gradients = np.random.default_rng([seed, many]).normal(size=(updates + 1000, many))
                velocity, steps = np.zeros(many), np.empty_like(gradients)
                for row, gradient in enumerate(gradients):
                    velocity = momentum * velocity + gradient
                    steps[row] = velocity
                each = difference(measured(steps[1000:], seed, long), measured(gradients[1000:], seed, long))
                found.append(each.value)
                held += each.low <= truth <= each.high
                widths.append((each.high - each.low) / 2)
            print(
                f"{many:10} {momentum:8} {truth:5.2f} {np.mean(found):9.2f} {held / windows:9.2f} {np.mean(widths):11.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
