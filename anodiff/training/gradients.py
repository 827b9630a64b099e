"""How large is a step's gradient, and how much of it is noise?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from anodiff.data import Dataset


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor | float:
    """Return the Euclidean norm of the gradient in ``grad``; on a GPU a tensor, not waited for."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if len(gradients) == 1:
        norm = torch.linalg.vector_norm(gradients[0])
        return norm.item() if norm.device.type == "cpu" else norm
    norms = torch._foreach_norm(gradients)
    if norms[0].device.type == "cpu":
        return math.hypot(*(norm.item() for norm in norms))  # for a small network a third faster than with tensors
    return torch.linalg.vector_norm(torch.stack(norms))


def clip(parameters: Iterable[Tensor], norm: Tensor | float, largest: float) -> None:
    """Scale the gradient in ``grad`` by min(1, largest / (norm + 1e-6)), as torch does it (Pascanu et al. 2013).

    Parameters
    ----------
    norm
        The gradient's Euclidean norm. A tensor is not waited for.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if isinstance(norm, Tensor):
        torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp(max=1.0))
    elif not norm + 1e-6 <= largest:  # one that is no number stays none
        torch._foreach_mul_(gradients, largest / (norm + 1e-6))


def dense(gradient: Tensor) -> Tensor:
    """Return a gradient as a dense tensor; that of an embedding may be sparse."""
    return gradient if gradient.layout == torch.strided else gradient.to_dense()


def gradients_of(make_loss: Callable[[], Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient of a loss for each parameter, dense; zeros where it does not depend on it.

    The parameters' ``grad`` stays. Activation checkpointing of the reentrant kind can only write to
    it; then the loss is made again, and ``grad`` written to and restored.
    """
    loss = make_loss()
    if not loss.requires_grad:
        return [torch.zeros_like(parameter) for parameter in parameters]
    try:
        parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    except RuntimeError as error:
        if "use_reentrant" not in str(error):
            raise
        before = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        make_loss().backward()
        parts = tuple(torch.zeros_like(each) if each.grad is None else each.grad for each in parameters)
        for parameter, gradient in zip(parameters, before, strict=True):
            parameter.grad = gradient
    return [dense(part) for part in parts]


def noise_norm(
    model: nn.Module,
    forward: Callable[[Tensor], Tensor],
    criterion: Callable[[Tensor, Tensor], Tensor],
    dataset: Dataset,
    batch_size: int,
) -> float:
    """Return the norm of the gradient noise: mini-batch gradient minus that over the training set.

    The gradient over the training set is the mean over one pass in batches of the same size, each
    augmented again. The model's gradients, buffers (running statistics) and the global generator
    are restored, so measuring does not change the path. ``forward`` augments inputs as they are
    stored and returns the model's outputs.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    total = [torch.zeros_like(parameter) for parameter in parameters]
    samples = len(dataset.train_labels)
    device = dataset.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        for inputs, labels in zip(dataset.train_inputs.split(batch_size), dataset.train_labels.split(batch_size), strict=True):
            make_loss = functools.partial(_weighted_loss, forward, criterion, inputs, labels, len(labels) / samples)
            torch._foreach_add_(total, gradients_of(make_loss, parameters))
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
        noise = [gradient - mean for gradient, mean in zip(gradients, total, strict=True)]
    return float(nn.utils.get_total_norm(noise))


def _weighted_loss(
    forward: Callable[[Tensor], Tensor],
    criterion: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    weight: float,
) -> Tensor:
    return criterion(forward(images), labels) * weight
