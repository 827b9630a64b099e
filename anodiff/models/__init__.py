"""Which network is trained? `build` makes one by its name and options, to fit a data set.

A name is a family, with its depth if it has one (``resnet14``, ``vgg9``, ``densenet40``, ``mlp20``,
``alexnet``, ``vit``, for text ``gpt``), a network of torchvision (``torchvision:resnet18``) or your own factory
(``package.module:factory``). `resolve_model` checks names and options without importing torch, so
that a wrong config is refused before the first job. `build` imports torch.

Examples
--------
>>> resolve_model("resnet14", {"width": 8})
('resnet', {'depth': 14, 'width': 8, 'shortcut': True, 'projection': False, 'batch_norm': True})
>>> resolve_model("resnet15", {})
Traceback (most recent call last):
    ...
anodiff.errors.ConfigError: model 'resnet15': depth must be 6n+2: 14, 20, 32, 44, 56, 110, ...
>>> count_parameters(build("mlp", channels=1, size=8, classes=10))
17610
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError, did_you_mean
from anodiff.settings.networks import (
    FAMILIES,
    IMAGES,
    INITIALISATIONS,
    TEXT,
    Family,
    Option,
    model_names,
    resolve_model,
)
from anodiff.settings.shapes import Tokens, shape_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILIES", "INITIALISATIONS", "Family", "Option", "build", "count_parameters", "model_names", "resolve_model"]


def build(
    name: str,
    /,
    *,
    channels: int | None = None,
    size: int | None = None,
    classes: int | None = None,
    vocabulary: int | None = None,
    context: int | None = None,
    initialisation: str = "default",
    logits: str | int | None = None,
    **options: Any,
) -> nn.Module:
    """Return a newly initialised network for the images or the tokens of a data set.

    All randomness comes from torch's default generator; seed it before the call.

    Parameters
    ----------
    name
        See the module's docstring.
    channels, size, classes
        Of images: inputs are (batch, channels, size, size), outputs (batch, classes) logits.
    vocabulary, context
        Of text, instead: inputs are tokens (batch, context), outputs logits (batch, vocabulary,
        context), and those at t are of the token after t.
    initialisation
        ``default``, torch's own, or ``kaiming``, the published one; see
        `anodiff.models.initialisation`.
    logits
        Key, attribute or index of the logits, if a network from elsewhere returns more than them.
    **options
        Options of the family, see `FAMILIES`; or keyword arguments of the torchvision network or
        the factory.

    Raises
    ------
    ConfigError
        If `resolve_model` refuses name or options, or the network cannot be imported or does not
        fit the data set.
    """
    if initialisation not in INITIALISATIONS:
        hint = did_you_mean(initialisation, INITIALISATIONS)
        raise ConfigError(f"unknown initialisation {initialisation!r}; {hint}")
    sizes = {"channels": channels, "size": size, "classes": classes, "vocabulary": vocabulary, "context": context}
    shape = shape_of(name, sizes)
    given = dataclasses.asdict(shape)
    family, settings = resolve_model(name, options)
    taken = FAMILIES[family].samples
    if taken is not None and taken != (TEXT if isinstance(shape, Tokens) else IMAGES):
        raise ConfigError(f"model {name!r} takes {'tokens' if taken == TEXT else 'images'}, not {shape}")

    from anodiff.models.alexnet import alexnet
    from anodiff.models.densenet import densenet
    from anodiff.models.external import from_factory, from_torchvision
    from anodiff.models.gpt import gpt
    from anodiff.models.initialisation import initialise_kaiming
    from anodiff.models.mlp import mlp
    from anodiff.models.resnet import resnet
    from anodiff.models.vgg import vgg
    from anodiff.models.vit import vit

    builders: dict[str, Callable[..., nn.Module]] = {
        "alexnet": alexnet,
        "densenet": densenet,
        "gpt": gpt,
        "mlp": mlp,
        "resnet": resnet,
        "vgg": vgg,
        "vit": vit,
    }
    if family == "torchvision":
        model = from_torchvision(name, settings, logits=logits, **given)
    elif family == "factory":
        model = from_factory(name, settings, logits=logits, **given)
    elif logits is not None:
        raise ConfigError(f"model {name!r} returns its logits alone; leave 'logits' out")
    else:
        model = builders[family](**given, **settings)
    if initialisation == "kaiming":
        initialise_kaiming(model)
    return model


def count_parameters(model: nn.Module) -> int:
    """Return P, the dimension of the weight space: the number of entries of all parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
