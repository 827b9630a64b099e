"""How is learning.zarr written and read?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, did_you_mean
from anodiff.learning.columns import ARRAYS, KIND, VERSION
from anodiff.storage.arrays import create_array
from anodiff.storage.stored_arrays import StoredArrays
from anodiff.storage.stores import create_store, finish_store


@dataclass(frozen=True)
class LearningStore(StoredArrays):
    """Learning curves of a run: the arrays of `ARRAYS` by name. Their order is that of learning.csv."""

    @property
    def curves(self) -> list[str]:
        """Name of each curve."""
        return list(self.attributes["curves"])

    @property
    def sorts(self) -> list[str]:
        """Sort of each curve: all, mode, class, group or probe."""
        return list(self.attributes["sorts"])

    @property
    def splits(self) -> list[str]:
        """Split that each curve is measured on: train or test."""
        return list(self.attributes["splits"])

    @property
    def laws(self) -> list[str]:
        """The law that fits each curve best; empty where none was fitted."""
        return list(self.attributes["laws"])

    def number(self, curve: str, split: str = "train") -> int:
        """Return the number of a curve by its name and split; raises `ConfigError` if there is none."""
        for number, found in enumerate(zip(self.curves, self.splits, strict=True)):
            if found == (curve, split):
                return number
        raise ConfigError(f"no curve {curve!r} of the {split} samples; {did_you_mean(curve, self.curves)}")


def open_learning(path: str | Path) -> LearningStore:
    """Open a finished learning.zarr; raises what `StoredArrays.read` raises."""
    return LearningStore.read(path, KIND, VERSION, ARRAYS)


def write_learning(path: Path, arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any]) -> None:
    """Write the arrays of `ARRAYS` and the attributes to a store, and finish it."""
    group = create_store(path, KIND, VERSION, dict(attributes))
    for name, (dimensions, dtype, meaning) in ARRAYS.items():
        create_array(group, name, dimensions, {"long_name": meaning}, data=np.asarray(arrays[name], dtype=dtype))
    finish_store(group)
