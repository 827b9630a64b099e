"""Which types do all packages share? Arrays of float64, and callbacks that show progress."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: What a random function takes: a seed, or a generator to continue.
Seed = int | np.random.Generator

#: Called with (done, total, message), as often as the caller likes. `anodiff.cli.progress.progress` gives one.
ProgressCallback = Callable[[int, int, str], None]


def no_progress(done: int, total: int, message: str) -> None:
    """Ignore progress."""
