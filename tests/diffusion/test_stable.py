"""Stable laws fitted to samples of known laws, and compared with scipy's slow exact functions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, signal
from scipy.stats import levy_stable, norm
from scipy.stats import t as student

from anodiff.diffusion.stable import (
    ALPHAS,
    BETAS,
    FREQUENCIES,
    QUANTILE_RATIOS,
    fit_stable,
    fit_stable_with_intervals,
    parameters_of,
    quantile_start,
)
from anodiff.diffusion.stable_law import NO_LAW, StableLaw
from anodiff.errors import ConfigError

# Standard errors of alpha, scale and centre times √n, at scale 1 and beta = 0, from the covariance of the empirical
# characteristic function, [Re φ(u + v) + Re φ(u − v)] / 2 − Re φ(u) Re φ(v). Fisher's bounds are 0.7 to 0.9 of them.
ERRORS = {0.8: (1.3, 2.2, 1.7), 1.0: (1.5, 1.8, 1.8), 1.2: (1.7, 1.5, 1.8), 1.5: (1.9, 1.2, 1.9), 1.8: (1.7, 1.0, 1.9)}
BETA_ERROR = {0.8: 2.7, 1.0: 3.0, 1.2: 3.1, 1.5: 3.9, 1.8: 8.0}


def sample(alpha, beta, size, seed, location=0.0, scale=1.0):
    return levy_stable.rvs(alpha, beta, location, scale, size=size, random_state=np.random.default_rng(seed))


def centre_of(alpha, beta, scale, location):
    """The location in S0, by its definition."""
    if alpha == 1:
        return location + beta * 2 / math.pi * scale * math.log(scale)
    return location + beta * scale * math.tan(math.pi * alpha / 2)


@pytest.mark.parametrize("beta", [0.0, 0.5, -0.9])
@pytest.mark.parametrize("alpha", [0.8, 1.0, 1.2, 1.5, 1.8])
def test_a_stable_law_is_recovered_from_a_sample(alpha, beta):
    n, scale, location = 40_000, 0.02, 3.0
    law = fit_stable(sample(alpha, beta, n, 0, location, scale))
    alpha_error, scale_error, centre_error = (4 * error / math.sqrt(n) for error in ERRORS[alpha])
    assert law.alpha == pytest.approx(alpha, abs=alpha_error)
    assert law.beta == pytest.approx(beta, abs=4 * BETA_ERROR[alpha] / math.sqrt(n))
    assert law.scale == pytest.approx(scale, rel=scale_error)
    assert law.centre == pytest.approx(centre_of(alpha, beta, scale, location), abs=scale * centre_error)


@pytest.mark.parametrize("beta", [-1.0, 1.0])
def test_one_sided_laws_of_very_heavy_tails_keep_their_parameters(beta):
    law = fit_stable(sample(0.5, beta, 40_000, 4))
    assert law.alpha == pytest.approx(0.5, abs=0.03)
    assert law.beta == pytest.approx(beta, abs=0.06)
    assert law.location == pytest.approx(0, abs=0.1)  # the law begins here, far from its median of 2.2


def test_away_from_alpha_one_the_s1_location_is_recovered_too():
    assert fit_stable(sample(1.5, 0.5, 40_000, 1, 3.0, 2.0)).location == pytest.approx(3, abs=2 * 4 * 4 / 200)


@pytest.mark.parametrize("alpha", [0.3, 0.8, 1.0, 1 + 1e-9, 1.001, 1.5, 1.99, 2.0])
@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.4])
def test_the_regression_is_exact_for_an_exact_characteristic_function(alpha, beta):
    tangent = math.tan(math.pi * alpha / 2)
    offset = {1.0: 2 / math.pi * 1.3 * math.log(1.3)}.get(alpha, 1.3 * tangent)
    law = StableLaw(alpha, beta, 1.3, 0.2 - beta * offset)
    fitted = parameters_of(law.characteristic_function(FREQUENCIES))
    tolerance = 1e-5 if abs(alpha - 1) < 1e-3 else 1e-9  # S1 subtracts two numbers that grow as 1 / |alpha − 1|
    np.testing.assert_allclose(fitted[[0, 2, 4]], [alpha, 1.3, 0.2], atol=tolerance)
    if alpha < 2:  # Gaussians have no skewness
        assert fitted[1] == pytest.approx(beta, abs=tolerance)


@pytest.mark.parametrize(("alpha", "beta"), [(0.8, 0.5), (1.0, 0.5), (1.5, -0.7), (2.0, 0.0)])
def test_the_characteristic_function_belongs_to_scipys_density(alpha, beta):
    law = StableLaw(alpha, beta, 2.0, 0.3)
    # Inversion at some points: p(x) = 1/π ∫ Re exp(−iux) φ(u) du.
    for x in (-3.0, 0.0, 1.0, 8.0):
        density = integrate.quad(
            lambda u, x=x: (np.exp(-1j * u * x) * law.characteristic_function(u)).real, 0, 40, limit=400, epsabs=1e-9
        )[0]
        assert law.characteristic_function(-x) == law.characteristic_function(x).conj()
        assert density / math.pi == pytest.approx(levy_stable.pdf(x, alpha, beta, 0.3, 2.0), abs=1e-6)


def test_the_ratios_of_quantiles_follow_from_scipys_quantiles():
    for row, alpha in zip(QUANTILE_RATIOS, ALPHAS, strict=True):
        for column, beta in enumerate(BETAS):
            q05, q25, q50, q75, q95 = levy_stable.ppf([0.05, 0.25, 0.5, 0.75, 0.95], alpha, beta)
            exact = [(q95 - q05) / (q75 - q25), (q95 + q05 - 2 * q50) / (q95 - q05), q75 - q25]
            np.testing.assert_allclose(row[:, column], exact, atol=6e-5)


@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.7])
@pytest.mark.parametrize("alpha", [0.5, 0.9, 1.5, 2.0])
def test_quantiles_give_a_rough_scale_for_any_shape(alpha, beta):
    _, scale = quantile_start(sample(alpha, beta, 20_000, 2, 5.0, 3.0))
    assert scale == pytest.approx(3, rel=0.3)  # the table has few skewnesses; without it the error is 4.5 times as large


@pytest.mark.long
def test_a_sample_is_nearly_as_likely_under_the_fit_as_under_the_most_likely_law():
    alpha, beta = 1.4, 0.5
    values = sample(alpha, beta, 100, 3, 2.0)
    law = fit_stable(values)

    def surprise(parameters):
        a, b, scale, location = parameters
        if not (0.6 < a < 2 and abs(b) <= 1 and scale > 0):
            return math.inf
        return -levy_stable.logpdf(values, a, b, location - b * scale * math.tan(math.pi * a / 2), scale).sum()

    start = [alpha, beta, 1.0, centre_of(alpha, beta, 1, 2)]
    best = optimize.minimize(surprise, start, method="Nelder-Mead", options={"maxfev": 90, "xatol": 1e-2, "fatol": 1e-2})
    at_fit = surprise([law.alpha, law.beta, law.scale, law.centre])
    # For the truth, twice the excess over the minimum is χ² with 4 degrees of freedom. A good fit has a smaller excess.
    assert at_fit - best.fun < 2


@settings(max_examples=40, deadline=None)
@given(
    shift=st.floats(-1e3, 1e3),
    factor=st.floats(1e-3, 1e3),
    alpha=st.sampled_from([0.7, 1.3, 1.9]),
    mirror=st.booleans(),
)
def test_shift_scale_and_reflection_of_values_apply_to_the_law(shift, factor, alpha, mirror):
    values = sample(alpha, 0.5, 500, 7)
    law, sign = fit_stable(values), -1 if mirror else 1
    moved = fit_stable(sign * factor * values + shift)
    unit = factor * law.scale
    assert moved.alpha == pytest.approx(law.alpha, abs=1e-6)
    assert moved.beta == pytest.approx(sign * law.beta, abs=1e-6)
    assert moved.scale == pytest.approx(unit, rel=1e-6)
    assert moved.location == pytest.approx(sign * factor * law.location + shift, abs=1e-5 * unit)
    assert moved.centre == pytest.approx(sign * factor * law.centre + shift, abs=1e-5 * unit)


def test_a_gaussian_has_alpha_two_and_its_deviation_over_root_two_as_scale():
    values = np.random.default_rng(0).normal(5, 3, 20_000)
    law = fit_stable(values)
    assert 1.98 <= law.alpha <= 2
    assert law.scale == pytest.approx(3 / math.sqrt(2), rel=4 * 0.77 / math.sqrt(20_000))
    assert law.centre == pytest.approx(5, abs=4 * 3 / math.sqrt(10_000))


def test_tails_lighter_than_a_gaussians_have_alpha_two_and_no_skewness():
    fit = fit_stable_with_intervals(np.random.default_rng(0).uniform(-1, 1, (200, 20)), seed=0)
    assert (fit.law.alpha, fit.law.beta) == (2, 0)
    assert (fit.beta.low, fit.beta.high) == (-1, 1)


def test_a_cauchy_law_has_alpha_one_and_its_half_width_as_scale():
    law = fit_stable(7 + 0.5 * np.random.default_rng(2).standard_cauchy(40_000))
    assert law.alpha == pytest.approx(1, abs=4 * 1.5 / 200)
    assert law.scale == pytest.approx(0.5, rel=4 * 1.8 / 200)
    assert law.centre == pytest.approx(7, abs=0.5 * 4 * 1.8 / 200)


def independent(alpha, steps, number, random):
    return levy_stable.rvs(alpha, 0, 1, 2, size=(steps, number), random_state=random)


def scaled_by_step(alpha, steps, number, random):
    """√A times Gaussians, with one stable A > 0 (α/2) per step: each value is stable, but those of a step share a scale."""
    if alpha == 2:
        return 1 + 2 * math.sqrt(2) * random.normal(size=(steps, number))
    scale = math.cos(math.pi * alpha / 4) ** (2 / alpha)
    variances = levy_stable.rvs(alpha / 2, 1, scale=scale, size=(steps, 1), random_state=random)
    return 1 + 2 * math.sqrt(2) * np.sqrt(variances) * random.normal(size=(steps, number))


@pytest.mark.long
@pytest.mark.parametrize("draw", [independent, scaled_by_step])
@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
def test_intervals_cover_the_law_at_their_nominal_rate(draw, alpha):
    random = np.random.default_rng(11)
    fits = [fit_stable_with_intervals(draw(alpha, 300, 8, random), draws=200, seed=random) for _ in range(100)]
    for name, true in (("alpha", alpha), ("beta", 0), ("scale", 2), ("location", 1), ("centre", 1)):
        intervals = [getattr(fit, name) for fit in fits]
        covering = sum(interval.low <= true <= interval.high for interval in intervals)
        # Of 100 intervals that cover with probability 0.92 or more, fewer than 83 do once in 400 times.
        assert covering >= 83, name
    if alpha < 2:  # the intervals are not too wide either
        assert sum(fit.alpha.low <= alpha - 0.4 or fit.alpha.high >= alpha + 0.4 for fit in fits) < 50


def correlated(steps, memory, random):
    """Gaussians of variance 1 with autocorrelation memory^|lag|."""
    noise = random.normal(size=steps) * math.sqrt(1 - memory**2)
    noise[0] = random.normal()
    return signal.lfilter([1], [1, -memory], noise)[:, None]


def test_intervals_allow_for_correlation_between_steps():
    random = np.random.default_rng(5)
    fits = [fit_stable_with_intervals(correlated(1000, 0.9, random), draws=200, seed=random) for _ in range(100)]
    assert sum(fit.centre.low <= 0 <= fit.centre.high for fit in fits) >= 83
    exact = (1.5 * 1000 * (2 * 0.9 / (1 - 0.9**2)) ** 2) ** (1 / 3)  # Politis and White's rule: 51 steps
    assert np.mean([fit.block for fit in fits]) == pytest.approx(exact, rel=0.3)
    # Independent steps would give a width of 2 · 1.96 · 1.6 · √½ / √1000 = 0.14. That of the mean is √19 times as wide.
    assert np.median([fit.centre.high - fit.centre.low for fit in fits]) > 0.35


def test_a_scale_shared_by_the_values_of_a_step_widens_the_intervals():
    random = np.random.default_rng(6)
    together, apart = (
        fit_stable_with_intervals(draw(1.5, 300, 50, random), seed=0).scale for draw in (scaled_by_step, independent)
    )
    assert together.high - together.low > 2 * (apart.high - apart.low)


@pytest.mark.parametrize("shape", [(40_000, 1), (200, 150), (3, 20_000)])
def test_values_by_step_have_the_law_of_all_values(shape):
    values = sample(1.4, 0.3, shape, 0)
    law, by_step = fit_stable(values.ravel()), fit_stable_with_intervals(values, draws=2, seed=0).law
    np.testing.assert_allclose(
        [by_step.alpha, by_step.beta, by_step.scale, by_step.location],
        [law.alpha, law.beta, law.scale, law.location],
        rtol=1e-9,
    )


@pytest.mark.parametrize("steps", [20, 203])
def test_intervals_equal_those_of_blocks_drawn_one_by_one(steps):
    values = sample(1.4, 0.3, (steps, 4), 0)
    fit = fit_stable_with_intervals(values, draws=30, seed=9)
    middle, unit = quantile_start(values)
    of_values = np.mean([[np.exp(1j * u * (value - middle) / unit) for u in FREQUENCIES] for value in values.ravel()], axis=0)
    np.testing.assert_allclose(
        parameters_of(of_values, middle, unit),
        [fit.law.alpha, fit.law.beta, fit.law.scale, fit.law.location, fit.law.centre],
        rtol=1e-9,
    )
    # With few independent blocks, the error of their mean is Student's t, and the scatter about their mean lacks one block.
    blocks = steps / fit.block
    stretch = student.ppf(0.975, blocks - 1) / norm.ppf(0.975) / math.sqrt(1 - 1 / blocks)
    drawn = []
    for starts in np.random.default_rng(9).integers(steps, size=(30, math.ceil(blocks))):
        chosen = np.concatenate([values[(start + np.arange(fit.block)) % steps].ravel() for start in starts])
        mean = np.exp(1j * FREQUENCIES * (chosen[:, None] - middle) / unit).mean(axis=0)
        drawn.append(parameters_of(of_values + stretch * (mean - of_values), middle, unit))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    for place, name in ((2, "scale"), (3, "location"), (4, "centre")):
        interval = getattr(fit, name)
        assert (interval.low, interval.high) == (pytest.approx(low[place]), pytest.approx(high[place]))
    assert fit.alpha.high == pytest.approx(high[0])
    assert fit.alpha.low <= low[0] + 1e-9


def test_intervals_cover_an_alpha_just_below_two():
    random = np.random.default_rng(8)
    fits = [fit_stable_with_intervals(independent(1.95, 200, 10, random), draws=200, seed=random) for _ in range(200)]
    # Of 200 intervals that cover with probability 0.95, fewer than 182 do once in 100 times. Plain percentiles cover 0.88.
    assert sum(fit.alpha.low <= 1.95 <= fit.alpha.high for fit in fits) >= 182


def test_the_seed_determines_the_interval():
    values = sample(1.4, 0.3, (100, 5), 0)
    first, same, other = (fit_stable_with_intervals(values, seed=seed).alpha for seed in (1, 1, 2))
    assert first == same
    assert first.low != other.low


@pytest.mark.parametrize("values", [np.ones((100, 3)), np.zeros((2, 5)), np.arange(29.0)[:, None], np.empty((5, 0))])
def test_constant_or_few_values_have_no_law_and_give_no_warning(values):
    fit = fit_stable_with_intervals(values, seed=0)
    assert fit_stable(values.ravel()) is NO_LAW
    assert fit.law is NO_LAW
    assert math.isnan(fit.alpha.value)
    assert math.isnan(fit.law.centre)
    assert np.isnan(fit.law.characteristic_function([0.0, 1.0])).all()


def test_few_steps_have_a_law_but_no_interval():
    fit = fit_stable_with_intervals(sample(1.5, 0, (19, 100), 0), seed=0)
    assert fit.alpha.value == fit.law.alpha > 1
    assert math.isnan(fit.alpha.low)
    assert fit.block == 0


@pytest.mark.parametrize("steps", [20, 21, 35])
def test_few_steps_and_repeated_values_give_no_warning(steps):
    values = np.random.default_rng(0).integers(-2, 3, (steps, 2)).astype(float)
    fit = fit_stable_with_intervals(values, seed=0)
    assert fit.alpha.low <= fit.alpha.high <= 2
    assert -1 <= fit.beta.low <= fit.beta.high <= 1


def test_invalid_values_are_refused():
    with pytest.raises(ConfigError, match=r"values: 1 of 40 values are NaN or infinite"):
        fit_stable([math.nan] + [1.0] * 39)
    with pytest.raises(ConfigError, match=r"values: got shape \(2, 3\), expected \(n,\)"):
        fit_stable(np.ones((2, 3)))
    with pytest.raises(ConfigError, match=r"values: got shape \(3,\), expected \(T, m\)"):
        fit_stable_with_intervals(np.ones(3), seed=0)
    with pytest.raises(ConfigError, match="draws: expected at least 1, got 0"):
        fit_stable_with_intervals(np.ones((100, 3)), draws=0, seed=0)
