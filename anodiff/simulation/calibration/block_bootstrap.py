"""How sure is an MSD by resampling? A block bootstrap over start times, for comparison.

Blocks of consecutive start times i of the displacements D_{i,i+τ} are drawn with replacement, at
the same positions for every lag (moving blocks: Künsch, Ann. Stat. 17 (1989) 1217).

The pitfall, and the reason why no table of a sweep uses it: displacements over a lag overlap. Once
the lag is longer than a block, all displacements of a window are alike, and their scatter says
little about how another window would differ. `anodiff calibrate` shows how far its intervals fall
short.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: Default number of blocks in a window.
BLOCKS = 20


def draw_log_msd_by_blocks(
    squared_displacements: FloatArray,
    lags: NDArray[np.int64],
    *,
    draws: int,
    generator: np.random.Generator,
    block: int | None = None,
) -> FloatArray:
    """Return bootstrap draws of ln MSD, shape (lags, draws); NaN if the path does not move.

    Cost: O(T) per lag, and O(T / block) per lag and draw.

    Parameters
    ----------
    squared_displacements
        D_ij, shape (T+1, T+1).
    lags
        Lags in updates.
    block
        Number of start times in a block. Default: a twentieth of the window. Lags with fewer start
        times have one block.

    Raises
    ------
    ConfigError
        If a block has no start time.

    Examples
    --------
    >>> straight = np.subtract.outer(np.arange(41.0), np.arange(41.0)) ** 2
    >>> draw_log_msd_by_blocks(straight, np.array([1, 10]), draws=3, generator=np.random.default_rng(0)).round(3).tolist()
    [[0.0, 0.0, 0.0], [4.605, 4.605, 4.605]]
    """
    points = len(squared_displacements)
    length = max(1, (points - 1) // BLOCKS) if block is None else block
    if length < 1:
        raise ConfigError(f"a block of {length} start times; give 1 or more")
    positions = generator.random((draws, math.ceil(points / length)))
    logs = np.empty((len(lags), draws))
    for number, lag in enumerate(lags):
        displacements = np.diagonal(squared_displacements, lag)
        size = min(length, len(displacements))
        sums = np.concatenate([[0.0], np.cumsum(displacements)])
        firsts = (positions[:, : math.ceil(len(displacements) / size)] * (len(displacements) - size + 1)).astype(np.int64)
        means = (sums[firsts + size] - sums[firsts]).mean(axis=1) / size
        logs[number] = np.log(means, out=np.full(draws, np.nan), where=means > 0)
    return logs
