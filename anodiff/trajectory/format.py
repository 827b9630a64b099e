"""Which arrays does trajectory.zarr hold, and how are they laid out? docs/format.md describes the
same for users.

A chunk holds many steps of a block of parameters, with time running fastest (the transpose codec
before Blosc with bit-shuffle), because neighbouring steps of a weight share their high bits. A
shard is one file: all parameters of a few hundred steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from anodiff.storage.compression import compressors

KIND = "anodiff trajectory"
VERSION = 2

#: What is stored of each point: every parameter, a random projection of them, or no weights but Gram matrices.
FULL, SKETCH, NONE = "full", "sketch", "none"

#: What a Gram matrix is, in trajectory.zarr without weights and in geometry.zarr.
GRAM = "update Gram matrix <Δw_k, Δw_l>; NaN where the run did not reach"

#: The same of each group of parameters, whose sum is the whole, and of walks beside the path.
GROUP_GRAM = "update Gram matrix of each group of parameters; NaN where the run did not reach"
WALK_GRAM = "update Gram matrix of walks beside the path; NaN where the run did not reach"

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

#: Most columns and rows of a chunk. Chunks are large, because their number slows training down, not their size.
CHUNK_PARAMETERS = 4096
CHUNK_SAMPLES = 256

#: Most bytes of a shard, and of one with buffers of the model, which may be kept only now and then.
BUFFER_BYTES, SMALL_BUFFER_BYTES = 2**29, 2**26

#: A Gram matrix of this many updates or more is summed in float64 but stored in float32: at 10⁴ it takes 400 MB.
FLOAT32_FROM = 5000


def sample_layout(
    samples: int | None,
    columns: int,
    *,
    dimension: str = "parameter",
    dtype: str = "float32",
    most_bytes: int | None = None,
    ranks: int = 1,
) -> dict[str, Any]:
    """Return the layout of an array with a row per sample, for ``zarr.Group.create_array``.

    A shard is what the recorder collects in memory: 256 samples of all columns, or fewer if these
    exceed 512 MiB, or ``most_bytes``. Its chunks are equally wide, so that hardly any column is
    padding. If the number of samples is not known yet (None), the array is empty until it is
    resized. If several ranks write the columns, each has shards of its own, as wide as the others'.
    """
    from zarr.codecs import TransposeCodec

    own = math.ceil(columns / ranks)
    rows = max(1, min(CHUNK_SAMPLES, (most_bytes or BUFFER_BYTES) // (np.dtype(dtype).itemsize * own)))
    rows = rows if samples is None else min(rows, samples)
    chunks = max(math.ceil(columns / CHUNK_PARAMETERS), min(ranks, columns))
    chunk = math.ceil(columns / chunks)
    return {
        "shape": (samples or 0, columns),
        "dtype": dtype,
        "fill_value": math.nan,
        "chunks": (rows, chunk),
        "shards": (rows, chunk * math.ceil(chunks / ranks)),
        "filters": [TransposeCodec(order=(1, 0))],
        "compressors": compressors(),
        "dimension_names": ("sample", dimension),
    }


def gram_layout(windows: int, updates: int, of: tuple[str, int] | None = None) -> dict[str, Any]:
    """Return the layout of the Gram matrices of windows of at most ``updates``, likewise.

    Parameters
    ----------
    of
        Name and length of a further, first dimension: the groups or walks that have matrices.
    """
    first = () if of is None else (of[1],)
    return {
        "shape": (*first, windows, updates, updates),
        "chunks": (*(1 for _ in first), 1, min(updates, 256), updates),
        "dtype": "float64" if updates < FLOAT32_FROM else "float32",
        "fill_value": math.nan,
        "compressors": compressors(),
        "dimension_names": (*(() if of is None else of[:1]), "window", "update", "update_other"),
    }


def columns_of(entry: Mapping[str, Any]) -> slice:
    """Return the columns that a tensor of a table such as ``parameters`` has: two for each complex
    number.
    """
    width = math.prod(entry["shape"]) * (2 if is_complex(entry) else 1)
    return slice(entry["offset"], entry["offset"] + width)


def is_complex(entry: Mapping[str, Any]) -> bool:
    """Return whether a tensor of such a table is stored as real and imaginary parts."""
    return str(entry.get("dtype", "")).startswith("complex")
