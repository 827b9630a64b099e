"""How are all arrays of a finished store read at once?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import StoreDamagedError
from anodiff.storage.stores import open_store


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
        StoreMissingError, StoreFormatError, IncompleteStoreError, StoreDamagedError
            See `anodiff.storage.stores.open_store`.
        """
        group = open_store(path, kind, version)
        arrays = {}
        for name in [*names, *(name for name in optional if name in group)]:
            if name not in group:
                raise StoreDamagedError(path, name, reason="the store has no such array")
            arrays[name] = np.asarray(group[name][...])  # type: ignore[index]
        return cls(arrays, dict(group.attrs))
