"""What is the spectrum of a symmetric matrix that is known only through its products with vectors?

There are three answers, each determined by its seed: the largest eigenvalues with their
eigenvectors (Lanczos with thick restarts), the density of all eigenvalues (stochastic Lanczos
quadrature), and their sum (Hutch++). The first two come from Krylov spaces
(`anodiff.landscape.krylov`). `density_and_top_eigenpairs` takes both from the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError, NoValueError
from anodiff.landscape.krylov import KrylovSpace, Product, Ritz
from anodiff.storage.types import FloatArray

#: Default relative accuracy of eigenvalues. With products in float32, little below 1e-5 can be
#: reached.
TOLERANCE = 1e-4

#: Eigenvalues below this fraction of the largest modulus need only the accuracy of one as large as
#: it.
SMALLEST = 1e-3

#: Vectors of a Krylov space besides two for each eigenvalue, and how many times it may be filled.
SPARE_VECTORS, MAX_FILLS = 30, 100


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


def top_eigenpairs(product: Product, size: int, count: int, *, seed: int, tolerance: float = TOLERANCE) -> Eigenpairs:
    """Return the algebraically largest eigenvalues and their eigenvectors.

    An eigenvalue has converged if its residual is at most ``tolerance`` times itself, or times
    `SMALLEST` of the largest modulus if it is smaller than that.

    Parameters
    ----------
    product
        v ↦ A v.
    size
        Length of v.
    count
        Number of eigenvalues, at most ``size``.
    seed
        Seed of the start vector.
    tolerance
        Relative accuracy of the eigenvalues.

    Raises
    ------
    ConfigError
        If ``count`` is out of bounds.
    NoValueError
        If the matrix is not finite, or Lanczos does not converge.
    """
    _check_count(count, size)
    random = np.random.default_rng(seed)
    space = KrylovSpace(product, random.normal(size=size), min(size, 2 * count + SPARE_VECTORS))
    return _converged(space, count, tolerance, random)


def spectral_density(product: Product, size: int, *, probes: int, steps: int, seed: int) -> SpectralDensity:
    """Return the spectral density by stochastic Lanczos quadrature.

    From each of ``probes`` random unit vectors, ``steps`` steps of Lanczos with full
    reorthogonalisation give a tridiagonal matrix. Its eigenvalues are the nodes, and the squared
    first entries of its eigenvectors the weights. For each probe, polynomials of degree up to
    2 steps − 1 are integrated exactly. It holds ``steps`` vectors in memory. Sources: Ubaru, Chen &
    Saad 2017; Ghorbani et al., ICML 2019.
    """
    random = np.random.default_rng(seed)
    spaces = (KrylovSpace(product, random.normal(size=size), min(steps, size)) for _ in range(probes))
    return _density(spaces, probes, steps, size)


def density_and_top_eigenpairs(
    product: Product, size: int, count: int, *, probes: int, steps: int, seed: int, tolerance: float = TOLERANCE
) -> tuple[SpectralDensity, Eigenpairs]:
    """Return what `spectral_density` and `top_eigenpairs` do, with fewer products.

    Both begin with the same random vector. So the eigenvalues are those of the first probe's space,
    which grows on until they have converged.
    """
    _check_count(count, size)
    random = np.random.default_rng(seed)
    first = KrylovSpace(product, random.normal(size=size), min(size, max(2 * count + SPARE_VECTORS, steps)))
    others = (KrylovSpace(product, random.normal(size=size), min(steps, size)) for _ in range(probes - 1))
    density = _density(chain([first], others), probes, steps, size)
    return density, _converged(first, count, tolerance, random)


def trace(product: Product, size: int, *, products: int, seed: int) -> Trace:
    """Return the trace by Hutch++ (Meyer, Musco, Musco & Woodruff 2021).

    A third of the products finds the range of the largest eigenvalues, and a third gives the trace
    there exactly. The last third estimates the rest with random signs (Hutchinson); the standard
    error comes from the spread of these estimates.
    """
    if products < 6:
        raise ConfigError(f"{products} products for a trace; take at least 6")
    third = min(products // 3, size)
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


def _density(spaces: Iterable[KrylovSpace], probes: int, steps: int, size: int) -> SpectralDensity:
    """Return the density from a new space for each probe."""
    if probes < 1 or steps < 2:
        raise ConfigError(f"{probes} probes of {steps} Lanczos steps; take at least 1 probe and 2 steps")
    nodes, weights = np.full((probes, steps), np.nan), np.zeros((probes, steps))
    for probe, space in enumerate(spaces):
        while space.size < min(steps, size) and space.rest:
            space.grow()
        ritz = space.ritz()
        nodes[probe, : space.size], weights[probe, : space.size] = ritz.values[::-1], ritz.vectors[0, ::-1] ** 2
    return SpectralDensity(nodes, weights)


def _converged(space: KrylovSpace, count: int, tolerance: float, random: np.random.Generator) -> Eigenpairs:
    """Let a space grow until its largest Ritz values have converged, and return these.

    An exhausted space lacks the further copies of multiple eigenvalues. So it continues with another
    random vector, until it is exhausted once more with the same largest values.
    """
    exhausted: FloatArray | None = None
    for _ in range(MAX_FILLS * space.capacity):
        if space.size >= count:
            ritz = space.ritz()
            top, scale = ritz.values[:count], SMALLEST * np.abs(ritz.values).max()
            allowed = tolerance * np.maximum(np.abs(top), scale)
            if space.size == space.length:
                return _eigenpairs(space, ritz, count)
            if space.rest and (ritz.residuals[:count] <= allowed).all():
                return _eigenpairs(space, ritz, count)
            if not space.rest and exhausted is not None and (np.abs(top - exhausted) <= allowed).all():
                return _eigenpairs(space, ritz, count)
            if not space.rest:
                exhausted = top
        if not space.rest:
            space.continue_from(random.normal(size=space.length))
        if space.size == space.capacity:
            space.restart(ritz, count + (space.capacity - count) // 2)
        space.grow()
    found = int((ritz.residuals[:count] <= allowed).sum())
    raise NoValueError(f"Lanczos found {found} of {count} eigenvalues; ask for fewer, or a tolerance above {tolerance:g}")


def _eigenpairs(space: KrylovSpace, ritz: Ritz, count: int) -> Eigenpairs:
    vectors = space.combine(ritz.vectors[:, :count])
    signs = np.sign(vectors[np.arange(count), np.abs(vectors).argmax(axis=1)])  # the sign of an eigenvector is arbitrary
    return Eigenpairs(ritz.values[:count], vectors * signs[:, None])


def _check_count(count: int, size: int) -> None:
    if not 1 <= count <= size:
        raise ConfigError(f"{count} eigenvalues of a matrix of size {size}; ask for 1 to {size}")


def _times_columns(product: Product, matrix: FloatArray) -> FloatArray:
    return np.stack([product(np.ascontiguousarray(column)) for column in matrix.T], axis=1)
