"""Which parameters belong together? By layer, by kind of layer, or by patterns of their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

#: Groups by name, patterns of parameters' names, or one of the two divisions made from the model.
Groups = str | Mapping[str, str | Sequence[str]] | None

LAYER, KIND = "layer", "kind"

#: The group of the parameters that fit none of the given patterns.
REST = "rest"

#: Kinds of layers by what the class of the module that holds a parameter is called.
_CLASSES = {
    "normalisation": re.compile("norm", re.I),
    "embedding": re.compile("embed", re.I),
    "convolution": re.compile(r"Conv(Transpose)?\dd$"),
    "recurrent": re.compile("^(rnn|lstm|gru)", re.I),
}

#: Kinds by a part of a parameter's name, and attention also by the classes around it.
_ATTENTION = re.compile("att(ention|n)", re.I)
_EMBEDDING = re.compile(r"(^|[._])(wte|wpe|\w*embed\w*|pos|positions?|class_token|cls)(\.(weight|bias))?$", re.I)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters of a model, named in the model's order, that have a Gram matrix of their own."""

    name: str
    parameters: tuple[str, ...]


def selected(names: Sequence[str], patterns: str | Sequence[str] | None, option: str = "parameters") -> list[str]:
    """Return the names that fit one of the patterns, in order; without patterns all.

    Parameters
    ----------
    patterns
        Names of parameters or of modules that hold them, with ``*``, ``?`` and ``[…]`` as in file
        names.
    option
        What they were given as, for messages.

    Raises
    ------
    ConfigError
        If a pattern fits no name.

    Examples
    --------
    >>> selected(["blocks.0.weight", "blocks.1.weight", "output.weight"], ["blocks.1", "out*"])
    ['blocks.1.weight', 'output.weight']
    """
    if patterns is None:
        return list(names)
    chosen = [patterns] if isinstance(patterns, str) else list(patterns)
    if not chosen or not all(isinstance(pattern, str) for pattern in chosen):
        raise ConfigError(f"{option}: {patterns!r} is no pattern of parameters' names; give one, such as 'blocks.0', or a list")
    for pattern in chosen:
        if not any(_fits(name, pattern) for name in names):
            raise ConfigError(f"{option}: {pattern!r} fits no parameter; the model's are {_shortened(names)}")
    return [name for name in names if any(_fits(name, pattern) for pattern in chosen)]


def parameter_groups(model: nn.Module, names: Sequence[str], groups: Groups) -> list[ParameterGroup]:
    """Divide the named parameters into groups; each is in one.

    ``layer``: the repeated blocks of the model, such as ``blocks.3``, and the layers beside them.
    ``kind``: embedding, attention, mlp, normalisation, convolution, recurrent, output, by the
    classes of the modules that hold them. Patterns: the first that fits, see `selected`; what fits
    none is the group ``rest``. Groups are in the order of their first parameters, or of the
    patterns.

    Raises
    ------
    ConfigError
        If ``groups`` is none of these, or a pattern fits nothing that is left.
    """
    if groups is None:
        return []
    if groups == LAYER:
        layers = _layers(model)
        return _gathered((_layer_of(name, layers), name) for name in names)
    if groups == KIND:
        return _gathered(_kinds(model, names))
    if not isinstance(groups, Mapping) or not groups:
        raise ConfigError(f"groups is {groups!r}; give layer, kind, or patterns of parameters by the name of their group")
    left, found = list(names), []
    for group, patterns in groups.items():
        chosen = set(selected(left, patterns, f"groups: {group}"))
        found.append(ParameterGroup(str(group), tuple(name for name in left if name in chosen)))
        left = [name for name in left if name not in chosen]
    if left:
        if REST in groups:
            raise ConfigError(f"groups: {left[0]} fits no group, and {REST!r} is the name for such; call yours otherwise")
        found.append(ParameterGroup(REST, tuple(left)))
    return found


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _shortened(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _gathered(pairs: Iterable[tuple[str, str]]) -> list[ParameterGroup]:
    """Return the groups of (group, parameter), in the order of their first parameters."""
    groups: dict[str, list[str]] = {}
    for group, name in pairs:
        groups.setdefault(group, []).append(name)
    return [ParameterGroup(group, tuple(names)) for group, names in groups.items()]


def _layers(model: nn.Module) -> dict[str, str]:
    """Return the names of the modules that count as one layer, none within another, each with that of its group.

    A normalisation right behind its layer belongs to it.
    """
    from anodiff.models.wrappers import plain_names

    plain = plain_names(model)
    found: dict[str, str] = {}

    def descend(module: nn.Module, name: str) -> None:
        before = ""
        for child_name, child in module.named_children():
            full = f"{name}.{child_name}" if name else child_name
            parameters = list(child.parameters())
            if _holds_layers(child) or (module is outermost and len(list(module.children())) == 1):
                descend(child, full)
                before = ""
            elif parameters:
                alone = all(parameter.dim() < 2 for parameter in parameters)
                before = before if alone and before else plain(full)
                found[plain(full)] = before

    outermost = model
    descend(model, "")
    return found


def _holds_layers(module: nn.Module) -> bool:
    """Return whether a module is a container of layers: a list, or a network with repeated blocks in it."""
    from torch import nn

    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return True
    for inner in list(module.modules())[1:]:
        if isinstance(inner, nn.ModuleList | nn.ModuleDict) and len(inner):
            return True
        blocks = [type(child) for child in inner.children() if any(True for _ in child.children())]
        if isinstance(inner, nn.Sequential) and len(blocks) > len(set(blocks)):
            return True
    return False


def _layer_of(name: str, layers: Mapping[str, str]) -> str:
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if (module := ".".join(parts[:end])) in layers:
            return layers[module]
    return name if layers else "model"  # a parameter that the model, or a module around layers, holds itself


def _kinds(model: nn.Module, names: Sequence[str]) -> list[tuple[str, str]]:
    from anodiff.models.wrappers import plain_names

    plain = plain_names(model)
    modules = {plain(name): module for name, module in model.named_modules()}
    kinds = [(_kind(modules, name), name) for name in names]
    layers = _layers(model)
    matrices = [name for name in names if _dimensions(modules, name) > 1]
    if len(matrices) > 1 and not any(modules[_module_of(matrices[-1], layers)].children()):
        owner = matrices[-1].rpartition(".")[0]  # the last layer, if it is not within a block
        kinds = [("output" if kind == "mlp" and name.startswith(f"{owner}.") else kind, name) for kind, name in kinds]
    return kinds


def _module_of(name: str, layers: Mapping[str, str]) -> str:
    return next((module for module in layers if name.startswith(f"{module}.")), "")


def _kind(modules: Mapping[str, nn.Module], name: str) -> str:
    """Return the kind of layer of a parameter: by the module that holds it, the ones around, and its name."""
    owner = name.rpartition(".")[0]
    held_by = type(modules[owner]).__name__
    single = not any(modules[owner].children())
    if single and _CLASSES["normalisation"].search(held_by):
        return "normalisation"
    if (single and _CLASSES["embedding"].search(held_by)) or _EMBEDDING.search(name):
        return "embedding"
    parts = owner.split(".")
    around = [type(modules[".".join(parts[: number + 1])]).__name__ for number in range(len(parts))] if owner else []
    if any(_ATTENTION.search(each) for each in (*around[-2:], *parts[-2:])):
        return "attention"
    found = (kind for kind in ("convolution", "recurrent") if _CLASSES[kind].search(held_by))
    return next(found, "mlp")


def _dimensions(modules: Mapping[str, Any], name: str) -> int:
    owner, _, own = name.rpartition(".")
    return int(getattr(modules[owner], own).dim())
