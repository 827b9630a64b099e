"""Can the network be evaluated faster, with batch normalisation folded into the layers before it?

With fixed statistics a normalisation is an affine map of each channel, so a convolution followed by
a normalisation is one convolution:

    γ (W x + b − m) / sqrt(v + ε) + β  =  (s W) x + (s (b − m) + β),   s = γ / sqrt(v + ε)

This saves one read and one write of the feature maps. The weights s W are computed again at every
point, which costs one pass over the weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class FoldedPair:
    """A layer, the normalisation after it, and the one layer that replaces both."""

    layer: nn.Module
    norm: _BatchNorm
    folded: nn.Module


@dataclass(frozen=True)
class Folded:
    """A network with folded normalisations; it shares all other parameters with the original."""

    network: Callable[[Tensor], Tensor]
    pairs: tuple[FoldedPair, ...]

    def refresh(self) -> None:
        """Compute the folded weights from the original's current ones."""
        with torch.no_grad():
            for pair in self.pairs:
                norm, layer = pair.norm, pair.layer
                scale = torch.rsqrt(norm.running_var + norm.eps)  # type: ignore[arg-type, operator]
                if norm.affine:
                    scale = scale * norm.weight
                shift = -norm.running_mean * scale if layer.bias is None else (layer.bias - norm.running_mean) * scale  # type: ignore
                weight: Tensor = layer.weight  # type: ignore[assignment]
                torch.mul(weight, scale.view(-1, *[1] * (weight.ndim - 1)), out=pair.folded.weight)  # type: ignore[arg-type]
                pair.folded.bias.copy_(shift + norm.bias if norm.affine else shift)  # type: ignore[operator]


def fold(network: nn.Module) -> Folded | None:
    """Return the network with its normalisations folded.

    Return None if none can be folded, or torch.fx cannot trace the network.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.Tracer().trace(network)
    except Exception:  # a user's network may do anything while it is traced
        return None
    modules = dict(network.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    called_once = {target for target in modules if sum(node.target == target for node in calls) == 1}
    pairs: dict[str, FoldedPair] = {}
    for node in calls:
        before = node.args[0] if node.args else None
        norm = modules[str(node.target)]
        if not isinstance(norm, _BatchNorm) or norm.running_mean is None or not isinstance(before, fx.Node):
            continue
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        if type(layer) not in FOLDABLE or len(before.users) != 1 or not {str(node.target), str(before.target)} <= called_once:
            continue
        assert layer is not None
        pairs[str(before.target)] = FoldedPair(layer, norm, _with_own_weights(layer))
        node.replace_all_uses_with(before)
        graph.erase_node(node)
    if not pairs:
        return None
    root = nn.Module()
    for node in graph.nodes:  # folded layers replace the original's; all other layers are the original's own
        if node.op == "call_module":
            name = str(node.target)
            _add_submodule(root, name, pairs[name].folded if name in pairs else modules[name])
        elif node.op == "get_attr":
            return None
    folded = fx.GraphModule(root, graph).eval()
    folded._forward_pre_hooks.update(network._forward_pre_hooks)  # the trace begins within them
    folded._forward_hooks.update(network._forward_hooks)
    return Folded(folded, tuple(pairs.values()))


def _with_own_weights(layer: nn.Module) -> nn.Module:
    """Return a layer of the same shape with its own weights and a bias, without gradients."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    new = type(layer).__new__(type(layer))
    nn.Module.__init__(new)
    for key, value in layer.__dict__.items():
        if key not in ("_parameters", "_buffers", "_modules"):
            new.__dict__[key] = value
    layout = torch.channels_last if weight.ndim == 4 else torch.preserve_format
    new.weight = nn.Parameter(weight.detach().clone(memory_format=layout), requires_grad=False)
    new.bias = nn.Parameter(torch.zeros(weight.shape[0], dtype=weight.dtype, device=weight.device), requires_grad=False)
    return new


def _add_submodule(root: nn.Module, name: str, module: nn.Module) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = getattr(root, parent)
    root.add_module(last, module)
