"""How does a step come by its loss and its gradient? Kernel by kernel, or by CUDA graphs of all kernels.

A small network's step is some fifty kernels, each of which takes the GPU less time than its launch takes the CPU. Recorded once
and replayed by one launch, they are the same kernels on the same memory, and so give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError
from anodiff.settings.run import RunSettings
from anodiff.training.precision import Forward
from anodiff.training.state import Walk

Loss = Callable[[Tensor, Tensor], Tensor]

#: From a batch's images (B, C, H, W) and labels (B,) to the outputs (B, classes) and to a function that waits for the loss. The
#: gradients are the parameters' ``grad`` then.
Differentiate = Callable[[Tensor, Tensor], tuple[Tensor, Callable[[], float]]]

#: Passes before a recording, in which libraries choose their kernels and take their memory.
WARM_UP = 3


def differentiation(
    walk: Walk, forward: Forward, criterion: Loss, settings: RunSettings, device: torch.device
) -> Differentiate:
    """Return the function that a training step differentiates its batch by."""
    if device.type == "cuda" and _graphs(settings):
        return _Replayed(walk.model, forward, criterion)

    def differentiate(images: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        outputs = forward(images)
        loss = criterion(outputs, labels)
        value = _on_its_way(loss)
        walk.clear_gradients()
        loss.backward()
        return outputs, value

    return differentiate


def _graphs(settings: RunSettings) -> bool:
    """Return whether steps are replayed; by themselves only those of networks that are known to do the same at every step."""
    wanted = settings.training.cuda_graph
    if wanted == "auto":
        return ":" not in settings.model.name and not settings.training.compile
    return wanted


def _on_its_way(loss: Tensor) -> Callable[[], float]:
    """Return a function that gives the value of ``loss``.

    On a GPU the value travels behind the forward pass while the backward pass is still being queued. So whoever asks after
    that waits, if at all, for the forward pass alone, and the GPU never stands still.
    """
    if loss.device.type != "cuda":
        return loss.item
    value = torch.empty((), dtype=loss.dtype, pin_memory=True).copy_(loss.detach(), non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> float:
        arrived.synchronize()
        return value.item()

    return wait


class _Replayed:
    """Differentiates by replaying what was recorded at the first batch of the same size."""

    def __init__(self, model: nn.Module, forward: Forward, criterion: Loss) -> None:
        self._about = model, forward, criterion
        self._recordings: dict[torch.Size, _Recording] = {}

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        if images.shape not in self._recordings:
            self._recordings[images.shape] = _Recording(*self._about, images, labels)
        return self._recordings[images.shape].replay(images, labels)


class _Recording:
    """Forward and backward pass over batches of one size: two graphs, between which the loss sets out for the host.

    Whatever the passes before the recording have changed, running statistics and the GPU's generator, is put back.
    """

    def __init__(self, model: nn.Module, forward: Forward, criterion: Loss, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        buffers = [buffer.clone() for buffer in model.buffers()]
        generator = torch.cuda.get_rng_state(images.device)

        def outputs_and_loss() -> tuple[Tensor, Tensor]:
            outputs = forward(self._images)
            return outputs, criterion(outputs, self._labels)

        def differentiated(loss: Tensor) -> tuple[Tensor | None, ...]:
            return torch.autograd.grad(loss, self._parameters, allow_unused=True)

        self._warm_up(lambda: differentiated(outputs_and_loss()[1]))
        try:
            with torch.cuda.graph(self._forward):
                outputs, loss = outputs_and_loss()
            with torch.cuda.graph(self._backward, pool=self._forward.pool()):
                self._gradients = differentiated(loss)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"training.cuda_graph: {reason}; set it to false to train all the same") from None
        self._outputs, self._loss = outputs.detach(), loss.detach()
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), buffers, strict=True):
                buffer.copy_(before)
        torch.cuda.set_rng_state(generator, images.device)

    def replay(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        """Differentiate a batch; the parameters' gradients are those of the recording, in the same memory every time."""
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._forward.replay()
        value = _on_its_way(self._loss)
        self._backward.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._outputs.clone(), value

    @staticmethod
    def _warm_up(once: Callable[[], object]) -> None:
        """Do it a few times on a stream of its own, as recordings ask for."""
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                once()
        here.wait_stream(aside)
