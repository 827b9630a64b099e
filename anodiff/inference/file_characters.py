"""What does a trained network say of the tracks of a file? A row for each part between two gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anodiff.errors import ConfigError
from anodiff.inference.characters import CHARACTERS, track_rows
from anodiff.inference.files.parts import TrackFile
from anodiff.inference.simulated.tracks import FEWEST_POINTS
from anodiff.storage.columns import COUNT, TEXT, Column
from anodiff.storage.types import ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd

    from anodiff.inference.answers.reader import TrackReader

#: Columns of the table.
FILE_CHARACTERS = {
    "track": Column("name or number of the track in its file", TEXT),
    "part": Column("number of the part between two gaps in the track's frames, from 1", COUNT),
    "first_frame": Column("frame of the part's first point; 0 for a track of an array", "frames"),
    **{name: column for name, column in CHARACTERS.items() if name != "track"},
}


def characterise_file(found: TrackFile, reader: TrackReader, *, report: ProgressCallback = no_progress) -> pd.DataFrame:
    """Return exponent and kind of all parts of a file's tracks, with the columns `FILE_CHARACTERS`."""
    import pandas as pd

    rows = track_rows([part.positions for part in found.parts], reader, report=report)
    named = [
        {"track": part.track, "part": part.part, "first_frame": part.first_frame, **row}
        for part, row in zip(found.parts, rows, strict=True)
    ]
    return pd.DataFrame(named, columns=list(FILE_CHARACTERS))


def refuse_unreadable(found: TrackFile, name: str) -> None:
    """Raise `ConfigError` if no part has points enough, or none of those that have moves."""
    longest = max(found.parts, key=lambda part: len(part.positions))
    if len(longest.positions) < FEWEST_POINTS:
        raise ConfigError(
            f"{name}: no track has {FEWEST_POINTS} points without a gap, and a network needs so many; the longest, "
            f"{longest.track}, has {len(longest.positions)} from frame {longest.first_frame} on"
        )
    readable = [part.positions for part in found.parts if len(part.positions) >= FEWEST_POINTS]
    if not any((positions != positions[0]).any() for positions in readable):
        raise ConfigError(f"{name}: no track of {FEWEST_POINTS} points or more moves")
