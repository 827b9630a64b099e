"""Which flags a row of exponents.csv raises."""

import math

import pytest

from anodiff.diffusion.columns import FLAGS, WITH_INTERVAL, raised_flags

ROW = {
    "fit_samples": 100.0,
    "beta_max": 1.2,
    "beta_max_low": 1.1,
    "beta_max_high": 1.3,
    "beta_max_lag": 10,
    "beta_max_to": 200,
    "regimes": 2,
    "exponent_first": 1.2,
    "exponent_second": 0.8,
    "step_length_variation": 0.1,
}


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({}, "no interval: exponent_first, exponent_second"),
        ({"fit_samples": 3.0}, "few samples"),
        ({"beta_max_lag": 200}, "largest at the end of the search"),
        ({"beta_max_low": 1.25}, "outside its interval: beta_max"),
        ({"beta_max_low": math.nan}, "no interval: beta_max, exponent_first, exponent_second"),
        ({"regimes": 1}, "one regime"),
        ({"exponent_second": 1.5}, "exponent rises"),
        ({"step_length_variation": 2.0}, "unsteady steps"),
        ({"beta_steepest": 2.4, "ageing_ratio_low": 1.3}, "non-stationary"),
        ({"beta_max": 2.4, "beta_max_ideal_gas_high": 2.2}, "non-stationary"),
    ],
)
def test_a_row_raises_the_flags_that_apply(changed, flag):
    raised = raised_flags(ROW | changed).split("; ")
    assert flag in raised
    assert all(any(each.startswith(name) for name in FLAGS) for each in raised)


@pytest.mark.parametrize(
    "changed",
    [
        {"beta_steepest": 2.4},
        {"beta_steepest": 2.0, "ageing_ratio_low": 1.3},
        {"beta_max": 2.1, "beta_max_ideal_gas_high": 2.2},
        {"beta_max": 2.0, "beta_max_ideal_gas_high": 1.2},
    ],
)
def test_an_exponent_above_two_by_chance_is_not_flagged(changed):
    assert "non-stationary" not in raised_flags(ROW | changed).split("; ")


def test_a_crossover_at_the_end_of_the_search_is_named_with_its_lag():
    assert "crossover above 259" in raised_flags(ROW, "crossover above 259").split("; ")


def test_every_value_with_an_interval_is_looked_at():
    assert set(WITH_INTERVAL) >= {
        "beta_max",
        "beta_long",
        "crossover_lag",
        "path_dimension",
        "excursion_exponent",
        "loss_roughness",
    }
