"""Rows are read as they were written, whatever the path from device to file."""

import numpy as np
import pytest
import torch
import zarr

from anodiff.trajectory import format, rows
from anodiff.trajectory.background import BackgroundThread
from anodiff.trajectory.rows import RowWriter
from anodiff.trajectory.shards import ShardFiles

CPU = torch.device("cpu")

NUMBERS = {
    "all": range(40),
    "with gaps": [0, 1, 5, 6, 7, 8, 20, 21, 39],
    "from the middle": [13, 14, 15],
    "one a shard": [7, 15, 16, 31],
    "all but the last": range(39),
}


def writer_of(array, folder, background, staged):
    writer = RowWriter(ShardFiles(array, folder), torch.float32, CPU, background)
    if staged:
        writer._staging = rows._StagingBuffer(*array.shards[:1], array.shape[1], torch.float32, CPU)
    return writer


@pytest.mark.parametrize("interrupted", [None, 0, 1, 3, 7, 8], ids="interrupted after {}".format)
@pytest.mark.parametrize("staged", [None, 1, 3, 100], ids="{} rows at a time from another device".format)
@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_rows_are_in_the_array_and_those_left_out_are_nan(tmp_path, monkeypatch, numbers, staged, interrupted):
    monkeypatch.setattr(format, "CHUNK_SAMPLES", 8)
    monkeypatch.setattr(rows, "STAGING_BYTES", 4 * 5 * (staged or 0))
    array = zarr.create_array(tmp_path / "a", **format.sample_layout(40, 5))
    background = BackgroundThread(tmp_path)
    writer = writer_of(array, tmp_path / "a", background, staged)
    values = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    expected = np.full((40, 5), np.nan, np.float32)
    for count, number in enumerate(numbers):
        if count == interrupted:
            background.wait()
            state = writer.state_dict()
            writer.row(number).fill_(7)  # lost
            writer.flush()
            background.wait()
            writer = writer_of(array, tmp_path / "a", background, staged)
            writer.load_state_dict(state)
        writer.row(number).copy_(torch.from_numpy(values[number]))
        expected[number] = values[number]
    writer.flush()
    background.wait()
    background.stop()
    np.testing.assert_array_equal(array[:], expected)
