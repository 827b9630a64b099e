"""Which tracks does a file hold? One function for all kinds of files; the ending says the kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from anodiff.errors import AnodiffError, ConfigError, StoreFormatError, StoreMissingError, did_you_mean, reason_of
from anodiff.inference.files.arrays import tracks_of_arrays
from anodiff.inference.files.delimited import read_delimited
from anodiff.inference.files.hierarchies import Content, chosen, read_hdf5, read_numpy, read_zarr
from anodiff.inference.files.parts import AXES, TrackFile
from anodiff.inference.files.table import TRACKPY, Table, tracks_of_table

#: The formats and the endings of their files. A Zarr store is a folder.
ENDINGS = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".csv.gz": "text",
    ".tsv.gz": "text",
    ".txt.gz": "text",
    ".parquet": "Parquet",
    ".npy": "NumPy",
    ".npz": "NumPy",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".zarr": "Zarr",
}

#: Files of a folder that make it a Zarr store, of version 2 or 3.
ZARR_METADATA = ("zarr.json", ".zarray", ".zgroup")


def read_track_file(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    coordinates: Sequence[str] = (),
    key: str | None = None,
) -> TrackFile:
    """Return the tracks of a file, split at gaps in their frames.

    Parameters
    ----------
    columns
        Names of columns of a table that are not the usual ones, by ``particle``, ``frame``, ``x``,
        ``y`` and ``z``, such as ``{"particle": "id"}``.
    coordinates
        Some of x, y, z; by default all that the file has.
    key
        Name of an array, table or group of a NumPy archive, HDF5 file or Zarr store, if it holds
        several; ``/`` for all its arrays.

    Raises
    ------
    StoreMissingError
        If there is no such file.
    StoreFormatError
        If it cannot be read as what its ending says.
    ConfigError
        If the ending is unknown, a column or key is missing, or positions or frames are not what
        they should be.
    """
    path, columns = Path(path), dict(columns or {})
    _check_options(columns, coordinates)
    kind = _kind(path)
    if kind in ("text", "Parquet"):
        if key is not None:
            raise ConfigError(f"{path}: --key {key}: it holds one table only; leave out --key")
        with _readable(path, kind):
            table = read_delimited(path) if kind == "text" else _parquet_table(path)
        return tracks_of_table(_guarded(table, path, kind), str(path), columns, coordinates)
    with _opened(path, kind) as content:
        found = chosen(content, str(path), key, columns, all_arrays=path.suffix.lower() == ".npz")
        if isinstance(found, Table):
            tracks = tracks_of_table(_guarded(found, path, kind), str(path), columns, coordinates)
        else:
            if columns:
                raise ConfigError(f"{path}: --columns is for tables; the tracks here are arrays, whose columns are x, y and z")
            with _readable(path, kind):
                tracks = tracks_of_arrays(found, str(path), coordinates)
        return replace(tracks, notes=[*content.notes, *tracks.notes])


def _check_options(columns: Mapping[str, str], coordinates: Sequence[str]) -> None:
    for name in columns:
        if name not in TRACKPY:
            raise ConfigError(f"--columns {name}: {did_you_mean(name, TRACKPY)}")
    twice = [name for name in columns.values() if list(columns.values()).count(name) > 1]
    if twice:
        raise ConfigError(f"--columns: column {twice[0]!r} is named twice; each has one meaning")
    for axis in coordinates:
        if axis not in AXES:
            raise ConfigError(f"--coordinates {axis}: known: {', '.join(AXES)}")
    if len(set(coordinates)) < len(coordinates):
        raise ConfigError(f"--coordinates {','.join(coordinates)}: a coordinate is named twice")


def _kind(path: Path) -> str:
    """Return the format of a file, by its ending, once it is there."""
    try:
        found = path.exists()
    except OSError as error:
        raise StoreMissingError(f"{path}: {error.strerror}") from None
    if not found:
        raise StoreMissingError(f"{path}: no such file")
    if path.is_dir():
        if any((path / name).is_file() for name in ZARR_METADATA):
            return "Zarr"
        raise StoreFormatError(f"{path}: a folder, and no Zarr store; name a file, such as tracks.csv")
    ending = next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(ending)), None)
    if ending is None or ENDINGS[ending] == "Zarr":
        if ending:
            raise StoreFormatError(f"{path}: a file, but a Zarr store is a folder")
        hint = "; of TrackMate, export the spots of tracks as CSV" if path.suffix.lower() == ".xml" else ""
        raise ConfigError(f"{path}: unknown ending {path.suffix!r}; known: {', '.join(ENDINGS)}{hint}")
    if path.stat().st_size == 0:
        raise StoreFormatError(f"{path}: the file is empty")
    return ENDINGS[ending]


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library says of bytes that it cannot read into one line."""
    try:
        yield
    except (AnodiffError, FileNotFoundError) as error:
        if isinstance(error, AnodiffError):
            raise
        raise StoreFormatError(f"{path}: cannot be read as {kind}: {reason_of(error)}") from None
    except Exception as error:  # each library has exceptions of its own for damaged files
        raise StoreFormatError(f"{path}: cannot be read as {kind}: {reason_of(error)}") from None


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Content]:
    """Yield what a file of several arrays holds."""
    if kind == "HDF5":
        import h5py

        with _readable(path, kind):
            file = h5py.File(path, "r")
        with file:
            with _readable(path, kind):
                content = read_hdf5(file)
            yield content
        return
    readers: dict[str, Callable[[Path], Content]] = {"NumPy": read_numpy, "Zarr": read_zarr}
    with _readable(path, kind):
        content = readers[kind](path)
    yield content


def _guarded(table: Table, path: Path, kind: str) -> Table:
    """Return a table whose damage is one line when its columns are read."""

    def load(wanted: list[str]) -> Mapping[str, Any]:
        with _readable(path, kind):
            return table.load(wanted)

    return replace(table, load=load)


def _parquet_table(path: Path) -> Table:
    import pyarrow.parquet as pq

    def load(wanted: list[str]) -> Mapping[str, Any]:
        table = pq.read_table(path, columns=wanted).to_pandas(ignore_metadata=True)
        return {name: table[name].to_numpy() for name in wanted}

    return Table(list(pq.read_schema(path).names), load)
