"""The exact laws of learning, against published values, quadrature, simulated gradient descent and each other."""

import numpy as np
import pytest
import scipy

from anodiff.errors import ConfigError
from anodiff.learning.laws import (
    LOSSES,
    DeepLinear,
    OneMode,
    TwoFeatures,
    decoupled_margin,
    part_learned,
    probability_learned,
    share_of_second,
)


def slopes(loss, u, depth, classes):
    """u^(2 − 2/L) g(u), as written in the module's docstring."""
    pull = {"cross_entropy": (classes - 1) / (classes - 1 + np.exp(u)), "hinge": 1.0 * (u < 1), "mse": 1 - u}[loss]
    return u ** (2 - 2 / depth) * pull


@pytest.mark.parametrize(
    ("loss", "margin", "times"),
    [
        ("cross_entropy", 1, [2.716, 7.566, 18.620, 31.210]),
        ("hinge", 1, [0.999, 3.454, 9.000, 15.311]),
        ("cross_entropy", np.log(99), [102.6, 22.3, 25.4, 35.4]),
    ],
)
def test_a_margin_is_reached_at_the_time_of_its_depth(loss, margin, times):
    found = [float(OneMode(loss, depth=depth).time(margin)) for depth in (1, 2, 3, 4)]
    assert found == pytest.approx(times, abs=0.06 if margin > 1 else 6e-4)


def test_two_layers_follow_the_published_law():
    """ln u + Ei(u) = 2 p |x| t + C, T = ln(1/u0)/(2 p |x|), and the logistic curve."""
    u, given = np.array([0.01, 0.3, 0.9]), {"strength": 1.7, "frequency": 0.3, "start": 1e-3}
    law = np.log(u) + scipy.special.expi(u)
    expected = (law - (np.log(1e-3) + scipy.special.expi(1e-3))) / (2 * 0.3 * 1.7)
    np.testing.assert_allclose(OneMode("cross_entropy", **given).time(u), expected, rtol=1e-12)
    assert float(OneMode("hinge", **given).time(1.0)) == pytest.approx(np.log(1000) / (2 * 0.3 * 1.7), rel=1e-12)
    times = np.array([0.0, 3.0, 9.0])
    logistic = scipy.special.expit(scipy.special.logit(1e-3) + 2 * 0.3 * 1.7 * times)
    np.testing.assert_allclose(OneMode("mse", **given).margin(times), logistic, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4])
def test_the_curve_is_that_of_a_numerical_solution(loss, depth):
    """To 1e-9; the hinge loss up to its kink, where the margin stays."""
    mode = OneMode(loss, strength=1.3, frequency=0.4, depth=depth, start=1e-2, classes=4 if loss == "cross_entropy" else 2)
    end = min(float(mode.time(0.999)) if loss != "cross_entropy" else float(mode.time(6.0)), 200.0)
    times = np.linspace(0, end, 20)
    solved = scipy.integrate.solve_ivp(
        lambda _, v: mode.rate * slopes(loss, np.exp(v), depth, mode.classes) / np.exp(v),
        (0, end),
        [np.log(mode.start)],
        "DOP853",
        times,
        rtol=1e-12,
        atol=1e-12,
    )
    np.testing.assert_allclose(mode.margin(times), np.exp(solved.y[0]), atol=1e-9, rtol=0)
    by_quadrature = scipy.integrate.quad(lambda u: 1 / slopes(loss, u, depth, mode.classes), 0.01, 0.9, epsabs=0, epsrel=1e-12)
    assert float(mode.time(0.9)) * mode.rate == pytest.approx(by_quadrature[0], rel=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_times_and_margins_are_each_others_inverse(loss):
    mode = OneMode(loss, depth=3, start=1e-4)
    margins = np.array([[1e-4, 1e-2], [0.5, 0.99]])
    np.testing.assert_allclose(mode.margin(mode.time(margins)), margins, rtol=1e-9)


def test_a_satisfied_margin_stays():
    assert OneMode("hinge").margin([3.4, 4.0, 1e9]).tolist() == pytest.approx([np.exp(6.8) / 1000, 1, 1])
    assert OneMode("hinge").time([1.0, 1.1]).tolist() == pytest.approx([3.453878, np.inf])
    assert OneMode("mse").time([1.0]).tolist() == [np.inf]
    assert OneMode("mse").margin([1e6]).tolist() == pytest.approx([1])


@pytest.mark.parametrize(("loss", "depth"), [("cross_entropy", 2), ("hinge", 3), ("mse", 4)])
def test_gradient_descent_in_a_narrow_linear_network_follows_the_law(loss, depth):
    """One weight a layer, small steps, batches of which a share p holds the mode."""
    strength, frequency, start, step = 1.5, 0.25, 0.05, 1e-3
    mode = OneMode(loss, strength=strength, frequency=frequency, depth=depth, start=start)
    weights = np.full(depth, (start / strength) ** (1 / depth))
    steps = int(float(mode.time(0.6)) / step)
    for _ in range(steps):
        u = strength * weights.prod()
        pull = {"cross_entropy": 1 / (1 + np.exp(u)), "hinge": 1.0, "mse": 1 - u}[loss]
        weights = weights + step * frequency * strength * pull * weights.prod() / weights
    assert strength * weights.prod() == pytest.approx(0.6, rel=5e-3)


def test_the_part_learned_rises_from_nothing_to_all():
    assert part_learned([0.0, 700.0], "cross_entropy", 10).tolist() == pytest.approx([0, 1])
    assert part_learned([0.2], "hinge").tolist() == [0.2]


def test_three_eighths_of_relu_units_learn_their_class():
    """Gradient flow of z max(0, a) from random a and z: the unit's output grows, or it dies."""
    rng = np.random.default_rng(0)
    trials, units = 2000, 3
    a, z = rng.normal(size=(2, trials, units))
    for _ in range(600):
        output = (z * np.maximum(a, 0)).sum(axis=1, keepdims=True)
        pull = 0.02 / (1 + np.exp(np.clip(output, -50, 50)))
        a, z = a + pull * z * (a > 0), z + pull * np.maximum(a, 0)
    grown = (a > 0) & (z > 0)
    for found, expected in ((grown[:, 0], 3 / 8), (grown.any(axis=1), probability_learned(units))):
        assert found.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / trials))
    assert probability_learned(0) == 0


def test_a_deep_linear_network_follows_the_closed_form():
    s, start, tau, times = 2.0, 1e-3, 0.7, np.linspace(0, 3, 30)
    grown = np.expm1(2 * s * times / tau)
    expected = s * (grown + 1) / (grown + s / start)
    network = DeepLinear((s,), start=start, tau=tau)
    np.testing.assert_allclose(network.curves(times)[:, 0], expected, rtol=1e-9)
    assert network.learning_times() == pytest.approx([tau / (2 * s) * np.log(s / start - 1)])
    assert network.widths() == pytest.approx([tau * np.log(9) / s])


def test_modes_are_learned_in_stages_whose_times_fall_as_one_over_their_strength():
    values = np.array([8.0, 4.0, 2.0, 1.0])
    network = DeepLinear(tuple(values), start=1e-8)
    times = network.learning_times()
    assert np.polyfit(np.log(values), np.log(times), 1)[0] == pytest.approx(-0.95, abs=0.05)  # ln(s/a0) changes little
    learned = network.curves(times) / values
    assert np.diag(learned) == pytest.approx(np.full(4, 0.5))
    assert (np.triu(learned, 1) < 0.02).all()  # before their turn
    assert (learned[np.tril_indices(4, -1)] > 0.98).all()


@pytest.mark.parametrize("depth", [2, 3])
def test_full_matrices_follow_the_law_of_their_singular_modes(depth):
    """Gradient descent on white inputs from small balanced weights that are aligned with the modes."""
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
    values, start, step = np.array([3.0, 2.0, 1.0]), 0.05, 2e-3
    target, root = left * values @ right.T, start ** (1 / depth)
    layers = [root * right.T, *[root * np.eye(3)] * (depth - 2), root * left]
    network = DeepLinear(tuple(values), start=start, depth=depth)
    steps = 700
    for _ in range(steps):
        error = target - np.linalg.multi_dot(layers[::-1])
        slopes_of = []
        for number in range(depth):
            before = np.eye(3) if number == 0 else layers[0] if number == 1 else layers[1] @ layers[0]
            after = np.eye(3) if number == depth - 1 else layers[-1] if number == depth - 2 else layers[-1] @ layers[-2]
            slopes_of.append(after.T @ error @ before.T)
        layers = [layer + step * slope for layer, slope in zip(layers, slopes_of, strict=True)]
    found = np.diag(left.T @ np.linalg.multi_dot(layers[::-1]) @ right)
    np.testing.assert_allclose(found, network.curves([steps * step])[0], rtol=0.02)


def test_two_features_that_are_always_present_share_the_margin_by_their_squared_strengths():
    features, times = TwoFeatures((1.0, 0.3)), np.array([0.0, 1.0, 30.0])
    assert features.shares(times)[1:] == pytest.approx(0.0826, abs=5e-5)
    assert np.isnan(features.shares(times)[0])
    assert share_of_second((1.0, 0.3)) == pytest.approx(0.09 / 1.09)
    m = features.curves(times).sum(axis=1)  # m + eᵐ − 1 = (s1² + s2²) t, one layer
    np.testing.assert_allclose(m + np.expm1(m), 1.09 * times, rtol=1e-8, atol=1e-9)


def test_a_feature_that_is_alone_follows_the_law_of_one_mode():
    for depth, start in ((1, 1e-3), (2, 1e-3), (3, 1e-2)):
        features = TwoFeatures((2.0, 1.5), both=0, first_alone=0.2, second_alone=0.7, depth=depth, start=(start, start))
        times = np.array([0.0, 4.0, 1.0, 9.0])  # in any order
        first, second = (OneMode("cross_entropy", s, q, depth, start) for s, q in ((2.0, 0.2), (1.5, 0.7)))
        expected = np.stack([first.margin(times), second.margin(times)], axis=1)
        np.testing.assert_allclose(features.curves(times), expected, rtol=1e-6)


def test_integration_agrees_with_small_steps():
    features = TwoFeatures((3.0, 1.0), 0.6, 0.1, 0.3, decoupling=0.05, depth=2, start=(1e-2, 1e-2))
    u = np.array([1e-2, 1e-2])
    for _ in range(20_000):
        pull = [1 / (1 + np.exp(m)) - 0.05 * m for m in (u.sum(), *u)]
        u = u + 2e-4 * 2 * np.array([3.0, 1.0]) * u * (0.6 * pull[0] + np.array([0.1, 0.3]) * pull[1:])
    np.testing.assert_allclose(features.curves([4.0])[0], u, rtol=2e-3)


def test_a_cue_in_more_samples_starves_the_other_feature_longer():
    times = np.geomspace(0.1, 1e4, 400)
    reached = []
    for share in (0, 0.5, 0.9, 0.99):
        shape = TwoFeatures((10.0, 1.0), both=share, second_alone=1 - share, depth=2, start=(1e-3, 1e-3)).curves(times)[:, 1]
        reached.append(np.interp(1.0, shape, times))
    assert (np.diff(reached) > 0).all()
    assert reached[-1] > 20 * reached[0]


def test_decoupling_stops_at_its_margin_and_does_not_part_features_that_are_never_apart():
    for weight, margin in ((0.01, 3.359), (0.1, 1.634), (1, 0.401)):
        assert decoupled_margin(weight) == pytest.approx(margin, abs=5e-4)
        found = TwoFeatures((1.0, 0.3), decoupling=weight).curves([3000.0])[0]
        assert found.sum() == pytest.approx(decoupled_margin(weight), rel=1e-6)
        assert found[1] / found.sum() == pytest.approx(share_of_second((1.0, 0.3)), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: OneMode("hinges"), "did you mean 'hinge'"),
        (lambda: OneMode("hinge", strength=0), "strength 0 of a mode"),
        (lambda: OneMode("hinge", start=1), "learned already"),
        (lambda: OneMode("hinge", depth=0.5), "0.5 layers"),
        (lambda: OneMode("cross_entropy", classes=1), "1 classes"),
        (lambda: OneMode("mse").margin([-1]), "time -1"),
        (lambda: OneMode("mse").time([0]), "margin 0"),
        (lambda: OneMode("cross_entropy").time([701]), "too large"),
        (lambda: DeepLinear((2.0, 1e-4)), "all above the start"),
        (lambda: DeepLinear((2.0,), tau=0), "tau 0"),
        (lambda: DeepLinear((2.0,)).learning_times(1.0), "between 0 and 1"),
        (lambda: TwoFeatures((1.0, -1.0)), "numbers above 0"),
        (lambda: TwoFeatures((1.0, 1.0, 1.0)), "two of each"),
        (lambda: TwoFeatures((1.0, 1.0), both=0.9, first_alone=0.2), "at most 1"),
        (lambda: TwoFeatures((1.0, 1.0), decoupling=-1), "decoupling -1"),
        (lambda: TwoFeatures((1.0, 1.0), depth=2), "more than 0 to a network with layers"),
        (lambda: TwoFeatures((1.0, 1.0), depth=0), "0 layers"),
        (lambda: TwoFeatures((1.0, 1.0)).curves([-1.0]), "time -1"),
        (lambda: decoupled_margin(0), "grows for ever"),
        (lambda: probability_learned(-1), "-1 units"),
    ],
)
def test_values_out_of_bounds_give_one_line(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
