"""Tails of a window's steps, gradients and avalanches: the rows for values whose law is known."""

import math

import numpy as np
import pytest
from scipy.stats import levy_stable

from anodiff.diffusion.avalanches import loss_avalanches, size_growth
from anodiff.diffusion.jumps import QUANTITIES, SUMMED, TAIL_COLUMNS, describe_tails, normalised, standardised

STEPS, ENTRIES = 400, 60


@pytest.fixture(scope="module")
def generator():
    return np.random.default_rng(0)


def described(gradients=None, lengths=None, noise=None, losses=None):
    generator = np.random.default_rng(1)
    lengths = generator.normal(10, 1, STEPS) if lengths is None else lengths
    losses = generator.normal(size=STEPS + 1) if losses is None else losses
    noise = np.full(STEPS + 1, np.nan) if noise is None else noise
    rows = describe_tails(lengths, gradients, noise, losses, seed=0)
    assert [row["quantity"] for row in rows] == list(QUANTITIES)
    assert all(set(row) <= set(TAIL_COLUMNS) for row in rows)
    return {row["quantity"]: dict.fromkeys(TAIL_COLUMNS, math.nan) | row for row in rows}


def test_gaussian_entries_of_many_variances_are_heavy_tailed_if_pooled_and_gaussian_if_standardised(generator):
    deviations = np.exp(generator.normal(0, 1.5, ENTRIES))
    rows = described(deviations * generator.normal(size=(STEPS, ENTRIES)) + 5)
    assert rows["gradient"]["stable_alpha_high"] < 1.8
    single = rows["standardised_gradient"]
    assert single["stable_alpha_low"] > 1.95
    assert single["log_moment_index"] == pytest.approx(2, abs=0.1)
    assert single["hill_index"] > 4
    assert single["stable_scale"] == pytest.approx(1 / 1.349 / math.sqrt(2), rel=0.02)


def test_heavy_tailed_entries_stay_heavy_tailed_if_standardised(generator):
    values = levy_stable.rvs(1.5, 0, size=(STEPS, ENTRIES), random_state=3)
    single = described(values)["standardised_gradient"]
    for name in ("stable_alpha", "log_moment_index"):
        assert single[f"{name}_low"] < 1.5 < single[f"{name}_high"]
    assert single["power_law_exponent"] == pytest.approx(2.5, abs=0.25)
    assert single["values"] == STEPS * ENTRIES


def autocorrelated(generator, memory):
    """Log-scales of steps with a correlation of ``memory`` from one to the next."""
    kicks = generator.normal(size=STEPS)
    for step in range(1, STEPS):
        kicks[step] = memory * kicks[step - 1] + math.sqrt(1 - memory**2) * kicks[step]
    return 0.6 * kicks[:, None]


@pytest.mark.parametrize("memory", [0.0, 0.98])
def test_gaussian_entries_whose_common_scale_fluctuates_are_gaussian_if_normalised(generator, memory):
    entries = np.exp(autocorrelated(generator, memory)) * generator.normal(size=(STEPS, ENTRIES))
    rows = described(entries)
    assert rows["standardised_gradient"]["stable_alpha"] < 1.85
    assert rows["normalised_gradient"]["stable_alpha_high"] == 2
    if not memory:  # sums of steps with scales of their own are Gaussian, those of a slow scale are not
        assert rows["standardised_gradient"]["way_to_gaussian"] > 0.7
        assert rows["standardised_gradient"]["stable_alpha_sum_16"] > 1.9


def test_sums_of_finite_variance_go_to_a_gaussian_and_stable_ones_do_not():
    generator = np.random.default_rng(5)
    own_scales = np.exp(0.6 * generator.normal(size=(STEPS, ENTRIES))) * generator.normal(size=(STEPS, ENTRIES))
    rows = described(own_scales)
    assert rows["normalised_gradient"]["stable_alpha_high"] < 1.8  # each entry has a scale of its own
    assert rows["standardised_gradient"]["way_to_gaussian"] > 0.7
    stable = described(levy_stable.rvs(1.5, 0, size=(STEPS, ENTRIES), random_state=3))
    assert stable["normalised_gradient"]["stable_alpha_high"] < 1.7
    assert abs(stable["standardised_gradient"]["way_to_gaussian"]) < 0.3
    for number in SUMMED:
        low, high = (stable["standardised_gradient"][f"stable_alpha_sum_{number}_{end}"] for end in ("low", "high"))
        assert low < 1.5 < high


def test_normalised_entries_of_a_step_have_a_mean_square_of_one(generator):
    values = generator.normal(size=(50, 4)) * np.arange(50)[:, None]
    found = normalised(values)
    assert found.shape == (49, 4)  # the first step is 0
    np.testing.assert_allclose((found**2).mean(axis=1), 1)


def test_standardising_removes_units_offsets_and_dead_parameters(generator):
    values = generator.normal(size=(50, 4))
    changed = np.column_stack([3 * values[:, 0] - 7, np.zeros(50), values[:, 2]])
    np.testing.assert_allclose(standardised(changed), standardised(values[:, [0, 2]]), atol=1e-12)


def test_steps_without_a_gradient_are_left_out(generator):
    values = generator.normal(size=(STEPS, ENTRIES))
    values[:100] = np.nan
    assert described(values)["gradient"]["values"] == (STEPS - 100) * ENTRIES


def test_a_quantity_without_values_has_a_note_and_gives_no_warning():
    rows = described(lengths=np.ones(STEPS))
    assert rows["step_length"]["tail_note"] == "all values are the same"
    assert "recording.gradient_coordinates" in rows["gradient"]["tail_note"]
    assert rows["noise_norm"]["tail_note"].startswith("0 values, at least 30")
    assert math.isnan(rows["gradient"]["stable_alpha"])
    nothing = described(gradients=np.full((STEPS, 3), np.nan), losses=np.full(STEPS + 1, np.nan))
    assert nothing["standardised_gradient"]["tail_note"].startswith("0 values")
    assert nothing["avalanche_size"]["tail_note"].startswith("0 avalanches")


def test_the_rows_of_avalanches_describe_those_of_the_losses():
    losses = np.cumsum(np.random.default_rng(2).standard_t(3, STEPS + 1))
    rows = described(losses=losses)
    avalanches = loss_avalanches(losses)
    assert rows["avalanche_size"]["mean"] == pytest.approx(avalanches.sizes.mean())
    assert rows["avalanche_duration"]["mean"] == pytest.approx(avalanches.durations.mean())
    assert rows["avalanche_duration"]["mean_duration_if_independent"] == avalanches.independent_duration
    growth = size_growth(avalanches)
    found = tuple(rows["avalanche_size"][f"size_growth{end}"] for end in ("", "_low", "_high"))
    assert found == (growth.value, growth.low, growth.high)
    assert growth.low < 1 < growth.high  # ΔL are independent here
