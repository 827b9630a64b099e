"""What can be named: the families of networks, their options and the depths they come in. No torch here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anodiff.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Option:
    """One keyword of a family; its kind is that of its default.

    Bounds are inclusive, except that ``below`` is not itself allowed and ``least`` is 1 for whole numbers.
    """

    default: bool | int | float
    meaning: str
    least: float = 1
    most: float = float("inf")
    below: float = float("inf")

    def wrong(self, value: Any) -> str | None:
        """Return what ``value`` should have been, or None where it is right."""
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "true or false"
        whole = isinstance(self.default, int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if number and self.least <= value <= self.most and value < self.below:
            return None
        upper = f" and below {self.below:g}" if self.below < self.most else f" and at most {self.most:g}"
        bounds = f"at least {self.least:g}" + (upper if min(self.below, self.most) < float("inf") else "")
        return f"a {'whole ' if whole else ''}number, {bounds}"


@dataclass(frozen=True)
class Family:
    """A kind of network.

    Attributes
    ----------
    pattern
        What its names look like, for people.
    summary
        One line.
    examples
        Names in common use.
    options
        Its keywords; None where they belong to code that is not ours. Where ``depth`` is among them and ``numbered`` is
        true, the name may end in the depth.
    rule
        Returns what is wrong with settings that are each right by themselves, or None.
    """

    pattern: str
    summary: str
    examples: tuple[str, ...]
    options: Mapping[str, Option] | None = field(default_factory=dict)
    numbered: bool = False
    rule: Callable[[Mapping[str, Any]], str | None] = lambda settings: None


def _resnet_rule(settings: Mapping[str, Any]) -> str | None:
    fits = settings["depth"] >= 8 and settings["depth"] % 6 == 2
    return None if fits else "depth must be 6n+2: 14, 20, 32, 44, 56, 110, ..."


def _vgg_rule(settings: Mapping[str, Any]) -> str | None:
    return None if settings["depth"] in (9, 11, 13, 16, 19) else "depth must be one of 9, 11, 13, 16, 19"


def _densenet_rule(settings: Mapping[str, Any]) -> str | None:
    step, depths = (6, "6n+4 with bottlenecks: 22, 40, 100") if settings["bottleneck"] else (3, "3n+4: 22, 40, 100")
    fits = settings["depth"] > 4 and (settings["depth"] - 4) % step == 0
    return None if fits else f"depth must be {depths}, ..."


def _vit_rule(settings: Mapping[str, Any]) -> str | None:
    width, heads = settings["width"], settings["heads"]
    return None if width % heads == 0 else f"heads must divide width, got heads {heads} and width {width}"


_DEPTH = "layers with weights"

FAMILIES: Mapping[str, Family] = {
    "resnet": Family(
        pattern="resnet<6n+2>",
        summary="residual network for small images (He et al. 2015, section 4.2), or one without shortcuts",
        examples=("resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
        options={
            "depth": Option(14, _DEPTH),
            "width": Option(16, "channels of the first stage; the others have two and four times as many"),
            "shortcut": Option(True, "false: a plain network, no residual connections"),
            "projection": Option(False, "true: 1x1 convolutions as shortcuts between stages, else free of parameters"),
            "batch_norm": Option(True, "false: no normalisation; convolutions get biases instead"),
        },
        numbered=True,
        rule=_resnet_rule,
    ),
    "vgg": Family(
        pattern="vgg<9|11|13|16|19>",
        summary="stacks of 3x3 convolutions and max pooling, then fully connected layers (Simonyan & Zisserman 2014)",
        examples=("vgg9", "vgg11", "vgg13", "vgg16", "vgg19"),
        options={
            "depth": Option(9, _DEPTH),
            "width": Option(64, "channels of the first stage; the others have two, four and eight times as many"),
            "batch_norm": Option(True, "false: no normalisation; every layer gets a bias instead"),
        },
        numbered=True,
        rule=_vgg_rule,
    ),
    "densenet": Family(
        pattern="densenet<3n+4>",
        summary="three densely connected blocks for small images (Huang et al. 2017)",
        examples=("densenet40", "densenet100"),
        options={
            "depth": Option(40, _DEPTH),
            "growth": Option(12, "channels that each layer adds"),
            "bottleneck": Option(False, "true: a 1x1 convolution before each 3x3, to four times the growth (-B)"),
            "compression": Option(1.0, "fraction of channels kept between blocks (-C: 0.5)", least=0.01, most=1.0),
        },
        numbered=True,
        rule=_densenet_rule,
    ),
    "alexnet": Family(
        pattern="alexnet",
        summary="five convolutions and three fully connected layers, scaled to 32 pixels (Simsekli et al. 2019)",
        examples=("alexnet",),
        options={
            "width": Option(64, "channels of every convolution; the hidden layers have seven times as many units"),
            "dropout": Option(0.5, "probability that a unit before a hidden layer is dropped", least=0.0, below=1.0),
        },
    ),
    "mlp": Family(
        pattern="mlp<depth>",
        summary="fully connected network with ReLU",
        examples=("mlp", "mlp20", "mlp56", "mlp110"),
        options={
            "depth": Option(3, "linear layers, the output's among them"),
            "width": Option(100, "units of each hidden layer"),
            "batch_norm": Option(False, "true: batch normalisation before each ReLU"),
            "bias": Option(True, "false: no biases, as in the published runs"),
        },
        numbered=True,
    ),
    "vit": Family(
        pattern="vit",
        summary="vision transformer for small images (Dosovitskiy et al. 2020)",
        examples=("vit",),
        options={
            "patch": Option(2, "side of a patch in pixels; it must divide the image's"),
            "width": Option(512, "dimension of a token"),
            "depth": Option(6, "transformer blocks"),
            "heads": Option(8, "attention heads; they must divide the width"),
            "mlp_width": Option(512, "units of the hidden layer in each block"),
            "dropout": Option(0.0, "probability that an entry is dropped (published: 0.1)", least=0.0, below=1.0),
        },
        rule=_vit_rule,
    ),
    "torchvision": Family(
        pattern="torchvision:<name>",
        summary="any of torchvision's classification networks, from random weights; its options are the options",
        examples=("torchvision:resnet18",),
        options=None,
    ),
    "factory": Family(
        pattern="package.module:factory",
        summary="a callable of yours that returns a torch.nn.Module; its keyword arguments are the options",
        examples=("package.module:factory",),
        options=None,
    ),
}

_OWN_NAME = re.compile(r"(?P<family>[a-z]+)(?P<depth>0|[1-9]\d*)?")
_TORCHVISION_NAME = re.compile(r"torchvision:[a-z]\w*")
_FACTORY_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_FROM_THE_DATA = ("channels", "size", "classes")
_REFUSED_BY_TORCHVISION = {
    "weights": "training starts from random weights",
    "num_classes": "the data set sets it",
    "aux_logits": "auxiliary outputs are not trained",
}


def resolve(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the key in `FAMILIES` and the complete settings that a name and options stand for.

    Raises
    ------
    ConfigError
        See `anodiff.settings.networks.check`.

    Examples
    --------
    >>> resolve("mlp20", {"width": 50})
    ('mlp', {'depth': 20, 'width': 50, 'batch_norm': False, 'bias': True})
    """
    if ":" in name:
        return _resolve_external(name, options)
    match = _OWN_NAME.fullmatch(name)
    key = match["family"] if match else ""
    family = FAMILIES.get(key)
    depth = int(match["depth"]) if match and match["depth"] else None
    if family is None or family.options is None or (depth is not None and not family.numbered):
        known = [example for family in FAMILIES.values() for example in family.examples]
        raise ConfigError(f"unknown model {name!r}; {did_you_mean(name, known)}")

    for option in options:
        if option not in family.options:
            raise ConfigError(f"model {name!r} takes no option {option!r}; {_hint(option, family.options)}")
    if depth is not None and options.get("depth", depth) != depth:
        raise ConfigError(f"model {name!r}: depth is {depth} by name, {options['depth']!r} by option; leave one out")
    settings = {option: described.default for option, described in family.options.items()} | dict(options)
    if depth is not None:
        settings["depth"] = depth
    for option, value in settings.items():
        if wanted := family.options[option].wrong(value):
            raise ConfigError(f"model {name!r}: {option} must be {wanted}, got {value!r}")
    if problem := family.rule(settings):
        raise ConfigError(f"model {name!r}: {problem}")
    return key, settings


def _resolve_external(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    from_torchvision = name.startswith("torchvision:")
    if not (_TORCHVISION_NAME if from_torchvision else _FACTORY_NAME).fullmatch(name):
        raise ConfigError(f"model {name!r} must be written torchvision:<name> or package.module:factory")
    for option in options:
        if option in _FROM_THE_DATA:
            raise ConfigError(f"model {name!r}: leave option {option!r} out, the data set sets it")
        if from_torchvision and option in _REFUSED_BY_TORCHVISION:
            raise ConfigError(f"model {name!r}: leave option {option!r} out, {_REFUSED_BY_TORCHVISION[option]}")
    return "torchvision" if from_torchvision else "factory", dict(options)


def _hint(option: str, taken: Mapping[str, Option]) -> str:
    nearest = did_you_mean(option, taken)
    listed = f"it takes {', '.join(taken)}"
    return listed if nearest.startswith("known") else f"{nearest} {listed[0].upper()}{listed[1:]}"


INITIALISATIONS = ("default", "kaiming")


def check(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a model that cannot be built, whatever the data set.

    Of ``torchvision:<name>`` and ``package.module:factory`` only the syntax is checked, as neither is imported here.

    Raises
    ------
    ConfigError
        The name is unknown, the depth impossible, or an option unknown, of the wrong kind or out of bounds.
    """
    resolve(name, options)


def names() -> list[str]:
    """Return the usual names, for messages and documentation; other depths and factories are just as good."""
    return [example for family in FAMILIES.values() for example in family.examples]
