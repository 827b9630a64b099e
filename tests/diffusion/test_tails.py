"""Tail indices on values whose law is known."""

import math

import numpy as np
import pytest
from heavy_tails import covered, pareto
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import levy_stable

from anodiff.diffusion.power_law import PowerLaw, fit_power_law
from anodiff.diffusion.tail_comparison import NOT_COMPARED, compare_tails
from anodiff.diffusion.tails import hill, log_moment_index
from anodiff.errors import ConfigError


def dependent_pareto(generator, index, steps, entries):
    """Pareto values that are correlated within a step, and over about ten steps."""
    common = generator.normal(size=steps)
    for step in range(1, steps):
        common[step] = 0.9 * common[step - 1] + math.sqrt(1 - 0.9**2) * common[step]
    normal = math.sqrt(0.5) * (common[:, None] + generator.normal(size=(steps, entries)))
    return (1 - ndtr(normal)) ** (-1 / index)


# Hill


@pytest.mark.parametrize("index", [0.8, 3.0])
def test_hills_inverse_is_unbiased_and_its_interval_exact_on_pareto_values(index):
    generator = np.random.default_rng(0)
    found = [hill(pareto(generator, index, 300), 40) for _ in range(2000)]
    inverse = np.array([1 / one.value for one in found]) * index
    assert inverse.mean() == pytest.approx(1, abs=4 / math.sqrt(40 * 2000))  # k · inverse has a Gamma(k) law
    assert inverse.std() == pytest.approx(1 / math.sqrt(40), rel=0.06)
    covered(found, index)


def test_hills_index_follows_its_formula():
    values = np.random.default_rng(1).standard_t(3, 500)
    largest = sorted(np.abs(values), reverse=True)
    slow = 1 / np.mean([math.log(one / largest[25]) for one in largest[:25]])
    assert hill(values, 25).value == pytest.approx(slow)


@given(st.randoms(use_true_random=False), st.floats(1e-6, 1e6), st.integers(1, 30))
def test_neither_order_nor_sign_nor_unit_changes_hill(random, unit, tail):
    values = np.random.default_rng(2).standard_t(2, 60)
    shuffled = [unit * random.choice([-1, 1]) * value for value in random.sample(list(values), len(values))]
    assert hill(shuffled, tail).value == pytest.approx(hill(values, tail).value)


def test_blocks_of_steps_widen_hills_interval_only_if_steps_depend_on_each_other():
    generator = np.random.default_rng(3)

    def widening(values):
        blocks, alone = (hill(values, 1000, block=block) for block in (50, None))
        assert blocks.value == alone.value
        return math.log(blocks.high / blocks.low) / math.log(alone.high / alone.low)

    assert np.mean([widening(pareto(generator, 2, (1000, 20))) for _ in range(40)]) == pytest.approx(
        1.05, abs=0.07
    )  # t for normal
    assert np.mean([widening(dependent_pareto(generator, 2, 1000, 20)) for _ in range(40)]) > 1.5


def test_hills_interval_over_blocks_is_a_jackknife():
    values = dependent_pareto(np.random.default_rng(4), 2, 100, 8)
    threshold = np.sort(values, axis=None)[-81]
    logs = []
    for left_out in range(10):
        rest = np.delete(values, range(10 * left_out, 10 * left_out + 10), axis=0)
        logs.append(-math.log(np.mean(np.log(rest[rest > threshold] / threshold))))
    error = 2.262157 * math.sqrt(9 / 10 * sum((one - np.mean(logs)) ** 2 for one in logs))  # t, 9 degrees of freedom
    found = hill(values, 80, block=10)
    assert [found.low, found.high] == pytest.approx([found.value * math.exp(-error), found.value * math.exp(error)])


def test_hills_interval_over_blocks_covers_independent_values():
    generator = np.random.default_rng(5)
    covered([hill(pareto(generator, 2, (100, 20)), 200, block=10) for _ in range(500)], 2)


# Log-moments


@pytest.mark.parametrize("index", [1.2, 1.5, 1.8, 2.0])
def test_the_log_moment_index_of_stable_values_is_their_alpha(index):
    found = [log_moment_index(levy_stable.rvs(index, 0, size=4000, random_state=seed), seed=seed) for seed in range(200)]
    inverse = [1 / one.value for one in found]
    assert np.mean(inverse) == pytest.approx(1 / index, abs=4 * np.std(inverse) / math.sqrt(200))
    spread = math.pi**2 / 6 * (1 / index**2 + 1 / 2)  # variance of ln|x|
    assert np.std(inverse) == pytest.approx(math.sqrt(spread / 44) / math.log(44), rel=0.2)  # 44 sums of 44 differences
    covered(found, index)


def test_the_log_moment_index_of_gaussian_values_is_two():
    found = log_moment_index(np.random.default_rng(0).normal(5, 3, 200_000))
    assert found.low < 2 < found.high
    assert found.value == pytest.approx(2, abs=0.15)


def test_location_and_skewness_do_not_change_the_log_moment_index():
    found = log_moment_index(levy_stable.rvs(1.5, 0.9, loc=30, size=50_000, random_state=1))
    assert found.value == pytest.approx(1.5, abs=0.1)
    assert found.low < 1.5 < found.high


def test_the_log_moment_index_follows_its_formula():
    values = np.random.default_rng(6).standard_cauchy(200)
    order = np.random.default_rng(9).permutation(values)
    differences = [order[i] - order[i + 100] for i in range(100)]
    sums = [sum(differences[20 * i : 20 * i + 20]) for i in range(5)]
    inverse = (np.mean([math.log(abs(y)) for y in sums]) - np.mean([math.log(abs(x)) for x in differences])) / math.log(20)
    assert log_moment_index(values, size=20, seed=9).value == pytest.approx(1 / inverse)


@given(st.floats(1e-6, 1e6), st.integers(0, 5))
def test_a_unit_does_not_change_the_log_moment_index(unit, seed):
    values = np.random.default_rng(7).standard_cauchy((40, 10))
    for block in (None, 8):
        found, scaled = (log_moment_index(factor * values, block=block, seed=seed) for factor in (1, unit))
        assert [scaled.value, scaled.low, scaled.high] == pytest.approx([found.value, found.low, found.high])


def test_sums_within_blocks_find_the_index_of_stable_values_with_a_drifting_scale():
    scales = np.exp(np.linspace(0, 4, 200))[:, None]
    values = scales * levy_stable.rvs(1.7, 0, size=(200, 200), random_state=2)
    assert log_moment_index(values).high < 1.7  # the pooled values are not stable
    blocks = log_moment_index(values, block=10)
    assert blocks.low < 1.7 < blocks.high


def test_gaussian_entries_of_different_variances_look_heavy_tailed_until_each_is_standardised():
    generator = np.random.default_rng(10)
    entries = generator.normal(size=(1000, 200))
    pooled = entries * np.exp(1.5 * generator.normal(size=200))
    assert log_moment_index(pooled).high < 1.9
    assert hill(pooled, 2000).value < 3
    standardised = pooled / pooled.std(axis=0)
    found = log_moment_index(standardised)
    assert found.low < 2 < found.high
    assert hill(standardised, 2000).value > 5


# Values without an index


@pytest.mark.parametrize("values", [[], [1.0], np.ones(100), np.zeros(50), 1 + 1e-15 * np.arange(100)], ids=repr)
def test_too_few_or_equal_values_give_nan(values):
    assert math.isnan(hill(values, 10).value)
    law = fit_power_law(values)
    assert math.isnan(law.exponent.value)
    assert compare_tails(values, law) == NOT_COMPARED


@pytest.mark.parametrize("values", [[], [1.0, 2.0], np.ones(100), [-1.0, 1.0] * 500], ids=repr)
def test_too_few_or_coinciding_values_have_no_log_moment_index(values):
    assert math.isnan(log_moment_index(values).value)


def test_nearly_equal_values_have_no_discrete_exponent_and_huge_ones_give_no_warning():
    assert math.isnan(fit_power_law(np.repeat([5000, 5001], 50), discrete=True).exponent.value)
    huge = np.floor(pareto(np.random.default_rng(26), 0.4, 300))
    law = fit_power_law(huge, discrete=True, x_min=20)
    assert law.exponent.low < 1.4 < law.exponent.high
    assert compare_tails(huge, law).exponential.ratio > 2


def test_zeros_are_left_out_and_missing_values_refused():
    values = np.random.default_rng(23).standard_t(2, 1000)
    holed = np.concatenate([values, np.zeros(100)])
    assert hill(holed, 50) == hill(values, 50)
    assert fit_power_law(holed) == fit_power_law(values)
    assert math.isfinite(log_moment_index(holed).value)
    holed[3] = np.nan
    for estimate in (lambda: hill(holed, 50), lambda: fit_power_law(holed), lambda: log_moment_index(holed)):
        with pytest.raises(ConfigError, match="values: 1 of 1100 values are NaN or infinite"):
            estimate()


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda x: hill(x, 0), "tail"),
        (lambda x: hill(x, 5, block=0), "block"),
        (lambda x: log_moment_index(x, size=1), "size"),
        (lambda x: log_moment_index(x, block=0), "block"),
        (lambda x: fit_power_law(x, discrete=True), "whole numbers"),
        (lambda x: fit_power_law(x, x_min=0), "x_min"),
        (lambda x: fit_power_law(np.round(x) + 1, discrete=True, x_min=1.5), "x_min"),
        (lambda x: compare_tails(x[:-1], fit_power_law(x)), "fitted to"),
        (lambda x: fit_power_law(x, min_tail=1), "min_tail"),
    ],
)
def test_invalid_arguments_are_refused(call, word):
    with pytest.raises(ConfigError, match=word):
        call(np.linspace(0.1, 3, 50))


def test_a_result_can_be_compared_and_printed():
    law = fit_power_law(pareto(np.random.default_rng(25), 1.5, 100))
    assert isinstance(law, PowerLaw)
    assert type(law.x_min) is type(law.distance) is type(law.exponent.low) is float
    assert type(law.tail) is int
