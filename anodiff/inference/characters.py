"""What does a trained network say of given tracks? Exponent, interval and kind of each, as a table.

The pitfall: an answer supposes that the track is one of the five kinds, observed with localisation
noise below a displacement. Anything else gets an answer too, but a small familiarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from anodiff.errors import ConfigError
from anodiff.inference.cells import KINDS
from anodiff.inference.simulated.tracks import FEWEST_POINTS, MOST_POINTS
from anodiff.storage.columns import COUNT, TEXT, Column
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd

    from anodiff.inference.answers.reader import Answers, TrackReader

#: Familiarity below which a track is said to be none of the five kinds, and how it is said.
UNFAMILIAR, UNFAMILIAR_FLAG = 0.01, "unlike the five kinds"

#: Tracks that are read before progress is shown again.
MOST_TOGETHER = 1000

#: What a network says of one track.
ANSWER = {
    "exponent": Column("median of α"),
    "exponent_low": Column("lower end of the 90 % interval of α"),
    "exponent_high": Column("upper end of the 90 % interval of α"),
    "kind": Column("most likely kind of motion", TEXT),
    **{kind: Column(f"probability of {kind}") for kind in KINDS},
    "familiarity": Column(
        "share of simulated tracks of its kind, about as long, that are less like the five kinds than this one; "
        "small for a walk that is none of the five"
    ),
}

#: Columns of the table.
CHARACTERS = {
    "track": Column("number of the track, from 0", COUNT),
    "points": Column("its points", COUNT),
    **ANSWER,
    "flags": Column("why there is no answer, what it leaves out, or that the track is none of the five kinds", TEXT),
}


def characterise(tracks: ArrayLike | Sequence[ArrayLike], *, weights: str | Path | None = None) -> pd.DataFrame:
    """Return exponent and kind of tracks, a row for each, with the columns `CHARACTERS`.

    A track without an answer has NaN, and the reason in ``flags``: it has fewer than 10 points, or
    stays where it is. Of a track of more than 1000 points, the first 1000 are read, and ``flags``
    says so. Tracks of equal length are read together.

    Parameters
    ----------
    tracks
        One track, (points,) or (points, dimensions) with 1 to 3 dimensions; tracks of one length,
        (N, points, dimensions); or a sequence of tracks of any lengths. Of any unit, at equal times.
    weights
        File of a network for as many dimensions, see `anodiff.inference.answers.weights`; default: the
        network that anodiff ships.

    Raises
    ------
    ConfigError
        If a track has other dimensions than the network or the first track, or values that are not
        finite.
    StoreMissingError, StoreDamagedError, StoreFormatError
        If the weights cannot be read.

    Examples
    --------
    >>> walk = np.random.default_rng(0).normal(size=(500, 2)).cumsum(axis=0)
    >>> bool(0.8 < characterise(walk)["exponent"][0] < 1.2)
    True
    """
    import pandas as pd

    checked = _checked(tracks)
    if not checked:
        return pd.DataFrame(columns=list(CHARACTERS))
    from anodiff.inference.answers.reader import TrackReader

    rows = track_rows(checked, TrackReader.load(checked[0].shape[1], weights))
    return pd.DataFrame([{"track": number, **row} for number, row in enumerate(rows)], columns=list(CHARACTERS))


def track_rows(
    tracks: Sequence[FloatArray], reader: TrackReader, *, report: ProgressCallback = no_progress
) -> list[dict[str, Any]]:
    """Return the values of the columns `CHARACTERS` but ``track`` for each track; of one without an
    answer only ``points`` and ``flags``.

    Parameters
    ----------
    tracks
        Each (points, dimensions), finite, of as many dimensions as the reader's.
    report
        Called with the tracks done, their number, and the points of those that are read.
    """
    rows: list[dict[str, Any]] = [{"points": len(track), "flags": _reason(track)} for track in tracks]
    groups = _of_equal_length(tracks)
    done, total = 0, sum(map(len, groups))
    for together in groups:
        answers = reader.read(np.stack([tracks[number][:MOST_POINTS].T for number in together]))
        for number, answer, flag in zip(together, answer_rows(answers), answer_flags(answers), strict=True):
            rows[number] |= answer | {"flags": "; ".join(filter(None, [rows[number]["flags"], flag]))}
        done += len(together)
        report(done, total, f"{min(len(tracks[together[0]]), MOST_POINTS)} points")
    return rows


def answer_rows(answers: Answers) -> list[dict[str, Any]]:
    """Return the values of the columns `ANSWER` for each track."""
    columns = {
        "exponent": answers.exponent,
        "exponent_low": answers.low,
        "exponent_high": answers.high,
        "kind": answers.kind,
        **dict(zip(KINDS, answers.kinds.T, strict=True)),
        "familiarity": answers.familiarity,
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def answer_flags(answers: Answers) -> list[str]:
    """Return what is to be said of each answer; empty texts where there is nothing."""
    return [
        "not calibrated" if np.isnan(share) else f"{UNFAMILIAR_FLAG}, perhaps {name}" if share < UNFAMILIAR else ""
        for share, name in zip(answers.familiarity, answers.resembles, strict=True)
    ]


def _checked(tracks: Any) -> list[FloatArray]:
    """Return each track as (points, dimensions)."""
    if isinstance(tracks, (list, tuple)):
        many = tracks if not tracks or np.ndim(tracks[0]) else [tracks]
    else:
        array = real_numbers(tracks, "tracks")
        if array.ndim not in (1, 2, 3):
            raise ConfigError(f"tracks: got shape {array.shape}, expected (points, dimensions) or (tracks, points, dimensions)")
        many = list(array) if array.ndim == 3 else [array]
    checked: list[FloatArray] = []
    for number, track in enumerate(many):
        name = f"track {number}"
        array = real_numbers(track, name)
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or array.shape[1] not in (1, 2, 3):
            raise ConfigError(f"{name}: got shape {array.shape}, expected (points, dimensions) with 1 to 3 dimensions")
        if checked and array.shape[1] != checked[0].shape[1]:
            raise ConfigError(f"{name}: {array.shape[1]} dimensions, but track 0 has {checked[0].shape[1]}; read them apart")
        checked.append(array)
    return checked


def _reason(track: FloatArray) -> str:
    """Return why a track has no answer, or what the answer leaves out."""
    if len(track) < FEWEST_POINTS:
        return f"fewer than {FEWEST_POINTS} points"
    if not _moves(track):
        return "does not move"
    return f"only the first {MOST_POINTS} points" if len(track) > MOST_POINTS else ""


def _moves(track: FloatArray) -> bool:
    return bool((track[:MOST_POINTS] != track[0]).any())


def _of_equal_length(tracks: Sequence[FloatArray]) -> list[list[int]]:
    """Return the numbers of tracks that can be answered, in groups of one length, none too large."""
    groups: dict[int, list[int]] = {}
    for number, track in enumerate(tracks):
        if len(track) >= FEWEST_POINTS and _moves(track):
            groups.setdefault(min(len(track), MOST_POINTS), []).append(number)
    return [
        numbers[first : first + MOST_TOGETHER] for numbers in groups.values() for first in range(0, len(numbers), MOST_TOGETHER)
    ]
