"""What does a trained network say of given tracks? Exponent, interval and kind of each.

The pitfall: an answer supposes that the track is one of the five kinds, observed with localisation
noise below a displacement. Anything else gets an answer too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from anodiff.errors import ConfigError
from anodiff.inference.answers import most_views, predictor
from anodiff.inference.cells import KINDS
from anodiff.inference.posterior import Posterior
from anodiff.inference.tracks import FEWEST_POINTS, MOST_POINTS
from anodiff.inference.weights import read_network
from anodiff.storage.columns import COUNT, TEXT, Column
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

#: Points of the tracks that are answered together.
TOGETHER = 65_536

#: Columns of the table.
CHARACTERS = {
    "track": Column("number of the track, from 0", COUNT),
    "points": Column("its points", COUNT),
    "exponent": Column("median of α"),
    "exponent_low": Column("lower end of the central 90 % interval of α"),
    "exponent_high": Column("upper end of the central 90 % interval of α"),
    "kind": Column("most likely kind of motion", TEXT),
    **{kind: Column(f"probability of {kind}") for kind in KINDS},
    "note": Column("why there is no answer, or what it leaves out", TEXT),
}


def characterise(tracks: Sequence[ArrayLike], weights: str | Path, *, views: int | None = None) -> pd.DataFrame:
    """Return exponent and kind of tracks, a row for each, with the columns `CHARACTERS`.

    A track without an answer has NaN, and the reason in ``note``: it has fewer than 10 points, or
    stays where it is. Of a track of more than 1000 points, the first 1000 are read, and ``note``
    says so. Tracks of equal length are read together.

    Parameters
    ----------
    tracks
        Each (points, dimensions), or (points,) in one dimension, of any unit, at equal times.
    weights
        File of a network for as many dimensions, see `anodiff.inference.weights`.
    views
        Equivalent views of each track that are averaged; default: up to 4.

    Raises
    ------
    ConfigError
        If a track has other dimensions than the network, or values that are not finite.
    StoreMissingError, StoreDamagedError, StoreFormatError
        If the weights cannot be read.
    """
    import pandas as pd

    network, card = read_network(weights)
    dimensions = card["dimensions"]
    checked = [_checked(track, number, dimensions) for number, track in enumerate(tracks)]
    notes = [_note(track) for track in checked]
    predict = predictor(network, torch.device("cpu"), views=views or most_views(dimensions))
    rows: list[dict[str, Any]] = [
        {"track": number, "points": len(track), "note": note}
        for number, (track, note) in enumerate(zip(checked, notes, strict=True))
    ]
    for together in _of_equal_length(checked):
        positions = np.stack([checked[number][:MOST_POINTS].T for number in together])
        posterior = Posterior.from_logits(predict(_single_precision(positions)))
        for row, number in enumerate(together):
            rows[number] |= _answer(posterior, row)
    return pd.DataFrame(rows, columns=list(CHARACTERS))


def _checked(track: ArrayLike, number: int, dimensions: int) -> FloatArray:
    """Return a track as (points, dimensions)."""
    name = f"track {number}"
    array = real_numbers(track, name)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != dimensions:
        raise ConfigError(f"{name}: got shape {array.shape}, expected (points, {dimensions}), as the network has learned")
    return array


def _note(track: FloatArray) -> str:
    if len(track) < FEWEST_POINTS:
        return f"fewer than {FEWEST_POINTS} points"
    if not _moves(track):
        return "does not move"
    return f"only the first {MOST_POINTS} points" if len(track) > MOST_POINTS else ""


def _moves(track: FloatArray) -> bool:
    return bool((track[:MOST_POINTS] != track[0]).any())


def _of_equal_length(tracks: Sequence[FloatArray]) -> list[list[int]]:
    """Return the numbers of tracks that can be answered, in groups of one length."""
    groups: dict[int, list[int]] = {}
    for number, track in enumerate(tracks):
        if len(track) >= FEWEST_POINTS and _moves(track):
            groups.setdefault(min(len(track), MOST_POINTS), []).append(number)
    split = []
    for points, numbers in groups.items():
        most = max(1, TOGETHER // points)
        split += [numbers[first : first + most] for first in range(0, len(numbers), most)]
    return split


def _single_precision(positions: FloatArray) -> NDArray[np.float32]:
    """Return tracks about their first points, in units of their largest distance from it.

    So single precision loses nothing, wherever the tracks are.
    """
    moved = positions - positions[..., :1]
    return (moved / abs(moved).max(axis=(1, 2), keepdims=True)).astype(np.float32)


def _answer(posterior: Posterior, row: int) -> dict[str, Any]:
    one = Posterior(posterior.cells[row : row + 1])
    return {
        "exponent": one.median[0],
        "exponent_low": one.quantile(0.05)[0],
        "exponent_high": one.quantile(0.95)[0],
        "kind": KINDS[one.kind[0]],
        **dict(zip(KINDS, one.kinds[0], strict=True)),
    }
