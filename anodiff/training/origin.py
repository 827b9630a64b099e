"""Are these the data that a run was trained on? Text files can change, and Python's help texts differ between versions.

What a data set is made of, `anodiff.data.Dataset.origin`, is part of a run's provenance under the key ``data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anodiff.data import Dataset
from anodiff.errors import ConfigError


def refuse_other_data(where: object, provenance: Mapping[str, Any], dataset: Dataset) -> None:
    """Raise `ConfigError` if a run's provenance holds another digest of the data than the data set has."""
    before, now = provenance.get("data"), dataset.origin
    if before and now and before["sha256"] != now["sha256"]:
        python = provenance.get("versions", {}).get("python")
        raise ConfigError(
            f"{where}: the {dataset.name} is not the one that the run was trained on: {_described(before)} there"
            f"{f' (Python {python})' if python else ''}, {_described(now)} here; bring the former back, or train the run again"
        )


def _described(origin: Mapping[str, Any]) -> str:
    return f"{origin['text']} of {origin['tokens']:,} tokens with digest {origin['sha256'][:12]}"
