"""Tail indices, power-law fits and their comparison with other laws, on values whose law is known and beside other programs."""

import contextlib
import inspect
import io
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import ndtr, zeta
from scipy.stats import binom, levy_stable, lognorm

from anodiff.diffusion.power_law import NOT_COMPARED, PowerLaw, compare_tails, fit_power_law
from anodiff.diffusion.tails import hill, log_moment_index
from anodiff.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import powerlaw


def pareto(generator, index, shape):
    """Values with P(x > y) = y^(−index), y ≥ 1."""
    return (1 - generator.random(shape)) ** (-1 / index)


def dependent_pareto(generator, index, steps, entries):
    """Pareto values; those of one step and of steps within about ten of each other go together."""
    common = generator.normal(size=steps)
    for step in range(1, steps):
        common[step] = 0.9 * common[step - 1] + math.sqrt(1 - 0.9**2) * common[step]
    normal = math.sqrt(0.5) * (common[:, None] + generator.normal(size=(steps, entries)))
    return (1 - ndtr(normal)) ** (-1 / index)


def covered(intervals, truth):
    """How many intervals hold the truth; asserts that it may be 95 % of them."""
    number = sum(found.low <= truth <= found.high for found in intervals)
    low, high = binom.ppf([0.0005, 0.9995], len(intervals), 0.95)
    assert low <= number <= high, (number, len(intervals))


# Hill


@pytest.mark.parametrize("index", [0.8, 3.0])
def test_hills_inverse_is_unbiased_and_its_interval_exact_on_pareto_values(index):
    generator = np.random.default_rng(0)
    found = [hill(pareto(generator, index, 300), 40) for _ in range(2000)]
    inverse = np.array([1 / one.value for one in found]) * index
    assert inverse.mean() == pytest.approx(1, abs=4 / math.sqrt(40 * 2000))  # k · inverse has a Gamma(k) law
    assert inverse.std() == pytest.approx(1 / math.sqrt(40), rel=0.06)
    covered(found, index)


def test_hill_is_its_formula():
    values = np.random.default_rng(1).standard_t(3, 500)
    largest = sorted(np.abs(values), reverse=True)
    slow = 1 / np.mean([math.log(one / largest[25]) for one in largest[:25]])
    assert hill(values, 25).value == pytest.approx(slow)


@given(st.randoms(use_true_random=False), st.floats(1e-6, 1e6), st.integers(1, 30))
def test_neither_order_nor_sign_nor_unit_changes_hill(random, unit, tail):
    values = np.random.default_rng(2).standard_t(2, 60)
    shuffled = [unit * random.choice([-1, 1]) * value for value in random.sample(list(values), len(values))]
    assert hill(shuffled, tail).value == pytest.approx(hill(values, tail).value)


def test_blocks_of_steps_widen_hills_interval_where_steps_depend_on_each_other_and_only_there():
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
def test_the_log_moment_index_of_stable_values_is_theirs(index):
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


def test_a_location_and_skewness_leave_the_log_moment_index():
    found = log_moment_index(levy_stable.rvs(1.5, 0.9, loc=30, size=50_000, random_state=1))
    assert found.value == pytest.approx(1.5, abs=0.1)
    assert found.low < 1.5 < found.high


def test_the_log_moment_index_is_its_formula():
    values = np.random.default_rng(6).standard_cauchy(200)
    order = np.random.default_rng(9).permutation(values)
    differences = [order[i] - order[i + 100] for i in range(100)]
    sums = [sum(differences[20 * i : 20 * i + 20]) for i in range(5)]
    inverse = (np.mean([math.log(abs(y)) for y in sums]) - np.mean([math.log(abs(x)) for x in differences])) / math.log(20)
    assert log_moment_index(values, size=20, seed=9).value == pytest.approx(1 / inverse)


@given(st.floats(1e-6, 1e6), st.integers(0, 5))
def test_a_unit_leaves_the_log_moment_index(unit, seed):
    values = np.random.default_rng(7).standard_cauchy((40, 10))
    for block in (None, 8):
        found, scaled = (log_moment_index(factor * values, block=block, seed=seed) for factor in (1, unit))
        assert [scaled.value, scaled.low, scaled.high] == pytest.approx([found.value, found.low, found.high])


def test_sums_within_blocks_see_the_index_of_stable_values_whose_scale_drifts():
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


# Power laws


def fitted_by_powerlaw(values, discrete):
    # Version 2 refuses exponents above 3 unless told; both print and warn as they search.
    known = inspect.signature(powerlaw.Fit).parameters
    wide = {"parameter_ranges": {"alpha": (1, 1000)}} if "parameter_ranges" in known else {}
    return powerlaw.Fit(values, discrete=discrete, estimate_discrete=False, verbose=0, **wide)


SAMPLES = {
    "Pareto": (lambda generator: pareto(generator, 1.5, 300), False),
    "Student": (lambda generator: np.abs(generator.standard_t(3, 300)), False),
    "log-normal": (lambda generator: np.exp(generator.normal(size=300)), False),
    "exponential": (lambda generator: generator.exponential(size=300), False),
    "zeta": (lambda generator: generator.zipf(2.2, 300), True),
    "geometric": (lambda generator: generator.geometric(0.3, 300), True),
    "rounded log-normal": (lambda generator: np.round(np.exp(generator.normal(2, 0.8, size=300))) + 1, True),
}


@pytest.mark.parametrize("seed", [7, 9])  # where the best log-normal is near its limit, powerlaw stops short or underflows
@pytest.mark.parametrize("name", SAMPLES)
def test_fit_and_comparison_are_those_of_the_package_powerlaw(name, seed):
    draw, discrete = SAMPLES[name]
    values = draw(np.random.default_rng(seed)).astype(float)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        other = fitted_by_powerlaw(values, discrete)
        ratios = {
            law: other.distribution_compare("power_law", law, normalized_ratio=True) for law in ("exponential", "lognormal")
        }
    found = fit_power_law(values, discrete, candidates=300, fewest=3)
    close = {"rel": 1e-4} if discrete else {"rel": 1e-9}  # powerlaw maximises to a tolerance of 1e-4
    assert found.x_min == other.xmin
    assert found.tail == len(other.data)
    assert found.exponent.value == pytest.approx(other.alpha, **close)
    assert found.distance == pytest.approx(other.D, abs=1e-4 if discrete else 1e-9)
    compared = compare_tails(values, found)
    for ratio, law in ((compared.exponential, "exponential"), (compared.log_normal, "lognormal")):
        assert [ratio.ratio, ratio.p_value] == pytest.approx(ratios[law], abs=2e-3)


def test_a_power_law_is_the_best_of_all_candidates():
    values = np.abs(np.random.default_rng(12).standard_t(3, 200))
    best = (math.inf,)
    for x_min in sorted(values)[:-9]:
        tail = sorted(values[values >= x_min])
        exponent = 1 + len(tail) / sum(math.log(x / x_min) for x in tail)
        gaps = [abs(1 - i / len(tail) - (x / x_min) ** (1 - exponent)) for i, x in enumerate(tail)]
        best = min(best, (max(gaps), x_min, exponent, len(tail)))
    found = fit_power_law(values, candidates=200)
    assert (found.distance, found.x_min, found.exponent.value, found.tail) == pytest.approx(best)


def test_few_candidates_find_nearly_the_best():
    values = np.abs(np.random.default_rng(13).standard_t(2, 20_000))
    few, all_of_them = (fit_power_law(values, candidates=number) for number in (200, 20_000))
    assert all_of_them.distance <= few.distance < all_of_them.distance * 1.1
    assert few.exponent.value == pytest.approx(all_of_them.exponent.value, abs=0.15)


@pytest.mark.parametrize(("discrete", "start"), [(False, 1.0), (True, 1.0), (True, 5.0)])
def test_intervals_of_exponents_cover_where_x_min_is_known(discrete, start):
    generator = np.random.default_rng(14)
    found = []
    for _ in range(600):
        values = generator.zipf(2.5, 2000) if discrete else pareto(generator, 1.5, 200)
        found.append(fit_power_law(values, discrete, x_min=start).exponent)
    covered(found, 2.5)


def test_x_min_is_found_where_a_power_law_begins():
    generator = np.random.default_rng(15)
    values = np.concatenate([generator.uniform(0, 10, 20_000), 10 * pareto(generator, 1.5, 20_000)])
    found = fit_power_law(values)
    assert found.x_min == pytest.approx(10, rel=0.1)
    assert found.exponent.value == pytest.approx(2.5, abs=0.05)


def test_hills_index_is_one_less_than_the_exponent_of_the_density():
    values = pareto(np.random.default_rng(16), 1.5, 5000)
    law = fit_power_law(values)
    assert hill(values, law.tail - 1).value == pytest.approx(law.exponent.value - 1, rel=2 / law.tail)


@settings(deadline=None)
@given(st.floats(1e-6, 1e6))
def test_a_unit_scales_x_min_and_leaves_the_rest(unit):
    values = np.abs(np.random.default_rng(17).standard_t(3, 400))
    found, scaled = (fit_power_law(factor * values) for factor in (1, unit))
    assert scaled.x_min == pytest.approx(unit * found.x_min)
    assert scaled.exponent.value == pytest.approx(found.exponent.value)
    for law in ("exponential", "log_normal"):
        ratios = [getattr(compare_tails(factor * values, one), law).ratio for factor, one in ((1, found), (unit, scaled))]
        assert ratios[0] == pytest.approx(ratios[1], abs=1e-6)


def test_a_discrete_exponent_maximises_the_exact_likelihood():
    values = np.random.default_rng(18).zipf(1.8, 500)
    tail = values[values >= 3]

    def cost(exponent):
        return len(tail) * math.log(zeta(exponent[0], 3)) + exponent[0] * np.log(tail).sum()

    slow = minimize(cost, [2.0], bounds=[(1.01, 10)], tol=1e-12).x[0]
    assert fit_power_law(values, discrete=True, x_min=3).exponent.value == pytest.approx(slow, abs=1e-5)


# Comparisons


def test_the_comparison_finds_the_law_that_values_have():
    generator = np.random.default_rng(19)
    against_power_law = [
        compare_tails(values, fit_power_law(values, x_min=1))
        for values in (1 + generator.exponential(size=2000), np.exp(np.abs(generator.normal(size=2000))))
    ]
    assert against_power_law[0].exponential.ratio < -5
    assert against_power_law[1].log_normal.ratio < -5
    assert against_power_law[1].log_normal.p_value < 1e-5
    heavy = pareto(generator, 3, 20_000)  # below 2 the ratio's variance is infinite, and the test weak
    assert compare_tails(heavy, fit_power_law(heavy, x_min=1)).exponential.ratio > 4
    waits = generator.geometric(0.2, 2000)
    assert compare_tails(waits, fit_power_law(waits, discrete=True, x_min=1)).exponential.ratio < -5


def test_the_log_normal_is_that_of_largest_likelihood_above_x_min():
    values = np.exp(np.random.default_rng(20).normal(0.3, 0.9, 2000))
    law = fit_power_law(values, x_min=1)
    tail = values[values >= 1]

    def log_density(parameters):
        mu, sigma = parameters[0], math.exp(parameters[1])
        frozen = lognorm(sigma, scale=math.exp(mu))
        return frozen.logpdf(tail) - frozen.logsf(1)

    fit = minimize(lambda parameters: -log_density(parameters).sum(), [0, 0], method="Nelder-Mead", tol=1e-9).x
    exponent = law.exponent.value
    gains = np.log(exponent - 1) - exponent * np.log(tail) - log_density(fit)
    slow = gains.sum() / math.sqrt(len(tail)) / gains.std()
    assert compare_tails(values, law).log_normal.ratio == pytest.approx(slow, abs=1e-5)


def test_a_pareto_tail_is_never_less_like_a_log_normal_than_like_a_power_law():
    generator = np.random.default_rng(21)
    ratios = []
    for _ in range(100):
        values = pareto(generator, 1.5, 200)
        ratios.append(compare_tails(values, fit_power_law(values, x_min=1)).log_normal.ratio)
    assert max(ratios) == 0  # the power law is the limit of log-normals, and sometimes the best of them
    assert 0.3 < np.mean(np.array(ratios) == 0) < 0.8


def test_no_log_normal_is_likelier_where_the_comparison_says_the_power_law_is_the_best_of_them():
    values = pareto(np.random.default_rng(5), 1.5, 300)
    law = fit_power_law(values)
    assert compare_tails(values, law).log_normal.ratio == 0
    tail = values[values >= law.x_min]
    exponent = law.exponent.value
    best = np.sum(math.log((exponent - 1) / law.x_min) - exponent * np.log(tail / law.x_min))
    for sigma in np.geomspace(0.1, 100, 20):
        for mu in [*np.linspace(-5, 5, 11), *(-(sigma**2) * (exponent - 1) * np.linspace(0.5, 1.5, 51))]:
            if mu > -700:  # exp(mu) is 0 below
                frozen = lognorm(sigma, scale=math.exp(mu))
                assert (frozen.logpdf(tail) - frozen.logsf(law.x_min)).sum() < best


def test_vuongs_ratio_is_standard_normal_for_two_laws_equally_near():
    # Neither law is true of a mixture of both; its weight is such that neither is nearer, by quadrature.
    index, rate = 6, 3

    def excess(weight):
        def density(x):
            return weight * index * x ** (-index - 1) + (1 - weight) * rate * math.exp(-rate * (x - 1))

        mean_log = quad(lambda x: math.log(x) * density(x), 1, np.inf)[0]
        mean = weight * index / (index - 1) + (1 - weight) * (1 + 1 / rate) - 1
        return (-math.log(mean_log) - 1 - mean_log) - (-math.log(mean) - 1)

    low, high = 0.0, 1.0
    for _ in range(40):
        low, high = ((low + high) / 2, high) if excess((low + high) / 2) < 0 else (low, (low + high) / 2)
    generator = np.random.default_rng(22)
    ratios = []
    for _ in range(300):
        first = generator.random(4000) < low
        values = np.where(first, pareto(generator, index, 4000), 1 + generator.exponential(1 / rate, 4000))
        ratios.append(compare_tails(values, fit_power_law(values, x_min=1)).exponential.ratio)
    assert np.mean(ratios) == pytest.approx(0, abs=0.25)
    assert np.std(ratios) == pytest.approx(1, abs=0.15)


# What cannot be measured


@pytest.mark.parametrize(
    "values", [[], [1.0], np.ones(100), np.zeros(50), np.full(50, np.nan), 1 + 1e-15 * np.arange(100)], ids=repr
)
def test_too_few_values_or_all_alike_give_nan(values):
    assert math.isnan(hill(values, 10).value)
    law = fit_power_law(values)
    assert math.isnan(law.exponent.value)
    assert compare_tails(values, law) == NOT_COMPARED


@pytest.mark.parametrize("values", [[], [1.0, 2.0], np.ones(100), np.full(50, np.nan), [-1.0, 1.0] * 500], ids=repr)
def test_too_few_or_coinciding_values_have_no_log_moment_index(values):
    assert math.isnan(log_moment_index(values).value)


def test_values_alike_but_for_one_step_have_no_discrete_exponent_and_huge_ones_give_no_warning():
    assert math.isnan(fit_power_law(np.repeat([5000, 5001], 50), discrete=True).exponent.value)
    huge = np.floor(pareto(np.random.default_rng(26), 0.4, 300))
    law = fit_power_law(huge, discrete=True, x_min=20)
    assert law.exponent.low < 1.4 < law.exponent.high
    assert compare_tails(huge, law).exponential.ratio > 2


def test_zeros_and_missing_values_are_left_out():
    values = np.random.default_rng(23).standard_t(2, 1000)
    holed = np.concatenate([values, np.zeros(100), [np.nan, np.inf, -np.inf]])
    assert hill(holed, 50) == hill(values, 50)
    assert fit_power_law(holed) == fit_power_law(values)
    assert math.isfinite(log_moment_index(holed).value)


def test_steps_after_divergence_leave_the_blocks_before_them():
    values = np.random.default_rng(24).standard_cauchy((100, 20))
    values[60:] = np.nan
    assert log_moment_index(values, block=10).low > 0.5
    assert hill(values, 60, block=10).low > 0.5


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
        (lambda x: fit_power_law(x, fewest=1), "fewest"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, word):
    with pytest.raises(ConfigError, match=word):
        call(np.linspace(0.1, 3, 50))


def test_a_result_can_be_compared_and_printed():
    law = fit_power_law(pareto(np.random.default_rng(25), 1.5, 100))
    assert isinstance(law, PowerLaw)
    assert type(law.x_min) is type(law.distance) is type(law.exponent.low) is float
    assert type(law.tail) is int
