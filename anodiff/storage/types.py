"""What functions of all packages take from each other: arrays of float64, and the one that hears how far a step is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Called with (done, total, message) as often as one likes, such as `anodiff.cli.progress.progress` gives.
Report = Callable[[int, int, str], None]


def silent(done: int, total: int, message: str) -> None:
    """Be the `Report` that shows nothing."""
