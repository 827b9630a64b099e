"""Does the walker jump? The tails of steps, gradients, gradient noise and loss avalanches.

Each distribution is described by a Lévy-stable law, two tail indices and a power law. The power law
is compared with an exponential and a log-normal law.

The pitfall: pooled entries of many parameters with different variances look heavy-tailed even if
each parameter is Gaussian. So gradient entries are described twice: pooled as they are, and
standardised parameter by parameter. Change in time remains: a scale that all entries share and that
changes looks heavy-tailed as well. If it changes from step to step, sums of consecutive steps go to a
Gaussian, α = 2, where a stable law keeps its α: the standardised entries' sums are described too. If
it changes slowly, a third description, which divides the entries of each step by their root mean
square, has α = 2.

Cost: O(T m) for m sampled parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.avalanches import loss_avalanches, size_growth
from anodiff.diffusion.intervals import interval_columns
from anodiff.diffusion.power_law import fit_power_law
from anodiff.diffusion.stable import MIN_VALUES, fit_stable_with_intervals
from anodiff.diffusion.tail_comparison import compare_tails
from anodiff.diffusion.tails import hill, log_moment_index
from anodiff.storage.columns import COUNT, OPTIMISER_STEPS, TEXT, Column
from anodiff.storage.types import FloatArray

#: What is described: name, meaning.
QUANTITIES = {
    "step_length": "length of the updates, |Δw|",
    "gradient": "entries of the mini-batch gradient at sampled parameters, pooled",
    "standardised_gradient": "the same entries, each parameter's minus its median, divided by its interquartile range over "
    "the window",
    "normalised_gradient": "the standardised entries, those of each step divided by their root mean square",
    "noise_norm": "norm of the gradient noise, at the steps where it was measured",
    "avalanche_size": "sum of |ΔL| over an avalanche: consecutive steps with |ΔL| above one standard deviation",
    "avalanche_duration": "number of steps of an avalanche; for independent ΔL it is geometric (the discrete exponential)",
}

#: The smallest number of avalanches that power laws are fitted to.
MIN_AVALANCHES = 30

#: Numbers of consecutive steps that are summed.
SUMMED = (2, 4, 8, 16)

#: Fraction of the values that Hill's estimator takes as the tail, and the number of blocks of its
#: jackknife.
HILL_FRACTION, BLOCKS = 0.05, 20

#: Unit of a column that is in the unit of the quantity of its row.
QUANTITY_UNIT = "that of the quantity"

#: Columns of tails.csv after those that name the window.
TAIL_COLUMNS = {
    "quantity": Column(
        "what the row describes: " + "; ".join(f"{name}: {meaning}" for name, meaning in QUANTITIES.items()), TEXT
    ),
    "values": Column("number of values", COUNT),
    **interval_columns("stable_alpha", "tail exponent α of the stable law; 2 is Gaussian"),
    **{
        column: meaning
        for number in SUMMED
        for column, meaning in interval_columns(
            f"stable_alpha_sum_{number}",
            f"standardised_gradient: α of sums of {number} consecutive steps; stable laws keep α",
        ).items()
    },
    "way_to_gaussian": Column(
        f"standardised_gradient: (α of sums of {SUMMED[-1]} steps − α) / (2 − α), if 2 − α exceeds the width of that interval; "
        "0: stable; 1: Gaussian"
    ),
    **interval_columns("stable_beta", "skewness β of the stable law"),
    **interval_columns("stable_scale", "scale γ of the stable law; σ/√2 for a Gaussian", QUANTITY_UNIT),
    **interval_columns("stable_location", "location δ of the stable law; hardly known near α = 1", QUANTITY_UNIT),
    **interval_columns("stable_centre", "location of the stable law in S0, near the mode: the one to compare", QUANTITY_UNIT),
    **interval_columns("log_moment_index", "stable index by the log-moments of block sums (Mohammadi)"),
    **interval_columns("hill_index", "tail index of the largest twentieth of |values| (Hill)"),
    **interval_columns("power_law_exponent", "exponent a of the density p(x) ~ x^(−a) from x_min on: the tail index plus one"),
    "power_law_from": Column("x_min, chosen by the Kolmogorov–Smirnov distance", QUANTITY_UNIT),
    "power_law_values": Column("number of values that are x_min or more", COUNT),
    "against_exponential": Column(
        "Vuong's ratio of the power law to an exponential (durations: geometric) law; positive favours the power law"
    ),
    "against_exponential_p": Column("two-sided p-value of against_exponential"),
    "against_log_normal": Column("Vuong's ratio of the power law to a log-normal law; never much above 0, see docs/method.md"),
    "against_log_normal_p": Column("two-sided p-value of against_log_normal"),
    **interval_columns("size_growth", "avalanche_size: γ of mean size ~ duration^γ; 1 for independent ΔL"),
    "mean_duration_if_independent": Column(
        "avalanche_duration: mean for as many large ΔL in random order, 1/(1 − p)", OPTIMISER_STEPS
    ),
    "mean": Column("mean of the values", QUANTITY_UNIT),
    "tail_note": Column("why a value is missing", TEXT),
}


def describe_tails(
    step_lengths: FloatArray, gradients: FloatArray | None, noise_norms: FloatArray, losses: FloatArray, *, seed: int
) -> list[dict[str, Any]]:
    """Return a row of `TAIL_COLUMNS` for each of `QUANTITIES`; missing values are left out.

    ``tail_note`` says why a value is missing.

    Parameters
    ----------
    step_lengths
        |Δw_k|, shape (T,).
    gradients
        Gradient entries at each of the first T points, at m sampled parameters, shape (T, m); NaN
        where not recorded. None if the run recorded none.
    noise_norms, losses
        At each point, shape (T+1,); NaN where not measured.
    seed
        Seed of the bootstrap and of the random order of the log-moment estimator.
    """
    avalanches = loss_avalanches(losses)
    norms = noise_norms[np.isfinite(noise_norms)]
    known = None if gradients is None else gradients[np.isfinite(gradients).all(axis=1)]
    single = known if known is None else standardised(known)
    scaled = single if single is None else normalised(single)
    return [
        _continuous(step_lengths[:, None], seed, "step_length"),
        _gradient(known, seed, "gradient"),
        _with_sums(single, seed),
        _gradient(scaled, seed, "normalised_gradient"),
        _continuous(norms[:, None], seed, "noise_norm", "; a smaller recording.noise_every measures more"),
        _avalanche(avalanches.sizes, "avalanche_size") | size_growth(avalanches).columns("size_growth"),
        _avalanche(avalanches.durations, "avalanche_duration", discrete=True)
        | {"mean_duration_if_independent": avalanches.independent_duration},
    ]


def standardised(gradients: FloatArray) -> FloatArray:
    """Return each parameter's gradients minus their median over their interquartile range, (T, m').

    Parameters whose gradient is constant for half of the steps, such as those of a dead unit, have
    no range and are left out.
    """
    if not len(gradients):
        return gradients
    low, middle, high = np.quantile(gradients, [0.25, 0.5, 0.75], axis=0)
    alive = high > low
    return (gradients[:, alive] - middle[alive]) / (high - low)[alive]


def normalised(entries: FloatArray) -> FloatArray:
    """Return the entries of each step over their root mean square, (T', m); steps of zeros are left out."""
    scale = np.sqrt((entries**2).mean(axis=1, keepdims=True)) if entries.size else np.ones((len(entries), 1))
    moving = scale[:, 0] > 0
    return entries[moving] / scale[moving]


def _with_sums(values: FloatArray | None, seed: int) -> dict[str, Any]:
    """Describe standardised entries and the sums of consecutive steps: their α, and how far it went towards 2."""
    row = _gradient(values, seed, "standardised_gradient")
    if values is None or "stable_alpha" not in row:
        return row
    for number in SUMMED:
        sums = values[: len(values) // number * number].reshape(-1, number, values.shape[1]).sum(axis=1)
        alpha = fit_stable_with_intervals(sums, seed=seed).alpha
        row |= alpha.columns(f"stable_alpha_sum_{number}")
    if 2 - row["stable_alpha"] > alpha.high - alpha.low:  # otherwise there is no way to go, or it is not seen
        row["way_to_gaussian"] = (alpha.value - row["stable_alpha"]) / (2 - row["stable_alpha"])
    return row


def _gradient(values: FloatArray | None, seed: int, quantity: str) -> dict[str, Any]:
    if values is None:
        return _row(quantity, 0, "the run kept no gradients; set recording.gradient_coordinates")
    return _continuous(values, seed, quantity)


def _continuous(values: FloatArray, seed: int, quantity: str, advice: str = "") -> dict[str, Any]:
    """Describe values of shape (T, m), m for each step."""
    count = values.size
    if count < MIN_VALUES:
        return _row(quantity, count, f"{count} values, at least {MIN_VALUES} are needed{advice}")
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
        ("hill_index", hill(values, max(1, round(HILL_FRACTION * count)), block=block)),
    ):
        row |= interval.columns(name)
    return row | {"mean": values.mean()}


def _avalanche(values: NDArray[Any], quantity: str, *, discrete: bool = False) -> dict[str, Any]:
    if len(values) < MIN_AVALANCHES:
        return _row(quantity, len(values), f"{len(values)} avalanches, at least {MIN_AVALANCHES} are needed")
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
