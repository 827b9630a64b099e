"""When a number agrees with a published one."""

import numpy as np
import pytest

from anodiff.diffusion.intervals import Interval
from anodiff.sweep.published.agreement import agreement, beside_published


@pytest.mark.parametrize(("off", "agrees"), [(0.124, True), (-0.124, True), (0.126, False), (-0.126, False)])
def test_exponents_agree_up_to_both_errors_in_quadrature(off, agrees):
    """± 0.075 here and ± 0.1 there make ± 0.125."""
    difference = beside_published(Interval(1.2 + off, 1.125 + off, 1.275 + off), 1.2, "exponent_first")
    assert (difference.value, difference.low, difference.high) == pytest.approx((off, off - 0.125, off + 0.125))
    assert (difference.low <= 0 <= difference.high) == agrees


@pytest.mark.parametrize(("factor", "agrees"), [(1.499, True), (1.501, False), (1 / 1.499, True), (1 / 1.501, False)])
def test_crossover_lags_agree_up_to_a_factor(factor, agrees):
    exact = Interval(100 * factor, 100 * factor, 100 * factor)
    ratio = beside_published(exact, 100, "crossover_lag")
    assert ratio.value == pytest.approx(factor)
    assert (ratio.low, ratio.high) == pytest.approx((factor / 1.5, factor * 1.5))
    assert (ratio.low <= 1 <= ratio.high) == agrees


def test_true_numbers_agree_as_often_as_the_intervals_promise():
    """Readings off a plot with a normal or a uniform error; the estimate's own error smaller, equal or larger."""
    random = np.random.default_rng(1)
    readings = {"normal": random.normal(0, 0.1 / 1.96, 3000), "uniform": random.uniform(-0.1, 0.1, 3000)}
    for own in (0.02, 0.05, 0.2):
        for errors in readings.values():
            agreed = 0
            for error, value in zip(errors, random.normal(1.3, own, len(errors)), strict=True):
                estimate = Interval(value, value - 1.96 * own, value + 1.96 * own)
                agreed += agreement(beside_published(estimate, 1.3 + error, "exponent_first"), "exponent_first")
            assert 0.93 <= agreed / len(errors) <= 1
