"""What does the network of a run say of chosen samples, at steps on the way?

It is in evaluation mode and in the precision of its weights, whatever the run was trained in. Its
batch-norm statistics are those of the chosen training samples at each point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.data import Dataset
from anodiff.settings.run import RunSettings
from anodiff.storage.types import FloatArray
from anodiff.training.losses import sample_losses
from anodiff.training.recorded.batch_norm_statistics import estimate_statistics, tracks_statistics
from anodiff.training.recorded.constants import TRIED, set_constants
from anodiff.training.recorded.network import run_network
from anodiff.training.recorded.points import converted, flatten_in_place, own_type, set_point, trainable_parameters
from anodiff.trajectory.buffers import forward_buffers, statistics_layers
from anodiff.trajectory.store import Trajectory

#: Samples that go through the network at a time: on a CPU, few enough for the cache.
BATCH_SIZE = {"cpu": 256, "cuda": 1024}


class Samples(Sequence[Tensor]):
    """Images as the network sees them, batch by batch: they are kept as stored, and prepared when asked for.

    Parameters
    ----------
    images
        Stored images (N, C, H, W), on the CPU.
    normalise
        Turns stored images into what the network sees, on the CPU.
    labels
        Shape (N,), on the CPU.
    """

    def __init__(self, images: Tensor, labels: Tensor, normalise: Callable[[Tensor], Tensor], network: RecordedNetwork) -> None:
        self.labels = labels
        self._normalise, self._network = normalise, network
        size = BATCH_SIZE.get(network.device.type, BATCH_SIZE["cpu"])
        self._images = images.split(size)
        self.batch_labels = labels.split(size)

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return self._network.prepared(self._normalise(self._images[index]))


class RecordedNetwork:
    """The network of a run, set to recorded points one after another.

    Attributes
    ----------
    device, dtype
        Where it computes, and the type of its weights: float64 if any of them has it, else float32.
    parameters
        Its trainable parameters, in the order of a point.
    size
        How many numbers these are.
    """

    def __init__(self, trajectory: Trajectory, run: RunSettings, dataset: Dataset, device: torch.device) -> None:
        model = run_network(run, dataset)
        self.trajectory, self.device, self.dtype = trajectory, device, own_type(model)
        self.network = converted(model, device, self.dtype).eval()
        self._flat = flatten_in_place(self.network)
        self.parameters = trainable_parameters(self.network)
        self.size = len(self._flat)
        self.normalises = tracks_statistics(self.network)
        self._changes = True  # whether it must be set again what the network holds beside its trained weights

    def prepared(self, images: Tensor) -> Tensor:
        """Return normalised images where and how the network takes them."""
        images = images.to(self.device, self.dtype)
        return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images

    def set(self, step: int, point: NDArray[Any], samples: Samples, *, statistics: bool = True) -> bool:
        """Set the network to the point of a step; return whether it could be: its numbers are finite.

        Parameters
        ----------
        samples
            Those of which the batch-norm statistics are taken, if ``statistics``.

        Raises
        ------
        ConfigError, StoreFormatError
            See `anodiff.training.recorded.constants.set_constants`.
        """
        if not np.isfinite(point).all():
            return False
        if self._changes:
            set_constants(self.trajectory, step, self.network, samples[0][:TRIED])
            self._changes = bool(forward_buffers(self.network))  # frozen weights stay
        set_point(self._flat, torch.from_numpy(point), self.parameters)
        if self.normalises and statistics:
            estimate_statistics(self.network, samples)
        return True

    @contextmanager
    def batch_statistics(self) -> Iterator[None]:
        """Normalise a batch with its own statistics, through which gradients then go; none are kept."""
        layers = statistics_layers(self.network)
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 0.0
            layer.train()
        try:
            yield
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
                layer.eval()


@dataclass(frozen=True)
class Evaluated:
    """What the network says of N samples at S points.

    Attributes
    ----------
    margin, loss : (S, N) float32
        Output of the right class minus the largest other one; loss without penalties.
    right : (S, N)
        Probability of the right class; without softmax, 1 where the margin is above 0, else 0.
    modes : (S, N, K)
        (u_k · prediction) (v_k · (x − x̄)), the contribution of each sample to each mode.
    """

    margin: NDArray[np.float32]
    loss: NDArray[np.float32]
    right: FloatArray
    modes: FloatArray

    @classmethod
    def missing(cls, points: int, samples: int, modes: int) -> Evaluated:
        """Return results that are not there yet: NaN."""
        margin, loss = np.full((2, points, samples), np.nan, dtype=np.float32)
        return cls(margin, loss, np.full((points, samples), np.nan), np.full((points, samples, modes), np.nan))

    def fill(
        self, point: int, network: RecordedNetwork, samples: Samples, loss: str, directions: FloatArray, along: FloatArray
    ) -> None:
        """Evaluate the network at its current point.

        Parameters
        ----------
        loss
            ``training.loss`` of the run.
        directions
            u_k of each mode, shape (K, C).
        along
            v_k · (x − x̄) of each sample, shape (N, K).
        """
        first, columns = 0, torch.from_numpy(directions.T.copy())
        for images, labels in zip(samples, samples.batch_labels, strict=True):
            with torch.no_grad():
                outputs = network.network(images).cpu().double()
            own = slice(first, first := first + len(labels))
            margin = margins(outputs, labels)
            self.margin[point, own] = margin
            self.loss[point, own] = sample_losses(loss, outputs, labels)
            self.right[point, own] = right_probability(loss, outputs, labels, margin)
            self.modes[point, own] = (predictions(loss, outputs) @ columns) * torch.from_numpy(along[own])


def margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the output of each sample's class minus the largest other one, (N, C) → (N,); infinite for one class."""
    own = outputs.gather(1, labels[:, None])
    others = outputs.scatter(1, labels[:, None], -torch.inf)
    return (own - others.max(1, keepdim=True).values)[:, 0]


def predictions(loss: str, outputs: Tensor) -> Tensor:
    """Return what is compared with one-hot targets, (N, C): softmax for cross-entropy, the outputs for
    squared error, and for the hinge the outputs minus their mean.

    The hinge is 0 once the right output is 1 above all others; then this is the centred target.
    """
    if loss == "cross_entropy":
        return outputs.softmax(1)
    return outputs - outputs.mean(1, keepdim=True) if loss == "hinge" else outputs


def right_probability(loss: str, outputs: Tensor, labels: Tensor, margin: Tensor) -> Tensor:
    """Return the probability of each sample's class, (N,); without softmax, whether its margin is above 0."""
    if loss == "cross_entropy":
        return outputs.softmax(1).gather(1, labels[:, None])[:, 0]
    return torch.where(margin.isnan(), margin, (margin > 0).to(outputs.dtype))
