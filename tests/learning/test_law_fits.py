"""Laws fitted to learning curves: exact ones, noisy ones, a direct maximum of the likelihood, and curves without a law."""

import numpy as np
import pytest
import scipy

from anodiff.errors import ConfigError
from anodiff.learning.columns import LAWS
from anodiff.learning.fits import ADVANTAGE, CORRELATIONS, MIN_POINTS, fit_laws
from anodiff.learning.laws import OneMode, part_learned
from anodiff.learning.laws.shapes import durations, rises

STEPS = np.unique(np.geomspace(1, 3001, 40).astype(int)) - 1


def curve(law, half, start=1e-3, classes=2, steps=STEPS):
    return rises(law, steps.astype(float), np.array([half]), np.array([start]), classes)[0]


def correlated(rng, rho, sd):
    """Autoregressive noise at the points after the first."""
    noise = rng.normal(size=len(STEPS) - 1)
    for later in range(1, len(noise)):
        noise[later] = rho * noise[later - 1] + np.sqrt(1 - rho**2) * noise[later]
    return np.concatenate([[0], sd * noise])


@pytest.mark.parametrize("start", [1e-8, 1e-3, 0.1])
@pytest.mark.parametrize("law", LAWS)
def test_an_exact_curve_has_its_law_rate_start_and_plateau(law, start):
    values = 0.8 * curve(law, 200.0, start, classes=10)
    fit = fit_laws(STEPS, values, classes=10)
    assert fit.law == law
    assert fit.law_weight == max(fit.weights.values()) > 0.999
    assert fit.rate == pytest.approx(durations(law, np.array([start]), 10)[0] / 200, rel=2e-3)
    assert fit.plateau == pytest.approx(0.8, rel=1e-3)
    assert fit.start == pytest.approx(np.nan if law == "exponential" else start, rel=0.05, nan_ok=True)
    assert (fit.sigmoid_advantage > ADVANTAGE) == (law != "exponential")
    np.testing.assert_allclose(fit.fitted, values, atol=1e-3)
    assert fit.misfit == pytest.approx(np.sqrt(np.mean((fit.fitted - values)[1:] ** 2)))


@pytest.mark.parametrize(("law", "loss"), [("cross_entropy", "cross_entropy"), ("hinge", "hinge"), ("logistic", "mse")])
@pytest.mark.parametrize("classes", [2, 10])
def test_the_fitted_shapes_are_the_laws_of_one_mode(law, loss, classes):
    mode = OneMode(loss, start=1e-3, classes=classes)
    t = np.linspace(0, 12, 50)
    first, learned = (part_learned(u, loss, classes) for u in (mode.start, mode.margin(t)))
    expected = (learned - first) / (1 - first)
    half = durations(law, np.array([1e-3]), classes) / mode.rate
    np.testing.assert_allclose(rises(law, t, half, np.array([1e-3]), classes)[0], expected, atol=3e-6)


@pytest.mark.parametrize("law", LAWS)
def test_every_shape_is_a_half_at_its_half(law):
    assert rises(law, np.array([7.0]), np.array([7.0]), np.array([0.05]), 3)[0] == pytest.approx(0.5, abs=1e-5)


def test_the_criterion_is_that_of_a_direct_maximum_of_the_likelihood():
    """The density of autoregressive residuals with their whole covariance, maximised over all parameters at once."""
    values = curve("logistic", 150.0, 0.02) + correlated(np.random.default_rng(1), 0.6, 0.05)
    t, rise = STEPS[1:], values[1:]
    apart = np.abs(np.subtract.outer(np.arange(len(t)), np.arange(len(t))))

    def criterion(law, guess):
        def cost(p):
            start = np.exp(-np.exp(p[4])) if law == "logistic" else 0.1
            model = p[0] * curve(law, np.exp(p[1]), start, steps=t)
            rho = np.clip(p[3], 0, 0.95)
            return -scipy.stats.multivariate_normal.logpdf(rise, model, np.exp(2 * p[2]) * rho**apart / (1 - rho**2))

        found = scipy.optimize.minimize(
            cost, guess, method="Nelder-Mead", options={"maxfev": 3000, "xatol": 1e-5, "fatol": 1e-6}
        )
        k = len(guess)
        return 2 * found.fun + 2 * k + 2 * k * (k + 1) / (len(t) - k - 1)

    exponential = criterion("exponential", [1.0, 5.0, -3.0, 0.6])
    logistic = criterion("logistic", [1.0, 5.0, -3.0, 0.6, np.log(np.log(50))])
    fit = fit_laws(STEPS, values)
    assert fit.law == "logistic"
    assert fit.sigmoid_advantage == pytest.approx(exponential - logistic, abs=0.5)


def test_units_do_not_matter():
    values = curve("cross_entropy", 100.0) + correlated(np.random.default_rng(2), 0.5, 0.02)
    one, other = fit_laws(STEPS, values), fit_laws(50 + 7 * STEPS, 3 + 0.1 * values)
    assert other.rate == pytest.approx(one.rate / 7, rel=1e-3)
    assert other.plateau == pytest.approx(3 + 0.1 * one.plateau, rel=1e-4)
    assert other.misfit == pytest.approx(0.1 * one.misfit, rel=1e-3)
    assert other.weights == pytest.approx(one.weights, abs=0.01)


def test_correlated_noise_makes_no_sigmoid_of_an_exponential_and_hides_none():
    rng = np.random.default_rng(3)
    called = found = 0
    for half in 10 ** rng.uniform(0, 3, 30):
        noise = correlated(rng, 0.7, 0.03)
        called += fit_laws(STEPS, curve("exponential", half) + noise).sigmoid_advantage > ADVANTAGE
        found += fit_laws(STEPS, curve("logistic", 20 + half) + noise).sigmoid_advantage > ADVANTAGE
    assert called <= 3
    assert found >= 27


def test_the_correlation_of_noise_is_found():
    rng = np.random.default_rng(4)
    found = [fit_laws(STEPS, curve("exponential", 60.0) + correlated(rng, 0.8, 0.03)).correlation for _ in range(20)]
    assert np.median(found) == pytest.approx(0.8, abs=0.15)
    assert set(found) <= set(CORRELATIONS)


def test_errors_weigh_at_most_twice():
    values = curve("exponential", 60.0) + 0.03 * (-1) ** np.arange(len(STEPS)) * (STEPS > 0)  # no positive correlation
    plain = fit_laws(STEPS, values)
    for errors in (np.full(len(STEPS), 0.02), np.zeros(len(STEPS)), np.full(len(STEPS), np.nan)):
        same = fit_laws(STEPS, values, errors)
        assert (same.weights, same.rate) == (pytest.approx(plain.weights, rel=1e-3), pytest.approx(plain.rate, rel=1e-3))
    fit = fit_laws(STEPS, values, np.where(STEPS > 60, 1.0, 0.0))
    assert fit.correlation == 0
    weights = np.where(STEPS > 60, np.sqrt(0.5), 1.0)
    by_hand = scipy.optimize.least_squares(
        lambda p: (weights * (values + p[0] * np.expm1(-p[1] * STEPS)))[1:], [1, 0.01], x_scale=[1, 0.01]
    )
    assert [fit.plateau, fit.rate] == pytest.approx(by_hand.x, rel=1e-3)


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (np.zeros(20), "the curve is constant"),
        (np.where(np.arange(20) == 7, np.nan, np.arange(20)), "the curve has values that are not finite"),
        (np.full(20, np.nan), "the curve has values that are not finite"),
        (np.arange(MIN_POINTS - 1), "fewer than 8 points"),
        (-np.arange(20.0), "the curve does not rise"),
    ],
)
def test_a_curve_without_a_law_says_why(values, note):
    fit = fit_laws(np.arange(len(values)), values)
    assert (fit.law, fit.note) == ("", note)
    assert fit.fitted.shape == values.shape
    assert np.isnan([fit.law_weight, fit.rate, fit.misfit, fit.sigmoid_advantage, *fit.fitted, *fit.weights.values()]).all()


def test_steps_and_jumps_are_fitted_without_warnings():
    for values in (np.arange(20) > 10, np.arange(20) > 0, np.arange(20) > 18, np.sin(np.arange(20)), np.arange(20) == 5):
        assert fit_laws(np.arange(20), values).law in LAWS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.zeros(9)}, "numbers of steps, values and errors differ: 10 9"),
        ({"errors": np.zeros(9)}, "differ: 10 10 9"),
        ({"steps": np.zeros(10)}, "do not rise"),
        ({"steps": np.zeros((10, 1))}, "expected"),
        ({"classes": 1}, "1 classes"),
    ],
)
def test_bad_arguments_give_one_line(arguments, message):
    with pytest.raises(ConfigError, match=message):
        fit_laws(**({"steps": np.arange(10), "values": np.zeros(10)} | arguments))


def test_many_points_are_fitted_like_few():
    steps = np.arange(3001)
    fit = fit_laws(steps, curve("hinge", 700.0, 0.01, steps=steps))
    assert (fit.law, fit.plateau) == ("hinge", pytest.approx(1, rel=1e-4))
    assert fit.rate == pytest.approx(durations("hinge", np.array([0.01]))[0] / 700, rel=1e-3)
