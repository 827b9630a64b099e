"""Which tracks does a table hold, whose rows are points? Columns of track, frame and coordinates.

The names are those of trackpy (``particle``, ``frame``, ``x``, ``y``, ``z``) or of TrackMate
(``TRACK_ID``, ``FRAME``, ``POSITION_X`` …), or given by the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, did_you_mean, quoted
from anodiff.inference.files.parts import AXES, Part, TrackFile, split_at_gaps, usual_step
from anodiff.storage.types import FloatArray

#: Names of the columns in trackpy's and TrackMate's tables.
TRACKPY = {key: key for key in ("particle", "frame", *AXES)}
TRACKMATE = {"particle": "TRACK_ID", "frame": "FRAME", "x": "POSITION_X", "y": "POSITION_Y", "z": "POSITION_Z"}

#: Frames beyond this are no whole numbers of float64.
LAST_FRAME = 2**53


@dataclass(frozen=True)
class Table:
    """A table of a file, of which only the needed columns are read.

    Attributes
    ----------
    names
        Names of its columns.
    load
        Reads some columns, each as (rows,).
    unit
        Unit of the coordinates, if the file says it.
    """

    names: Sequence[str]
    load: Callable[[list[str]], Mapping[str, NDArray[Any]]]
    unit: str = ""


def is_track_table(names: Sequence[str], renamed: Mapping[str, str]) -> bool:
    """Return whether columns of these names are a table of tracks, and not tracks themselves."""
    return any(
        {layout["particle"], layout["frame"]} <= {*names} for layout in ({**TRACKPY, **renamed}, {**TRACKMATE, **renamed})
    )


def tracks_of_table(table: Table, name: str, renamed: Mapping[str, str], coordinates: Sequence[str]) -> TrackFile:
    """Return the tracks of a table, split at gaps; rows may have any order.

    Parameters
    ----------
    name
        What the table is called in a message.
    renamed
        Names of columns that are not the usual ones, by ``particle``, ``frame``, ``x``, ``y`` and
        ``z``.
    coordinates
        Some of x, y, z; by default those that the table has, but for a z that is one and the same
        in all rows.

    Raises
    ------
    ConfigError
        If a column is missing or holds something else; the message names row and track.
    """
    columns = _columns(table.names, name, renamed, coordinates)
    values = table.load(list(columns.values()))
    rows = len(values[columns["frame"]])
    if not rows:
        raise ConfigError(f"{name}: the table has no rows")
    labels, present = _labels(values[columns["particle"]], f"{name}: column {columns['particle']!r}")
    if not present.any():
        raise ConfigError(f"{name}: no row has a track; column {columns['particle']!r} is empty")
    notes = [] if present.all() else [f"{np.count_nonzero(~present):,} points that belong to no track are left out"]
    row = np.flatnonzero(present)
    codes, tracks = _numbered(labels[present])

    def numbers(key: str) -> FloatArray:
        return _numbers(values[columns[key]][present], f"{name}: column {columns[key]!r}", row, tracks[codes])

    frames = _whole(numbers("frame"), f"{name}: column {columns['frame']!r}", row, tracks[codes])
    axes = [key for key in columns if key in AXES]
    positions = np.stack([numbers(axis) for axis in axes], axis=1)
    if not coordinates and axes[-1] == "z" and len(row) > 1 and (positions[:, -1] == positions[0, -1]).all():
        notes.append(f"{columns['z']} is {positions[0, -1]:g} in all rows: it is left out")
        axes, positions = axes[:-1], positions[:, :-1]
    order = np.lexsort((frames, codes))
    if (np.diff(frames)[np.diff(codes) == 0] < 0).any():
        notes.append("frames are not in order: they are sorted")
    codes, frames, positions, row = codes[order], frames[order], positions[order], row[order]
    twice = np.flatnonzero((np.diff(codes) == 0) & (np.diff(frames) == 0))
    if len(twice):
        first, second = sorted(row[twice[0] : twice[0] + 2] + 1)
        raise ConfigError(
            f"{name}: particle {tracks[codes[twice[0]]]} has two points in frame {frames[twice[0]]}, rows {first} and {second}"
            "; a track has one point in a frame"
        )
    step = usual_step(codes, frames)
    parts = _parts(codes, frames, positions, tracks, split_at_gaps(codes, frames, step))
    gaps = len(parts) - len(tracks)
    if gaps:
        where = len({part.track for part in parts if part.part > 1})
        notes.append(f"{gaps:,} gap{'s' * (gaps > 1)} in the frames of {where:,} track{'s' * (where > 1)}: split there")
    return TrackFile(parts, tuple(axes), step, table.unit, notes)


def _columns(names: Sequence[str], name: str, renamed: Mapping[str, str], coordinates: Sequence[str]) -> dict[str, str]:
    """Return the names of the columns of track, frame and coordinates."""
    usual: Mapping[str, str] = TRACKMATE if {"TRACK_ID", "POSITION_X"} & {*names} else TRACKPY
    called = {**usual, **renamed}
    axes = coordinates or [
        axis for axis in AXES if axis == "x" or axis in renamed or called[axis] in names or _like(axis, names)
    ]
    found = {key: called[key] for key in ("particle", "frame", *axes)}
    for key, column in found.items():
        if column not in names:
            like = _like(column, names)
            hint = f"did you mean {like!r}?" if like else did_you_mean(column, map(str, names))
            raise ConfigError(f"{name}: no column {column!r}, name it with --columns {key}={like or 'NAME'}; {hint}")
        if list(names).count(column) > 1:
            raise ConfigError(f"{name}: two columns are called {column!r}; rename one of them")
    return found


def _like(column: str, names: Sequence[str]) -> str:
    """Return the name that differs in nothing but capital letters and spaces around it; empty if there is none."""
    return next((each for each in map(str, names) if each.strip().lower() == column.lower()), "")


def _labels(values: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the name or number of each row's track, and whether it has one."""
    import pandas as pd

    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind in "iu":
        return values, np.ones(len(values), bool)
    if values.dtype.kind == "f":
        present = ~np.isnan(values)
        wrong = np.flatnonzero(present & ~(np.abs(values) < LAST_FRAME) | present & (values != np.round(values)))
        if len(wrong):
            raise ConfigError(f"{name}, row {wrong[0] + 1}: {values[wrong[0]]:g} is no number or name of a track")
        return np.where(present, values, -1).astype(np.int64), present
    present = ~pd.isna(values)
    return np.array([str(each) for each in values], dtype=object), np.asarray(present, bool)


def _numbered(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the number of each row's track among all, and the tracks in their order."""
    import pandas as pd

    codes, tracks = pd.factorize(labels, sort=True)
    return codes.astype(np.int64), np.asarray(tracks)


def _numbers(values: NDArray[Any], name: str, row: NDArray[np.int64], track: NDArray[Any]) -> FloatArray:
    """Return finite numbers."""
    import pandas as pd

    if values.ndim != 1:
        raise ConfigError(f"{name}: each row has {quoted(values.shape[1:])} values; expected one number")
    if values.dtype.kind in "iuf":
        found = values.astype(np.float64)
    else:
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        found = np.array(pd.to_numeric(pd.Series(values, dtype=object), errors="coerce"), np.float64)
        found[[isinstance(each, (bool, np.bool_)) for each in values]] = np.nan
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        at = wrong[0]
        more = f", as in {len(wrong) - 1:,} more rows" if len(wrong) > 1 else ""
        raise ConfigError(f"{name}, row {row[at] + 1}, particle {track[at]}: {_written(values[at])} is no finite number{more}")
    return found


def _written(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else quoted(str(value))[1:-1]


def _whole(values: FloatArray, name: str, row: NDArray[np.int64], track: NDArray[Any]) -> NDArray[np.int64]:
    """Return frames as integers."""
    wrong = np.flatnonzero((values != np.round(values)) | (np.abs(values) >= LAST_FRAME))
    if len(wrong):
        at = wrong[0]
        raise ConfigError(
            f"{name}, row {row[at] + 1}, particle {track[at]}: frame {values[at]:g} is no whole number; divide times by the "
            "time between frames"
        )
    return values.astype(np.int64)


def _parts(
    codes: NDArray[np.int64], frames: NDArray[np.int64], positions: FloatArray, tracks: NDArray[Any], pieces: Sequence[slice]
) -> list[Part]:
    parts: list[Part] = []
    number = 0
    for piece in pieces:
        track = tracks[codes[piece.start]]
        label: int | str = track if isinstance(track, str) else int(track)
        number = number + 1 if parts and parts[-1].track == label else 1
        parts.append(Part(label, number, int(frames[piece.start]), positions[piece]))
    return parts
