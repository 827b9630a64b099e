"""Along which directions are inputs and classes correlated? The modes that a linear network learns.

With Σ_yx = ⟨(y − ȳ)(x − x̄)ᵀ⟩ over the training set, y one-hot and x the pixels that the network
sees, a mode is a triple of its singular value decomposition, s u vᵀ (Saxe, McClelland & Ganguli,
arXiv 1312.6120). A mode's u is orthogonal to the vector of ones, so there are at most as many as
classes minus 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anodiff.storage.types import FloatArray

#: Images that are summed at a time.
BLOCK = 1024

#: Singular values below this share of the largest one are rounding errors.
RANK = 1e-10

#: Entries of a mode within this share of the largest one are as large; the first of them is positive.
EQUAL = 1 - 1e-6


@dataclass(frozen=True)
class GroupMeans:
    """What the inputs of groups of samples are on average.

    Attributes
    ----------
    count
        Number of samples of each group, shape (G,).
    means
        Their mean input, NaN where there are none, shape (G, D).
    centre
        Mean input of all samples, those in no group included, shape (D,).
    samples
        Number of all samples.
    """

    count: NDArray[np.int64]
    means: FloatArray
    centre: FloatArray
    samples: int

    @property
    def frequency(self) -> FloatArray:
        """Share of each group among all samples, shape (G,)."""
        return self.count / self.samples

    @property
    def strength(self) -> FloatArray:
        """Norm of each group's mean input from that of all, shape (G,)."""
        return np.asarray(np.linalg.norm(self.means - self.centre, axis=1))


@dataclass(frozen=True)
class Modes:
    """Singular modes, the strongest first: values (K,), ``inputs`` (K, D) and ``outputs`` (K, C) of length 1."""

    values: FloatArray
    inputs: FloatArray
    outputs: FloatArray


def group_means(images: Tensor, groups: NDArray[np.int64], number: int, normalise: Callable[[Tensor], Tensor]) -> GroupMeans:
    """Return the mean inputs of ``number`` groups of samples, summed in float64 in the samples' order.

    Parameters
    ----------
    images
        As they are stored, on the CPU, shape (N, ...).
    groups
        Number of each sample's group, shape (N,); -1 for none.
    normalise
        Turns stored images into what the network sees.
    """
    places = torch.from_numpy(np.where(groups < 0, number, groups))  # those in no group come last
    sums: Tensor | None = None
    for block, own in zip(images.split(BLOCK), places.split(BLOCK), strict=True):
        inputs = normalise(block).flatten(1).double()
        if sums is None:
            sums = inputs.new_zeros(number + 1, inputs.shape[1])
        sums.index_add_(0, own, inputs)
    assert sums is not None  # a data set has samples
    total, count = sums.numpy(), np.bincount(places.numpy(), minlength=number + 1)[:number]
    with np.errstate(invalid="ignore"):
        means = total[:number] / np.where(count, count, np.nan)[:, None]
    return GroupMeans(count, means, total.sum(axis=0) / len(groups), len(groups))


def singular_modes(classes: GroupMeans, number: int) -> Modes:
    """Return at most ``number`` modes from the mean inputs of the classes.

    Row c of Σ_yx is p_c (x̄_c − x̄), where p_c is the share of the class. The sign of a mode is such that
    the largest entry of u is positive, the first of them if several are as large.
    """
    shifts = np.where(classes.count[:, None] > 0, classes.means - classes.centre, 0.0)
    left, values, right = np.linalg.svd(classes.frequency[:, None] * shifts, full_matrices=False)
    kept = min(number, len(values), len(shifts) - 1)
    kept = int((values[:kept] > RANK * values[:1]).sum()) if kept > 0 else 0
    outputs, inputs = left.T[:kept], right[:kept]
    sizes = np.abs(outputs)
    first = (sizes >= EQUAL * sizes.max(axis=1, keepdims=True)).argmax(axis=1) if kept else np.zeros(0, np.int64)
    signs = np.sign(outputs[np.arange(kept), first])[:, None]
    return Modes(values[:kept], signs * inputs, signs * outputs)
