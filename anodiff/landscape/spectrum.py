"""What is the spectrum of a symmetric matrix that is known only through its products with vectors?

There are three answers, each determined by its seed: the largest eigenvalues with their
eigenvectors (implicitly restarted Lanczos, ARPACK), the density of all eigenvalues (stochastic
Lanczos quadrature), and their sum (Hutch++).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from anodiff.errors import ConfigError
from anodiff.storage.types import FloatArray

#: v ↦ A v, shape (P,) → (P,).
Product = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues, falling, shape (k,), and their eigenvectors of length 1, shape (k, P)."""

    values: FloatArray
    vectors: FloatArray


@dataclass(frozen=True)
class SpectralDensity:
    """A spectral density by quadrature: φ(λ) ≈ mean over probes of Σ_j weights_j δ(λ − nodes_j).

    Attributes
    ----------
    nodes, weights
        Shape (probes, steps); the weights of a probe sum to 1. If Lanczos ends early because the
        spectrum is exhausted, the remaining nodes are NaN and their weights 0.
    """

    nodes: FloatArray
    weights: FloatArray

    def smoothed(self, eigenvalues: ArrayLike, width: float) -> FloatArray:
        """Return the density at ``eigenvalues``; a node is a Gaussian of deviation ``width``."""
        at = np.asarray(eigenvalues, np.float64)
        known = np.isfinite(self.nodes)
        nodes, weights = self.nodes[known], self.weights[known] / len(self.nodes)
        kernel = np.exp(-0.5 * ((at[:, None] - nodes) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return kernel @ weights

    def moment(self, power: int, size: int) -> float:
        """Return an estimate of Σ λ^power over all ``size`` eigenvalues; for power 1, the trace."""
        return float(size * np.nansum(self.weights * self.nodes**power) / len(self.nodes))


@dataclass(frozen=True)
class Trace:
    """An estimate of a trace and its standard error (0 if the sketch holds the whole range)."""

    value: float
    error: float


def top_eigenpairs(product: Product, size: int, count: int, *, seed: int, tolerance: float = 1e-4) -> Eigenpairs:
    """Return the algebraically largest eigenvalues and their eigenvectors.

    Parameters
    ----------
    product
        v ↦ A v.
    size
        Length of v.
    count
        Number of eigenvalues, below ``size``.
    seed
        Seed of the start vector.
    tolerance
        Relative accuracy of the eigenvalues. With products in float32, little below 1e-5 can be
        reached.

    Raises
    ------
    ConfigError
        If ``count`` is out of bounds, the matrix is not finite, or Lanczos does not converge.
    """
    if not 1 <= count < size:
        raise ConfigError(f"{count} eigenvalues of a matrix of size {size}; ask for 1 to {size - 1}")
    start = np.random.default_rng(seed).normal(size=size)
    if not np.isfinite(product(start)).all():
        raise ConfigError("the curvature is not finite here; take another point")
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        values, vectors = eigsh(operator, k=count, which="LA", v0=start, tol=tolerance, ncv=min(size, max(2 * count + 1, 20)))
    except ArpackNoConvergence as error:
        raise ConfigError(
            f"Lanczos found {len(error.eigenvalues)} of {count} eigenvalues; ask for fewer, or a tolerance above {tolerance:g}"
        ) from None
    order = np.argsort(values)[::-1]
    vectors = vectors[:, order].T
    signs = np.sign(vectors[np.arange(count), np.abs(vectors).argmax(axis=1)])  # the sign of an eigenvector is arbitrary
    return Eigenpairs(values[order], vectors * signs[:, None])


def spectral_density(product: Product, size: int, *, probes: int, steps: int, seed: int) -> SpectralDensity:
    """Return the spectral density by stochastic Lanczos quadrature.

    From each of ``probes`` random unit vectors, ``steps`` steps of Lanczos with full
    reorthogonalisation give a tridiagonal matrix. Its eigenvalues are the nodes, and the squared
    first entries of its eigenvectors the weights. For each probe, polynomials of degree up to
    2 steps − 1 are integrated exactly. It holds ``steps`` vectors in memory. Sources: Ubaru, Chen &
    Saad 2017; Ghorbani et al., ICML 2019.
    """
    if probes < 1 or steps < 2:
        raise ConfigError(f"{probes} probes of {steps} Lanczos steps; take at least 1 probe and 2 steps")
    random = np.random.default_rng(seed)
    nodes, weights = np.full((probes, steps), np.nan), np.zeros((probes, steps))
    for probe in range(probes):
        diagonal, off_diagonal = _lanczos(product, random.normal(size=size), min(steps, size))
        values, vectors = eigh_tridiagonal(diagonal, off_diagonal)
        nodes[probe, : len(values)], weights[probe, : len(values)] = values, vectors[0] ** 2
    return SpectralDensity(nodes, weights)


def trace(product: Product, size: int, *, products: int, seed: int) -> Trace:
    """Return the trace by Hutch++ (Meyer, Musco, Musco & Woodruff 2021).

    A third of the products finds the range of the largest eigenvalues, and a third gives the trace
    there exactly. The last third estimates the rest with random signs (Hutchinson); the standard
    error comes from the spread of these estimates.
    """
    third = min(products // 3, size)
    if third < 2:
        raise ConfigError(f"{products} products for a trace; take at least 6")
    random = np.random.default_rng(seed)
    sketch = random.choice([-1.0, 1.0], (size, third))
    basis, _ = np.linalg.qr(_times_columns(product, sketch))
    large = float(np.sum(basis * _times_columns(product, basis)))
    if third == size:
        return Trace(large, 0.0)
    probes = random.choice([-1.0, 1.0], (size, third))
    probes -= basis @ (basis.T @ probes)
    rest = np.sum(probes * _times_columns(product, probes), axis=0)
    return Trace(large + float(rest.mean()), float(rest.std(ddof=1) / np.sqrt(third)))


def _times_columns(product: Product, matrix: FloatArray) -> FloatArray:
    return np.stack([product(np.ascontiguousarray(column)) for column in matrix.T], axis=1)


def _lanczos(product: Product, start: FloatArray, steps: int) -> tuple[FloatArray, FloatArray]:
    """Return the diagonal and off-diagonal of the tridiagonal matrix.

    They are shorter than ``steps`` if the Krylov space is exhausted.
    """
    basis = np.empty((steps, len(start)))
    diagonal, off_diagonal = np.empty(steps), np.empty(steps)
    vector = start / np.linalg.norm(start)
    for step in range(steps):
        basis[step] = vector
        vector = product(vector)
        diagonal[step] = basis[step] @ vector
        for _ in range(2):  # twice is enough (Parlett)
            vector = vector - basis[: step + 1].T @ (basis[: step + 1] @ vector)
        off_diagonal[step] = np.linalg.norm(vector)
        if not np.isfinite(off_diagonal[step]):
            raise ConfigError("the curvature is not finite here; take another point")
        if off_diagonal[step] <= 1e-10 * max(1e-300, np.abs(diagonal[: step + 1]).max()):
            return diagonal[: step + 1], off_diagonal[:step]
        vector = vector / off_diagonal[step]
    return diagonal, off_diagonal[:-1]
