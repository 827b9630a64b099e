"""What is the Hessian, or the Gauss–Newton matrix, of a loss surface times a vector?

No matrix is formed. The Hessian is H = ∂²L/∂w²; the product differentiates <∂L/∂w, v> again
(Pearlmutter 1994). The Gauss–Newton matrix G is the mean over the samples of Jᵀ (∂²ℓ/∂f²) J, where
J = ∂f/∂w: H without the curvature of the network itself. J v is the derivative of <Jᵀu, v> with
respect to u, which it is linear in, so both matrices need only derivatives of derivatives.
Batch-norm statistics are held.

The pitfall: some operations have no second derivative, and some have a wrong one without a word,
such as a `torch.autograd.Function` whose backward pass computes with NumPy. So each product is
first tried in float64 on a few samples, against differences of first derivatives
(`anodiff.landscape.differences`). Where it fails, differences take its place, and `error` says how
accurate they are.

All products are at one point. So the graph of the first derivative is built once and kept, as far
as `KEPT` bytes go; the graphs of further batches are built again for each product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from anodiff.errors import ConfigError, NoValueError, reason_of
from anodiff.landscape.differences import Difference, converged, gauss_newton_difference, hessian_difference
from anodiff.landscape.differentiable import differentiable_twice
from anodiff.landscape.krylov import Product
from anodiff.landscape.surface import LossSurface
from anodiff.storage.types import FloatArray
from anodiff.training.recorded.points import join_point, split_point

#: Samples of the trial; the relative error up to which differences have converged; how far second
#: derivatives may then be from them; and the largest error of differences that take their place.
TRIED, CONVERGED, DISAGREEING, LARGEST_ERROR = 32, 1e-4, 1e-2, 1e-2

WRONG = "second derivatives disagree with differences of first ones, as of a function that has none of its own"

#: Bytes that the graphs which are kept may take, and how many times what a forward pass saves is
#: saved for two derivatives.
KEPT, GRAPH_FACTOR = 2**28, 3


@dataclass(frozen=True)
class MatrixProduct:
    """v ↦ A v, shape (P,) → (P,), float64.

    Attributes
    ----------
    error
        Relative error of the products that comes from differences; 0 for second derivatives.
    reason
        Why there are differences; empty for second derivatives.
    """

    product: Product
    error: float = 0.0
    reason: str = ""

    def __call__(self, vector: FloatArray) -> FloatArray:
        """Return A v."""
        return self.product(vector)


def hessian_product(surface: LossSurface, point: FloatArray | None = None) -> MatrixProduct:
    """Return v ↦ H v at ``point`` (P,), by default the surface's centre.

    A product sets the weights of the surface's network to the point.

    Raises
    ------
    NoValueError
        If there are neither second derivatives nor differences that converge.
    """
    return _tried(surface, point, _hessian_by_derivatives, hessian_difference)


def gauss_newton_product(surface: LossSurface, point: FloatArray | None = None) -> MatrixProduct:
    """Return v ↦ G v at ``point``, as `hessian_product` does for H."""
    return _tried(surface, point, _gauss_newton_by_derivatives, gauss_newton_difference)


def _tried(
    surface: LossSurface,
    point: FloatArray | None,
    by_derivatives: Callable[[LossSurface, FloatArray], Product],
    by_differences: Callable[[LossSurface, FloatArray], Difference],
) -> MatrixProduct:
    """Return the product by second derivatives, unless a trial shows that it must be by differences."""
    at = surface.centre if point is None else np.asarray(point, np.float64)
    reason = _fault(surface, at, by_derivatives, by_differences)
    if not reason:
        return MatrixProduct(by_derivatives(surface, at))
    try:
        difference = by_differences(surface.in_double(), at)
        _, distance, error = converged(difference, _random_vector(surface))
    except (ConfigError, RuntimeError) as failure:
        raise NoValueError(f"{reason}; and there are no differences: {reason_of(failure)}") from None
    if not error <= LARGEST_ERROR:
        raise NoValueError(f"{reason}; and differences of first derivatives do not converge: they change by {error:.0%}")
    return MatrixProduct(lambda vector: difference(np.asarray(vector, np.float64).reshape(-1), distance), error, reason)


def _fault(
    surface: LossSurface,
    at: FloatArray,
    by_derivatives: Callable[[LossSurface, FloatArray], Product],
    by_differences: Callable[[LossSurface, FloatArray], Difference],
) -> str:
    """Return why products cannot be by second derivatives; empty if they can, or if that cannot be tried."""
    vector = _random_vector(surface)
    try:
        few = surface.in_double(TRIED)
        expected, _, error = converged(by_differences(few, at), vector)
    except (ConfigError, RuntimeError):
        return ""  # the network cannot be copied, or something in it or in the criterion is float32 for good
    try:
        exact = by_derivatives(few, at)(vector)
    except NoValueError as failure:
        return str(failure)
    length = float(np.linalg.norm(expected))
    if error > CONVERGED or not length > 0 or np.linalg.norm(exact - expected) <= DISAGREEING * length:
        return ""
    return WRONG


def _random_vector(surface: LossSurface) -> FloatArray:
    return np.random.default_rng(0).normal(size=surface.size)


def _hessian_by_derivatives(surface: LossSurface, at: FloatArray) -> Product:
    parameters = surface.trainable

    def first_derivative(images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        with differentiable_twice(surface.network):
            loss = surface.criterion(surface.network(images), labels)
        if not loss.requires_grad:
            return tuple(torch.zeros_like(parameter) for parameter in parameters)
        return torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)

    def second_derivative(slopes: tuple[Tensor, ...], directions: list[Tensor]) -> tuple[Tensor, ...] | None:
        curved = [(slope, direction) for slope, direction in zip(slopes, directions, strict=True) if slope.requires_grad]
        if not curved:
            return None  # the loss is linear in all parameters
        of, along = zip(*curved, strict=True)
        return torch.autograd.grad(of, parameters, along, retain_graph=True, materialize_grads=True)

    return _product(surface, at, first_derivative, second_derivative)


@dataclass(frozen=True)
class _Linearised:
    """A network's outputs on a batch, Jᵀu for variables u, and the loss's slopes at the outputs."""

    outputs: Tensor
    dual: Tensor
    pulled_back: tuple[Tensor, ...]
    at: Tensor
    slopes: Tensor


def _gauss_newton_by_derivatives(surface: LossSurface, at: FloatArray) -> Product:
    parameters = surface.trainable

    def linearise(images: Tensor, labels: Tensor) -> _Linearised | None:
        with differentiable_twice(surface.network):
            outputs = surface.network(images)
        if not outputs.requires_grad:
            return None
        dual = torch.zeros_like(outputs, requires_grad=True)
        pulled_back = torch.autograd.grad(outputs, parameters, dual, create_graph=True, materialize_grads=True)
        at = outputs.detach().requires_grad_(True)
        (slopes,) = torch.autograd.grad(surface.criterion(at, labels), at, create_graph=True)
        return _Linearised(outputs, dual, pulled_back, at, slopes)

    def multiply(batch: _Linearised | None, directions: list[Tensor]) -> tuple[Tensor, ...] | None:
        if batch is None:
            return None
        moving = [
            (slope, direction) for slope, direction in zip(batch.pulled_back, directions, strict=True) if slope.requires_grad
        ]
        if not (moving and batch.slopes.requires_grad):
            return None  # the outputs do not depend on the weights, or the loss is linear in them
        of, along = zip(*moving, strict=True)
        (change,) = torch.autograd.grad(of, batch.dual, along, retain_graph=True)
        (curved,) = torch.autograd.grad(batch.slopes, batch.at, change, retain_graph=True)
        return torch.autograd.grad(batch.outputs, parameters, curved, retain_graph=True, materialize_grads=True)

    return _product(surface, at, linearise, multiply)


Graph = TypeVar("Graph")


def _product(
    surface: LossSurface,
    at: FloatArray,
    build: Callable[[Tensor, Tensor], Graph],
    multiply: Callable[[Graph, list[Tensor]], tuple[Tensor, ...] | None],
) -> Product:
    """Return v ↦ the mean over the samples of ``multiply(build(batch), v)``."""
    parameters = surface.trainable
    kept: list[Graph] = []
    surface.set_weights(at)
    keeping = int(KEPT // max(1, GRAPH_FACTOR * _saved_bytes(surface)))

    def product(vector: FloatArray) -> FloatArray:
        try:
            return multiplied(vector)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # NotImplementedError is one too
            raise NoValueError(f"no second derivatives: {reason_of(error)}") from None

    def multiplied(vector: FloatArray) -> FloatArray:
        surface.set_weights(at)
        along = torch.as_tensor(np.asarray(vector).reshape(-1)).to(surface.device, surface.dtype)
        directions = split_point(along, parameters)
        total = torch.zeros(surface.size, dtype=torch.float64, device=surface.device)
        for number, (weight, images, labels) in enumerate(surface.weighted_batches()):
            graph = kept[number] if number < len(kept) else build(images, labels)
            if number == len(kept) < keeping:
                kept.append(graph)
            products = multiply(graph, directions)
            if products is not None:
                total += join_point(products).double() * weight
        return total.cpu().numpy()

    return product


def _saved_bytes(surface: LossSurface) -> int:
    """Return the bytes that a forward pass of the first batch keeps for its derivative."""
    seen: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        seen[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor.detach()

    images, labels = surface.batches[0]
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor), differentiable_twice(surface.network):
        surface.criterion(surface.network(images), labels)
    return sum(seen.values())
