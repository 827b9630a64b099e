"""What is the spectrum of a symmetric matrix of which only products with vectors are known?

Three answers, each deterministic by its seed: the largest eigenvalues with their eigenvectors (implicitly restarted Lanczos,
ARPACK), the density of all eigenvalues (stochastic Lanczos quadrature) and their sum (Hutch++).
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

Product = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues, falling, shape (k,), and their eigenvectors of length 1, shape (k, P)."""

    values: FloatArray
    vectors: FloatArray


@dataclass(frozen=True)
class SpectralDensity:
    """A quadrature of the spectral density: φ(λ) ≈ mean over probes of Σ_j weights_j δ(λ − nodes_j).

    Attributes
    ----------
    nodes, weights
        Shape (probes, steps); a probe's weights sum to 1. NaN and 0 where Lanczos ended early, the spectrum being exhausted.
    """

    nodes: FloatArray
    weights: FloatArray

    def smoothed(self, eigenvalues: ArrayLike, width: float) -> FloatArray:
        """Return the density with each node a Gaussian of standard deviation ``width``, at some eigenvalues."""
        at = np.asarray(eigenvalues, np.float64)
        known = np.isfinite(self.nodes)
        nodes, weights = self.nodes[known], self.weights[known] / len(self.nodes)
        kernel = np.exp(-0.5 * ((at[:, None] - nodes) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return kernel @ weights

    def moment(self, power: int, size: int) -> float:
        """Return an estimate of Σ λ^power over all ``size`` eigenvalues: the trace for power 1."""
        return float(size * np.nansum(self.weights * self.nodes**power) / len(self.nodes))


@dataclass(frozen=True)
class Trace:
    """An estimate of a trace and its standard error (0 where the sketch holds the whole range)."""

    value: float
    error: float


def top_eigenpairs(product: Product, size: int, count: int, *, seed: int = 0, tolerance: float = 1e-4) -> Eigenpairs:
    """Return the algebraically largest eigenvalues and their eigenvectors.

    Parameters
    ----------
    product
        v ↦ A v.
    size
        Of v.
    count
        How many, fewer than ``size``.
    tolerance
        Relative accuracy of the eigenvalues; products in float32 do not allow for much less than 1e-5.

    Raises
    ------
    ConfigError
        If there are not so many, the matrix is not finite, or Lanczos does not converge.
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
    signs = np.sign(vectors[np.arange(count), np.abs(vectors).argmax(axis=1)])  # an eigenvector has no sign of its own
    return Eigenpairs(values[order], vectors * signs[:, None])


def spectral_density(product: Product, size: int, *, probes: int = 4, steps: int = 64, seed: int = 0) -> SpectralDensity:
    """Return the spectral density by stochastic Lanczos quadrature (Ubaru, Chen & Saad 2017; Ghorbani et al., ICML 2019).

    From each random unit vector, Lanczos with full reorthogonalisation gives a tridiagonal matrix; its eigenvalues are the
    nodes and the squared first entries of its eigenvectors the weights. Memory: ``steps`` vectors. Polynomials of degree up to
    2 steps − 1 are integrated exactly for each probe.
    """
    if probes < 1 or steps < 2:
        raise ConfigError(f"{probes} probes of {steps} Lanczos steps; take at least 1 probe and 2 steps")
    random = np.random.default_rng(seed)
    nodes, weights = np.full((probes, steps), np.nan), np.zeros((probes, steps))
    for probe in range(probes):
        diagonal, beside = _lanczos(product, random.normal(size=size), min(steps, size))
        values, vectors = eigh_tridiagonal(diagonal, beside)
        nodes[probe, : len(values)], weights[probe, : len(values)] = values, vectors[0] ** 2
    return SpectralDensity(nodes, weights)


def trace(product: Product, size: int, *, products: int = 60, seed: int = 0) -> Trace:
    """Return the trace by Hutch++ (Meyer, Musco, Musco & Woodruff 2021), with so many products in all.

    A third of the products finds the range of the largest eigenvalues, a third gives the trace there exactly, and a third
    estimates the rest with random signs (Hutchinson), from whose spread the standard error comes.
    """
    third = min(products // 3, size)
    if third < 2:
        raise ConfigError(f"{products} products for a trace; take at least 6")
    random = np.random.default_rng(seed)
    sketch = random.choice([-1.0, 1.0], (size, third))
    basis, _ = np.linalg.qr(_columns(product, sketch))
    large = float(np.sum(basis * _columns(product, basis)))
    if third == size:
        return Trace(large, 0.0)
    probes = random.choice([-1.0, 1.0], (size, third))
    probes -= basis @ (basis.T @ probes)
    rest = np.sum(probes * _columns(product, probes), axis=0)
    return Trace(large + float(rest.mean()), float(rest.std(ddof=1) / np.sqrt(third)))


def _columns(product: Product, matrix: FloatArray) -> FloatArray:
    return np.stack([product(np.ascontiguousarray(column)) for column in matrix.T], axis=1)


def _lanczos(product: Product, start: FloatArray, steps: int) -> tuple[FloatArray, FloatArray]:
    """Return diagonal and off-diagonal of the tridiagonal matrix; shorter where the Krylov space is exhausted."""
    basis = np.empty((steps, len(start)))
    diagonal, beside = np.empty(steps), np.empty(steps)
    vector = start / np.linalg.norm(start)
    for step in range(steps):
        basis[step] = vector
        vector = product(vector)
        diagonal[step] = basis[step] @ vector
        for _ in range(2):  # twice is enough (Parlett)
            vector = vector - basis[: step + 1].T @ (basis[: step + 1] @ vector)
        beside[step] = np.linalg.norm(vector)
        if not np.isfinite(beside[step]):
            raise ConfigError("the curvature is not finite here; take another point")
        if beside[step] <= 1e-10 * max(1e-300, np.abs(diagonal[: step + 1]).max()):
            return diagonal[: step + 1], beside[:step]
        vector = vector / beside[step]
    return diagonal, beside[:-1]
