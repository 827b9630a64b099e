"""How good is a network? Errors of α and shares of right kinds, on tracks it never learned from.

The tracks are those of the AnDi challenge: lengths uniform between 10 and 999, noise 0.1, 0.5 or 1.
For the exponent, all α are equally frequent; for the kind, all kinds are. The score of the kind is
the micro-averaged F1, which is the share of right answers when each track has one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, KINDS, balanced_prior
from anodiff.inference.posterior import Posterior
from anodiff.inference.tracks import CHALLENGE_NOISE, Tracks, make_tracks
from anodiff.storage.types import FloatArray

#: Bounds of the bands of length whose scores are given.
BANDS = (10, 200, 400, 600, 800, 1000)

#: Tracks of each length that are made together.
TOGETHER = 20

#: From tracks of one length to their logits, (views, N, 140).
Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def exponent_prior() -> FloatArray:
    """Return the challenge's probability of each cell for the exponent, (140,): all α equally
    frequent, and the kinds of one α as frequent as its data sets have them.
    """
    frequent = np.array([1, 1, 1, 0.8, 1])[CELL_KIND] / np.bincount(CELL_KIND)[CELL_KIND]
    columns = np.rint(CELL_EXPONENT * 20).astype(np.int64)
    share = frequent / np.bincount(columns, weights=frequent)[columns]
    return share / share.sum()


def held_out(number: int, dimensions: int, seed: int, prior: FloatArray) -> Iterator[Tracks]:
    """Yield about ``number`` tracks in groups of one length, as the challenge draws them."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, dimensions, number]))
    for _ in range(-(-number // TOGETHER)):
        points = int(rng.integers(10, 1000))
        cells = rng.choice(len(prior), TOGETHER, p=prior)
        yield make_tracks(cells, rng.choice(CHALLENGE_NOISE, TOGETHER), points, dimensions, rng)


def scores(predict: Predictor, number: int, dimensions: int, seed: int) -> dict[str, Any]:
    """Return the scores on ``number`` tracks for the exponent, and on as many for the kind.

    The values are ``mae``, the mean absolute error of α's median, and ``f1``, the micro-averaged
    F1; each also by length band, kind and noise; ``coverage``, the share of true exponents within
    the central 90 % interval.
    """
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in ("error", "inside", "points", "kind", "noise")}
    prior = exponent_prior()
    for tracks in held_out(number, dimensions, seed, prior):
        posterior = Posterior.from_logits(predict(tracks.positions)).with_prior(prior)
        low, high = posterior.quantile(0.05), posterior.quantile(0.95)
        _append(rows, tracks, error=abs(posterior.median - tracks.exponents), inside=_within(low, tracks.exponents, high))
    exponent = {name: np.concatenate(values) for name, values in rows.items()}
    rows = {name: [] for name in ("right", "points", "kind", "noise")}
    for tracks in held_out(number, dimensions, seed + 1, balanced_prior()):
        posterior = Posterior.from_logits(predict(tracks.positions))
        _append(rows, tracks, right=posterior.kind == tracks.kinds)
    kind = {name: np.concatenate(values) for name, values in rows.items()}
    return {
        "mae": _by_group(exponent, "error"),
        "coverage": _by_group(exponent, "inside"),
        "f1": _by_group(kind, "right"),
    }


def most_views(dimensions: int) -> int:
    """Return how many views of a track are averaged: up to 4, of which the first is the track itself.

    Examples
    --------
    >>> [most_views(dimensions) for dimensions in (1, 2, 3)]
    [2, 4, 4]
    """
    return min(4, 2**dimensions)


def predictor(network: torch.nn.Module, device: torch.device, *, views: int = 1) -> Predictor:
    """Return the function from positions to logits, each track seen in several equivalent views.

    A view is the track with the signs of some coordinates changed, and then with its coordinates in
    another order. All kinds look the same in it.
    """

    def predict(positions: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            given = torch.from_numpy(positions).to(device)
            seen = [network(_view(given, view)) for view in range(views)]
        return torch.stack(seen).cpu().numpy()

    return predict


def _view(positions: torch.Tensor, number: int) -> torch.Tensor:
    """Return the view of that number; 0 is the track itself."""
    dimensions = positions.shape[1]
    flips, turns = number % 2**dimensions, number // 2**dimensions
    signs = torch.tensor([-1.0 if flips >> axis & 1 else 1.0 for axis in range(dimensions)], device=positions.device)
    return (positions * signs[:, None]).roll(turns, dims=1)


def _within(low: FloatArray, value: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    return (low <= value) & (value <= high)


def _append(rows: dict[str, list[NDArray[Any]]], tracks: Tracks, **found: NDArray[Any]) -> None:
    known = {"points": np.full(len(tracks.cells), tracks.positions.shape[2]), "kind": tracks.kinds, "noise": tracks.noise}
    for name, value in (known | found).items():
        rows[name].append(value)


def _by_group(table: dict[str, NDArray[Any]], value: str) -> dict[str, Any]:
    """Return the mean of a value over all tracks, by band of length, kind and noise."""
    values = table[value].astype(np.float64)

    def mean(chosen: NDArray[np.bool_]) -> float | None:
        return round(float(values[chosen].mean()), 4) if chosen.any() else None

    points, kinds, noise = table["points"], table["kind"], table["noise"]
    return {
        "all": mean(np.ones(len(values), np.bool_)),
        "points": {f"{a}-{b - 1}": mean((points >= a) & (points < b)) for a, b in pairwise(BANDS)},
        "kind": {name: mean(kinds == number) for number, name in enumerate(KINDS)},
        "noise": {f"{level:g}": mean(noise == level) for level in CHALLENGE_NOISE},
    }
