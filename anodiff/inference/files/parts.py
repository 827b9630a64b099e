"""Where does a track have gaps? There it is split, since a network reads points at equal times."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anodiff.storage.types import FloatArray

#: The coordinates of a point, in their order.
AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Part:
    """A track, or a part of one between two gaps.

    Attributes
    ----------
    track
        Name or number of the track in its file.
    part
        Number of the part, from 1.
    first_frame
        Frame of its first point.
    positions
        (points, dimensions), finite, at equal times.
    """

    track: int | str
    part: int
    first_frame: int
    positions: FloatArray


@dataclass(frozen=True)
class TrackFile:
    """The tracks of a file.

    Attributes
    ----------
    parts
        All parts of all tracks.
    coordinates
        Names of the coordinates, such as ``("x", "y")``.
    step
        Frames between two points of a part.
    unit
        Unit of the positions; empty if the file does not say.
    notes
        What was left out, split or put in order, in words.
    """

    parts: list[Part]
    coordinates: tuple[str, ...]
    step: int = 1
    unit: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def tracks(self) -> int:
        """Number of tracks."""
        return len({part.track for part in self.parts})


def usual_step(codes: NDArray[np.int64], frames: NDArray[np.int64]) -> int:
    """Return the most common number of frames from one point of a track to the next, of equally
    common ones the smallest; 1 without any.

    Parameters
    ----------
    codes, frames
        Number of the track and frame of each point, sorted by track and then by frame.

    Examples
    --------
    >>> usual_step(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 2, 4, 9, 0, 1]))
    2
    """
    steps = np.diff(frames)[np.diff(codes) == 0]
    if not len(steps):
        return 1
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[counts.argmax()])


def split_at_gaps(codes: NDArray[np.int64], frames: NDArray[np.int64], step: int) -> list[slice]:
    """Return where each part is: points of one track, each ``step`` frames after the one before.

    Parameters
    ----------
    codes, frames
        As of `usual_step`.

    Examples
    --------
    >>> split_at_gaps(np.array([0, 0, 0, 1]), np.array([0, 1, 5, 6]), 1)
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.flatnonzero((np.diff(codes) != 0) | (np.diff(frames) != step)) + 1
    edges = [0, *ends.tolist(), len(codes)]
    return [slice(first, last) for first, last in pairwise(edges)]
