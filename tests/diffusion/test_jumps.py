"""Tails of a window's steps, gradients and avalanches: the rows for values whose law is known."""

import math

import numpy as np
import pytest
from scipy.stats import levy_stable

from anodiff.diffusion.avalanches import loss_avalanches, size_growth
from anodiff.diffusion.jumps import QUANTITIES, TAIL_COLUMNS, describe_tails, standardised

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
