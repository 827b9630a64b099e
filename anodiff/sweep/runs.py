"""Which runs does a sweep have?

The grid's blocks give every combination of their values, and then come the explicit runs; each is
merged with the sweep's defaults. A new axis or a new run does not rename the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from anodiff.errors import ConfigError, one_line, quoted
from anodiff.settings.loading import problems, validate
from anodiff.settings.run import ModelSettings, RunSettings
from anodiff.settings.sweep import MOST_RUNS, MOST_SETTINGS, Config, SweepSettings
from anodiff.settings.yaml_text import DEEPEST, check_values, write_yaml
from anodiff.sweep import costs, run_size
from anodiff.sweep.run_names import run_names

#: What a name alone can stand for.
NAMED = ("data", "model", "optimiser", "optimiser.schedule")


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
        For an invalid setting, a sweep without runs or with too many, or two equal runs.
    """
    sweep = config.sweep
    baseline = _sections(sweep.defaults, "sweep.defaults")
    _check_defaults(baseline)
    _check_number(sweep)
    places: list[str] = []
    settings: list[RunSettings] = []
    values_left = MOST_SETTINGS
    for where, entry in _entries(sweep):
        values = _merge(baseline, _sections(entry, where))
        values_left -= check_values(values, where)
        if values_left < 0:
            raise ConfigError(f"{where}: the settings of the runs hold more than {MOST_SETTINGS:,} values together")
        run = validate(RunSettings, values, where)
        if not run.data.has_unknown_size:  # else nobody knows the number of samples yet
            _check_length(run, where)
        places.append(where)
        settings.append(run)
    if not settings:
        raise ConfigError("sweep: no runs; give 'grid' or 'runs'")
    runs: dict[str, Run] = {}
    for where, run, (name, group) in zip(places, settings, run_names(settings, baseline), strict=True):
        if name in runs:
            raise ConfigError(
                f"{where}: the sweep has two runs called {name!r}; remove one, or give them different settings, such as seed"
            )
        runs[name] = Run(name, group, run)
    return runs


def _check_length(run: RunSettings, where: str) -> None:
    if run.data.is_text and not run_size.samples(run).samples:
        raise ConfigError(f"{where}: the text has no block of model.context + 1 tokens; set a smaller model.context")
    try:
        run.check_length(costs.steps(run))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_number(sweep: SweepSettings) -> None:
    """Count the runs before any is made."""
    count = len(sweep.runs)
    for number, block in enumerate(sweep.grid):
        combinations = 1
        for key, values in block.items():
            if values == []:
                raise ConfigError(f"sweep.grid[{number}].{one_line(key, 100)}: an axis needs at least one value")
            combinations *= len(values) if isinstance(values, list) else 1
            if combinations > MOST_RUNS:
                break
        count += combinations
    if count > MOST_RUNS:
        raise ConfigError(f"sweep: more than {MOST_RUNS:,} runs; split it into several sweeps")


def _check_defaults(baseline: Mapping[str, Any]) -> None:
    """Refuse defaults that are wrong whatever a run adds to them."""
    where = "sweep.defaults"
    check_values(baseline, where)
    try:
        RunSettings.model_validate(baseline)
    except ValidationError as error:
        wrong = [problem for problem in error.errors() if problem["type"] != "value_error" or not _is_section(problem["loc"])]
        if wrong:
            raise ConfigError(f"{where}: {problems(RunSettings, wrong)}") from None
    model = baseline.get("model", {})
    if isinstance(model, Mapping) and "name" in model:
        validate(ModelSettings, {"name": model["name"]}, f"{where}.model")


def _is_section(location: tuple[Any, ...]) -> bool:
    """Return whether a location is that of a section, which a run may complete, and not of a value."""
    section: Any = RunSettings
    for part in location:
        field = section.model_fields.get(part) if isinstance(part, str) else None
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return False
        section = field.annotation
    return True


def _entries(sweep: SweepSettings) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, block in enumerate(sweep.grid):
        axes = [[(key, value) for value in (values if isinstance(values, list) else [values])] for key, values in block.items()]
        for combination in itertools.product(*axes):
            yield f"sweep.grid[{number}]", dict(combination)
    for number, entry in enumerate(sweep.runs):
        yield f"sweep.runs[{number}]", entry


def _sections(entry: Mapping[str, Any], where: str, within: str = "") -> dict[str, Any]:
    """Turn dotted keys and the shorthand ``model: mlp`` into nested sections.

    Raises
    ------
    ConfigError
        If two spellings of a key are given, such as ``training.steps`` beside ``training: {steps}``.
    """
    nested: dict[str, Any] = {}
    for key, value in entry.items():
        path = f"{within}{key}"
        if path.count(".") >= DEEPEST:
            raise ConfigError(f"{where}: {quoted(path)}: more than {DEEPEST} keys within each other")
        if isinstance(value, Mapping):
            value = _sections(value, where, f"{path}.")
        elif isinstance(value, str) and path in NAMED:
            value = {"name": value}
        for part in reversed(key.split(".")):
            value = {part: value}
        _unite(nested, value, where, within)
    return nested


def _unite(into: dict[str, Any], other: Mapping[str, Any], where: str, within: str) -> None:
    for key, value in other.items():
        if key not in into:
            into[key] = value
        elif isinstance(into[key], dict) and isinstance(value, dict):
            _unite(into[key], value, where, f"{within}{key}.")
        else:
            raise ConfigError(f"{where}: {quoted(within + key)} is given in two spellings; leave one out")


def _merge(base: Any, change: Any) -> Any:
    """Override ``base`` by ``change``; a section with another ``name`` starts from that name's own defaults."""
    if not (isinstance(base, Mapping) and isinstance(change, Mapping)):
        return change
    if "name" in change and change["name"] != base.get("name", change["name"]):
        return dict(change)
    return {**base, **{key: _merge(base.get(key), value) for key, value in change.items()}}


def landscape_runs(runs: Mapping[str, Run], seeds: str) -> list[str]:
    """Return the runs whose landscape is measured: all with full weights, none, or the first seed of each group."""
    return runs_of_seeds({name: run for name, run in runs.items() if run.settings.recording.weights == "full"}, seeds)


def parts_runs(runs: Mapping[str, Run]) -> list[str]:
    """Return the runs whose parts are measured: those with groups of parameters, or with walks."""
    return [name for name, run in runs.items() if run.settings.recording.groups or run.settings.recording.walks]


def learning_runs(runs: Mapping[str, Run], seeds: str) -> list[str]:
    """Return the runs of which it is measured what they learn when: those on images with full weights."""
    return landscape_runs({name: run for name, run in runs.items() if not run.settings.data.is_text}, seeds)


def runs_of_seeds(runs: Mapping[str, Run], seeds: str) -> list[str]:
    """Return all runs, none, or that of the first seed of each group, for ``all``, ``none`` and ``first``."""
    if seeds == "none":
        return []
    if seeds == "all":
        return list(runs)
    groups: dict[str, str] = {}
    for name, run in runs.items():
        groups.setdefault(run.group, name)
    return list(groups.values())
