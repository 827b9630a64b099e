"""The names and the layout of trajectory.zarr, in one place; docs/format.md tells the same to people.

Chunks hold many steps of a block of parameters and are stored with time running fastest (the transpose codec before Blosc
with bit-shuffle): neighbouring steps of one weight share their high bits. A shard is one file: all parameters of a few
hundred steps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec

KIND = "anodiff trajectory"
VERSION = 1

#: What a row of the weights is: every parameter, or a random projection of them.
FULL, SKETCH = "full", "sketch"

#: Series with one value for every optimiser step: meaning and unit.
STEP_SERIES = {
    "loss": "mini-batch loss at the point before the update",
    "gradient_norm": "Euclidean norm of the mini-batch gradient",
    "noise_norm": "Euclidean norm of mini-batch gradient minus the gradient over the training set; NaN where not measured",
    "learning_rate": "learning rate of the update",
}

#: Series with one value for every epoch, finished or last: meaning.
EPOCH_SERIES = {
    "train_loss": "mean mini-batch loss over the epoch, as trained (augmented)",
    "train_accuracy": "fraction of the epoch's training samples classified correctly, as trained (augmented)",
    "test_loss": "mean loss over the test set after the epoch; NaN where not measured",
    "test_accuracy": "fraction of the test set classified correctly after the epoch; NaN where not measured",
}

CHUNK_PARAMETERS = 1024
CHUNK_SAMPLES = 256
BUFFER_BYTES = 2**29


def sample_layout(samples: int, columns: int, *, dimension: str = "parameter", dtype: str = "float32") -> dict[str, Any]:
    """Return shape, chunks, shards and codecs of an array with a row per sample, for ``zarr.Group.create_array``.

    A shard is what the recorder holds in memory: 256 samples of all columns, fewer where these exceed 512 MiB.
    """
    rows = min(CHUNK_SAMPLES, samples, max(1, BUFFER_BYTES // (np.dtype(dtype).itemsize * columns)))
    chunk = min(CHUNK_PARAMETERS, columns)
    return {
        "shape": (samples, columns),
        "dtype": dtype,
        "fill_value": math.nan,
        "chunks": (rows, chunk),
        "shards": (rows, chunk * math.ceil(columns / chunk)),
        "filters": [TransposeCodec(order=(1, 0))],
        "compressors": compressors(),
        "dimension_names": ("sample", dimension),
    }


def compressors() -> list[Any]:
    """Return Blosc (Zstandard, bit-shuffle) guarded by a CRC32C checksum, as every array of ours has."""
    return [BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec()]
