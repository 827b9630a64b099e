"""How is an array of a store made? Compressed, with a checksum, and empty until it is written: NaN,
or -1 in arrays of integers, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anodiff.storage.compression import compressors

if TYPE_CHECKING:
    import zarr


def fill_value(dtype: DTypeLike) -> float | int:
    """Return what stands for values that were not written: NaN for floats, -1 for integers."""
    return {"f": math.nan, "i": -1}[np.dtype(dtype).kind]


def create_array(
    group: zarr.Group,
    name: str,
    dimensions: Sequence[str],
    attributes: Mapping[str, Any],
    *,
    data: NDArray[Any] | None = None,
    shape: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    **layout: Any,
) -> zarr.Array:
    """Create an array of ``data``, or an empty one of ``shape`` and ``dtype``, in a store.

    A chunk is written even if all of it equals the fill value.

    Parameters
    ----------
    dimensions
        Names of the dimensions.
    layout
        Further arguments of ``zarr.Group.create_array``: chunks, shards, filters, overwrite.
    """
    kept = np.dtype(dtype) if data is None else data.dtype
    array: zarr.Array = group.create_array(
        name,
        shape=shape if data is None else data.shape,
        dtype=kept,
        fill_value=fill_value(kept),
        compressors=compressors(),
        dimension_names=dimensions,
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
        **layout,
    )
    if data is not None and data.size:
        array[...] = data
    return array
