"""Which network does a run train?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from anodiff.settings.base import Named, name_label
from anodiff.settings.networks import FAMILIES, IMAGES, resolve_model

#: Options of a model that most families share; the others are in ``options``.
COMMON_OPTIONS = ("depth", "width", "heads", "shortcut", "batch_norm")


class ModelSettings(Named):
    """The network. It adapts to the data set's channels, size and classes, or to the tokens of a text.
    Settings left out have the family's defaults."""

    name: Annotated[str, name_label(None)] = "resnet14"
    """resnet<6n+2>, vgg9, vgg11, vgg16, densenet<depth>, alexnet, mlp<depth>, vit; gpt for text;
    torchvision:<name>, or package.module:factory for your own."""
    depth: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """Number of layers with weights, if the name does not give it."""
    width: Annotated[int | None, Field(ge=1, le=65_536)] = None
    """Channels of the first stage, units of a hidden layer, or dimension of a token."""
    heads: Annotated[int | None, Field(ge=1, le=65_536)] = None
    """For gpt: attention heads, a divisor of the width. A vit has them in ``options``."""
    context: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """For text: tokens that a sample has and the network sees at most (128 by default). Blocks of the
    data have one more, the last label."""
    shortcut: bool | None = None
    """For ResNets: false removes the shortcuts."""
    batch_norm: Annotated[bool | None, name_label("batchnorm")] = None
    """false removes batch normalisation, in families that have it."""
    options: dict[str, Any] = {}
    """Further keyword arguments of the family, the torchvision network or your factory."""
    logits: Annotated[int, Field(ge=0, le=1000)] | str | None = None
    """For your own networks: key, attribute or index of the logits in what the network returns. By
    default ``logits``, or the only tensor that has their shape."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Check name and options; fill in the family's defaults, so that a run.yaml is complete."""
        value = {"name": value} if isinstance(value, str) else value
        options = value.get("options", {}) if isinstance(value, Mapping) else None
        name = value.get("name", "resnet14") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or not isinstance(options, Mapping):
            return value
        given = {key: value[key] for key in COMMON_OPTIONS if value.get(key) is not None}
        family, complete = resolve_model(name, {**given, **options})
        own = ["heads"] if FAMILIES[family].samples == IMAGES else []  # a vit's are among its options
        named = {key: complete.pop(key) for key in COMMON_OPTIONS if key in complete and key not in own}
        return {**value, **dict.fromkeys(own), **named, "options": complete}

    def keywords(self) -> dict[str, Any]:
        """Return the settings as keyword arguments of `anodiff.models.build`."""
        named: dict[str, Any] = {key: getattr(self, key) for key in COMMON_OPTIONS}
        named["logits"] = self.logits
        return {key: value for key, value in named.items() if value is not None} | self.options

    @model_validator(mode="after")
    def _has_choice_of_logits(self) -> ModelSettings:
        if self.logits is not None and ":" not in self.name:
            raise ValueError(f"'logits' is for your own networks; {self.name} returns nothing else")
        return self
