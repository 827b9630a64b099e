"""Which parts of a path have a Gram matrix of their own? Groups of parameters, and walks of the optimiser.

A group is a set of the model's parameters, such as a layer. Products of updates are sums over
parameters, so the groups' matrices add up to that of the whole path, and so do their squared
displacements. A walk is what the updates are made of, such as Σ −η g_k, the walk that plain SGD
would have made with the same gradients. Walks do not add up to the path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import StoreFormatError
from anodiff.trajectory.format import GROUP_GRAM, WALK_GRAM, columns_of, gram_layout

if TYPE_CHECKING:
    import zarr

    from anodiff.trajectory.store import Trajectory

#: Kinds of parts, and the whole path beside them.
GROUP, WALK, WHOLE = KINDS = ("group", "walk", "whole")

#: What the matrices of each kind are.
MEANINGS = {GROUP: GROUP_GRAM, WALK: WALK_GRAM}


@dataclass(frozen=True)
class Part:
    """A part of a path: its kind (one of `KINDS`), its name, its place among those of its kind, its number of parameters."""

    kind: str
    name: str
    place: int
    parameters: int

    @property
    def array(self) -> str:
        """Name of the array that holds its Gram matrices."""
        return f"{self.kind}_gram"

    @property
    def key(self) -> str:
        """What the attribute ``part_problems`` calls it."""
        return f"{self.kind} {self.name}"


def stored_parts(attributes: Mapping[str, Any], kind: str) -> tuple[Part, ...]:
    """Return the groups or walks that the attributes of a store of a path or of its geometry name, in their order."""
    if kind == GROUP:
        groups = attributes.get("groups") or []
        return tuple(Part(GROUP, str(group["name"]), place, int(group["size"])) for place, group in enumerate(groups))
    table = attributes.get("parameters") or []
    size = columns_of(table[-1]).stop if table else 0
    return tuple(Part(WALK, str(name), place, size) for place, name in enumerate(attributes.get("walks") or []))


def group_columns(trajectory: Trajectory) -> list[list[slice]]:
    """Return the columns of each group of a path with full weights, as rising ranges.

    Raises
    ------
    StoreFormatError
        If a group names a parameter that the path does not have, or a parameter is not in exactly
        one group: then the groups would not add up to the whole.
    """
    attributes: dict[str, Any] = dict(trajectory.group.attrs)
    table = {entry["name"]: columns_of(entry) for entry in attributes["parameters"]}
    named = [str(name) for group in attributes.get("groups") or [] for name in group["parameters"]]
    unknown = [name for name in named if name not in table]
    if unknown:
        raise StoreFormatError(f"{trajectory.path}: a group has the parameter {unknown[0]!r}, which the path does not have")
    uneven = [name for name in table if named.count(name) != 1] if named else []
    if uneven:
        raise StoreFormatError(
            f"{trajectory.path}: {named.count(uneven[0])} groups have the parameter {uneven[0]!r}; each is in one group"
        )
    return [_merged([table[str(name)] for name in group["parameters"]]) for group in attributes.get("groups") or []]


def sum_in_order(grams: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the groups' matrices (groups, T, T), added one after another in their order, (T, T)."""
    total = np.array(grams[0], np.float64)
    for gram in grams[1:]:
        total += gram
    return total


def create_part_grams(group: zarr.Group, kind: str, parts: int, windows: int, updates: int) -> None:
    """Create the empty array of the Gram matrices of all groups or walks, ``group_gram`` or ``walk_gram``."""
    about: dict[str, Any] = {"long_name": MEANINGS[kind], "units": "1"}
    group.create_array(f"{kind}_gram", **gram_layout(windows, updates, (kind, parts)), attributes=about)


def _merged(ranges: Sequence[slice]) -> list[slice]:
    """Return ranges in rising order, neighbours as one and empty ones left out."""
    merged: list[slice] = []
    for each in sorted(ranges, key=lambda each: int(each.start)):
        if each.start == each.stop:
            continue
        if merged and merged[-1].stop == each.start:
            merged[-1] = slice(merged[-1].start, each.stop)
        else:
            merged.append(each)
    return merged
