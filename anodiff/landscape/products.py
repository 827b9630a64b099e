"""What is the Hessian, or the Gauss–Newton matrix, of a loss surface times a vector?

No matrix is formed. The Hessian is H = ∂²L/∂w²; the product differentiates <∂L/∂w, v> again
(Pearlmutter 1994). The Gauss–Newton matrix G is the mean over the samples of Jᵀ (∂²ℓ/∂f²) J, where
J = ∂f/∂w: H without the curvature of the network itself. Its products are curvlinops'. Batch-norm
statistics are held.

The Hessian's products are not curvlinops' (3.0.1), because those are torch's jvp of jacrev, which
is wrong for the weights of `torch.nn.LayerNorm` (torch 2.14), and take up to four times as long.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from anodiff.landscape.spectrum import Product
from anodiff.landscape.surface import LossSurface
from anodiff.storage.types import FloatArray


def hessian_product(surface: LossSurface, point: FloatArray | None = None) -> Product:
    """Return v ↦ H v at ``point`` (P,), by default the surface's centre.

    v and H v have shape (P,), float64. The surface's network stays at the point until another
    evaluation sets its weights.
    """
    surface.set_weights(surface.centre if point is None else point)
    parameters = list(surface.network.parameters())
    sizes = [parameter.numel() for parameter in parameters]

    def product(vector: FloatArray) -> FloatArray:
        parts = _as_tensor(surface, vector).split(sizes)
        directions = [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]
        total = torch.zeros(surface.size, dtype=torch.float64, device=surface.device)
        for images, labels in surface.batches:
            loss = surface.criterion(surface.network(images), labels)
            slopes = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
            if not any(slope.requires_grad for slope in slopes):
                continue  # the loss is linear in all parameters
            curved = [(slope, direction) for slope, direction in zip(slopes, directions, strict=True) if slope.requires_grad]
            products = torch.autograd.grad(
                [slope for slope, _ in curved], parameters, [direction for _, direction in curved], materialize_grads=True
            )
            total += torch.cat([part.reshape(-1) for part in products]).double() * (len(labels) / surface.samples)
        return total.cpu().numpy()

    return product


def gauss_newton_product(surface: LossSurface, point: FloatArray | None = None) -> Product:
    """Return v ↦ G v at ``point``, as `hessian_product` does for H."""
    with _without_warnings():
        from curvlinops import GGNLinearOperator

    surface.set_weights(surface.centre if point is None else point)
    parameters = list(surface.network.parameters())
    operator = GGNLinearOperator(
        surface.network,
        _MeanLoss(surface.criterion),
        parameters,
        surface.batches,
        check_deterministic=False,
        num_data=surface.samples,
    )

    def product(vector: FloatArray) -> FloatArray:
        with _without_warnings():
            return (operator @ _as_tensor(surface, vector)).detach().double().cpu().numpy()

    return product


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide torch's warnings about parts that curvlinops uses: a user cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _MeanLoss(nn.Module):
    """A loss with the attribute that tells curvlinops that it is a mean over the batch."""

    reduction = "mean"

    def __init__(self, criterion: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self._criterion = criterion

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self._criterion(outputs, labels)


def _as_tensor(surface: LossSurface, vector: FloatArray) -> Tensor:
    return torch.as_tensor(np.asarray(vector).reshape(-1)).to(surface.device, surface.dtype)
