"""Is this file a valid config? If not, one line says which key is wrong and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from anodiff.errors import ConfigError, did_you_mean, one_line, quoted
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config
from anodiff.settings.yaml_text import MOST_BYTES, check_values, read_yaml

Model = TypeVar("Model", bound=BaseModel)

#: Mistakes of a config that one message lists.
MOST_LISTED = 10


def validate(model: type[Model], values: Any, where: str) -> Model:
    """Check ``values`` against ``model``.

    Raises
    ------
    ConfigError
        In one line: the path of every wrong key, its value and what is expected.
    """
    check_values(_section(values, where, model), where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {problems(model, error.errors())}") from None


def problems(model: type[BaseModel], found: Sequence[Any]) -> str:
    """Return in words what pydantic found wrong with the values of a model."""
    listed = [_message(model, problem) for problem in found[:MOST_LISTED]]
    return "; ".join(listed + [f"and {len(found) - MOST_LISTED} more"] * (len(found) > MOST_LISTED))


def load_yaml(path: str | Path) -> Any:
    """Read a YAML file. Raises `ConfigError`, with the number of the line, if it is not YAML."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        return read_yaml(content.decode("utf-8-sig", "strict" if len(content) <= MOST_BYTES else "replace"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not YAML: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def load_config(path: str | Path, *others: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Read and check a config file.

    Each of the ``others`` and then ``changes`` override what is before them, key by key, as
    Snakemake does it with several ``--configfile`` and with ``--config``.
    """
    values: Any = {}
    for file in (path, *others):
        values = _override(values, _section(load_yaml(file), str(file)))
    if changes:
        check_values(changes, "--config")
        values = _override(values, changes)
    return validate(Config, values, " + ".join([*map(str, (path, *others)), *(["--config"] if changes else [])]))


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
    changed = read_yaml(changes, option)
    validate(model, changed, option)
    other_name = changed.get("name", base.get("name")) != base.get("name")
    return validate(model, changed if other_name else base | changed, option)


def _section(values: Any, where: str, model: type[BaseModel] = Config) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        example = next(iter(model.model_fields))
        raise ConfigError(f"{where}: expected keys and values, such as '{example}:', got {quoted(values)}")
    return values


def _override(values: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Override ``values`` by ``changes``, key by key."""
    before = values if isinstance(values, Mapping) else {}
    return {
        **before,
        **{key: _override(before.get(key), each) if isinstance(each, Mapping) else each for key, each in changes.items()},
    }


def _message(model: type[BaseModel], problem: Any) -> str:
    """Return what is wrong with one value, and with which: what it is in the location ends in ``]`` if a union chose it."""
    *parents, last = problem["loc"] or ("",)
    parents = [part for part in parents if not str(part).endswith("]")]
    if problem["type"] == "extra_forbidden":
        key = ".".join(map(str, [*parents, last]))
        return f"unknown key {quoted(key)}; {did_you_mean(str(last), _fields_at(model, parents))}"
    key = one_line(".".join(str(part) for part in [*parents, last] if not str(part).endswith("]")), longest=100)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in ("value_error", "missing"):
        return f"{key}: {message}" if key else message
    if problem["type"] in ("model_type", "dict_type"):
        message = "expected keys and values"
    return f"{key}: {message[0].lower()}{message[1:]}, got {quoted(problem['input'])}"


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
