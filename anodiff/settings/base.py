"""What all settings have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """Base of all settings: immutable, unknown keys refused, documented fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Named(Settings):
    """A section whose ``name`` alone may stand for it: ``model: mlp`` is ``model: {name: mlp}``."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


def label(text: str | None) -> Any:
    """How a field appears in a run's name: ``text`` before its value, or the bare value where ``text`` is empty."""
    return Field(json_schema_extra={"label": text})
