"""What is the loss of a network at any point of its weight space?

`LossSurface` is that function. It works on a copy of the network, in evaluation mode, over fixed
samples without augmentation. So it is deterministic, and the caller's network never changes.

Batch normalisation needs statistics that no point of a trajectory holds: they are buffers, not
parameters. They are those of the surface's samples as one batch, taken in one of two ways:

- ``centre``: once, at the centre, and then held. The surface is a smooth function of the weights,
  the one that a slice is usually meant to show.
- ``per_point``: at every point. The surface is what a network trained from there would see. It is
  invariant to the scale of weights before a normalisation, and costs twice as much.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError, did_you_mean
from anodiff.landscape.batch_norm_folding import Folded, fold
from anodiff.landscape.batch_weights import batch_weights, criterion_in_double
from anodiff.landscape.differentiable import differentiable
from anodiff.landscape.network_copy import copy_network
from anodiff.landscape.together import losses_together
from anodiff.landscape.trial import make_function
from anodiff.settings.stages import BatchNormStatistics
from anodiff.storage.threads import one_torch_thread
from anodiff.storage.types import FloatArray
from anodiff.training.gradients import gradients_of
from anodiff.training.recorded.batch_norm_statistics import estimate_statistics, tracks_statistics
from anodiff.training.recorded.points import (
    converted,
    flatten_in_place,
    join_point,
    own_type,
    real_shape,
    set_point,
    trainable_parameters,
)

#: Samples that go through the network at a time: few enough that, on a CPU, the feature maps of a
#: narrow network stay in the cache.
BATCH_SIZE = 256


class LossSurface:
    """The mean loss of a network over some samples, as a function of its trainable parameters,
    flattened; frozen ones stay. A complex parameter counts as pairs of real numbers.

    Parameters
    ----------
    model
        The network. It is copied; neither its weights nor its mode change.
    images : (N, ...)
        Inputs as the network sees them, normalised.
    labels : (N,)
        Targets that ``criterion`` compares the outputs with.
    criterion
        Loss of a batch, from outputs and labels. The surface is its value for all samples as one
        batch, whatever it counts: see `anodiff.landscape.batch_weights`.
    centre : (P,), optional
        Point where batch-norm statistics are estimated; by default the model's own parameters.
    batch_norm
        ``centre`` or ``per_point``, see the module.
    batch_size
        Samples that go through the network at a time.
    dtype
        Type of the network's arithmetic; by default float64 for a network of float64, else float32.
        Take float64 if differences of losses matter more than time.
    device
        Where to evaluate; by default where the images are.
    own
        Use ``model`` itself and not a copy; its weights, mode and type then change.

    Raises
    ------
    ConfigError
        If ``batch_norm`` is unknown, there are no samples, all parameters are frozen, the centre
        has the wrong shape, the criterion does not return one number, or the network cannot be
        copied or draws random numbers in evaluation mode.

    Examples
    --------
    >>> model = nn.Linear(3, 2)
    >>> images, labels = torch.zeros(8, 3), torch.zeros(8, dtype=torch.long)
    >>> surface = LossSurface(model, images, labels, nn.functional.cross_entropy)
    >>> round(surface(np.zeros(8)), 4)  # two equally likely classes: ln 2
    0.6931
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
        *,
        centre: FloatArray | None = None,
        batch_norm: BatchNormStatistics = "centre",
        batch_size: int = BATCH_SIZE,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        own: bool = False,
    ) -> None:
        dtype = dtype or own_type(model)
        known = get_args(BatchNormStatistics)
        if batch_norm not in known:
            raise ConfigError(f"batch_norm {batch_norm!r}; {did_you_mean(batch_norm, known)}")
        if not len(labels):
            raise ConfigError("a loss surface needs at least one sample")
        self.device = torch.device(device) if device is not None else images.device
        self.dtype = dtype
        self.criterion = criterion
        self.samples = len(labels)
        self.batch_norm = batch_norm
        self.network = converted(model if own else copy_network(model, images[:2]), self.device, dtype).eval()
        self._lay_out()
        self.centre = np.array(self._flat.cpu() if centre is None else centre, np.float64)
        if self.centre.shape != (self.size,):
            raise ConfigError(f"a centre of shape {self.centre.shape} for a network of {self.size} parameters")
        images = images.to(self.device, dtype if images.is_floating_point() else None)
        if images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        self._mode = make_function(self.network, images[:2])
        labels = labels.to(self.device)
        self.batches: list[tuple[Tensor, Tensor]] = [
            (images[first : first + batch_size], labels[first : first + batch_size])
            for first in range(0, self.samples, batch_size)
        ]
        self.set_weights(self.centre)
        self._normalised = tracks_statistics(self.network)
        if self._normalised:
            with one_torch_thread():
                self.estimate_statistics()
        self._folded = self._fold()
        self._together = True
        self.weights = self._weigh()

    def _weigh(self) -> FloatArray:
        """Return what each batch counts in the mean loss; where no weights do, there is one batch."""
        labels = [labels for _, labels in self.batches]
        weights: FloatArray | None = np.ones(1)
        if len(labels) > 1:
            with torch.no_grad(), one_torch_thread():
                weights = batch_weights(self.criterion, [self.network(images) for images, _ in self.batches], labels)
        if weights is None:
            self.batches = [(torch.cat([images for images, _ in self.batches]), torch.cat(labels))]
            return np.ones(1)
        return weights

    def weighted_batches(self) -> Iterator[tuple[float, Tensor, Tensor]]:
        """Yield (weight, images, labels) of the batches that count: the loss is Σ weight · criterion."""
        for weight, (images, labels) in zip(self.weights.tolist(), self.batches, strict=True):
            if weight:
                yield weight, images, labels

    def _fold(self) -> Folded | None:
        return fold(self.network) if self._normalised and not self._per_point else None

    def copy(self) -> LossSurface:
        """Return the same function with its own network, for another thread; samples are shared.

        It raises `ConfigError` if the network cannot be copied, and so does `in_double`.
        """
        other = copy.copy(self)
        other.network = copy_network(self.network, self.batches[0][0][:2])
        other._lay_out()
        other._folded = other._fold()
        return other

    def in_double(self, samples: int | None = None) -> LossSurface:
        """Return the same function in float64 with its own network, its batch-norm statistics held.

        Parameters
        ----------
        samples
            Take only so many of the samples, as one batch.
        """
        other = self.copy()
        other.dtype, other.criterion = torch.float64, criterion_in_double(self.criterion) or self.criterion
        converted(other.network, self.device, torch.float64)
        other._lay_out()
        other._folded = None
        batches = self.batches
        if samples is not None:
            images, labels = batches[0]
            batches, other.weights = [(images[:samples], labels[:samples])], np.ones(1)
        other.batches = [(each.double() if each.is_floating_point() else each, labels) for each, labels in batches]
        return other

    def fingerprint(self) -> str:
        """Return a hash of all that the losses depend on, except the point and torch's version."""
        digest = hashlib.sha256(repr((describe(self), self.shapes, [len(labels) for _, labels in self.batches])).encode())
        tensors = [tensor for batch in self.batches for tensor in batch]
        frozen = [parameter for parameter in self.network.parameters() if not parameter.requires_grad]
        for tensor in [*tensors, *self.network.buffers(), *frozen]:
            digest.update(tensor.contiguous().cpu().numpy().tobytes())
        digest.update(self.centre.tobytes())
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Number of parameters P."""
        return len(self._flat)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each trainable parameter, in real numbers."""
        return {name: real_shape(parameter) for name, parameter in self.trainable_by_name.items()}

    @property
    def trainable_by_name(self) -> dict[str, nn.Parameter]:
        """The parameters that a point sets, in its order."""
        return {name: parameter for name, parameter in self.network.named_parameters() if parameter.requires_grad}

    def _lay_out(self) -> None:
        self._flat = flatten_in_place(self.network)
        self.trainable = trainable_parameters(self.network)

    @property
    def _per_point(self) -> bool:
        """Whether statistics are estimated at every point."""
        return self._normalised and self.batch_norm == "per_point"

    def set_weights(self, point: FloatArray | Tensor) -> None:
        """Set the weights of the surface's own network to ``point``, shape (P,)."""
        set_point(self._flat, torch.as_tensor(point), self.trainable)

    def estimate_statistics(self) -> None:
        """Set the batch-norm statistics to those of all samples as one batch, at the current weights."""
        estimate_statistics(self.network, [images for images, _ in self.batches])

    def __call__(self, point: FloatArray | Tensor) -> float:
        """Return the mean loss at ``point``, (P,); NaN or infinite if the network overflows."""
        self.set_weights(point)
        network: Callable[[Tensor], Tensor] = self.network
        if self._folded is not None:
            self._folded.refresh()
            network = self._folded.network
        elif self._per_point:
            self.estimate_statistics()
        with self._mode():
            losses = [(weight, self.criterion(network(images), labels)) for weight, images, labels in self.weighted_batches()]
            return sum(weight * loss.item() for weight, loss in losses)

    def losses_at(self, points: FloatArray | Tensor) -> FloatArray:
        """Return the losses at several points at once, shape (points, P) → (points,).

        See `anodiff.landscape.together`. On a CPU it is several times slower than one point after
        another. A network that cannot do it is evaluated one point after another.

        Raises
        ------
        ConfigError
            If statistics are estimated at every point.
        """
        if self._per_point:
            raise ConfigError("batch_norm: per_point evaluates one point at a time; take batch_norm: centre for several")
        rows = torch.as_tensor(points).to(self.device, self.dtype)
        if self._together:
            losses = losses_together(self.network, self.criterion, self.trainable_by_name, self.weighted_batches(), rows)
            if losses is not None:
                return losses.cpu().numpy()
            self._together = False
        return np.array([self(row) for row in rows])

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.criterion(self.network(images), labels)

    def gradient(self, point: FloatArray | Tensor) -> FloatArray:
        """Return the gradient of the mean loss at ``point``, (P,), with the statistics held."""
        self.set_weights(point)
        if self._per_point:
            self.estimate_statistics()
        parameters = self.trainable
        total = torch.zeros(self.size, dtype=torch.float64, device=self.device)
        for weight, images, labels in self.weighted_batches():
            with differentiable(self.network):
                parts = gradients_of(functools.partial(self._loss, images, labels), parameters)
            total += join_point(parts).double() * weight
        return total.cpu().numpy()


def describe(surface: LossSurface) -> dict[str, Any]:
    """Return the attributes of a store that say which surface its losses come from."""
    return {
        "samples": surface.samples,
        "batch_norm": surface.batch_norm if surface._normalised else "none",
        "dtype": str(surface.dtype).removeprefix("torch."),
        "device": surface.device.type,
        "parameters": surface.size,
    }
