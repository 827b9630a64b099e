"""What is a run called? By a name that says what it is, and that every file system takes.

``resnet14-bs128-lr0.1-seed0``, then a part for each setting that differs from the sweep's defaults
(``-noshortcut``, ``-momentum0.9``). Whatever stands in a config, a name has only letters and digits
of ASCII and ``._+-``, does not begin with a dot, and is bounded.

The pitfall: two settings may look the same (``1`` and ``"1"``, or numbers that differ in the
seventh digit). Then all runs that would share a name have a digest of their settings at its end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import LONGEST_RUN_NAME

#: Characters of a cut name's model, and of a digest.
LONGEST_MODEL, DIGEST = 80, 12


def run_names(settings: Sequence[RunSettings], baseline: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and group of each run; the group is the name without the seed.

    Two runs have one group if they differ in nothing but the seed, and one name if they do not
    differ at all. ``baseline`` holds the sweep's defaults, as sections.
    """
    stems = [_stem(each) for each in settings]
    endings = ["".join(f"-{part}" for part in _differences(each, baseline)) for each in settings]
    contents = [each.model_dump_json(exclude={"seed"}) for each in settings]
    sharing: dict[str, set[str]] = {}
    for stem, ending, content in zip(stems, endings, contents, strict=True):
        sharing.setdefault(stem + ending, set()).add(content)
    names = []
    for each, stem, ending, content in zip(settings, stems, endings, contents, strict=True):
        if len(sharing[stem + ending]) > 1 or len(stem + ending) > LONGEST_RUN_NAME:
            stem = _stem(each, LONGEST_MODEL)
            ending = f"{ending[: LONGEST_RUN_NAME - len(stem) - DIGEST - 1]}-{_digest(content)}"
        names.append((f"{stem}-seed{each.seed}{ending}", stem + ending))
    return names


def _stem(settings: RunSettings, longest: int | None = None) -> str:
    model = re.sub(r"^\.+", "_", safe_text(settings.model.name))[:longest]
    return f"{model}-bs{settings.training.batch_size}-lr{settings.optimiser.learning_rate:g}"


def safe_text(text: str) -> str:
    """Return text for a part of a file's name, with dots for characters that are not safe in one.

    Examples
    --------
    >>> safe_text("$(touch x)/{run}")
    '.touch.x.run.'
    """
    return re.sub(r"[^A-Za-z0-9._+]+", ".", text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def _differences(section: BaseModel, baseline: Mapping[str, Any]) -> Iterator[str]:
    """Name every setting of a section that differs from the baseline, in the order of the fields."""
    fields = type(section).model_fields
    if "name" in fields:
        name, usual_name = section.name, baseline.get("name", fields["name"].default)  # type: ignore[attr-defined]
        if name != usual_name:
            baseline = {"name": name}
            if _label("name", fields["name"]) is not None:
                yield safe_text(name)
    labels = {key: text for key, field in fields.items() if key != "name" and (text := _label(key, field)) is not None}
    nested = {key for key in labels if isinstance(getattr(section, key), BaseModel)}
    plain = {key: value for key, value in baseline.items() if key not in nested}
    usual = _with_defaults(type(section), plain) if set(labels) - nested else None
    for key, text in labels.items():
        value = getattr(section, key)
        if key in nested:
            yield from _differences(value, baseline.get(key) or {})
        elif value != (before := getattr(usual, key, None)):  # one without a default is not in an incomplete section
            yield from _parts(text, value, before)


def _with_defaults(section: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    """Complete ``values`` with the defaults; without what a run adds they may be inconsistent."""
    try:
        return section.model_validate(values)
    except ValidationError:
        return section.model_construct(**values)


def _label(key: str, field: FieldInfo) -> str | None:
    """Return the text before the field's value in a name; None if the field has a fixed place in the name."""
    extra = field.json_schema_extra
    default = key.replace("_", "")
    return extra.get("label", default) if isinstance(extra, dict) else default  # type: ignore[return-value]


def _parts(text: str, value: Any, usual: Any, within: str = "") -> Iterator[str]:
    """Name a setting after its key ``text``; of keyword arguments each that differs, after those it is ``within``."""
    if isinstance(value, Mapping):
        before = usual if isinstance(usual, Mapping) else {}
        for key in value:
            if value[key] != before.get(key):
                part = within + safe_text(key.replace("_", ""))
                yield from _parts(part, value[key], before.get(key), f"{part}.")
    elif value is None and isinstance(usual, BaseModel):
        yield f"no{text}"
    elif isinstance(value, bool):
        yield text if value else f"no{text}"
    elif isinstance(value, float):
        yield f"{text}{value:g}"
    elif isinstance(value, (list, tuple)) and len(value) <= 3 and all(isinstance(each, str) for each in value):
        yield text + safe_text("+".join(value)) if value else f"no{text}"
    elif isinstance(value, (list, tuple)):
        yield text + hashlib.sha256(repr(value).encode()).hexdigest()[:6]
    else:
        yield text + safe_text("auto" if value is None else str(value))
