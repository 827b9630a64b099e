"""What do all settings have in common?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """Base of all settings: immutable, no unknown keys, a field's docstring is its description."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False, defer_build=True)


class Named(Settings):
    """A section that its ``name`` alone can stand for: ``model: mlp`` is ``model: {name: mlp}``."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


def name_label(text: str | None) -> Any:
    """Set how a field appears in a run's name: ``text`` before its value, or the value alone if
    ``text`` is empty.

    Without a label, the field's own name stands before its value. With None, the field never adds a
    part to the name.
    """
    return Field(json_schema_extra={"label": text})


def dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level of dotted keys, each after ``prefix``.

    An empty section stays as it is.

    Examples
    --------
    >>> dotted({"optimiser": {"name": "sgd", "momentum": 0.9}, "seed": 0})
    {'optimiser.name': 'sgd', 'optimiser.momentum': 0.9, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        is_section = isinstance(value, Mapping) and value
        flat |= dotted(value, f"{prefix}{key}.") if is_section else {f"{prefix}{key}": value}
    return flat
