"""Two regimes of each window's MSD, as an eye would put them, to set beside the study's published numbers.

    python benchmarks/published_regimes.py RUN/geometry.zarr [...]

A continuous power law of two parts, fitted to the logarithm of the MSD by least squares over 60 lags that are evenly spaced
in their logarithm, up to nine tenths of the window: of the time-averaged MSD, and of the displacement from the first point.
Last, what sums in single precision over all pairs, sorted by lag as in the study's code, change: the median ratio over lags.
"""

import sys

import numpy as np

from anodiff.geometry.store import open_geometry

LAGS, KNEES = 60, (5, 400, 150)


def two_parts(lags, msd):
    """Return the exponents at short and at long lags, and the knee between them."""
    x, y = np.log(lags), np.log(msd)
    best = (np.inf, np.nan, np.nan, np.nan)
    for knee in np.linspace(np.log(KNEES[0]), np.log(KNEES[1]), KNEES[2]):
        design = np.column_stack([np.ones_like(x), x, np.maximum(x - knee, 0)])
        found = np.linalg.lstsq(design, y, rcond=None)[0]
        best = min(best, (((design @ found - y) ** 2).sum(), found[1], found[1] + found[2], np.exp(knee)))
    return best[1:]


def single_precision(squared):
    """Return the MSD by lag as a difference of cumulative sums in float32, over that in float64."""
    points = len(squared)
    pairs = np.concatenate([np.diagonal(squared, lag) for lag in range(1, points)])
    sums = np.concatenate([[np.float32(0)], np.cumsum(pairs.astype(np.float32), dtype=np.float32)])
    ends = np.cumsum(np.arange(points - 1, 0, -1))
    rough = np.diff(sums[np.concatenate([[0], ends])])
    return rough / np.add.reduceat(pairs, np.concatenate([[0], ends[:-1]]))


for path in sys.argv[1:]:
    geometries = open_geometry(path)
    for number, window in enumerate(geometries.windows):
        squared = geometries.read(number).squared_displacements
        lags = np.unique(np.geomspace(1, 0.9 * (len(squared) - 1), LAGS).astype(int))
        average = np.array([np.diagonal(squared, lag).mean() for lag in lags])
        texts = []
        for name, msd in (("time average", average), ("from the first point", squared[0, lags])):
            texts.append("{}: {:.2f}, then {:.2f} from lag {:.0f}".format(name, *two_parts(lags, msd)))
        ratio = np.median(single_precision(squared))
        print(f"{path}, window from step {window.start}: {'; '.join(texts)}; single precision: {ratio:.4f}")
