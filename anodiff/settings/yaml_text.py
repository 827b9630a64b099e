"""Which plain values does a YAML text hold? Read the same way wherever a config is read.

The values are text, numbers, true, false, null, lists, and sections with text as keys. Everything
is bounded before it is expanded, so that no text, however short, takes long or fills the memory.

Two pitfalls of YAML are closed. PyYAML takes ``1e-1`` for text; here it is a number. And ``010`` or
``1:30`` are other numbers in YAML 1.1 than in 1.2; here they are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from anodiff.errors import ConfigError, one_line, quoted, reason_of

#: Bounds of a text: its bytes in UTF-8; sections and lists within each other; values, each use of an alias counted with all
#: that it stands for; characters of a number.
MOST_BYTES, DEEPEST, MOST_VALUES, LONGEST_NUMBER = 2**21, 32, 200_000, 100

_CORE = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF")
_TRUE = ("yes", "true", "on")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0b[01][01_]*|0x[0-9a-fA-F][0-9a-fA-F_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_AMBIGUOUS = re.compile(r"[-+]?(?:0[0-9_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)")
_MERGE = object()


def read_yaml(text: str, where: str) -> Any:
    """Return the values of a YAML text; null if it is empty.

    Raises
    ------
    ConfigError
        With the number of the line: if the text is not YAML, uses another tag than those of plain
        values, gives a key twice, has a key that is not text, contains itself, or exceeds a bound.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise ConfigError(f"{where}: longer than {MOST_BYTES:,} bytes; write many runs as a grid")
    try:
        return _Reading(where).read(text)
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"{where}: not YAML: {reason_of(error)}") from None


def write_yaml(values: Any) -> str:
    """Return YAML text from which `read_yaml` gives the same values again."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False)


def check_values(values: Any, where: str) -> int:
    """Refuse what no YAML text can give: values beyond the bounds, keys that are not text, numbers
    that are not finite, and text with a NUL character or half a surrogate pair. Return how many
    values there are.

    Raises
    ------
    ConfigError
        With the path of the key.
    """
    waiting: list[tuple[Any, _Place | None, int]] = [([values], None, 0)]
    count = 0
    while waiting:
        container, place, depth = waiting.pop()
        count += len(container)
        if depth > DEEPEST:
            raise ConfigError(f"{_at(where, place)}more than {DEEPEST} sections and lists within each other")
        if count > MOST_VALUES:
            raise ConfigError(f"{where}: more than {MOST_VALUES:,} values; write many runs as a grid")
        is_section = isinstance(container, Mapping)
        for name, value in container.items() if is_section else enumerate(container):
            here = place if depth == 0 else (place, name)
            if is_section and not isinstance(name, str):
                raise ConfigError(f"{_at(where, place)}key {quoted(name)} is not text")
            problem = _problem(name) or _problem(value)
            if problem:
                raise ConfigError(f"{_at(where, here)}{problem}")
            if isinstance(value, (Mapping, list, tuple)):
                waiting.append((value, here, depth + 1))
    return count


#: Where a value is: where that is which holds it, and its key or number there.
_Place = tuple[Any, str | int]


def _at(where: str, place: _Place | None) -> str:
    """Return the beginning of a message about the value at a place."""
    path = ""
    while place is not None:
        place, name = place
        path = f"[{name}]{path}" if isinstance(name, int) else f".{name}{path}"
    return f"{where}: {one_line(path.removeprefix('.'), 200)}: " if path else f"{where}: "


def _problem(value: Any) -> str | None:
    """Return what is wrong with a single value, or None."""
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)):
            return f"text with a character that no file can hold: {quoted(value)}"
    elif isinstance(value, float):
        if not math.isfinite(value):
            return f"{value} is not a finite number"
    elif isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER:
        return f"a number of more than {LONGEST_NUMBER} digits"
    return None


@dataclass
class _Open:
    """A section or list whose end has not been read; ``size`` counts its values, aliases expanded."""

    line: int
    anchor: str | None
    is_section: bool
    items: list[Any] = field(default_factory=list)
    section: dict[str, Any] = field(default_factory=dict)
    merged: dict[str, Any] = field(default_factory=dict)
    key: Any = None
    has_key: bool = False
    size: int = 1


class _Reading:
    """The values of one text, built from its events without recursion."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._open: list[_Open] = []
        self._anchored: dict[str, tuple[Any, int]] = {}
        self._documents = 0
        self._result: Any = None

    def read(self, text: str) -> Any:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    raise self._refusal(line, "a second document begins; write one a file")
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor or "", line)
            elif isinstance(event, yaml.ScalarEvent):
                value = self._scalar(event, line)
                self._keep(event.anchor, value, 1)
                self._add(value, 1, line)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._begin(event, line)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._end()
        return self._result

    def _refusal(self, line: int, problem: str) -> ConfigError:
        return ConfigError(f"{self._where}: line {line}: {problem}")

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, line: int) -> None:
        is_section = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _CORE + ("map" if is_section else "seq")):
            raise self._refusal(line, f"not YAML of plain values: tag {quoted(event.tag)}; leave it out")
        if len(self._open) >= DEEPEST:
            raise self._refusal(line, f"more than {DEEPEST} sections and lists within each other")
        if self._open and self._open[-1].is_section and not self._open[-1].has_key:
            raise self._refusal(line, "a section or list as a key; keys must be text")
        self._open.append(_Open(line, event.anchor, is_section))

    def _end(self) -> None:
        done = self._open.pop()
        value = {**done.merged, **done.section} if done.is_section else done.items
        self._keep(done.anchor, value, done.size)
        self._add(value, done.size, done.line)

    def _keep(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self._anchored[anchor] = (value, size)

    def _alias(self, anchor: str, line: int) -> None:
        if any(each.anchor == anchor for each in self._open):
            raise self._refusal(line, f"alias *{one_line(anchor, 100)} stands within what it stands for")
        if anchor not in self._anchored:
            raise self._refusal(
                line, f"alias *{one_line(anchor, 100)} stands for nothing; write &{one_line(anchor, 100)} before"
            )
        self._add(*self._anchored[anchor], line)

    def _add(self, value: Any, size: int, line: int) -> None:
        """Put a finished value into what is open, as an item, a key, or the value of a key."""
        if not self._open:
            self._result = value
            return
        into = self._open[-1]
        into.size += size
        if into.size > MOST_VALUES:
            raise self._refusal(line, f"more than {MOST_VALUES:,} values, aliases expanded; write many runs as a grid")
        if not into.is_section:
            into.items.append(value)
        elif not into.has_key:
            self._begin_key(into, value, line)
        else:
            into.has_key = False
            if into.key is _MERGE:
                self._merge(into, value, line)
            else:
                into.section[into.key] = value

    def _begin_key(self, into: _Open, key: Any, line: int) -> None:
        if key is not _MERGE and not isinstance(key, str):
            raise self._refusal(line, f"key {quoted(key)} is not text; write it in quotes")
        if key is not _MERGE and key in into.section:
            raise self._refusal(line, f"key {quoted(key)} is given twice in one section; leave one out")
        into.key, into.has_key = key, True

    def _merge(self, into: _Open, value: Any, line: int) -> None:
        for section in value if isinstance(value, list) else [value]:
            if not isinstance(section, dict):
                raise self._refusal(line, "'<<' takes a section or a list of sections")
            for key, each in section.items():
                into.merged.setdefault(key, each)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        plain, tag, text = event.implicit[0], event.tag, event.value
        if plain and tag is None:
            as_key = bool(self._open) and self._open[-1].is_section and not self._open[-1].has_key
            return _MERGE if as_key and text == "<<" else self._resolved(text, line)
        if tag in (None, "!", _CORE + "str"):
            return text
        value = self._resolved(text, line)
        kinds = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
        kind = kinds.get(tag.removeprefix(_CORE)) if tag.startswith(_CORE) else None
        if kind is None:
            raise self._refusal(line, f"not YAML of plain values: tag {quoted(tag)}; leave it out")
        if not isinstance(value, kind):  # type: ignore[arg-type]
            raise self._refusal(line, f"{quoted(text)} is not of the tag's type, {quoted(tag)}")
        return float(value) if tag == _CORE + "float" else value

    def _resolved(self, text: str, line: int) -> Any:
        """Return what a plain scalar means."""
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() in _TRUE
        if text[0] not in "-+.0123456789":
            return text
        if _AMBIGUOUS.fullmatch(text):
            raise self._refusal(
                line, f"{quoted(text)} is another number in other versions of YAML; write it in quotes, or plainly"
            )
        if not (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):
            return text
        if len(text.lstrip("+-")) > LONGEST_NUMBER:
            raise self._refusal(line, f"a number of {len(text)} characters; write at most {LONGEST_NUMBER}")
        digits = text.replace("_", "").lower()
        if _INT.fullmatch(text):
            return int(digits, 0)
        return float(digits.replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """Puts text that `read_yaml` would take for a number into quotes, and repeats instead of using aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(_CORE + "float", re.compile(f"(?:{_FLOAT.pattern})$"), list("-+0123456789."))
