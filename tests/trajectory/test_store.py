"""A store that is not whole is refused in one line, and a damaged one never yields wrong numbers."""

import shutil

import numpy as np
import pytest
import zarr

from anodiff.errors import IncompleteStoreError, StoreFormatError, StoreMissingError
from anodiff.trajectory import Window, format, open_trajectory

POINTS = np.arange(41 * 5, dtype=np.float32).reshape(41, 5)


@pytest.fixture
def path(record_path, monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    return record_path(POINTS)


def missing(path):
    shutil.rmtree(path)


def a_file(path):
    shutil.rmtree(path)
    path.write_text("not a store")


def a_plain_folder(path):
    (path / "zarr.json").unlink()


def damaged_metadata(path):
    (path / "zarr.json").write_text("{")


def an_array(path):
    zarr.create_array(path, data=np.zeros(3), overwrite=True)


def a_zarr_2_group(path):
    shutil.rmtree(path)
    zarr.create_group(path, zarr_format=2)


def another_kind(path):
    zarr.open_group(path).attrs["kind"] = "anodiff geometry"


def another_version(path):
    zarr.open_group(path).attrs["format_version"] = 0


def unfinished(path):
    zarr.open_group(path).attrs["status"] = "running"


def without_status(path):
    del zarr.open_group(path).attrs["status"]


def without_a_shard(path):
    (path / "weights/c/2/0").unlink()


def without_the_last_point(path):
    (path / "weights/c/5/0").unlink()


def without_the_steps(path):
    shutil.rmtree(path / "step/c")


def without_the_windows(path):
    shutil.rmtree(path / "windows/c")


def without_an_array(path):
    shutil.rmtree(path / "windows")


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (missing, StoreMissingError, "no such store"),
        (a_file, StoreFormatError, "not a Zarr group"),
        (a_plain_folder, StoreFormatError, "not a Zarr group"),
        (damaged_metadata, StoreFormatError, "not a Zarr group"),
        (an_array, StoreFormatError, "not a Zarr group"),
        (a_zarr_2_group, StoreFormatError, "anodiff has not written"),
        (another_kind, StoreFormatError, "holds an anodiff geometry; expected an anodiff trajectory"),
        (another_version, StoreFormatError, "format version 0, this anodiff reads version 1"),
        (unfinished, IncompleteStoreError, "has not finished"),
        (without_status, IncompleteStoreError, "has not finished"),
        (without_a_shard, IncompleteStoreError, "1 of its files are missing, the first is weights/c/2/0"),
        (without_the_last_point, IncompleteStoreError, "1 of its files are missing, the first is weights/c/5/0"),
        (without_the_steps, IncompleteStoreError, "missing, the first is step/"),
        (without_the_windows, IncompleteStoreError, "missing, the first is windows/"),
        (without_an_array, IncompleteStoreError, "missing, the first is windows/"),
    ],
    ids=lambda value: value.__name__ if callable(value) and not isinstance(value, type) else "",
)
def test_what_is_not_a_whole_trajectory_is_refused_in_one_line(path, change, kind, reason):
    change(path)
    with pytest.raises(kind, match=reason) as refused:
        open_trajectory(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99], ids="at {} of the file".format)
def test_a_flipped_byte_never_yields_numbers(path, place):
    shard = path / "weights/c/1/0"
    content = bytearray(shard.read_bytes())
    content[int(place * len(content))] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StoreFormatError, match=r"steps 0–40 are damaged: .*checksum"):
        open_trajectory(path).points(Window(0, 40))


def test_series_of_a_whole_store_are_read_by_name(path):
    trajectory = open_trajectory(path)
    np.testing.assert_allclose(trajectory.series("loss"), 1 / np.arange(1, 41), rtol=1e-6)
    assert trajectory.windows == (Window(0, 40),)
