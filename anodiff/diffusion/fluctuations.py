"""How much does the loss fluctuate, and when? Its variance over a stretch of steps that moves along the run.

The pitfall: a loss that falls within the stretch adds its trend to the variance, width² slope² / 12. Neighbouring stretches
overlap, so that the curve is smooth over the width whatever the loss does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray


def moving_variance(values: ArrayLike, width: int) -> FloatArray:
    """Return the unbiased variance of each ``width`` consecutive values, shape (n − width + 1,), or (0,) for fewer values.

    NaN where one of them is not finite.

    Raises
    ------
    ConfigError
        If ``width`` is below 2.

    Examples
    --------
    >>> moving_variance([1.0, 2.0, 4.0], 2)
    array([0.5, 2. ])
    """
    if width < 2:
        raise ConfigError(f"width: got {width}, expected 2 or more")
    series = np.array(values, np.float64)
    series[~np.isfinite(series)] = np.nan
    if len(series) < width:
        return np.empty(0)
    return np.lib.stride_tricks.sliding_window_view(series, width).var(axis=1, ddof=1)
