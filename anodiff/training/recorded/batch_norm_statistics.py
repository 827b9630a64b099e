"""Which batch-norm statistics belong to the weights of a network? Those of all samples as one batch.

Up to `ONE_PASS` samples go through the network at once. More are pooled layer by layer: a layer's
inputs, and so its statistics, depend on the layers before it. That takes a pass over the samples
for each layer, up to it, and memory for one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from anodiff.errors import ConfigError
from anodiff.trajectory.buffers import statistics_layers

#: Samples that go through the network at once for the statistics.
ONE_PASS = 4096


def tracks_statistics(network: nn.Module) -> bool:
    """Return whether a network has layers that normalise with statistics of samples seen before."""
    return bool(statistics_layers(network))


def estimate_statistics(network: nn.Module, batches: Sequence[Tensor]) -> None:
    """Set the statistics of a network in evaluation mode to those of all samples at its weights.

    Parameters
    ----------
    batches
        The samples, as the network sees them.

    Raises
    ------
    ConfigError
        If there is a single value to a channel: it has no variance.
    """
    layers = statistics_layers(network)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
    try:
        if sum(map(len, batches)) <= ONE_PASS:
            _estimate_together(network, layers, torch.cat(list(batches)))
        else:
            _estimate_in_turn(network, layers, batches)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


def _estimate_together(network: nn.Module, layers: list[_NormBase], images: Tensor) -> None:
    for layer in layers:
        # the mean over calls, of which there is one if the layer is used once; instance norm has no such mean
        layer.momentum = None if isinstance(layer, _BatchNorm) else 1.0
        layer.train()
    try:
        with torch.no_grad():
            network(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError("batch normalisation of one sample with one value to a channel; take more samples") from None


def _estimate_in_turn(network: nn.Module, layers: list[_NormBase], batches: Sequence[Tensor]) -> None:
    for layer in layers:
        if not isinstance(layer, _BatchNorm):  # an instance is normalised by itself
            layer.momentum = 0.0
            layer.train()
    # A batch is normalised with its variance, and the statistics have the unbiased estimate from it.
    unbiased = {layer: _estimate_one(network, layer, batches) for layer in _in_order(network, batches[0])}
    for layer, factor in unbiased.items():
        assert layer.running_var is not None
        layer.running_var *= factor


class _Reached(Exception):
    """A layer has its input; the rest of the network does not matter."""


def _in_order(network: nn.Module, images: Tensor) -> list[_NormBase]:
    """Return the layers in the order in which the network first uses them."""
    used: dict[_NormBase, None] = {}
    hooks = [layer.register_forward_pre_hook(lambda layer, _: used.setdefault(layer)) for layer in statistics_layers(network)]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return list(used)


def _estimate_one(network: nn.Module, layer: _NormBase, batches: Sequence[Tensor]) -> float:
    """Set a layer's mean and variance; those of the layers before it are known. Return the factor
    from the variance to its unbiased estimate.
    """
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for images in batches:
        with _input_of(layer) as given, torch.no_grad(), suppress(_Reached):
            network(images)
        values = given[0].double().transpose(0, 1)  # (channels, samples, …)
        if isinstance(layer, _BatchNorm):
            values = values.flatten(1)
            number, own = values.shape[1], values.mean(1)
            squares = ((values - own[:, None]) ** 2).sum(1)
            if count:  # Chan, Golub & LeVeque 1983
                squares = scatter + squares + (own - mean) ** 2 * (count * number / (count + number))
                own = mean + (own - mean) * (number / (count + number))
            count, mean, scatter = count + number, own, squares
        else:  # sums over samples
            values = values.flatten(2)
            count, mean, scatter = count + values.shape[1], mean + values.mean(2).sum(1), scatter + values.var(2).sum(1)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.running_mean.copy_(mean if isinstance(layer, _BatchNorm) else mean / count)
    layer.running_var.copy_(scatter / count)
    return count / (count - 1) if isinstance(layer, _BatchNorm) else 1.0


@contextmanager
def _input_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that gets the layer's next input; the network then stops with `_Reached`."""
    given: list[Tensor] = []

    def take(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.append(inputs[0])
        raise _Reached

    hook = layer.register_forward_pre_hook(take)
    try:
        yield given
    finally:
        hook.remove()
