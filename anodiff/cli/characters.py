"""How are the characters of a file's tracks written? A table, and figures with their captions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError
from anodiff.inference.cells import KINDS
from anodiff.inference.characters import UNFAMILIAR
from anodiff.inference.file_characters import FILE_CHARACTERS, characterise_file, refuse_unreadable
from anodiff.inference.files.parts import TrackFile
from anodiff.inference.files.reading import read_track_file
from anodiff.report.figures.drawing import save
from anodiff.report.figures.figure_kind import FORMATS
from anodiff.report.figures.tracks.catalogue import TRACK_FIGURES
from anodiff.storage.columns import write_parquet
from anodiff.storage.stores import refuse_existing, storage_errors, writing_all
from anodiff.storage.types import ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd

#: Endings of a table; anything else is a folder.
TABLES = (".csv", ".parquet")

#: Files of a folder, beside the figures.
TABLE, CAPTIONS = "characters.csv", "figures.md"


def write_characters(
    path: str | Path,
    output: str | Path,
    *,
    columns: Mapping[str, str],
    coordinates: Sequence[str] = (),
    key: str | None = None,
    unit: str = "",
    weights: str | Path | None = None,
    formats: Sequence[str] = (),
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
    notify: Callable[[str], None],
) -> pd.DataFrame:
    """Write what a network says of the tracks of a file: all outputs, or none.

    Parameters
    ----------
    path, columns, coordinates, key
        As of `anodiff.inference.files.reading.read_track_file`.
    output
        A table, ``.csv`` or ``.parquet``; or a folder, which gets the table and figures.
    unit
        Unit of the positions, for the figures; by default the file's.
    weights
        File of a network; by default the one that anodiff ships.
    formats
        Formats of the figures, such as ``svg``.
    notify
        Called with each line of the summary.
    """
    path, output = Path(path), Path(output)
    with storage_errors(output):
        files = _files(output, formats)
    for file in files:
        if os.path.realpath(file) == os.path.realpath(path):
            raise ConfigError(f"{file}: the tracks are read from it; name another output")
        refuse_existing(file, overwrite=overwrite)
    found = read_track_file(path, columns=columns, coordinates=coordinates, key=key)
    refuse_unreadable(found, str(path))
    from anodiff.inference.answers.reader import TrackReader

    reader = TrackReader.load(len(found.coordinates), weights)
    with writing_all(files, overwrite=overwrite) as temporary:
        table = characterise_file(found, reader, report=report)
        for file, kind in files.items():
            if kind == "table":
                _write_table(table, temporary[file], file.suffix)
            elif kind == "captions":
                temporary[file].write_text(_captions(files), encoding="utf-8")
        _draw(found, table, unit, {temporary[file]: kind for file, kind in files.items()}, files)
    for line in summary(path.name, found, table):
        notify(line)
    notify(f"written: {', '.join(map(str, files))}")
    return table


def named_columns(words: Sequence[str]) -> dict[str, str]:
    """Return the columns that words such as ``particle=id`` name.

    Raises
    ------
    ConfigError
        If a word is no such pair, or two name the same.
    """
    columns: dict[str, str] = {}
    for word in words:
        meaning, equals, column = (part.strip() for part in word.partition("="))
        if not (meaning and equals and column):
            raise ConfigError(f"--columns {word}: write pairs such as particle=id,frame=t")
        if meaning in columns:
            raise ConfigError(f"--columns {word}: {meaning} is named twice")
        columns[meaning] = column
    return columns


def summary(name: str, found: TrackFile, table: pd.DataFrame) -> list[str]:
    """Return lines that say what was read, what was left out, and what the network says."""
    axes = ", ".join(found.coordinates)
    step = f", one point every {found.step} frames" if found.step > 1 else ""
    lines = [f"{name}: {_count(found.tracks, 'track')} in {_count(len(found.parts), 'part')}; {axes}{step}", *found.notes]
    answered = table[table["exponent"].notna()]
    without = table[table["exponent"].isna()]
    if len(without):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in without["flags"].value_counts().items())
        lines.append(f"{_count(len(without), 'part')} without an answer: {reasons}")
    low, middle, high = answered["exponent"].quantile([0.25, 0.5, 0.75])
    lines.append(f"median of α over {_count(len(answered), 'part')}: {middle:.2f} (middle half {low:.2f}–{high:.2f})")
    shares = answered["kind"].value_counts(normalize=True)
    lines.append("most likely kinds: " + ", ".join(f"{kind} {shares.get(kind, 0):.0%}" for kind in KINDS))
    known = answered["familiarity"].notna()
    if known.any():
        unlike = (answered["familiarity"][known] < UNFAMILIAR).mean()
        lines.append(f"unlike the five kinds: {unlike:.1%}; of tracks of the five kinds, {UNFAMILIAR:.0%} would be")
    else:
        lines.append("whether tracks are unlike the five kinds is not known: the network has no measure of it")
    return lines


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _files(output: Path, formats: Sequence[str]) -> dict[Path, str]:
    """Return the files that are written, the table first, and what each holds."""
    endings = [f".{each.removeprefix('.')}" for each in formats]
    for ending in endings:
        if ending not in FORMATS:
            raise ConfigError(f"--formats {ending[1:]}: a figure's format is one of {', '.join(each[1:] for each in FORMATS)}")
    if output.suffix in TABLES and not output.is_dir():
        return {output: "table"}
    if output.suffix and not output.is_dir():
        raise ConfigError(f"{output}: name a table, which ends in {' or '.join(TABLES)}, or a folder")
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file; name a folder, or a table, which ends in {' or '.join(TABLES)}")
    figures = {output / f"{kind}{ending}": kind for kind in TRACK_FIGURES for ending in dict.fromkeys(endings)}
    return {output / TABLE: "table", **figures, **({output / CAPTIONS: "captions"} if figures else {})}


def _write_table(table: pd.DataFrame, path: Path, ending: str) -> None:
    if ending == ".parquet":
        write_parquet(table.astype({"track": str}), path, FILE_CHARACTERS)
    else:
        table.to_csv(path, index=False)


def _draw(found: TrackFile, table: pd.DataFrame, unit: str, drawn: Mapping[Path, str], files: Mapping[Path, str]) -> None:
    """Draw each figure once and save it in its formats."""
    if not any(kind in TRACK_FIGURES for kind in drawn.values()):
        return
    from anodiff.report.figures.tracks.data import TrackCharacters

    about = TrackCharacters(table, [part.positions for part in found.parts], found.coordinates, unit or found.unit)
    endings = [file.suffix for file in files]
    for kind, described in TRACK_FIGURES.items():
        figure = described.function()(about)
        for (path, own), ending in zip(drawn.items(), endings, strict=True):
            if own == kind:
                save(figure, path, ending)


def _captions(files: Mapping[Path, str]) -> str:
    """Return title and caption of each figure, as Markdown."""
    pictures = {kind: file.name for file, kind in reversed(list(files.items()))}
    return "\n".join(
        f"## {described.title}\n\n![{described.title}]({pictures[kind]})\n\n{described.caption}\n"
        for kind, described in TRACK_FIGURES.items()
    )
