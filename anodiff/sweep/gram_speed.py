"""How fast does this machine multiply the matrices that a geometry is made with?"""

from __future__ import annotations

import time

import numpy as np

from anodiff.geometry.gram import update_gram


def gram_speed() -> float:
    """Return the operations per second of the product that the geometry is made with, on this machine's CPU."""
    updates, columns = 500, 20_000
    points = np.zeros((updates + 1, columns), np.float32)
    update_gram(points[:50])
    start = time.perf_counter()
    update_gram(points)
    return updates**2 * columns / (time.perf_counter() - start)
