"""What is the product of a matrix of curvature with a vector, without second derivatives?

It is a difference of first derivatives, in float64 at two points to both sides of the weights:

    H v ≈ (∂L/∂w (w + εv) − ∂L/∂w (w − εv)) / 2ε
    G v = Jᵀ (∂²ℓ/∂f²) (J v),   J v ≈ (f(w + εv) − f(w − εv)) / 2ε

The error is of order ε² from the loss's higher derivatives, and of order 1/ε from rounding. What it
is shows in the difference between two distances: they agree if there is a derivative. At a kink of
the loss, such as a ReLU's, they do not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from anodiff.landscape.differentiable import differentiable
from anodiff.landscape.surface import LossSurface
from anodiff.storage.types import FloatArray
from anodiff.training.gradients import gradients_of
from anodiff.training.recorded.points import join_point

#: Distances of the two points, as fractions of the weights' length.
DISTANCES = (1e-5, 1e-6, 1e-7, 1e-8)

#: A change of gradients below this fraction of them is rounding.
ROUNDING = 1e-13

#: v, ε|w| ↦ the product by differences at this distance.
Difference = Callable[[FloatArray, float], FloatArray]


def hessian_difference(surface: LossSurface, at: FloatArray) -> Difference:
    """Return (v, distance) ↦ H v of a surface in float64 at a point, shape (P,)."""

    def difference(vector: FloatArray, distance: float) -> FloatArray:
        step = _step(at, vector, distance)
        ahead, behind = (surface.gradient(at + sign * step * vector) for sign in (1, -1))
        change = ahead - behind
        if np.linalg.norm(change) <= ROUNDING * (np.linalg.norm(ahead) + np.linalg.norm(behind)):
            return np.zeros_like(change)
        return np.asarray(change / (2 * step), np.float64)

    return difference


def gauss_newton_difference(surface: LossSurface, at: FloatArray) -> Difference:
    """Return (v, distance) ↦ G v of a surface in float64 at a point, shape (P,)."""

    network, parameters = surface.network, surface.trainable

    def outputs_at(point: FloatArray) -> list[Tensor]:
        surface.set_weights(point)
        with torch.no_grad():
            return [network(images) for _, images, _ in surface.weighted_batches()]

    def difference(vector: FloatArray, distance: float) -> FloatArray:
        step = _step(at, vector, distance)
        ahead, behind = (outputs_at(at + sign * step * vector) for sign in (1, -1))
        surface.set_weights(at)
        total = torch.zeros(surface.size, dtype=torch.float64, device=surface.device)
        for number, (weight, images, labels) in enumerate(surface.weighted_batches()):
            change = (ahead[number] - behind[number]) / (2 * step)
            pulled = functools.partial(_pull_back, surface, images, labels, change)
            with differentiable(network):
                parts = gradients_of(pulled, parameters)
            total += weight * join_point(parts).double()
        return total.cpu().numpy()

    return difference


def _pull_back(surface: LossSurface, images: Tensor, labels: Tensor, change: Tensor) -> Tensor:
    """Return the number whose gradient is Jᵀ (∂²ℓ/∂f²) change, for a change of the outputs f."""
    outputs = surface.network(images)
    at = outputs.detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(surface.criterion(at, labels), at, create_graph=True)
    if not slopes.requires_grad:
        return torch.zeros(())  # the loss is linear in the outputs
    (curved,) = torch.autograd.grad(slopes, at, change)
    return (outputs * curved).sum()


def converged(difference: Difference, vector: FloatArray) -> tuple[FloatArray, float, float]:
    """Return the product at the distance where it depends least on it, that distance, and the error.

    The error is the change to the distance before it, relative to the length of the product; 0 for
    a product of zeros. The first change below 1e-6 is taken.
    """
    best = (np.full(len(vector), math.nan), DISTANCES[-1], math.inf)
    before = difference(vector, DISTANCES[0])
    for distance in DISTANCES[1:]:
        found = difference(vector, distance)
        length, change = float(np.linalg.norm(found)), float(np.linalg.norm(found - before))
        error = 0.0 if change == 0 else change / length if length > 0 else math.inf
        if error < best[2]:
            best = found, distance, error
        if error < 1e-6:
            break
        before = found
    return best


def _step(at: FloatArray, vector: FloatArray, distance: float) -> float:
    """Return ε for points at ``distance``, as a fraction of the length of the weights, or of 1 if they are 0."""
    length = float(np.linalg.norm(vector))
    return distance * (float(np.linalg.norm(at)) or 1.0) / (length or 1.0)
