"""What is the Hessian, or the Gauss–Newton matrix, of a loss surface times a vector?

No matrix is formed. The Hessian is H = ∂²L/∂w²; the product differentiates <∂L/∂w, v> again
(Pearlmutter 1994). The Gauss–Newton matrix G is the mean over the samples of Jᵀ (∂²ℓ/∂f²) J, where
J = ∂f/∂w: H without the curvature of the network itself. J v is the derivative of <Jᵀu, v> with
respect to u, which it is linear in, so both matrices need only derivatives of derivatives.
Batch-norm statistics are held.

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

from anodiff.landscape.krylov import Product
from anodiff.landscape.points import join_point, split_point
from anodiff.landscape.surface import LossSurface
from anodiff.storage.types import FloatArray

#: Bytes that the graphs which are kept may take, and how many times what a forward pass saves is
#: saved for two derivatives.
KEPT, GRAPH_FACTOR = 2**28, 3


def hessian_product(surface: LossSurface, point: FloatArray | None = None) -> Product:
    """Return v ↦ H v at ``point`` (P,), by default the surface's centre.

    v and H v have shape (P,), float64. A product sets the weights of the surface's network to the
    point.
    """
    parameters = surface.trainable

    def first_derivative(images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        loss = surface.criterion(surface.network(images), labels)
        return torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)

    def second_derivative(slopes: tuple[Tensor, ...], directions: list[Tensor]) -> tuple[Tensor, ...] | None:
        curved = [(slope, direction) for slope, direction in zip(slopes, directions, strict=True) if slope.requires_grad]
        if not curved:
            return None  # the loss is linear in all parameters
        of, along = zip(*curved, strict=True)
        return torch.autograd.grad(of, parameters, along, retain_graph=True, materialize_grads=True)

    return _product(surface, point, first_derivative, second_derivative)


@dataclass(frozen=True)
class _Linearised:
    """A network's outputs on a batch, Jᵀu for variables u, and the loss's slopes at the outputs."""

    outputs: Tensor
    dual: Tensor
    pulled_back: tuple[Tensor, ...]
    at: Tensor
    slopes: Tensor


def gauss_newton_product(surface: LossSurface, point: FloatArray | None = None) -> Product:
    """Return v ↦ G v at ``point``, as `hessian_product` does for H."""
    parameters = surface.trainable

    def linearise(images: Tensor, labels: Tensor) -> _Linearised:
        outputs = surface.network(images)
        dual = torch.zeros_like(outputs, requires_grad=True)
        pulled_back = torch.autograd.grad(outputs, parameters, dual, create_graph=True, materialize_grads=True)
        at = outputs.detach().requires_grad_(True)
        (slopes,) = torch.autograd.grad(surface.criterion(at, labels), at, create_graph=True)
        return _Linearised(outputs, dual, pulled_back, at, slopes)

    def multiply(batch: _Linearised, directions: list[Tensor]) -> tuple[Tensor, ...] | None:
        moving = [
            (slope, direction) for slope, direction in zip(batch.pulled_back, directions, strict=True) if slope.requires_grad
        ]
        if not (moving and batch.slopes.requires_grad):
            return None  # the outputs do not depend on the weights, or the loss is linear in them
        of, along = zip(*moving, strict=True)
        (change,) = torch.autograd.grad(of, batch.dual, along, retain_graph=True)
        (curved,) = torch.autograd.grad(batch.slopes, batch.at, change, retain_graph=True)
        return torch.autograd.grad(batch.outputs, parameters, curved, retain_graph=True, materialize_grads=True)

    return _product(surface, point, linearise, multiply)


Graph = TypeVar("Graph")


def _product(
    surface: LossSurface,
    point: FloatArray | None,
    build: Callable[[Tensor, Tensor], Graph],
    multiply: Callable[[Graph, list[Tensor]], tuple[Tensor, ...] | None],
) -> Product:
    """Return v ↦ the mean over the samples of ``multiply(build(batch), v)``."""
    at = surface.centre if point is None else point
    parameters = surface.trainable
    kept: list[Graph] = []
    surface.set_weights(at)
    keeping = int(KEPT // max(1, GRAPH_FACTOR * _saved_bytes(surface)))

    def product(vector: FloatArray) -> FloatArray:
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
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        surface.criterion(surface.network(images), labels)
    return sum(seen.values())
