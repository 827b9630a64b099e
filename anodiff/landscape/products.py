"""Products of the Hessian and of the Gauss–Newton matrix of a loss surface, without ever forming them.

Hessian H = ∂²L/∂w²: by differentiating <∂L/∂w, v> again (Pearlmutter 1994). Gauss–Newton matrix G = mean over the samples of
Jᵀ (∂²ℓ/∂f²) J, with J = ∂f/∂w: H without the curvature of the network itself; by curvlinops. With batch-norm statistics held.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from anodiff.landscape.surface import LossSurface
from anodiff.storage.types import FloatArray

Product = Callable[[FloatArray], FloatArray]


def hessian_product(surface: LossSurface, point: FloatArray | None = None) -> Product:
    """Return v ↦ H v at ``point`` (P,), by default the surface's centre; v and H v have shape (P,), float64.

    The surface's network stands at the point until another evaluation moves it.
    """
    surface.move(surface.centre if point is None else point)
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
                continue  # linear in all parameters
            moving = [(slope, direction) for slope, direction in zip(slopes, directions, strict=True) if slope.requires_grad]
            curved = torch.autograd.grad(
                [slope for slope, _ in moving], parameters, [direction for _, direction in moving], materialize_grads=True
            )
            total += torch.cat([part.reshape(-1) for part in curved]).double() * (len(labels) / surface.samples)
        return total.cpu().numpy()

    return product


def gauss_newton_product(surface: LossSurface, point: FloatArray | None = None) -> Product:
    """Return v ↦ G v, as `hessian_product` does."""
    with _quiet():
        from curvlinops import GGNLinearOperator

    surface.move(surface.centre if point is None else point)
    parameters = list(surface.network.parameters())
    operator = GGNLinearOperator(
        surface.network,
        _Mean(surface.criterion),
        parameters,
        surface.batches,
        check_deterministic=False,
        num_data=surface.samples,
    )

    def product(vector: FloatArray) -> FloatArray:
        with _quiet():
            return (operator @ _as_tensor(surface, vector)).detach().double().cpu().numpy()

    return product


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch says of the parts of it that curvlinops uses: a user can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Mean(nn.Module):
    """A loss as curvlinops wants it: it says that it is a mean over the batch."""

    reduction = "mean"

    def __init__(self, criterion: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self._criterion = criterion

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self._criterion(outputs, labels)


def _as_tensor(surface: LossSurface, vector: FloatArray) -> Tensor:
    return torch.as_tensor(np.asarray(vector).reshape(-1)).to(surface.device, surface.dtype)
