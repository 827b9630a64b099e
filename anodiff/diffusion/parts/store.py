"""How is parts.zarr read? As curves over part, window and lag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.diffusion.parts.columns import KIND, VERSION
from anodiff.storage.integrity import CHECKSUMS
from anodiff.storage.stores import open_store

if TYPE_CHECKING:
    import xarray as xr


def open_parts(path: str | Path) -> xr.Dataset:
    """Return a finished parts.zarr, labelled and in memory, with the coordinates ``part`` (names) and ``part_kind``.

    It raises what `anodiff.storage.stores.open_store` raises.
    """
    import xarray as xr

    curves = xr.open_zarr(open_store(path, KIND, VERSION).store, chunks=None).load()
    del curves.attrs[CHECKSUMS]
    named = curves.attrs["parts"]
    return curves.assign_coords(
        part=("part", [part["name"] for part in named]), part_kind=("part", [part["kind"] for part in named])
    )
