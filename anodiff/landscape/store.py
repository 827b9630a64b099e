"""How is a finished store of the landscape read: all arrays at once, damage as one line?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import StoreFormatError
from anodiff.storage.stores import open_store
from anodiff.trajectory.store import DAMAGE, one_line


@dataclass(frozen=True)
class StoredArrays:
    """The arrays of a finished store by name, and its attributes."""

    arrays: dict[str, NDArray[Any]]
    attributes: dict[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    @classmethod
    def read(cls, path: str | Path, kind: str, version: int, names: Iterable[str], optional: Iterable[str] = ()) -> Self:
        """Read the arrays ``names`` of a finished store, and those of ``optional`` that it has.

        Raises
        ------
        StoreMissingError, IncompleteStoreError
        StoreFormatError
            If it is another kind of store, an array is missing, or a chunk is damaged.
        """
        group = open_store(path, kind, version)
        arrays = {}
        for name in [*names, *(name for name in optional if name in group)]:
            try:
                arrays[name] = np.asarray(group[name][...])  # type: ignore[index]
            except (KeyError, *DAMAGE) as error:
                raise StoreFormatError(f"{path}: {name} cannot be read ({one_line(error)}); make the store again") from None
        return cls(arrays, dict(group.attrs))
