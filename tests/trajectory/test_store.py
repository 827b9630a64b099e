"""An incomplete store is refused in one line, and a damaged one never gives wrong numbers."""

import shutil

import numpy as np
import pytest
import zarr

from anodiff.errors import IncompleteStoreError, StoreDamagedError, StoreFormatError, StoreMissingError
from anodiff.storage.stores import finish_store
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


def written_again(path, **attributes):
    """Finish a store once more, after a change that its writer made."""
    finish_store(zarr.open_group(path, use_consolidated=False), **attributes)


def another_kind(path):
    written_again(path, kind="anodiff geometry")


def another_version(path):
    written_again(path, format_version=0)


def with_other_attributes(path):
    zarr.open_group(path).attrs["steps_completed"] = 39


def unfinished(path):
    zarr.open_group(path).attrs["status"] = "running"


def without_status(path):
    del zarr.open_group(path).attrs["status"]


def without_a_shard(path):
    (path / "weights/c/2/0").unlink()


def without_the_last_point(path):
    (path / "weights/c/5/0").unlink()


def with_an_empty_shard(path):
    (path / "weights/c/3/0").write_bytes(b"")


def without_the_steps(path):
    shutil.rmtree(path / "step/c")


def without_the_windows(path):
    shutil.rmtree(path / "windows/c")


def without_an_array(path):
    shutil.rmtree(path / "windows")


def never_written(path):
    (path / "weights/c/5/0").unlink()
    written_again(path)


def with_a_duplicate_step(path):
    zarr.open_array(path / "step")[20] = 19
    written_again(path)


def with_a_decreasing_step(path):
    zarr.open_array(path / "step")[20] = 3
    written_again(path)


def with_a_step_too_few(path):
    zarr.open_array(path / "step").resize((40,))
    written_again(path)


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (missing, StoreMissingError, "no such store"),
        (a_file, StoreFormatError, "not a Zarr group"),
        (a_plain_folder, StoreFormatError, "not a Zarr group"),
        (damaged_metadata, StoreDamagedError, "zarr.json is damaged: it is not the metadata of a Zarr group"),
        (an_array, StoreFormatError, "not a Zarr group"),
        (a_zarr_2_group, StoreFormatError, "not a Zarr group of version 3"),
        (another_kind, StoreFormatError, "holds an anodiff geometry; expected an anodiff trajectory"),
        (another_version, StoreFormatError, "format version 0, but this anodiff reads version 2"),
        (with_other_attributes, StoreDamagedError, "zarr.json is damaged: its digest is another"),
        (unfinished, IncompleteStoreError, "has not finished"),
        (without_status, StoreDamagedError, "zarr.json is damaged: its digest is another"),
        (without_a_shard, StoreDamagedError, "weights/c/2/0 is damaged: it is missing or cut; 1 of"),
        (without_the_last_point, StoreDamagedError, "weights/c/5/0 is damaged: it is missing or cut"),
        (with_an_empty_shard, StoreDamagedError, "weights/c/3/0 is damaged: it is missing or cut"),
        (without_the_steps, StoreDamagedError, "step/c/0 is damaged: it is missing or cut"),
        (without_the_windows, StoreDamagedError, "windows/c/0/0 is damaged: it is missing or cut"),
        (without_an_array, StoreDamagedError, "windows/c/0/0 is damaged: it is missing or cut"),
        (never_written, IncompleteStoreError, "1 of its files were never written, the first is weights/c/5/0"),
        (with_a_duplicate_step, StoreFormatError, "duplicate steps: sample 20 has step 19, the one before 19"),
        (with_a_decreasing_step, StoreFormatError, "decreasing steps: sample 20 has step 3, the one before 19"),
        (with_a_step_too_few, StoreFormatError, "40 steps for 41 samples"),
    ],
    ids=lambda value: value.__name__ if callable(value) and not isinstance(value, type) else "",
)
def test_an_incomplete_trajectory_is_refused_in_one_line(path, change, kind, reason):
    change(path)
    with pytest.raises(kind, match=reason) as refused:
        open_trajectory(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99], ids="at {} of the file".format)
def test_a_flipped_byte_never_gives_numbers(path, place):
    shard = path / "weights/c/1/0"
    content = bytearray(shard.read_bytes())
    content[int(place * len(content))] ^= 1
    shard.write_bytes(content)
    named = "weights/c/1/0 is damaged: .*checksum.*it holds the steps 8–15"
    with pytest.raises(StoreDamagedError, match=named) as refused:
        open_trajectory(path).points(Window(0, 40))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.95], ids="{} of the file".format)
def test_a_truncated_shard_never_gives_numbers(path, kept):
    shard = path / "weights/c/4/0"
    content = shard.read_bytes()
    shard.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(StoreDamagedError, match="weights/c/4/0 is damaged: it is missing or cut"):
        open_trajectory(path)


def test_a_shard_in_another_ones_place_never_gives_numbers(path):
    trajectory = open_trajectory(path)
    shards = [path / f"weights/c/{number}/0" for number in (1, 2)]
    first, second = (shard.read_bytes() for shard in shards)
    shards[0].write_bytes(second)
    shards[1].write_bytes(first)
    with pytest.raises(StoreDamagedError, match=r"weights/c/[12]/0 is damaged"):
        trajectory.points(Window(0, 40))


def test_the_damaged_one_of_several_chunks_in_a_shard_is_named(record_path, monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 16)
    path = record_path(np.random.default_rng(0).normal(size=(41, 48)))
    shard = path / "weights/c/2/0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1  # in the second of three chunks
    shard.write_bytes(content)
    trajectory = open_trajectory(path)
    assert trajectory.points(Window(0, 40), slice(0, 16)).shape == (41, 16)
    assert trajectory.points(Window(24, 16)).shape == (17, 48)
    for columns in (slice(None), slice(10, 40)):
        with pytest.raises(StoreDamagedError, match=r"weights/c/2/0 is damaged: .*chunk at byte \d+.*the steps 16–23"):
            trajectory.points(Window(0, 40), columns)


@pytest.mark.parametrize("name", ["step", "windows", "loss"])
def test_a_damaged_table_or_series_is_named(path, name):
    (file,) = (one for one in (path / name / "c").rglob("*") if one.is_file())
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreFormatError, match=f"{name}/c/.* is damaged: .*checksum") as refused:
        open_trajectory(path).series(name)
    assert "\n" not in str(refused.value)


def test_points_are_read_as_stored_with_time_running_fastest(path):
    points = open_trajectory(path).points(Window(0, 40))
    assert points.flags.f_contiguous
    np.testing.assert_array_equal(points, POINTS)


def replaced(path, record_path):
    shutil.rmtree(path)
    record_path(POINTS + 1)


def rewritten(path, record_path):
    zarr.open_group(path).attrs["note"] = "later"


def removed(path, record_path):
    shutil.rmtree(path)


@pytest.mark.parametrize("change", [replaced, rewritten, removed], ids=lambda change: change.__name__)
def test_a_store_that_changes_while_it_is_read_is_noticed(path, record_path, change):
    trajectory = open_trajectory(path)
    trajectory.points(Window(0, 40))
    trajectory.check_unchanged()
    change(path, record_path)
    with pytest.raises(StoreFormatError, match="changed while it was being read") as refused:
        trajectory.check_unchanged()
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_series_of_a_whole_store_are_read_by_name(path):
    trajectory = open_trajectory(path)
    np.testing.assert_allclose(trajectory.series("loss"), 1 / np.arange(1, 41), rtol=1e-6)
    assert trajectory.windows == (Window(0, 40),)
