"""Is this file a valid config? If not, one line says which key is wrong and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from anodiff.errors import ConfigError, did_you_mean
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Any, where: str) -> Model:
    """Check ``values`` against ``model``.

    Raises
    ------
    ConfigError
        In one line: the path of every wrong key, its value and what is expected.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected keys and values, such as 'sweep:', got {type(values).__name__}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_message(model, problem) for problem in error.errors())) from None


def load_yaml(path: str | Path) -> Any:
    """Read a YAML file. Raises `ConfigError`, with the number of the line, if it is not YAML."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML: {reason}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def load_config(path: str | Path) -> Config:
    """Read and check a config file."""
    return validate(Config, load_yaml(path), str(path))


def load_run(path: str | Path) -> RunSettings:
    """Read and check a run.yaml."""
    return validate(RunSettings, load_yaml(path), str(path))


def load_stage(model: type[Model], section: str, path: str | Path | None, changes: str = "{}", option: str = "") -> Model:
    """Return the settings of a stage after training: a section of a config file, or the defaults if
    there is no file.

    ``changes``, in YAML, override the section. With another ``name`` than the section's, they start
    from the defaults of that name instead. ``option`` is the command-line option that gave the
    changes, for errors.
    """
    option = option or f"--{section}"
    base: dict[str, Any] = (model() if path is None else getattr(load_config(path), section)).model_dump()
    try:
        changed = yaml.safe_load(changes)
    except yaml.YAMLError:
        raise ConfigError(f"{option}: not YAML: {changes!r}; write for example '{{slope_width: 0.3}}'") from None
    validate(model, changed, option)
    other_name = changed.get("name", base.get("name")) != base.get("name")
    return validate(model, changed if other_name else base | changed, option)


def _message(model: type[BaseModel], problem: Any) -> str:
    location = [part for part in problem["loc"] if not str(part).endswith("]")]
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        return f"unknown key {key!r}; {did_you_mean(str(location[-1]), known)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in ("value_error", "missing"):
        return f"{key}: {message}" if key else message
    return f"{key}: {message[0].lower()}{message[1:]}, got {problem['input']!r}"


def _fields_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Return the names of the fields of the section at ``location``."""
    for part in location:
        field = model.model_fields.get(str(part))
        models_within = [] if field is None else _models_within(field.annotation)
        if models_within:
            model = models_within[0]
    return list(model.model_fields)


def _models_within(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_within(argument)]
