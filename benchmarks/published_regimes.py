"""Two parts of each window's MSD, as an eye would put them, to set beside the study's published numbers.

    python benchmarks/published_regimes.py RUN/geometry.zarr [...]

For each window, the exponents at short and at long lags and the knee between them (`anodiff.diffusion.two_parts`), of

- the time-averaged MSD, as `anodiff published` reads it;
- the same by the formula of the study's code: without the window's first point, squared displacements and their cumulative
  sum over all pairs, sorted by lag, in single precision; and by how much this formula alone changes the MSD;
- the displacement from the window's first point;
- what the study's code calls the MSD without average, if all weights are in the trajectory.zarr beside the geometry: the sum
  over parameters of the squared difference from the first parameter at the same step, which is no displacement.
"""

import sys
from pathlib import Path

import numpy as np

from anodiff.diffusion.two_parts import two_parts
from anodiff.geometry.msd import time_averaged_msd
from anodiff.geometry.store import open_geometry
from anodiff.trajectory.format import FULL
from anodiff.trajectory.store import open_trajectory

#: Longest lag, as a fraction of the window; parameters that are read at once.
LARGEST, COLUMNS = 0.9, 20_000


def msd_in_single_precision(squared):
    """Return the MSD at lags 1, 2, … as differences of a cumulative sum in float32 over all pairs, sorted by lag."""
    pairs = np.concatenate([np.diagonal(squared, lag) for lag in range(1, len(squared))]).astype(np.float32)
    sums = np.concatenate([[np.float32(0)], np.cumsum(pairs, dtype=np.float32)])
    counts = np.arange(len(squared) - 1, 0, -1)
    return np.diff(sums[np.concatenate([[0], np.cumsum(counts)])]) / counts


def without_average(trajectory, window):
    """Return the sum over parameters of the squared difference from the first parameter, at each point after the first."""
    first = trajectory.points(window, slice(0, 1)).astype(np.float64)
    sums = np.zeros(len(first))
    for begin in range(0, trajectory.parameters, COLUMNS):
        block = trajectory.points(window, slice(begin, min(begin + COLUMNS, trajectory.parameters))) - first
        sums += (block**2).sum(axis=1)
    return sums[1:]


def described(name, msd, largest):
    """Describe the two parts of an MSD at lags 1, 2, …"""
    found = two_parts(np.arange(1, len(msd) + 1), msd, largest)
    knee = "a lag that is not determined" if np.isnan(found.knee) else f"lag {found.knee:.0f}"
    return f"{name} {found.short:.3f}, then {found.long:.3f} from {knee}"


for path in map(Path, sys.argv[1:]):
    geometries = open_geometry(path)
    trajectory = (
        open_trajectory(path.with_name("trajectory.zarr")) if geometries.group.attrs["representation"] == FULL else None
    )
    for number, window in enumerate(geometries.windows):
        squared = geometries.read(number).squared_displacements
        largest = LARGEST * window.updates
        theirs, same = msd_in_single_precision(squared[1:, 1:]), time_averaged_msd(squared[1:, 1:])[1:]
        change = np.abs(theirs / same - 1)
        print(f"{path}, window from step {window.start}")
        print(described("  time average:", time_averaged_msd(squared)[1:], largest))
        print(described("  by the study's formula:", theirs, largest))
        print(
            f"    single precision changes the MSD by {np.median(change):.1e} (median over lags); at most by "
            f"{change[: int(largest)].max():.1e} up to lag {int(largest)}, and by {change[int(largest) :].max():.1e} beyond"
        )
        print(described("  from the first point:", squared[0, 1:], largest))
        if trajectory is not None:
            print(described("  'without average':", without_average(trajectory, window), largest))
