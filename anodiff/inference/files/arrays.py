"""Which tracks does an array hold? One, or several of one length, at equal times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anodiff.errors import ConfigError
from anodiff.inference.files.parts import AXES, Part, TrackFile
from anodiff.storage.numbers import REAL
from anodiff.storage.types import FloatArray

#: What an array of tracks looks like.
SHAPES = "(points,), (points, dimensions) or (tracks, points, dimensions), with 1 to 3 dimensions"


def tracks_of_arrays(arrays: Mapping[str, Any], name: str, coordinates: Sequence[str]) -> TrackFile:
    """Return the tracks of arrays, each (points,), (points, dimensions) or (tracks, points, dimensions).

    A track has the name of its array, and its number there if the array holds several. The tracks
    of a single array have numbers.

    Parameters
    ----------
    arrays
        Arrays by name, or what can be read as one with ``[()]``.
    name
        What the file is called in a message.
    coordinates
        Some of x, y, z, which are the columns of an array; by default all that it has.

    Raises
    ------
    ConfigError
        If an array has another shape or values that are not finite, or two have different
        dimensions.
    """
    parts: list[Part] = []
    dimensions: dict[int, str] = {}
    for key, array in arrays.items():
        where = f"{name}: {key}" if key else name
        tracks = _positions(array, where)
        dimensions.setdefault(tracks.shape[2], where)
        if len(dimensions) > 1:
            (here, there), (first, second) = dimensions, dimensions.values()
            raise ConfigError(f"{second} has {there} dimensions, but {first} has {here}; read them apart, with --key")
        chosen = _chosen(coordinates, tracks.shape[2], where)
        _refuse_infinite(tracks, where)
        single = np.ndim(array) != 3
        for number, track in enumerate(tracks):
            label = number if len(arrays) == 1 else (key if single else f"{key}/{number}")
            parts.append(Part(label, 1, 0, track[:, chosen]))
    if not parts:
        raise ConfigError(f"{name}: it holds no tracks")
    axes = coordinates or AXES[: parts[0].positions.shape[1]]
    return TrackFile(parts, tuple(axes))


def _positions(array: Any, name: str) -> FloatArray:
    """Return (tracks, points, dimensions); the shape is looked at before anything is read."""
    shape = tuple(array.shape)
    if array.dtype.kind not in REAL:
        raise ConfigError(f"{name}: got entries of type {array.dtype}, expected real numbers")
    if not 1 <= len(shape) <= 3 or (len(shape) > 1 and not 1 <= shape[-1] <= len(AXES)):
        turned = len(shape) > 1 and 1 <= shape[-2] <= len(AXES)
        hint = "; time runs along the last axis, exchange the last two" if turned else ""
        raise ConfigError(f"{name}: got shape {shape}, expected {SHAPES}{hint}")
    values = np.asarray(array[()]).astype(np.float64)
    if values.ndim == 1:
        values = values[:, None]
    return values if values.ndim == 3 else values[None]


def _chosen(coordinates: Sequence[str], dimensions: int, name: str) -> list[int]:
    """Return the columns of the coordinates."""
    there = AXES[:dimensions]
    for axis in coordinates:
        if axis not in there:
            raise ConfigError(f"{name}: no coordinate {axis!r}; it has {', '.join(there)}")
    return [there.index(axis) for axis in coordinates or there]


def _refuse_infinite(tracks: FloatArray, name: str) -> None:
    wrong = np.argwhere(~np.isfinite(tracks))
    if len(wrong):
        track, point, axis = wrong[0]
        raise ConfigError(
            f"{name}: track {track}, point {point}: {AXES[axis]} is {tracks[track, point, axis]:g}; {len(wrong):,} of "
            f"{tracks.size:,} values are not finite; tracks of different lengths need an array each"
        )
