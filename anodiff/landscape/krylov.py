"""How does a Krylov space grow, and what does it know of a symmetric matrix?

From a start vector v, Lanczos's method makes an orthonormal basis of v, Av, A²v … with one product
with A for each vector. A projected onto it is a small matrix; its eigenvalues (Ritz values) approach
A's outermost ones first. New vectors are orthogonalised against all others, twice (Parlett). When
the space is full, it begins again with its best Ritz vectors (thick restart; Wu & Simon, SIAM J.
Matrix Anal. Appl. 22 (2000) 602).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anodiff.errors import NoValueError
from anodiff.storage.types import FloatArray

#: v ↦ A v, shape (P,) → (P,).
Product = Callable[[FloatArray], FloatArray]

#: The space is exhausted if what a product adds to it is below this, relative to the projected matrix.
EXHAUSTED = 1e-10


@dataclass(frozen=True)
class Ritz:
    """Ritz values, falling, shape (m,); their vectors in the basis, (m, m); norms of the residuals.

    The residual of value i is |A x_i − θ_i x_i|, a bound on the distance to an eigenvalue.
    """

    values: FloatArray
    vectors: FloatArray
    residuals: FloatArray


class KrylovSpace:
    """A Krylov space of a symmetric matrix.

    Parameters
    ----------
    product
        v ↦ A v.
    start
        Start vector, shape (P,).
    capacity
        The largest number of basis vectors; one more is in memory.

    Attributes
    ----------
    length
        Length of the vectors, P.
    size
        Number of basis vectors whose products are known, m.
    rest
        Norm of what the last product adds to the space; 0 if the space is exhausted.
    """

    def __init__(self, product: Product, start: FloatArray, capacity: int) -> None:
        self._product = product
        self._basis = np.empty((capacity + 1, len(start)))
        self._basis[0] = start / np.linalg.norm(start)
        self._projected = np.zeros((capacity, capacity))
        self.length, self.capacity, self.size, self.rest = len(start), capacity, 0, np.inf

    @property
    def projected(self) -> FloatArray:
        """A in the basis, shape (m, m)."""
        return self._projected[: self.size, : self.size]

    def grow(self) -> None:
        """Add a vector: one product.

        Raises
        ------
        NoValueError
            If the product is not finite.
        """
        size = self.size + 1
        basis = self._basis[:size]
        vector = self._product(basis[-1])
        products = np.zeros(size)
        for _ in range(2):  # twice is enough (Parlett)
            parts = basis @ vector
            vector = vector - basis.T @ parts
            products += parts
        self.rest = float(np.linalg.norm(vector))
        if not np.isfinite(self.rest):
            raise NoValueError("the curvature is not finite here; take another point")
        self._projected[:size, size - 1] = self._projected[size - 1, :size] = products
        self.size = size
        if self.rest <= EXHAUSTED * max(1e-300, np.abs(self.projected).max()):
            self.rest = 0.0
        else:
            self._basis[size] = vector / self.rest

    def continue_from(self, vector: FloatArray) -> None:
        """Continue an exhausted space with the part of another vector that is orthogonal to it."""
        basis = self._basis[: self.size]
        for _ in range(2):
            vector = vector - basis.T @ (basis @ vector)
        self._basis[self.size] = vector / np.linalg.norm(vector)

    def ritz(self) -> Ritz:
        """Return the Ritz values and vectors."""
        values, vectors = np.linalg.eigh(self.projected)
        return Ritz(values[::-1], vectors[:, ::-1], np.abs(self.rest * vectors[-1, ::-1]))

    def combine(self, vectors: FloatArray) -> FloatArray:
        """Return vectors of the space from their coordinates, shape (m, n) → (n, P)."""
        return vectors.T @ self._basis[: self.size]

    def restart(self, ritz: Ritz, kept: int) -> None:
        """Keep only the space of the first ``kept`` Ritz vectors, and what the last product added."""
        self._basis[:kept] = self.combine(ritz.vectors[:, :kept])
        self._basis[kept] = self._basis[self.size]
        self._projected[:] = 0
        self._projected[range(kept), range(kept)] = ritz.values[:kept]
        self.size = kept
