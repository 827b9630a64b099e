"""Which network is trained: names, options and one function, `build`, that fits a network to a data set.

A name is a family, with its depth where it has one (``resnet14``, ``vgg9``, ``densenet40``, ``mlp20``, ``alexnet``,
``vit``), a network of torchvision (``torchvision:resnet18``) or a factory of the user's (``package.module:factory``).
`check` looks at names and options without importing torch, so that a config is refused before the first job; `build`
imports it.

Examples
--------
>>> check("resnet14", {"width": 8, "shortcut": False})
>>> check("resnet15", {})
Traceback (most recent call last):
    ...
anodiff.errors.ConfigError: model 'resnet15': depth must be 6n+2: 14, 20, 32, 44, 56, 110, ...
>>> count_parameters(build("mlp", channels=1, size=8, classes=10))
17610
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError, did_you_mean
from anodiff.settings.networks import FAMILIES, INITIALISATIONS, Family, Option, check, names, resolve

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILIES", "INITIALISATIONS", "Family", "Option", "build", "check", "count_parameters", "names"]


def build(
    name: str, /, *, channels: int, size: int, classes: int, initialisation: str = "default", **options: Any
) -> nn.Module:
    """Return a network, freshly initialised, for images of a data set.

    All randomness comes from torch's default generator, so the caller seeds it.

    Parameters
    ----------
    name
        As in the module's docstring.
    channels, size, classes
        The data set's: inputs are (batch, channels, size, size), outputs (batch, classes) logits.
    initialisation
        ``default``, torch's own, or ``kaiming``, the published one; see `anodiff.models.initialisation`.
    **options
        The family's, see `FAMILIES`; or keyword arguments of the torchvision network or the factory.

    Raises
    ------
    ConfigError
        As `check`, or the network does not fit the data set, or cannot be imported.
    """
    if initialisation not in INITIALISATIONS:
        hint = did_you_mean(initialisation, INITIALISATIONS)
        raise ConfigError(f"initialisation {initialisation!r} is unknown; {hint}")
    for what, value in {"channels": channels, "size": size, "classes": classes}.items():
        if value < 1:
            raise ConfigError(f"model {name!r}: {what} must be at least 1, got {value}")
    family, settings = resolve(name, options)

    from anodiff.models.alexnet import alexnet
    from anodiff.models.densenet import densenet
    from anodiff.models.external import from_factory, from_torchvision
    from anodiff.models.initialisation import initialise_kaiming
    from anodiff.models.mlp import mlp
    from anodiff.models.resnet import resnet
    from anodiff.models.vgg import vgg
    from anodiff.models.vit import vit

    builders: dict[str, Callable[..., nn.Module]] = {
        "alexnet": alexnet,
        "densenet": densenet,
        "mlp": mlp,
        "resnet": resnet,
        "vgg": vgg,
        "vit": vit,
    }
    if family == "torchvision":
        model = from_torchvision(name, settings, channels=channels, size=size, classes=classes)
    elif family == "factory":
        model = from_factory(name, settings, channels=channels, size=size, classes=classes)
    else:
        model = builders[family](channels=channels, size=size, classes=classes, **settings)
    if initialisation == "kaiming":
        initialise_kaiming(model)
    return model


def count_parameters(model: nn.Module) -> int:
    """Return the dimension P of the weight space: the number of entries of all of the model's parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
