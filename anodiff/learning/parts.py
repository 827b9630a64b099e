"""Which parts of what there is to learn have a curve, and what does a row of learning.csv say of each?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.learning.columns import ALL, CLASS, GROUP, MODE, PROBE
from anodiff.learning.curves import Curve, learning_curve
from anodiff.learning.fits import LawFit, fit_laws
from anodiff.learning.groups import Groups
from anodiff.learning.modes import GroupMeans, Modes
from anodiff.learning.recorded_outputs import Evaluated
from anodiff.learning.times import forgetting_events
from anodiff.storage.types import FloatArray

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Part:
    """Something that is learned, and the samples of which its curve is a mean.

    Attributes
    ----------
    curve, sort, split
        See `anodiff.learning.columns.CURVE_COLUMNS`, as ``strength`` and ``frequency``.
    members
        Which samples of the split they are, shape (M,).
    values
        What each has at each point, shape (S, M).
    target
        What each has if all is learned, shape (M,).
    evaluated
        What the network says of the split's samples; None for a mode.
    """

    curve: str
    sort: str
    split: str
    members: NDArray[np.int64]
    values: FloatArray
    target: FloatArray
    evaluated: Evaluated | None = None
    strength: float = math.nan
    frequency: float = math.nan


@dataclass(frozen=True)
class Learned:
    """A part's curve at the points, None without points or samples, and its row of learning.csv."""

    curve: Curve | None
    fit: LawFit | None
    row: dict[str, Any]


def all_parts(
    train: Evaluated, test: Evaluated, modes: Modes, mode_targets: FloatArray, probes: Mapping[str, Evaluated]
) -> tuple[list[Part], list[Part], list[Part]]:
    """Return the parts that are all samples of a split, of train and test; the modes; and the probes.

    ``mode_targets`` is what each training sample contributes to each mode if its prediction is its
    one-hot target, shape (N, K).
    """
    whole = [_of_samples(ALL, ALL, split, own) for split, own in ((TRAIN, train), (TEST, test))]
    every = np.arange(train.margin.shape[1])
    of_modes = [
        Part(f"mode {k + 1}", MODE, TRAIN, every, train.modes[:, :, k], mode_targets[:, k], strength=float(value))
        for k, value in enumerate(modes.values)
    ]
    return whole, of_modes, [_of_samples(name, PROBE, TEST, own) for name, own in probes.items()]


def class_parts(train: Evaluated, labels: NDArray[np.int64], means: GroupMeans) -> list[Part]:
    """Return a part for each class; ``labels`` are those of the samples, shape (N,)."""
    names = [f"class {number}" for number in range(len(means.count))]
    return _of_groups(CLASS, names, train, labels, means)


def group_parts(train: Evaluated, groups: Groups, index: NDArray[np.int64], means: GroupMeans) -> list[Part]:
    """Return a part for each of the user's groups; ``index`` are the samples in the training set, shape (N,)."""
    return _of_groups(GROUP, groups.names, train, groups.numbers[index], means)


def learned(steps: NDArray[np.int64], part: Part, weights: FloatArray, classes: int) -> Learned:
    """Return the curve of a part, and its row.

    Parameters
    ----------
    steps
        Optimiser steps of the points, shape (S,).
    weights
        How often each sample of the split is in each bootstrap draw, shape (D, N).
    classes
        Number of classes of the data set.
    """
    row: dict[str, Any] = {"curve": part.curve, "sort": part.sort, "split": part.split, "samples": len(part.members)}
    row |= {"strength": part.strength, "frequency": part.frequency, "law": ""}
    if not len(steps):
        return Learned(None, None, row | {"note": "the run stopped before the end of its first window"})
    if not len(part.members):
        return Learned(None, None, row | {"note": f"none of them is among the {weights.shape[1]} samples that were drawn"})
    curve = learning_curve(steps, part.values, part.target, weights[:, part.members])
    fit = fit_laws(steps, curve.values, curve.error, classes=max(classes, 2))
    row |= {"learning_time": curve.learning_time, "learning_time_low": curve.learning_time_low}
    row |= {"learning_time_high": curve.learning_time_high, "width": curve.width, "final": float(curve.values[-1])}
    row |= {"law": fit.law, "law_weight": fit.law_weight, "sigmoid_advantage": fit.sigmoid_advantage}
    row |= {"rate": fit.rate, "misfit": fit.misfit}
    if part.evaluated is not None:
        margin, loss = part.evaluated.margin[:, part.members], part.evaluated.loss[-1, part.members]
        missing = bool(np.isnan(margin[-1]).any())
        row["forgetting"] = float(forgetting_events(margin).mean())
        row["accuracy"] = math.nan if missing else float((margin[-1] > 0).mean())
        row["mean_loss"] = float(loss.astype(np.float64).mean())
    return Learned(curve, fit, row | {"note": _note(steps, curve, fit)})


def _note(steps: NDArray[np.int64], curve: Curve, fit: LawFit) -> str:
    """Return why values of a row are missing."""
    missing = np.isnan(curve.values)
    if missing.all():
        return "nothing is left to learn at the first point, or its outputs are not finite"
    reasons = []
    if missing.any():
        reasons.append(f"outputs are not finite at {missing.sum()} points, the first is step {steps[missing][0]}")
    if math.isnan(curve.learning_time):
        reasons.append("not learned for good by the last point")
    return "; ".join(filter(None, [*reasons, fit.note]))


def _of_samples(name: str, sort: str, split: str, own: Evaluated) -> Part:
    members = np.arange(own.right.shape[1])
    return Part(name, sort, split, members, own.right, np.ones(len(members)), own)


def _of_groups(sort: str, names: Sequence[str], train: Evaluated, groups: NDArray[np.int64], means: GroupMeans) -> list[Part]:
    parts = []
    for number, name in enumerate(names):
        members = np.flatnonzero(groups == number)
        strength, frequency = float(means.strength[number]), float(means.frequency[number])
        values, target = train.right[:, members], np.ones(len(members))
        parts.append(Part(name, sort, TRAIN, members, values, target, train, strength, frequency))
    return parts
