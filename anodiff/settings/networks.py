"""Which networks can a config name, and with which options and depths? Does not import torch."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from anodiff.errors import ConfigError, did_you_mean, quoted

#: What samples can be.
IMAGES, TEXT = "images", "text"


@dataclass(frozen=True)
class Option:
    """A keyword of a family: its default, which also sets its type, its meaning, and its bounds ge
    ≤ value ≤ le, value < lt."""

    default: bool | int | float
    meaning: str
    ge: float = 1
    le: float = 65_536
    lt: float = float("inf")

    def expected(self, value: Any) -> str | None:
        """Return what ``value`` should have been, or None if it is valid."""
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "true or false"
        whole = isinstance(self.default, int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if number and self.ge <= value <= self.le and value < self.lt:
            return None
        upper = f" and below {self.lt:g}" if self.lt < self.le else f" and at most {self.le:g}"
        bounds = f"at least {self.ge:g}" + (upper if min(self.lt, self.le) < float("inf") else "")
        return f"a {'whole ' if whole else ''}number, {bounds}"


@dataclass(frozen=True)
class Family:
    """A kind of network.

    Attributes
    ----------
    pattern
        What its names look like, for the documentation.
    summary
        One line about it, for the documentation.
    examples
        Names in common use.
    options
        Its keywords, with their defaults; None if they belong to code outside this package.
    numbered
        Whether the name may end in the depth.
    samples
        What it takes: `IMAGES` or `TEXT`; None for either.
    rule
        Returns what is wrong with a combination of valid options, or None.
    """

    pattern: str
    summary: str
    examples: tuple[str, ...]
    options: Mapping[str, Option] | None = field(default_factory=dict)
    numbered: bool = False
    samples: str | None = IMAGES
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


def _heads_rule(settings: Mapping[str, Any]) -> str | None:
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
            "width": Option(16, "channels of the first stage (the others have two and four times as many)"),
            "shortcut": Option(True, "residual connections (false: a plain network)"),
            "projection": Option(False, "1x1 convolutions as shortcuts between stages (false: shortcuts without parameters)"),
            "batch_norm": Option(True, "batch normalisation (false: the convolutions get biases instead)"),
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
            "width": Option(64, "channels of the first stage (the others have two, four and eight times as many)"),
            "batch_norm": Option(True, "batch normalisation (false: every layer gets a bias instead)"),
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
            "growth": Option(12, "channels that each layer adds to its input"),
            "bottleneck": Option(False, "a 1x1 convolution to four times the growth before each 3x3 convolution (-B)"),
            "compression": Option(1.0, "fraction of channels kept between blocks (-C: 0.5)", ge=0.01, le=1.0),
        },
        numbered=True,
        rule=_densenet_rule,
    ),
    "alexnet": Family(
        pattern="alexnet",
        summary="five convolutions and three fully connected layers, scaled to 32 pixels (Simsekli et al. 2019)",
        examples=("alexnet",),
        options={
            "width": Option(64, "channels of every convolution (a hidden layer has seven times as many units)"),
            "dropout": Option(0.5, "probability of dropping a unit before a hidden layer", ge=0.0, lt=1.0),
        },
    ),
    "mlp": Family(
        pattern="mlp<depth>",
        summary="fully connected network with ReLU",
        examples=("mlp", "mlp20", "mlp56", "mlp110"),
        options={
            "depth": Option(3, "linear layers, output layer included"),
            "width": Option(100, "units of each hidden layer"),
            "batch_norm": Option(False, "batch normalisation before each ReLU"),
            "bias": Option(True, "biases (the published runs have none)"),
        },
        numbered=True,
    ),
    "vit": Family(
        pattern="vit",
        summary="vision transformer for small images (Dosovitskiy et al. 2020)",
        examples=("vit",),
        options={
            "patch": Option(2, "side of a patch in pixels, a divisor of the image's side"),
            "width": Option(512, "dimension of a token"),
            "depth": Option(6, "transformer blocks"),
            "heads": Option(8, "attention heads, a divisor of the width"),
            "mlp_width": Option(512, "units of the hidden layer in each block"),
            "dropout": Option(0.0, "probability of dropping an entry (published: 0.1)", ge=0.0, lt=1.0),
        },
        rule=_heads_rule,
    ),
    "gpt": Family(
        pattern="gpt",
        summary="decoder for text, normalisation first, learnt positions (Radford et al. 2019)",
        examples=("gpt",),
        options={
            "depth": Option(4, "transformer blocks"),
            "width": Option(128, "dimension of a token"),
            "heads": Option(4, "attention heads, a divisor of the width"),
            "dropout": Option(0.0, "probability of dropping an entry", ge=0.0, lt=1.0),
            "tied": Option(True, "the output layer has the weights of the embedding (false: its own)"),
        },
        rule=_heads_rule,
        samples=TEXT,
    ),
    "torchvision": Family(
        pattern="torchvision:<name>",
        summary="any classification network of torchvision, with random initial weights; its keyword arguments are the options",
        examples=("torchvision:resnet18",),
        options=None,
    ),
    "factory": Family(
        pattern="package.module:factory",
        summary="your own callable that returns a torch.nn.Module; its keyword arguments are the options",
        examples=("package.module:factory",),
        options=None,
        samples=None,
    ),
}

Initialisation = Literal["kaiming", "default"]
INITIALISATIONS: tuple[str, ...] = get_args(Initialisation)

_FAMILY_NAME = re.compile(r"(?P<family>[a-z]+)(?P<depth>0|[1-9][0-9]{0,8})?")
_TORCHVISION_NAME = re.compile(r"torchvision:[a-z]\w*")
_FACTORY_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SET_BY_DATA = ("channels", "size", "classes", "vocabulary")
_NO_TORCHVISION_OPTIONS = {
    "weights": "training starts from random weights",
    "num_classes": "the data set sets it",
    "aux_logits": "auxiliary outputs are not trained",
}


def resolve_model(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a model's key in `FAMILIES` and its complete options.

    For ``torchvision:<name>`` and ``package.module:factory``, only the syntax is checked, since
    neither is imported here.

    Raises
    ------
    ConfigError
        If the name is unknown, the depth impossible, or an option unknown, of the wrong type or out
        of bounds.

    Examples
    --------
    >>> resolve_model("mlp20", {"width": 50})
    ('mlp', {'depth': 20, 'width': 50, 'batch_norm': False, 'bias': True})
    """
    if ":" in name:
        return _resolve_external(name, options)
    match = _FAMILY_NAME.fullmatch(name)
    key = match["family"] if match else ""
    family = FAMILIES.get(key)
    depth = int(match["depth"]) if match and match["depth"] else None
    if family is None or family.options is None or (depth is not None and not family.numbered):
        raise ConfigError(f"unknown model {quoted(name)}; {did_you_mean(name, model_names())}")

    for option in options:
        if option not in family.options:
            raise ConfigError(f"model {quoted(name)} takes no option {quoted(option)}; {_hint(option, family.options)}")
    if depth is not None and options.get("depth", depth) != depth:
        other = quoted(options["depth"])
        raise ConfigError(f"model {quoted(name)}: depth is {depth} in the name, {other} in the options; leave one out")
    settings = {option: described.default for option, described in family.options.items()} | dict(options)
    if depth is not None:
        settings["depth"] = depth
    for option, value in settings.items():
        if expected := family.options[option].expected(value):
            raise ConfigError(f"model {quoted(name)}: {option} must be {expected}, got {quoted(value)}")
    if problem := family.rule(settings):
        raise ConfigError(f"model {quoted(name)}: {problem}")
    return key, settings


def _resolve_external(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Check a network from elsewhere. Its factory may be anything but Python's own, none of which returns a network."""
    from_torchvision = name.startswith("torchvision:")
    if not (_TORCHVISION_NAME if from_torchvision else _FACTORY_NAME).fullmatch(name):
        raise ConfigError(f"model {quoted(name)}: write torchvision:<name> or package.module:factory")
    module = re.split(r"[.:]", name)[0]
    if module in sys.stdlib_module_names or module == "__main__":
        raise ConfigError(f"model {quoted(name)}: {module} belongs to Python and has no networks; name a module of your own")
    for option in options:
        if option in _SET_BY_DATA:
            raise ConfigError(f"model {quoted(name)}: leave option {quoted(option)} out; the data set sets it")
        if from_torchvision and option in _NO_TORCHVISION_OPTIONS:
            raise ConfigError(f"model {quoted(name)}: leave option {quoted(option)} out; {_NO_TORCHVISION_OPTIONS[option]}")
    return "torchvision" if from_torchvision else "factory", dict(options)


def _hint(option: str, taken: Mapping[str, Option]) -> str:
    nearest = did_you_mean(option, taken)
    listed = f"it takes {', '.join(taken)}"
    return listed if nearest.startswith("known") else f"{nearest} {listed[0].upper()}{listed[1:]}"


def samples_of(name: str) -> str | None:
    """Return what a valid name's network takes, `IMAGES` or `TEXT`; None for your own, which may take either.

    Examples
    --------
    >>> samples_of("resnet14"), samples_of("gpt"), samples_of("package.module:factory")
    ('images', 'text', None)
    """
    return FAMILIES[resolve_model(name, {})[0]].samples


def model_names() -> list[str]:
    """Return names in common use, for messages; other depths and factories work as well."""
    return [example for family in FAMILIES.values() for example in family.examples]
