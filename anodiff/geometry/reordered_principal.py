"""What are the principal coordinates of a path whose updates come in another order, or with other signs?

The pitfall: principal coordinates are smooth whatever the path. The first of a random walk in many
dimensions is half a cosine (Antognini & Sohl-Dickstein, arXiv 1806.08805). So what is measured on
them means something only beside the same measured on paths without order.

With S the sums from updates to points, C the centring over points, and Q the reordering of one draw,
the products of its centred points are C S Qᵀ G Q Sᵀ C. The largest eigenvectors of all draws are found
together, by subspace iteration, so that each pass over G serves all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.types import FloatArray

#: Vectors of a draw that are iterated beside the wanted ones, and iterations. The eigenvalues of a random walk fall as
#: 1/k², so a direction's error falls by (k / (k + EXTRA + 1))² each time.
EXTRA, ITERATIONS = 5, 6


def reordered_principal_coordinates(
    gram: FloatArray, order: NDArray[np.int64], signs: FloatArray, components: int
) -> FloatArray:
    """Return the principal coordinates of draws of a path, largest variance first, (draws, components, T+1).

    Update k of draw d is update ``order[d, k]`` of the path, multiplied by ``signs[d, k]``. The
    coordinates are as in `anodiff.geometry.path.PrincipalCoordinates`, their signs included.

    Parameters
    ----------
    gram
        Update Gram matrix, shape (T, T).
    order
        A permutation of 0 … T − 1 for each draw, shape (draws, T).
    signs
        Factors, ±1, shape (draws, T).
    """
    draws, updates = order.shape
    size = updates + 1
    kept = min(components + EXTRA, updates)
    place = np.arange(draws)[:, None], np.argsort(order, axis=1)

    def products(vectors: FloatArray) -> FloatArray:
        """Return the products of each draw's matrix with vectors, (draws, T+1, kept)."""
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        behind = np.cumsum(centred[:, :0:-1], axis=1)[:, ::-1] * signs[:, :, None]  # Q Sᵀ C
        together = np.moveaxis(behind[place], 0, 1).reshape(updates, -1)
        moved = np.moveaxis((gram @ together).reshape(updates, draws, -1), 1, 0)
        moved = np.take_along_axis(moved, order[:, :, None], axis=1) * signs[:, :, None]
        points = np.concatenate([np.zeros((draws, 1, moved.shape[2])), moved.cumsum(axis=1)], axis=1)
        return points - points.mean(axis=1, keepdims=True)

    cosines = np.cos(np.pi * np.outer(np.arange(size) + 0.5, np.arange(1, kept + 1)) / size)
    basis = np.linalg.qr(np.broadcast_to(cosines, (draws, size, kept)))[0]
    for _ in range(ITERATIONS):
        image = products(basis)
        basis = np.linalg.qr(image)[0]
    image = products(basis)
    values, rotation = np.linalg.eigh(np.swapaxes(basis, 1, 2) @ image)
    largest = slice(-1, -components - 1, -1)
    coordinates = basis @ rotation[:, :, largest] * np.sqrt(np.maximum(values[:, None, largest], 0.0))
    coordinates *= np.where(coordinates[:, :1] > 0, -1.0, 1.0)
    return np.swapaxes(coordinates, 1, 2)
