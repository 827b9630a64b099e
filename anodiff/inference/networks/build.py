"""Which network is meant by a name? One that gives logits of the 140 cells.

WADNet is published with an output of its own for each task. Here it gets the cells' outputs too, so
that both networks can learn from the same tracks and be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anodiff.errors import ConfigError, did_you_mean
from anodiff.inference.cells import CELL_KIND
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.inference.networks.wadnet import WADNet

TrackNetwork = Pyramid | WADNet

NAMES = ("pyramid", "wadnet")


def build_network(name: str, dimensions: int, settings: Mapping[str, Any]) -> TrackNetwork:
    """Return an untrained network from positions (N, dimensions, points) to logits (N, 140).

    Parameters
    ----------
    settings
        ``width``, ``levels`` and ``hidden`` of a pyramid; WADNet has none.

    Raises
    ------
    ConfigError
        If there is no network of that name.
    """
    if name == "wadnet":
        return WADNet(dimensions, len(CELL_KIND))
    if name == "pyramid":
        return Pyramid(dimensions, width=settings["width"], levels=settings["levels"], hidden=settings["hidden"])
    raise ConfigError(f"network {name!r}: {did_you_mean(name, NAMES)}")
