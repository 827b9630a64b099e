"""Two parts of the MSD over a whole run, at lags beyond the study's windows.

    python benchmarks/published_long_window.py RUN/trajectory.zarr [...]

The run keeps all weights in windows that follow one another. Every eighth of its points is one long window. Prints the
exponents at short and at long lags and the knee between them (`anodiff.diffusion.two_parts`), and slopes over ranges of lags.
"""

import sys

import numpy as np

from anodiff import path_geometry
from anodiff.diffusion.two_parts import two_parts
from anodiff.trajectory.store import open_trajectory

STRIDE, LAGS = 8, 60
RANGES = ((8, 40), (100, 300), (300, 900), (900, 1800))

for file in sys.argv[1:]:
    trajectory = open_trajectory(file)
    path = np.concatenate([np.asarray(trajectory.points(window))[:-1] for window in trajectory.windows])
    geometry = path_geometry(path[::STRIDE])
    kept = np.unique(np.geomspace(1, 0.9 * (len(path[::STRIDE]) - 1), LAGS).astype(int))
    lags, msd = STRIDE * kept, geometry.mean_squared_displacement(kept)
    found = two_parts(lags, msd)
    print(f"{file}: {found.short:.2f}, then {found.long:.2f} from lag {found.knee:.0f}")
    for low, high in RANGES:
        within = (lags >= low) & (lags <= high)
        slope = np.polyfit(np.log(lags[within]), np.log(msd[within]), 1)[0]
        print(f"  slope over lags of {low}–{high} steps: {slope:.2f}")
