"""Which loss does a network descend? Cross-entropy, squared error or the hinge, and a penalty on its outputs."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from anodiff.settings.run import TrainingSettings

#: From outputs (B, classes) and labels (B,), or (B, vocabulary, T) and (B, T), to the mean loss of the batch.
Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(training: TrainingSettings, classes: int) -> Loss:
    """Return the mean loss of a batch, which training, evaluation and the landscape share.

    With ``training.decoupling`` λ above 0, λ Σ f_c² is added to each sample's loss, the sum over its
    outputs f_c: spectral decoupling (Pezeshki et al. 2021, arXiv 2011.09468). For two classes with
    opposite outputs ±m/2 it is the published λ m²/2 of the margin m.
    """
    loss = _plain_loss(training.loss, classes)
    strength = training.decoupling
    if not strength:
        return loss

    def decoupled(outputs: Tensor, labels: Tensor) -> Tensor:
        return loss(outputs, labels) + strength * outputs.square().sum(1).mean()

    return decoupled


def cross_entropy(outputs: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """Return torch's cross-entropy of images, or of each token of a text.

    Tokens are brought into rows, of which torch has a deterministic form on a GPU too.
    """
    if outputs.ndim == 3:
        outputs, labels = outputs.transpose(1, 2).flatten(0, 1), labels.flatten()  # (B T, vocabulary), (B T,)
    return nn.functional.cross_entropy(outputs, labels, reduction=reduction)


def sample_losses(name: str, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return each sample's part of the plain loss, whose mean that is, (N, C) → (N,); no penalty is in it."""
    if name == "cross_entropy":
        return nn.functional.cross_entropy(outputs, labels, reduction="none")
    right = nn.functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    if name == "mse":
        return (outputs - right).square().mean(1)
    # torch's multi_margin_loss has no second derivatives, which curvature needs; this has, and they are 0
    short = (1 - (outputs * right).sum(1, keepdim=True) + outputs) * (1 - right)
    return short.relu().sum(1) / outputs.shape[1]


def _plain_loss(name: str, classes: int) -> Loss:
    if name == "cross_entropy":
        return cross_entropy
    if name == "hinge":
        return lambda outputs, labels: sample_losses(name, outputs, labels).mean()

    def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, classes).to(outputs.dtype))

    return squared_error
