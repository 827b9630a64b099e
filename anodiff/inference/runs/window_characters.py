"""What kind of walk is each coordinate of a window? A row for each sort of coordinate.

The pitfalls: the five kinds are no theory of training. A network names one of them for any track, and
only its familiarity says whether the track is like them. And α of a coordinate is not the exponent β
of the path, which weights each direction by how far the path goes along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anodiff.inference.cells import KINDS
from anodiff.inference.characters import UNFAMILIAR, UNFAMILIAR_FLAG
from anodiff.inference.runs.character_columns import COMPARED
from anodiff.inference.runs.window_tracks import WindowTracks
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    from anodiff.inference.answers.reader import TrackReader


def coordinate_names(components: int) -> list[str]:
    """Return the sorts of coordinates of a window, in the order of the rows."""
    return ["random", "random_pair", *(f"principal_{number}" for number in range(1, components + 1)), "principal_pair"]


def unread_rows(components: int, reason: str) -> list[dict[str, Any]]:
    """Return the rows of a window without an answer, with the reason."""
    return [{"coordinate": name, "tracks": 0, "flags": reason} for name in coordinate_names(components)]


def window_rows(tracks: WindowTracks, components: int, single: TrackReader, pair: TrackReader) -> list[dict[str, Any]]:
    """Return the rows of a window, without the columns that say which window it is.

    Parameters
    ----------
    components
        Principal coordinates that have a row; one that the path does not have says so.
    single, pair
        Readers of tracks in one and two dimensions.
    """
    sorts: dict[str, _Sort] = {"random": _Sort(tracks.random[:, None]), "random_pair": _Sort(_pairs(tracks.random))}
    nulls = np.stack([tracks.shuffled, tracks.sign_randomised])  # (null, draw, component, point)
    for number in range(len(tracks.principal)):
        sorts[f"principal_{number + 1}"] = _Sort(tracks.principal[None, number : number + 1], nulls[:, :, number : number + 1])
    if len(tracks.principal) > 1:
        sorts["principal_pair"] = _Sort(tracks.principal[None, :2], nulls[:, :, :2])
    answers: dict[str, dict[str, Any]] = {}
    for reader in (single, pair):
        own = [name for name, sort in sorts.items() if sort.tracks.shape[1] == reader.dimensions]
        answers |= dict(zip(own, _read([sorts[name] for name in own], reader), strict=True))
    rows = []
    for name in coordinate_names(components):
        row: dict[str, Any] = {"coordinate": name, "tracks": 0, "points": tracks.points, "every": tracks.every}
        if name in answers:
            row |= answers[name]
        missing = "" if name in answers else "the path moves in fewer directions"
        thinned = f"one point in {tracks.every}" if tracks.every > 1 else ""
        flags = [missing, thinned, UNFAMILIAR_FLAG if row.get("unfamiliar", 0) > 0.5 else ""]
        rows.append(row | {"flags": "; ".join(filter(None, flags))})
    return rows


class _Sort:
    """Tracks of one sort, (tracks, dimensions, points), and those of each null, (nulls, draws, dimensions, points)."""

    def __init__(self, tracks: FloatArray, nulls: FloatArray | None = None) -> None:
        self.tracks = tracks
        self.nulls = np.empty((0, 0, *tracks.shape[1:])) if nulls is None else nulls


def _pairs(coordinates: FloatArray) -> FloatArray:
    """Return neighbours of (number, points) as tracks in two dimensions, (number // 2, 2, points)."""
    number, points = coordinates.shape
    return coordinates[: number - number % 2].reshape(number // 2, 2, points)


def _read(sorts: Sequence[_Sort], reader: TrackReader) -> list[dict[str, Any]]:
    """Return the columns of each sort that a reader fills; all tracks are read together."""
    if not sorts:
        return []
    parts = [part for sort in sorts for part in (sort.tracks, sort.nulls.reshape(-1, *sort.tracks.shape[1:]))]
    answers = reader.read(np.concatenate(parts))
    ends = np.cumsum([len(part) for part in parts])
    rows = []
    for sort, first, last, beyond in zip(sorts, [0, *ends[1::2]], ends[::2], ends[1::2], strict=False):
        own = slice(first, last)
        exponent, kinds = answers.exponent[own], answers.kinds[own].mean(axis=0)
        row: dict[str, Any] = {
            "tracks": len(exponent),
            "exponent": np.median(exponent),
            "exponent_low": np.median(answers.low[own]),
            "exponent_high": np.median(answers.high[own]),
            "kind": KINDS[int(kinds.argmax())],
            **dict(zip(KINDS, kinds, strict=True)),
            "familiarity": np.median(answers.familiarity[own]),
            "unfamiliar": _share(answers.familiarity[own]),
        }
        if len(exponent) > 1:
            row["exponent_quartile_1"], row["exponent_quartile_3"] = np.quantile(exponent, [0.25, 0.75])
        if sort.nulls.size:
            row["nulls"] = sort.nulls.shape[1]
        drawn = answers.exponent[last:beyond].reshape(sort.nulls.shape[:2])
        for null, draws in zip(COMPARED, drawn, strict=False):
            row[f"exponent_{null}"] = np.median(draws)
            row[f"exponent_p_{null}"] = (1 + (draws >= exponent[0]).sum()) / (1 + len(draws))
        rows.append(row)
    return rows


def _share(familiarity: FloatArray) -> float:
    """Return the share of tracks that are unfamiliar; NaN if the network does not know it."""
    return float(np.where(np.isnan(familiarity), np.nan, familiarity < UNFAMILIAR).mean())
