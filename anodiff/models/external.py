"""Networks from torchvision, and from the user's own factories.

Each is made to fit the data set's images and classes, or refused: see `anodiff.models.fitting`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from anodiff.errors import AnodiffError, ConfigError, did_you_mean, quoted
from anodiff.models.fitting import Key, failure, fit
from anodiff.models.user_code import find_callable, first_line, working_directory_importable

# By default these two train with auxiliary outputs, and warn about their initialisation.
_WITH_AUXILIARY_OUTPUTS = ("googlenet", "inception_v3")


def from_torchvision(name: str, options: Mapping[str, Any], *, logits: Key | None = None, **sizes: int) -> nn.Module:
    """Return torchvision's classification network ``torchvision:<name>`` with random weights.

    If the images do not have three channels, the first convolution is replaced by one that fits,
    with torch's own initialisation.

    Raises
    ------
    ConfigError
        If torchvision is missing, was built for another torch or has no such network, or the network
        does not take an option or images of this size.
    """
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        raise ConfigError(f"model {name!r} needs a torchvision that fits this torch: {first_line(error)}") from error

    wanted = name.removeprefix("torchvision:")
    known = models.list_models(module=models)
    if wanted not in known:
        prefixed = [f"torchvision:{network}" for network in known]
        raise ConfigError(f"torchvision has no classification network {wanted!r}; {did_you_mean(name, prefixed)}")
    defaults = {"aux_logits": False, "init_weights": True} if wanted in _WITH_AUXILIARY_OUTPUTS else {}
    try:
        model = models.get_model(wanted, weights=None, num_classes=sizes["classes"], **(defaults | dict(options)))
    except Exception as error:  # whatever torchvision's code makes of such options
        raise ConfigError(f"model {name!r} with options {quoted(dict(options))}: {first_line(error)}") from error
    if sizes["channels"] != 3:
        _replace_first_convolution(model, sizes["channels"])
    return fit(name, model, logits=logits, **sizes)


def from_factory(name: str, options: Mapping[str, Any], *, logits: Key | None = None, **sizes: int) -> nn.Module:
    """Return the network that the user's callable ``package.module:factory`` returns.

    The module is looked up in the working directory first. The callable is passed the options, and
    those of ``channels``, ``size`` and ``classes``, or for text of ``vocabulary`` and ``context``, that
    it has parameters for.

    Raises
    ------
    ConfigError
        If the module cannot be imported or lacks the callable, the callable does not take an
        option, raises an exception or does not return a `torch.nn.Module`, or this does not map the
        data set's samples to logits.
    """
    module_name, _, factory_name = name.partition(":")
    with working_directory_importable():
        factory = find_callable(f"model {name!r}", module_name, factory_name)
        arguments = _arguments(name, factory, options, sizes)
        try:
            model = factory(**arguments)
        except (AnodiffError, MemoryError):
            raise
        except Exception as error:
            raise ConfigError(f"model {name!r}: {factory_name} failed: {failure(error)}") from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model {name!r} must return a torch.nn.Module, got {type(model).__name__}")
    return fit(name, model, logits=logits, **sizes)


def _replace_first_convolution(model: nn.Module, channels: int) -> None:
    convolutions = ((path, layer) for path, layer in model.named_modules() if isinstance(layer, nn.Conv2d))
    path, layer = next(convolutions, ("", None))
    if layer is None or layer.in_channels != 3:
        name = type(model).__name__
        raise ConfigError(f"{name} cannot take images of {channels} channels: its first convolution does not take three")
    replacement = nn.Conv2d(
        channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]  # torch types these as tuples of any length
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.dilation,  # type: ignore[arg-type]
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
    )
    parent, _, attribute = path.rpartition(".")
    setattr(model.get_submodule(parent), attribute, replacement)


def _arguments(
    name: str, factory: Callable[..., Any], options: Mapping[str, Any], from_the_data: Mapping[str, int]
) -> dict[str, Any]:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some callables of extension modules have no signature
        return {**from_the_data, **options}
    parameters = signature.parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    for option in options:
        if not takes_any and option not in named:
            taken = sorted(named - from_the_data.keys())
            hint = did_you_mean(option, taken) if taken else "it takes none"
            raise ConfigError(f"model {name!r} takes no option {option!r}; {hint}")
    arguments = {key: value for key, value in from_the_data.items() if takes_any or key in named} | dict(options)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"model {name!r}: {first_line(error)}; set it in model.options") from error
    return arguments
