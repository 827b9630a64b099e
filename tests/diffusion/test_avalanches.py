"""Loss avalanches, compared with an explicit loop and on losses whose avalanches have known laws."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, multivariate_normal, norm

from anodiff.diffusion.avalanches import Avalanches, loss_avalanches, size_growth
from anodiff.diffusion.power_law import fit_power_law
from anodiff.diffusion.tail_comparison import compare_tails
from anodiff.errors import ConfigError


def slow_avalanches(losses, threshold):
    changes = [after - before for before, after in pairwise(losses)]
    known = [change for change in changes if math.isfinite(change)]
    mean = sum(known) / max(len(known), 1)
    limit = threshold * math.sqrt(sum((change - mean) ** 2 for change in known) / max(len(known), 1))
    found, running = [], False
    for step, change in enumerate(changes):
        if abs(change) > limit:
            if not running:
                found.append([step, 0, 0.0])
            found[-1][1] += 1
            found[-1][2] += abs(change)
        running = abs(change) > limit
    return found


@given(
    st.lists(st.one_of(st.floats(-10, 10).map(lambda loss: round(loss, 3)), st.just(math.nan)), max_size=40),
    st.floats(0, 2),
)
def test_avalanches_equal_those_of_an_explicit_loop(losses, threshold):
    found = loss_avalanches(losses, threshold)
    slow = slow_avalanches(losses, threshold)
    clear = [abs(abs(change) - found.threshold_value) > 1e-9 for change in np.diff(losses) if math.isfinite(change)]
    if all(clear):  # otherwise rounding decides
        assert found.starts.tolist() == [start for start, _, _ in slow]
        assert found.durations.tolist() == [duration for _, duration, _ in slow]
        assert found.sizes.tolist() == pytest.approx([size for _, _, size in slow])


@pytest.fixture(scope="module")
def independent():
    """Avalanches of 400,000 independent Gaussian changes."""
    return loss_avalanches(np.cumsum(np.random.default_rng(0).normal(size=400_001)))


def test_durations_are_geometric_where_changes_are_independent(independent):
    above = 2 * norm.sf(1)
    number = len(independent.durations)
    counts = np.bincount(independent.durations.clip(max=8), minlength=9)[1:]
    expected = number * (1 - above) * above ** np.arange(8)
    expected[-1] = number * above**7  # eight or more
    assert chisquare(counts, expected).pvalue > 0.01
    assert number == pytest.approx(400_000 * above * (1 - above), rel=0.01)
    assert independent.fraction == pytest.approx(above, abs=0.003)
    assert independent.durations.mean() == pytest.approx(independent.independent_duration, rel=0.005)


def test_sizes_grow_as_durations_where_changes_are_independent(independent):
    growth = size_growth(independent)
    assert growth.low < 1 < growth.high
    assert growth.high - growth.low < 0.02


def test_a_power_law_is_rejected_where_changes_are_independent(independent):
    sizes, durations = independent.sizes[:5000], independent.durations[:5000]
    assert compare_tails(sizes, fit_power_law(sizes)).exponential.ratio < 2  # no better than an exponential
    assert compare_tails(durations, fit_power_law(durations, discrete=True)).exponential.ratio < 2
    assert compare_tails(durations, fit_power_law(durations, discrete=True, x_min=1)).exponential.ratio < -10


def test_independent_losses_are_not_the_null_because_their_changes_are_anticorrelated():
    found = loss_avalanches(np.random.default_rng(1).normal(size=400_001))
    above = 2 * norm.sf(1)
    same, opposite = (multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([-1, -1]) for r in (-0.5, 0.5))
    both = 2 * same + 2 * opposite  # probability that two changes in a row are above, in either direction
    assert found.durations.mean() == pytest.approx(above / (above - both), rel=0.01)
    assert found.durations.mean() > 1.1 * found.independent_duration


def test_avalanches_without_a_scale_have_their_exponents():
    generator = np.random.default_rng(2)
    durations = generator.zipf(2.0, 20_000)
    sizes = durations**1.5 * generator.exponential(size=20_000)
    law = fit_power_law(durations, discrete=True)
    assert law.exponent.low < 2.0 < law.exponent.high
    assert compare_tails(durations, law).exponential.ratio > 2
    assert fit_power_law(sizes).exponent.value == pytest.approx(1 + 1 / 1.5, abs=0.05)  # P(S > s) = P(D > s^(1/γ))
    growth = size_growth(Avalanches(np.arange(20_000), durations, sizes, 1.0, 0.5))
    assert growth.low < 1.5 < growth.high


def test_intervals_of_the_growth_exponent_cover_it():
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        durations = generator.geometric(0.5, 400)
        sizes = durations**1.3 * generator.gamma(4, 1 / 4, 400)
        growth = size_growth(Avalanches(np.arange(400), durations, sizes, 1.0, 0.5))
        hits += growth.low <= 1.3 <= growth.high
    assert 0.9 < hits / 300 < 0.99


@given(st.floats(1e-3, 1e3), st.sampled_from([-1, 1]))
def test_unit_and_sign_of_the_loss_do_not_change_starts_and_durations(unit, sign):
    losses = np.random.default_rng(4).standard_cauchy(300)
    found, scaled = loss_avalanches(losses), loss_avalanches(sign * unit * losses + 3)
    assert scaled.starts.tolist() == found.starts.tolist()
    assert scaled.durations.tolist() == found.durations.tolist()
    np.testing.assert_allclose(scaled.sizes, unit * found.sizes, rtol=1e-6)


def test_a_missing_loss_ends_a_run_and_is_left_out_of_the_deviation():
    losses = [0.0, 0, 0, 0, 9, 0, 9, math.nan, 0, 9, 0, 0, 0, 0, 0, math.inf, 0]
    found = loss_avalanches(losses)
    assert found.starts.tolist() == [3, 8]
    assert found.durations.tolist() == [3, 2]
    known = [0, 0, 0, 9, -9, 9, 9, -9, 0, 0, 0, 0]
    assert found.threshold_value == pytest.approx(np.std(known))
    assert found.fraction == pytest.approx(5 / 12)


def test_a_run_up_to_the_windows_end_counts_whole():
    found = loss_avalanches([0.0, 0, 0, 0, 0, 0, 0, 5, 0])
    assert found.durations.tolist() == [2]
    assert found.sizes.tolist() == [10]


@pytest.mark.parametrize("losses", [[], [1.0], [math.nan] * 20, np.ones(50), [1.0, math.nan, 2.0]], ids=repr)
def test_no_losses_or_constant_ones_have_no_avalanches_and_give_no_warning(losses):
    found = loss_avalanches(losses)
    assert len(found.starts) == len(found.durations) == len(found.sizes) == 0
    assert math.isnan(size_growth(found).value)


def test_durations_with_fewer_than_ten_avalanches_do_not_count_for_the_growth():
    durations = np.repeat([1, 2], [50, 9])
    assert math.isnan(size_growth(Avalanches(np.arange(59), durations, 1.0 * durations, 1.0, 0.5)).value)


def test_invalid_arguments_are_refused():
    with pytest.raises(ConfigError, match="shape"):
        loss_avalanches(np.zeros((3, 4)))
    for threshold in (-1, math.nan):
        with pytest.raises(ConfigError, match="threshold"):
            loss_avalanches(np.zeros(5), threshold)
