"""A file of tracks gives the same tracks in every format; what is wrong in it is one line."""

import contextlib
import gzip
import re
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from anodiff.errors import AnodiffError, ConfigError, StoreFormatError, StoreMissingError
from anodiff.inference.files.reading import read_track_file

PANDAS_TABLES = Path(__file__).with_name("pandas_tables.h5")

#: The lines of TrackMate's table of spots above its numbers.
TRACKMATE_HEAD = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
,,,(quality),(micron),(micron),(micron),(sec),
"""


def tracks(points=12, number=3, dimensions=2):
    """(tracks, points, dimensions)"""
    return np.random.default_rng(0).normal(size=(number, points, dimensions)).cumsum(axis=1)


def as_table(walks):
    """A table with trackpy's columns."""
    rows = [
        {"y": point[1], "x": point[0], "mass": 1.0, "frame": frame, "particle": particle}
        for particle, walk in enumerate(walks)
        for frame, point in enumerate(walk)
    ]
    return pd.DataFrame(rows)


def as_trackmate(walks):
    """The text of TrackMate's table of spots."""
    lines = [
        f"ID{frame},{frame},{particle},1.0,{x!r},{y!r},0.0,{frame / 2},{frame}"
        for particle, walk in enumerate(walks.tolist())
        for frame, (x, y) in enumerate(walk)
    ]
    return TRACKMATE_HEAD + "\n".join([*lines, "ID99,99,,1.0,3.0,3.0,0.0,0.0,0", ""])


def write_structured(path, table):
    with h5py.File(path, "w") as file:
        file["tracks"] = table.to_records(index=False)


def write_columns(path, table):
    with h5py.File(path, "w") as file:
        for name in table:
            file[f"tracks/{name}"] = table[name].to_numpy()


def write_frames(path, table):
    """As trackpy.PandasHDFStore does: a table for each frame."""
    with h5py.File(path, "w") as file:
        for number, rows in table.groupby("frame"):
            group = file.create_group(f"Frame_{number}")
            group.attrs["pandas_type"] = np.bytes_(b"frame_table")
            group["table"] = rows.to_records(index=True)


def write_hdf5_array(path, table):
    with h5py.File(path, "w") as file:
        file["group/walks"] = tracks()


def write_zarr_group(path, table):
    zarr.create_group(path).create_array("walks", data=tracks(), chunks=(1, 5, 2))


def write_gzip(path, table):
    path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))


FORMATS = {
    "commas.csv": lambda path, table: table.to_csv(path, index=False),
    "shuffled.csv": lambda path, table: table.sample(frac=1, random_state=0).to_csv(path),
    "filtered.csv": lambda path, table: table.set_index("frame", drop=False).to_csv(path),  # as trackpy.filter_stubs leaves it
    "compressed.csv.gz": write_gzip,
    "tabs.tsv": lambda path, table: table.to_csv(path, sep="\t", index=False),
    "spaces.txt": lambda path, table: table.to_csv(path, sep=" ", index=False),
    "semicolons.CSV": lambda path, table: table.to_csv(path, sep=";", decimal=",", index=False),
    "byte-order.csv": lambda path, table: table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n"),
    "utf-16.txt": lambda path, table: table.to_csv(path, sep="\t", index=False, encoding="utf-16"),
    "blank-lines.csv": lambda path, table: path.write_text("\n\n" + table.to_csv(index=False) + "\n"),
    "latin.csv": lambda path, table: table.assign(größe=1).to_csv(path, index=False, encoding="latin-1"),
    "floats.csv": lambda path, table: table.astype(float).to_csv(path, index=False),
    "trackmate.csv": lambda path, table: path.write_text(as_trackmate(tracks())),
    "table.parquet": lambda path, table: table.to_parquet(path),
    "several.npy": lambda path, table: np.save(path, tracks()),
    "records.npy": lambda path, table: np.save(path, table.to_records(index=False)),
    "array.npz": lambda path, table: np.savez(path, walks=tracks()),
    "columns.npz": lambda path, table: np.savez(path, **{name: table[name] for name in table}),
    "structured.h5": write_structured,
    "columns.hdf5": write_columns,
    "frames.h5": write_frames,
    "array.h5": write_hdf5_array,
    "group.zarr": write_zarr_group,
    "array.zarr": lambda path, table: zarr.create_array(path, data=tracks()),
    "version2.zarr": lambda path, table: zarr.create_array(path, data=tracks(), zarr_format=2),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_tracks(name, tmp_path):
    FORMATS[name](tmp_path / name, as_table(tracks()))
    found = read_track_file(tmp_path / name, key="tracks" if name == "columns.hdf5" else None)
    assert (found.coordinates, found.step, found.tracks) == (("x", "y"), 1, 3)
    assert [(part.track, part.part, part.first_frame) for part in found.parts] == [(track, 1, 0) for track in range(3)]
    for part, walk in zip(found.parts, tracks(), strict=True):
        np.testing.assert_allclose(part.positions, walk, rtol=1e-12)


@pytest.mark.parametrize("key", ["fixed", "table", "columns"])
def test_tables_that_pandas_wrote_are_read(key):
    found = read_track_file(PANDAS_TABLES, key=key)
    np.testing.assert_array_equal([part.positions for part in found.parts], tracks())


def test_what_trackmate_says_is_kept_and_what_is_no_track_left_out(tmp_path):
    (tmp_path / "spots.csv").write_text(as_trackmate(tracks()))
    found = read_track_file(tmp_path / "spots.csv")
    assert found.unit == "micron"
    assert found.notes == ["1 points that belong to no track are left out", "POSITION_Z is 0 in all rows: it is left out"]


def test_a_track_is_split_at_gaps_and_each_part_begins_at_its_frame(tmp_path):
    frames = [0, 2, 4, 10, 12, 13]
    pd.DataFrame({"particle": 7, "frame": frames, "x": np.arange(6.0)}).to_csv(tmp_path / "gaps.csv")
    found = read_track_file(tmp_path / "gaps.csv")
    assert found.step == 2
    assert [(part.part, part.first_frame, part.positions[:, 0].tolist()) for part in found.parts] == [
        (1, 0, [0, 1, 2]),
        (2, 10, [3, 4]),
        (3, 13, [5]),
    ]
    assert found.notes == ["2 gaps in the frames of 1 track: split there"]


def test_columns_and_coordinates_can_be_chosen(tmp_path):
    walks = tracks(dimensions=3)
    table = as_table(walks).assign(z=walks[:, :, 2].ravel()).rename(columns={"particle": "id", "frame": "t", "x": "X"})
    table["id"] = "cell " + table["id"].astype(str)
    table.to_csv(tmp_path / "named.csv")
    named = {"particle": "id", "frame": "t", "x": "X"}
    found = read_track_file(tmp_path / "named.csv", columns=named, coordinates=("z", "x"))
    assert [part.track for part in found.parts] == ["cell 0", "cell 1", "cell 2"]
    np.testing.assert_array_equal([part.positions for part in found.parts], walks[:, :, [2, 0]])
    np.save(tmp_path / "walks.npy", walks)
    parts = read_track_file(tmp_path / "walks.npy", coordinates=("z", "x")).parts
    np.testing.assert_array_equal([part.positions for part in parts], walks[:, :, [2, 0]])


def test_arrays_of_an_archive_are_tracks_under_their_names(tmp_path):
    np.savez(tmp_path / "walks.npz", one=tracks()[0], many=tracks()[:2])
    labels = [part.track for part in read_track_file(tmp_path / "walks.npz").parts]
    assert labels == ["one", "many/0", "many/1"]
    assert [part.track for part in read_track_file(tmp_path / "walks.npz", key="many").parts] == [0, 1]


def test_a_key_names_a_group_of_arrays(tmp_path):
    group = zarr.create_group(tmp_path / "two.zarr")
    for name in ("cells/a", "cells/b", "other"):
        group.create_array(name, data=tracks()[0])
    with pytest.raises(ConfigError, match=r"Name with --key one of cells/a \(12, 2\), cells/b \(12, 2\), other \(12, 2\)"):
        read_track_file(tmp_path / "two.zarr")
    assert [part.track for part in read_track_file(tmp_path / "two.zarr", key="cells").parts] == ["a", "b"]
    assert len(read_track_file(tmp_path / "two.zarr", key="/").parts) == 3
    with pytest.raises(ConfigError, match="did you mean 'cells/b'"):
        read_track_file(tmp_path / "two.zarr", key="cells/c")


def test_chunks_that_were_never_written_are_said(tmp_path):
    zarr.create_array(tmp_path / "walk.zarr", data=tracks()[0], chunks=(4, 2), fill_value=0.0)
    (tmp_path / "walk.zarr" / "c" / "1" / "0").unlink()
    assert read_track_file(tmp_path / "walk.zarr").notes == ["1 of 3 chunks are not there: read as 0.0"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.rename(columns={"particle": "partikel"}),
            "no column 'particle', name it with --columns particle=NAME; did you mean 'partikel'",
        ),
        (lambda t: t.rename(columns={"x": "X"}), "no column 'x', name it with --columns x=X; did you mean 'X'?"),
        (lambda t: t.rename(columns={"y": "Y"}), "no column 'y', name it with --columns y=Y; did you mean 'Y'?"),
        (lambda t: t.drop(columns="frame"), "no column 'frame'"),
        (lambda t: t.assign(frame=t["frame"] + 0.5), "row 1, particle 0: frame 0.5 is no whole number"),
        (lambda t: t.assign(frame=1e300), "is no whole number"),
        (lambda t: t.assign(x=t["x"].where(t.index != 14)), "column 'x', row 15, particle 1: nan is no finite number"),
        (lambda t: t.assign(y=t["y"].where(t.index != 3, np.inf)), "column 'y', row 4, particle 0: inf is no finite number"),
        (
            lambda t: t.assign(x=t["x"].astype(str).where(t.index != 14, "?")),
            "row 15, particle 1: '?' is no",
        ),
        (lambda t: t.assign(particle=t["particle"] + 0.25), "row 1: 0.25 is no number or name of a track"),
        (lambda t: t.assign(particle=np.nan), "no row has a track"),
        (lambda t: pd.concat([t, t.iloc[[5]]]), "particle 0 has two points in frame 5, rows 6 and 37"),
        (lambda t: t.iloc[:0], "the table has no rows"),
        (lambda t: t.assign(x=[[1.0, 2.0]] * len(t)), "is no finite number"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_wrong_table_is_refused_with_row_and_track(change, said, ending, tmp_path):
    changed = change(as_table(tracks()))
    path = tmp_path / f"wrong.{ending}"
    if ending == "csv":
        changed.to_csv(path, index=False)
    else:
        changed.to_parquet(path)
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_track_file(path)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 500)), "got shape (2, 500), expected (points,), (points, dimensions) or"),
        (np.zeros((4, 2, 500)), "exchange the last two"),
        (np.float64(3), "got shape ()"),
        (np.full((3, 20, 2), np.nan), "track 0, point 0: x is nan; 120 of 120 values are not finite"),
        (np.ones((20, 2), complex), "expected real numbers"),
        (np.array(["a"] * 20), "expected real numbers"),
        (np.array([{}] * 20), "cannot be read as NumPy"),
        (np.zeros((0, 20, 2)), "it holds no tracks"),
    ],
)
def test_a_wrong_array_is_refused(array, said, tmp_path):
    np.save(tmp_path / "wrong.npy", array)
    with pytest.raises(AnodiffError, match=re.escape(said)):
        read_track_file(tmp_path / "wrong.npy")


def test_arrays_of_different_dimensions_are_refused(tmp_path):
    np.savez(tmp_path / "both.npz", flat=tracks()[0], line=np.arange(20.0))
    with pytest.raises(ConfigError, match=r"line has 1 dimensions, but .*flat has 2"):
        read_track_file(tmp_path / "both.npz")


def small(path, name):
    """A whole file of a format."""
    FORMATS[name](path / name, as_table(tracks()))
    return path / name


@pytest.mark.parametrize("name", ["compressed.csv.gz", "table.parquet", "several.npy", "array.npz", "structured.h5"])
def test_a_cut_or_foreign_file_is_one_line(name, tmp_path):
    content = small(tmp_path, name).read_bytes()
    for wrong in (content[: len(content) // 2], content[:20], b"%PDF-1.7 \0\xff\xfe" * 40, content[:-1][::-1]):
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(StoreFormatError, match=r"cannot be read as|no text|no .np"):
            read_track_file(tmp_path / name)


def test_flipped_bytes_are_read_or_refused_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    for name in (
        "commas.csv",
        "trackmate.csv",
        "compressed.csv.gz",
        "table.parquet",
        "records.npy",
        "columns.hdf5",
        "frames.h5",
    ):
        path = small(tmp_path, name)
        content = path.read_bytes()
        for _ in range(12):
            changed = bytearray(content)
            for place in rng.integers(0, len(content), 8):
                changed[place] = rng.integers(0, 256)
            path.write_bytes(changed)
            with contextlib.suppress(AnodiffError):
                read_track_file(path, key="tracks" if name == "columns.hdf5" else None)


def test_a_damaged_or_newer_zarr_store_is_one_line(tmp_path):
    path = small(tmp_path, "array.zarr")
    metadata = (path / "zarr.json").read_text()
    for wrong in (
        metadata.replace('"zarr_format": 3', '"zarr_format": 4'),
        metadata[:50],
        metadata.replace("float64", "float63"),
    ):
        (path / "zarr.json").write_text(wrong)
        with pytest.raises(AnodiffError, match="cannot be read as Zarr"):
            read_track_file(path)
    (path / "zarr.json").write_text(metadata)
    for chunk in (file for file in (path / "c").rglob("*") if file.is_file()):
        chunk.write_bytes(b"nothing")
    with pytest.raises(StoreFormatError, match="cannot be read as Zarr"):
        read_track_file(path)


def test_a_file_that_is_not_there_or_not_one_of_tracks_is_refused(tmp_path):
    for name in ("empty.csv", "notes.xml", "store.zarr"):
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()
    zarr.create_group(tmp_path / "empty.zarr")
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    for name, kind, said in [
        ("nowhere.csv", StoreMissingError, "no such file"),
        ("a" * 300 + ".csv", StoreMissingError, "too long"),
        ("empty.csv", StoreFormatError, "the file is empty"),
        ("notes.xml", ConfigError, r"unknown ending '.xml'; known: .csv, .*; of TrackMate, export"),
        ("store.zarr", StoreFormatError, "a Zarr store is a folder"),
        ("folder.csv", StoreFormatError, "a folder, and no Zarr store"),
        ("empty.zarr", ConfigError, "holds no array and no table"),
        ("empty.npz", ConfigError, "holds no array and no table"),
    ]:
        with pytest.raises(kind, match=said):
            read_track_file(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": {"partikel": "id"}}, "--columns partikel: did you mean 'particle'"),
        ({"columns": {"x": "y", "y": "y"}}, "column 'y' is named twice"),
        ({"columns": {"x": "mas"}}, "no column 'mas', name it with --columns x=NAME; did you mean 'mass'"),
        ({"coordinates": ["w"]}, "--coordinates w: known: x, y, z"),
        ({"coordinates": ["x", "x"]}, "named twice"),
        ({"coordinates": ["x", "z"]}, "no column 'z'"),
        ({"key": "table"}, "leave out --key"),
    ],
)
def test_wrong_options_are_refused(options, said, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_track_file(small(tmp_path, "commas.csv"), **options)


@pytest.mark.parametrize("row", ["0,1,2,5,3,5", "0,1,2,5,3"])
def test_rows_with_more_values_than_columns_are_refused(row, tmp_path):
    for rows in ([row, row.replace("1", "2", 1)], ["0,0,1,1", row]):
        (tmp_path / "decimal.csv").write_text("particle,frame,x,y\n" + "\n".join(rows))
        with pytest.raises(AnodiffError, match=r"are numbers written with a comma|Expected 4 fields in line 3"):
            read_track_file(tmp_path / "decimal.csv")


def test_columns_of_one_name_must_be_equal(tmp_path):
    (tmp_path / "twice.csv").write_text("particle,frame,x,x\n0,0,1,2\n")
    with pytest.raises(ConfigError, match="columns of the same name 'x' differ"):
        read_track_file(tmp_path / "twice.csv")


def test_nothing_in_a_file_is_run(tmp_path):
    """The names of pandas's columns are pickled; a pickle that would run something is read for its words alone."""
    path = tmp_path / "evil.h5"
    shutil.copy(PANDAS_TABLES, path)
    evil = f"cpathlib\nPath.touch\n(V{tmp_path / 'ran'}\ntR."
    with h5py.File(path, "a") as file:
        del file["fixed"], file["columns"]
        for field in ("values_block_0", "values_block_1"):
            file["table/table"].attrs[f"{field}_kind"] = np.bytes_(evil.encode())
    with pytest.raises(ConfigError, match="no column 'particle'"):
        read_track_file(path)
    assert not (tmp_path / "ran").exists()
