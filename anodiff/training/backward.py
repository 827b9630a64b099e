"""How does a step compute its loss and gradient? Kernel by kernel, or by replaying CUDA graphs; in one batch or several.

A step of a small network is about fifty kernels, each of which takes longer to launch than to run.
Captured once and replayed by one launch, they are the same kernels on the same memory, so they give
the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError
from anodiff.settings.run import RunSettings
from anodiff.training.losses import Loss
from anodiff.training.precision import Forward
from anodiff.training.state import TrainingState

#: From a batch's inputs and labels to the outputs, see `anodiff.training.losses.Loss`, and a function that returns the
#: loss, waiting for it if need be. The gradients are then in the parameters' ``grad``.
ForwardBackward = Callable[[Tensor, Tensor], tuple[Tensor, Callable[[], float]]]

#: Passes before a capture, in which libraries choose their kernels and allocate their memory.
WARM_UP = 3


def build_forward_backward(
    state: TrainingState, forward: Forward, criterion: Loss, settings: RunSettings, device: torch.device
) -> ForwardBackward:
    """Return the function that computes a batch's loss and gradient.

    With ``training.accumulation`` it goes through the network in as many micro-batches, or fewer if
    it has fewer samples. Loss and gradient are the means over the batch, Σ_m (B_m / B) times those of
    the micro-batches m, which have B_m of its B samples.
    """
    if device.type == "cuda" and _uses_graphs(settings):
        replay = _GraphReplay(state.model, forward, criterion)
        if settings.training.accumulation == 1:
            return replay
        return _replay_in_parts(replay, list(state.model.parameters()), settings.training.accumulation)

    def forward_backward(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        results = []
        for number, (part, own, share) in enumerate(_parts(inputs, labels, settings.training.accumulation)):
            outputs = forward(part)
            loss = criterion(outputs, own)
            results.append((outputs.detach(), _async_item(loss), share))
            if number == 0:
                state.zero_grad()
            (loss if share == 1 else share * loss).backward()
        state.make_gradients_dense()
        return _joined(results)

    return forward_backward


def _parts(inputs: Tensor, labels: Tensor, count: int) -> list[tuple[Tensor, Tensor, float]]:
    """Return a batch's micro-batches, as even as they can be, and the share of each in its samples."""
    count = min(count, len(labels))
    if count == 1:
        return [(inputs, labels, 1.0)]
    pairs = zip(inputs.tensor_split(count), labels.tensor_split(count), strict=True)
    return [(each, own, len(own) / len(labels)) for each, own in pairs]


def _joined(results: list[tuple[Tensor, Callable[[], float], float]]) -> tuple[Tensor, Callable[[], float]]:
    """Return the outputs of all micro-batches, and the function that returns their mean loss."""
    if len(results) == 1:
        return results[0][:2]
    outputs = torch.cat([outputs for outputs, _, _ in results])
    return outputs, lambda: sum(share * value() for _, value, share in results)


def _replay_in_parts(replay: ForwardBackward, parameters: Sequence[nn.Parameter], count: int) -> ForwardBackward:
    """Return the function that replays the graphs of each micro-batch and adds up the gradients."""

    def forward_backward(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        results = []
        totals: list[Tensor | None] = [None] * len(parameters)
        for inputs_part, labels_part, share in _parts(inputs, labels, count):
            outputs, loss_value = replay(inputs_part, labels_part)
            results.append((outputs, loss_value, share))
            for number, parameter in enumerate(parameters):
                if parameter.grad is not None:  # in memory that the next replay writes to
                    own = parameter.grad * share
                    before = totals[number]
                    totals[number] = own if before is None else before.add_(own)
        for parameter, total in zip(parameters, totals, strict=True):
            parameter.grad = total
        return _joined(results)

    return forward_backward


def _uses_graphs(settings: RunSettings) -> bool:
    """Return whether to replay steps; ``auto`` does so if the network is known to repeat itself."""
    choice = settings.training.cuda_graph
    if choice == "auto":
        return ":" not in settings.model.name and not settings.training.compile
    return choice


def _async_item(loss: Tensor) -> Callable[[], float]:
    """Return a function that returns the value of ``loss``.

    On a GPU the value is copied to the host after the forward pass, while the backward pass is
    still being queued. So a caller waits for the forward pass at most, and the GPU is never idle.
    """
    if loss.device.type != "cuda":
        return loss.item
    value = torch.empty((), dtype=loss.dtype, pin_memory=True).copy_(loss.detach(), non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def wait() -> float:
        copied.synchronize()
        return value.item()

    return wait


class _GraphReplay:
    """Replays the graphs captured at the first batch of the same size."""

    def __init__(self, model: nn.Module, forward: Forward, criterion: Loss) -> None:
        self._model, self._forward, self._criterion = model, forward, criterion
        self._graphs: dict[torch.Size, _Graphs] = {}

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        if inputs.shape not in self._graphs:
            self._graphs[inputs.shape] = _Graphs(self._model, self._forward, self._criterion, inputs, labels)
        return self._graphs[inputs.shape].replay(inputs, labels)


class _Graphs:
    """The graphs of the forward and of the backward pass over batches of one size.

    Between the two, the loss is copied. What the warm-up changes, running statistics and the GPU's
    generator, is restored.
    """

    def __init__(self, model: nn.Module, forward: Forward, criterion: Loss, inputs: Tensor, labels: Tensor) -> None:
        self._inputs, self._labels = inputs.clone(), labels.clone()
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        buffers = [buffer.clone() for buffer in model.buffers()]
        generator = torch.cuda.get_rng_state(inputs.device)

        def outputs_and_loss() -> tuple[Tensor, Tensor]:
            outputs = forward(self._inputs)
            return outputs, criterion(outputs, self._labels)

        def gradients_of(loss: Tensor) -> tuple[Tensor | None, ...]:
            return torch.autograd.grad(loss, self._parameters, allow_unused=True)

        self._warm_up(lambda: gradients_of(outputs_and_loss()[1]))
        try:
            with torch.cuda.graph(self._forward):
                outputs, loss = outputs_and_loss()
            with torch.cuda.graph(self._backward, pool=self._forward.pool()):
                self._gradients = gradients_of(loss)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"training.cuda_graph: {reason}; set it to false to train anyway") from None
        self._outputs, self._loss = outputs.detach(), loss.detach()
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), buffers, strict=True):
                buffer.copy_(before)
        torch.cuda.set_rng_state(generator, inputs.device)

    def replay(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[], float]]:
        """Compute a batch's loss and gradient; the gradients are in the same memory every time."""
        self._inputs.copy_(inputs)
        self._labels.copy_(labels)
        self._forward.replay()
        loss_value = _async_item(self._loss)
        self._backward.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._outputs.clone(), loss_value

    @staticmethod
    def _warm_up(run: Callable[[], object]) -> None:
        """Run it a few times on a side stream, as a capture requires."""
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                run()
        current.wait_stream(side)
