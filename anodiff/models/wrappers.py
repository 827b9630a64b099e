"""What is a network without the wrappers of torch.compile and of data parallelism?

They are the same function, but add ``_orig_mod.`` and ``module.`` to the names of its parameters, and
compiled code has no second derivative.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from anodiff.errors import ConfigError


def without_wrappers(model: nn.Module) -> nn.Module:
    """Return a network without wrappers at any depth; what holds a wrapped part is changed."""
    while _wrapped(model):
        model = model._modules[_wrapped(model)]  # type: ignore[assignment]  # no wrapper is empty
    model._compiled_call_impl = None  # of model.compile()
    for child, layer in model.named_children():
        unwrapped = without_wrappers(layer)
        if unwrapped is not layer:
            setattr(model, child, unwrapped)
    return model


def named_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters with their names, as they are without wrappers.

    Raises
    ------
    ConfigError
        If a lazy layer has no weights yet, or a parameter is on the meta device.

    Examples
    --------
    >>> [name for name, _ in named_parameters(nn.DataParallel(nn.Linear(2, 1)))]
    ['weight', 'bias']
    """
    plain = plain_names(model)
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.UninitializedParameter):
            raise ConfigError(f"{plain(name)} of a lazy layer has no weights yet; pass a batch through the model first")
        if parameter.is_meta:
            raise ConfigError(f"{plain(name)} is on the meta device, without values; materialise the model first (to_empty)")
    return [(plain(name), parameter) for name, parameter in model.named_parameters()]


def plain_names(model: nn.Module) -> Callable[[str], str]:
    """Return the function from names of a model's parameters and buffers to those without wrappers."""
    wrappers = {prefix: _wrapped(module) for prefix, module in model.named_modules() if _wrapped(module)}

    def plain(name: str) -> str:
        parts = name.split(".")
        kept = [part for number, part in enumerate(parts) if wrappers.get(".".join(parts[:number])) != part]
        return ".".join(kept)

    return plain


def _wrapped(model: nn.Module) -> str:
    """Return the attribute in which a wrapper holds the network; empty if it is no wrapper."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return "module"
    return "_orig_mod" if type(model).__name__ == "OptimizedModule" else ""
