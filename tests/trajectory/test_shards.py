"""The shard files of anodiff follow Zarr's specification."""

import numpy as np
import pytest
import tensorstore
import zarr

from anodiff.errors import StoreDamagedError
from anodiff.trajectory import format
from anodiff.trajectory.shards import ShardFiles


@pytest.fixture(params=[(20, 37, 8, 16), (8, 16, 8, 16), (1, 1, 8, 16), (300, 9000, 256, 4096), (21, 33, 8, 1)], ids=str)
def sizes(request, monkeypatch):
    samples, columns, rows, width = request.param
    monkeypatch.setattr(format, "CHUNK_SAMPLES", rows)
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", width)
    return samples, columns


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zarr_and_tensorstore_read_what_was_written(tmp_path, sizes, dtype):
    values = np.random.default_rng(0).normal(size=sizes).astype(dtype)
    values[::3] = -0.0
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(*sizes, dtype=dtype))
    files = ShardFiles(array, tmp_path / "a")
    for shard, start in enumerate(range(0, sizes[0], files.rows)):
        files.write(shard, values[start : start + files.rows])
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[:], values)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "a")}}
    np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), values)
    assert not list(tmp_path.rglob("*.partial"))


def test_zarr_would_write_the_same_chunks(tmp_path, sizes):
    """Compared chunk by chunk, because the specification leaves their order in the file open."""
    values = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    layout = format.sample_layout(*sizes) | {"config": {"write_empty_chunks": True}}
    theirs, ours = (zarr.create_array(tmp_path / name, **layout) for name in ("theirs", "ours"))
    theirs[:] = values
    files = ShardFiles(ours, tmp_path / "ours")
    for shard, start in enumerate(range(0, sizes[0], files.rows)):
        files.write(shard, values[start : start + files.rows])
        chunks = [chunks_of(tmp_path / name / f"c/{shard}/0", layout) for name in ("theirs", "ours")]
        assert chunks[0] == chunks[1]


def chunks_of(path, layout):
    """The encoded chunks of a shard, by their number."""
    content = path.read_bytes()
    count = layout["shards"][1] // layout["chunks"][1]
    index = np.frombuffer(content[-16 * count - 4 : -4], "<u8").reshape(count, 2)
    return [content[offset : offset + length] for offset, length in index.tolist()]


def test_missing_rows_are_nan(tmp_path, monkeypatch):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(16, 5))
    files = ShardFiles(array, tmp_path / "a")
    files.write(0, np.ones((8, 5), np.float32))
    files.write(1, np.ones((3, 5), np.float32))
    assert np.isfinite(array[:11]).all()
    assert np.isnan(array[11:]).all()


def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(16, 5))
    files = ShardFiles(array, tmp_path / "a")
    files.write(0, np.ones((16, 5), np.float32))
    monkeypatch.setattr("anodiff.trajectory.shards._checksum", lambda content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write(0, np.zeros((16, 5), np.float32))
    assert (array[:] == 1).all()
    assert len(list((tmp_path / "a/c/0").iterdir())) == 1


def test_chunks_are_equally_wide_with_little_padding():
    for columns in (1, 4095, 4096, 4097, 26_122, 43_490, 1_000_003):
        layout = format.sample_layout(1000, columns)
        width = layout["chunks"][1]
        assert width <= format.CHUNK_PARAMETERS
        assert columns <= layout["shards"][1] < columns + layout["shards"][1] / width


def test_ranks_write_shards_of_their_own_columns(tmp_path, sizes):
    samples, columns = sizes
    values = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(*sizes, ranks=3))
    across = -(-columns // array.shards[1])
    assert across == min(3, columns)
    for number in range(across):
        files = ShardFiles(array, tmp_path / "a", number)
        own = values[:, number * array.shards[1] :][:, : files.columns]
        for shard, start in enumerate(range(0, samples, files.rows)):
            files.write(shard, own[start : start + files.rows])
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[:], values)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "a")}}
    np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), values)


def test_rows_of_a_shard_can_be_added_to_those_that_are_in_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 4)
    values = np.random.default_rng(0).normal(size=(16, 9))
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(16, 9, dtype="float64"))
    files = ShardFiles(array, tmp_path / "a")
    files.write(0, np.concatenate([values[:5], np.zeros((3, 9))]))
    np.testing.assert_array_equal(files.read(0, 5), values[:5])
    files.write(0, values[5:], 5)
    np.testing.assert_array_equal(array[:], values)


@pytest.mark.parametrize("harm", ["chunk", "index", "cut", "gone"])
def test_rows_are_not_added_to_a_damaged_file(tmp_path, harm):
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(16, 5))
    files = ShardFiles(array, tmp_path / "a")
    files.write(0, np.random.default_rng(0).normal(size=(16, 5)).astype(np.float32))
    content = bytearray(files.path(0).read_bytes())
    content[{"chunk": 40, "index": -10}.get(harm, 0)] ^= 1
    files.path(0).write_bytes(content[:3] if harm == "cut" else content)
    if harm == "gone":
        files.path(0).unlink()
    with pytest.raises(StoreDamagedError, match="c/0/0"):
        files.write(0, np.zeros((8, 5), np.float32), 8)
