"""Which runs does a sweep have, and what are they called?

A run's name says what it is: ``resnet14-bs128-lr0.1-seed0``, then a part for each setting that
differs from the sweep's defaults (``-noshortcut``, ``-momentum0.9``). A name depends only on the
run and the defaults, so a new axis or a new run does not rename the others.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from anodiff.errors import ConfigError
from anodiff.settings.loading import validate
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config, SweepSettings
from anodiff.settings.yaml_text import write_yaml


@dataclass(frozen=True)
class Run:
    """A run of a sweep.

    Attributes
    ----------
    name
        Unique in the sweep; the run's folder.
    group
        The name without the seed: runs of one group differ only in their seed.
    """

    name: str
    group: str
    settings: RunSettings

    @property
    def yaml(self) -> str:
        """The text of the run's run.yaml: its settings, complete."""
        return write_yaml(self.settings.model_dump(mode="json"))


def sweep_runs(config: Config) -> dict[str, Run]:
    """Return the sweep's runs by name, in the order of the config: the grid's blocks first, then the explicit runs.

    Raises
    ------
    ConfigError
        For an invalid setting, a sweep without runs, or two runs that would share a name.
    """
    sweep = config.sweep
    baseline = _sections(sweep.defaults)
    runs: dict[str, Run] = {}
    for where, entry in _entries(sweep):
        values = _merge(baseline, _sections(entry))
        settings = validate(RunSettings, values, where)
        name, group = _names(settings, baseline)
        if name in runs:
            raise ConfigError(
                f"{where}: the sweep has two runs called {name!r}; remove one, or give them different settings, such as seed"
            )
        runs[name] = Run(name, group, settings)
    if not runs:
        raise ConfigError("sweep: no runs; give 'grid' or 'runs'")
    return runs


def _entries(sweep: SweepSettings) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, block in enumerate(sweep.grid):
        axes = [[(key, value) for value in (values if isinstance(values, list) else [values])] for key, values in block.items()]
        empty = [key for key, axis in zip(block, axes, strict=True) if not axis]
        if empty:
            raise ConfigError(f"sweep.grid[{number}].{empty[0]}: an axis needs at least one value")
        for combination in itertools.product(*axes):
            yield f"sweep.grid[{number}]", dict(combination)
    for number, entry in enumerate(sweep.runs):
        yield f"sweep.runs[{number}]", entry


def _sections(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted keys and the shorthand ``model: mlp`` into nested sections."""
    nested: dict[str, Any] = {}
    for key, value in entry.items():
        parts = str(key).split(".")
        if isinstance(value, Mapping):
            value = _sections(value)
        elif isinstance(value, str) and parts[-1] in ("data", "model", "optimiser", "schedule"):
            value = {"name": value}
        for part in reversed(parts):
            value = {part: value}
        nested = _merge(nested, value)
    return nested


def _merge(base: Any, change: Any) -> Any:
    """Override ``base`` by ``change``; a section with another ``name`` starts from that name's own defaults."""
    if not (isinstance(base, Mapping) and isinstance(change, Mapping)):
        return change
    if "name" in change and change["name"] != base.get("name", change["name"]):
        return dict(change)
    return {**base, **{key: _merge(base.get(key), value) for key, value in change.items()}}


def _names(settings: RunSettings, baseline: Mapping[str, Any]) -> tuple[str, str]:
    parts = [
        _plain(settings.model.name),
        f"bs{settings.training.batch_size}",
        f"lr{settings.optimiser.learning_rate:g}",
    ]
    stem, further = "-".join(parts), "".join(f"-{part}" for part in _differences(settings, baseline))
    return f"{stem}-seed{settings.seed}{further}", f"{stem}{further}"


def _differences(section: BaseModel, baseline: Mapping[str, Any]) -> Iterator[str]:
    """Name every setting of a section that differs from the baseline, in the order of the fields."""
    fields = type(section).model_fields
    if "name" in fields:
        name, usual_name = section.name, baseline.get("name", fields["name"].default)  # type: ignore[attr-defined]
        if name != usual_name:
            baseline = {"name": name}
            if _label("name", fields["name"]) is not None:
                yield _plain(name)
    labels = {key: text for key, field in fields.items() if key != "name" and (text := _label(key, field)) is not None}
    nested = {key for key in labels if isinstance(getattr(section, key), BaseModel)}
    plain = {key: value for key, value in baseline.items() if key not in nested}
    usual = _with_defaults(type(section), plain) if set(labels) - nested else None
    for key, text in labels.items():
        value = getattr(section, key)
        if key in nested:
            yield from _differences(value, baseline.get(key) or {})
        elif value != getattr(usual, key):
            yield from _parts(text, value, getattr(usual, key))


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


def _parts(text: str, value: Any, usual: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        before = usual if isinstance(usual, Mapping) else {}
        for key in value:
            if value[key] != before.get(key):
                yield from _parts(key.replace("_", ""), value[key], before.get(key))
    elif isinstance(value, bool):
        yield text if value else f"no{text}"
    elif isinstance(value, float):
        yield f"{text}{value:g}"
    elif isinstance(value, (list, tuple)):
        yield text + hashlib.sha256(repr(value).encode()).hexdigest()[:6]
    else:
        yield text + _plain("auto" if value is None else str(value))


def _plain(text: str) -> str:
    """Replace characters that are not safe in a file name by dots."""
    return re.sub(r"[^A-Za-z0-9._+]+", ".", text)


def landscape_runs(runs: Mapping[str, Run], seeds: str) -> list[str]:
    """Return the runs whose landscape is measured: all with full weights, none, or the first seed of each group."""
    if seeds == "none":
        return []
    full = [name for name, run in runs.items() if run.settings.recording.weights == "full"]
    if seeds == "all":
        return full
    groups: dict[str, str] = {}
    for name in full:
        groups.setdefault(runs[name].group, name)
    return list(groups.values())
