"""What do all settings have in common?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from anodiff.errors import quoted

#: Bytes of a folder's path, and of one name in it, as most file systems bound them.
LONGEST_PATH, LONGEST_NAME = 1024, 255

#: Most optimiser steps of a run.
MOST_STEPS = 10_000_000

#: Seeds are whole numbers of 64 bits with a sign, which tables can hold.
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Settings(BaseModel):
    """Base of all settings: immutable, no unknown keys, a field's docstring is its description."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        given = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, bool) for each in given):
            types = _types_within(cls.model_fields[str(info.field_name)].annotation)
            if types & {int, float} and not types & {bool, Any}:
                raise ValueError(f"expected a number, got {quoted(value)}")
        return value


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


def _types_within(annotation: Any) -> set[Any]:
    arguments = get_args(annotation)
    return set().union(*map(_types_within, arguments)) if arguments else {annotation}


def _folder(path: str) -> str:
    """Refuse what is no folder, or another one than it seems."""
    problem = None
    if not path.strip():
        problem = "is empty; write . for the folder from which you start"
    elif any(c < " " or c == "\x7f" for c in path):
        problem = "has a control character"
    elif len(path.encode()) > LONGEST_PATH or any(len(name.encode()) > LONGEST_NAME for name in path.split("/")):
        problem = f"is too long: at most {LONGEST_PATH} bytes, and {LONGEST_NAME} for each name in it"
    elif re.match(r"~[\w.-]*(/|$)", path) or re.search(r"\$[A-Za-z_{]", path):
        problem = "has ~ or $NAME, which are not replaced, since machines differ in them; write the folder itself"
    if problem:
        raise ValueError(f"{quoted(path)} {problem}")
    return path


#: Path of a folder, as text.
Folder = Annotated[str, AfterValidator(_folder)]


def _relative(path: str) -> str:
    """Refuse a path that is right on one machine only."""
    if path.startswith("/"):
        raise ValueError(f"{quoted(path)} is a path of one machine; write it relative to the folder of data sets, paths.data")
    return _folder(path)


#: Path below the folder of data sets, or a pattern of such paths.
RelativePath = Annotated[str, AfterValidator(_relative)]
