"""Does the walker jump? The distributions of a window's steps, gradients, gradient noise and loss avalanches, and their tails.

Each is described by a Lévy-stable law, by two tail indices, and by a power law beside an exponential and a log-normal one.

The pitfall: entries of many parameters with different variances, put together, look heavy-tailed though each is Gaussian. So
gradient entries are given twice: pooled as they are, and each parameter's less its median and over its interquartile range
first. What is left is what changes in time: a variance that falls within the window looks heavy-tailed as well.

Cost O(T m) for m sampled parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.avalanches import FEWEST_AVALANCHES, loss_avalanches, size_growth
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.power_law import compare_tails, fit_power_law
from anodiff.diffusion.stable import FEWEST_VALUES, fit_stable_with_intervals
from anodiff.diffusion.tails import hill, log_moment_index
from anodiff.storage.types import FloatArray

#: What is described: name, meaning.
QUANTITIES = {
    "step_length": "length of the updates |Δw|",
    "gradient": "entries of the mini-batch gradient at sampled parameters, pooled",
    "standardised_gradient": "the same, each parameter's less its median and over its interquartile range in the window",
    "noise_norm": "norm of the gradient noise, where it was measured",
    "avalanche_size": "sum of |ΔL| over an avalanche: consecutive steps with |ΔL| above one standard deviation",
    "avalanche_duration": "steps of an avalanche; independent ΔL make it geometric (the discrete exponential)",
}

#: Share of the values that Hill's estimator counts as the tail, and the number of blocks of its jackknife.
HILL_SHARE, BLOCKS = 0.05, 20


#: Columns of tails.csv after those that name the window: meaning.
TAIL_COLUMNS = {
    "quantity": "what is described: " + "; ".join(f"{name}: {meaning}" for name, meaning in QUANTITIES.items()),
    "values": "how many values there are",
    **interval_columns("stable_alpha", "tail exponent α of the stable law; 2 is Gaussian"),
    **interval_columns("stable_beta", "its skewness β"),
    **interval_columns("stable_scale", "its scale γ, σ/√2 for a Gaussian, in the quantity's unit"),
    **interval_columns("stable_location", "its location δ, in the quantity's unit; hardly known near α = 1"),
    **interval_columns("stable_centre", "its location in S0, near the mode: the one to compare"),
    **interval_columns("log_moment_index", "stable index by the log-moments of block sums (Mohammadi)"),
    **interval_columns("hill_index", "tail index of the largest twentieth of |values| (Hill)"),
    **interval_columns("power_law_exponent", "exponent a of the density p(x) ~ x^(−a) from x_min on: the tail index plus one"),
    "power_law_from": "x_min, chosen by the Kolmogorov–Smirnov distance",
    "power_law_values": "how many values are x_min or more",
    "against_exponential": "Vuong's ratio of the power law to an exponential (durations: geometric) law; positive favours it",
    "against_exponential_p": "its two-sided p-value",
    "against_log_normal": "Vuong's ratio of the power law to a log-normal law; never much above 0, see docs/method.md",
    "against_log_normal_p": "its two-sided p-value",
    **interval_columns("size_growth", "avalanche_size: γ of mean size ~ duration^γ; 1 for independent ΔL"),
    "mean_duration_if_independent": "avalanche_duration: mean of as many large ΔL in random order, 1/(1 − p)",
    "mean": "mean of the values",
    "tail_note": "why a value is missing",
}


def describe_tails(
    step_lengths: FloatArray, gradients: FloatArray | None, noise_norms: FloatArray, losses: FloatArray, *, seed: int
) -> list[dict[str, Any]]:
    """Return a row of `TAIL_COLUMNS` for each of `QUANTITIES`; what cannot be had is left out, with the reason in the note.

    Parameters
    ----------
    step_lengths
        |Δw_k|, shape (T,).
    gradients
        At each of the first T points, at some parameters, shape (T, m); NaN where there is none. None where none was kept.
    noise_norms, losses
        At each point, shape (T+1,), NaN where not measured.
    seed
        Of the bootstrap and of the log-moment estimator's random order.
    """
    avalanches = loss_avalanches(losses)
    norms = noise_norms[np.isfinite(noise_norms)]
    known = None if gradients is None else gradients[np.isfinite(gradients).all(axis=1)]
    return [
        _continuous(step_lengths[:, None], seed, "step_length"),
        _gradient(known, seed, "gradient"),
        _gradient(known if known is None else standardised(known), seed, "standardised_gradient"),
        _continuous(norms[:, None], seed, "noise_norm", "; a smaller recording.noise_every measures more"),
        _avalanche(avalanches.sizes, "avalanche_size") | size_growth(avalanches).columns("size_growth"),
        _avalanche(avalanches.durations, "avalanche_duration", discrete=True)
        | {"mean_duration_if_independent": avalanches.independent_duration},
    ]


def standardised(gradients: FloatArray) -> FloatArray:
    """Return each parameter's gradients less their median and over their interquartile range, shape (T, m' ≤ m).

    Parameters whose gradient does not change for half of the steps, such as those of a dead unit, have no range: left out.
    """
    if not len(gradients):
        return gradients
    low, middle, high = np.quantile(gradients, [0.25, 0.5, 0.75], axis=0)
    alive = high > low
    return (gradients[:, alive] - middle[alive]) / (high - low)[alive]


def _gradient(values: FloatArray | None, seed: int, quantity: str) -> dict[str, Any]:
    if values is None:
        return _row(quantity, 0, "the run kept no gradients; set recording.gradient_coordinates")
    return _continuous(values, seed, quantity)


def _continuous(values: FloatArray, seed: int, quantity: str, advice: str = "") -> dict[str, Any]:
    """Describe values (T, m), in rows of one step each."""
    count = values.size
    if count < FEWEST_VALUES:
        return _row(quantity, count, f"{count} values, at least {FEWEST_VALUES} are needed{advice}")
    if values.min() == values.max():
        return _row(quantity, count, "all values are the same")
    stable = fit_stable_with_intervals(values, seed=seed)
    block = max(2, len(values) // BLOCKS)
    row = _row(quantity, count) | _power_law(values, discrete=False)
    for name, interval in (
        ("stable_alpha", stable.alpha),
        ("stable_beta", stable.beta),
        ("stable_scale", stable.scale),
        ("stable_location", stable.location),
        ("stable_centre", stable.centre),
        ("log_moment_index", log_moment_index(values, block=block, seed=seed)),
        ("hill_index", hill(values, max(1, round(HILL_SHARE * count)), block=block)),
    ):
        row |= interval.columns(name)
    return row | {"mean": values.mean()}


def _avalanche(values: NDArray[Any], quantity: str, *, discrete: bool = False) -> dict[str, Any]:
    if len(values) < FEWEST_AVALANCHES:
        return _row(quantity, len(values), f"{len(values)} avalanches, at least {FEWEST_AVALANCHES} are needed")
    return _row(quantity, len(values)) | _power_law(values, discrete) | {"mean": values.mean()}


def _power_law(values: NDArray[Any], discrete: bool) -> dict[str, Any]:
    law = fit_power_law(values, discrete)
    against = compare_tails(values, law)
    return law.exponent.columns("power_law_exponent") | {
        "power_law_from": law.x_min,
        "power_law_values": law.tail,
        "against_exponential": against.exponential.ratio,
        "against_exponential_p": against.exponential.p_value,
        "against_log_normal": against.log_normal.ratio,
        "against_log_normal_p": against.log_normal.p_value,
    }


def _row(quantity: str, values: int, note: str = "") -> dict[str, Any]:
    return {"quantity": quantity, "values": values, "tail_note": note}


def complete(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with every column of `TAIL_COLUMNS`, NaN where it has none."""
    return {column: row.get(column, math.nan) for column in TAIL_COLUMNS}
