"""What is learned is related to the motion where it was made so, and not where both only share a trend."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from anodiff.sweep.learning_relations import (
    order_agreement,
    order_relations,
    within_configuration_correlation,
)
from anodiff.sweep.learning_steps import steps_around


def windows_of(random, *, groups=3, seeds=6, windows=4, trend=0.0, own=0.0):
    """Two quantities in windows that share a trend in time and configuration, and, with ``own``, the seed's part."""
    rows = []
    for group in range(groups):
        for seed in range(seeds):
            part = random.normal(size=2)
            part[1] = own * part[0] + np.sqrt(1 - own**2) * part[1]
            for window in range(windows):
                x, y = part + random.normal(0, 0.1, 2) + trend * (window + 3 * group)
                rows.append({"run": f"{group}-{seed}", "group": f"g{group}", "seed": seed, "window": window, "x": x, "y": y})
    return pd.DataFrame(rows)


def test_a_trend_in_time_and_configuration_is_no_correlation():
    random = np.random.default_rng(0)
    tables = [windows_of(random, trend=5.0) for _ in range(40)]
    assert all(spearmanr(table["x"], table["y"]).statistic > 0.9 for table in tables)
    found = [within_configuration_correlation(table, "x", "y", seed)[0].p for seed, table in enumerate(tables)]
    assert sum(p < 0.05 for p in found) <= 40 * 0.05 + 3 * np.sqrt(40 * 0.05 * 0.95)


@pytest.mark.parametrize(("groups", "seeds", "over", "n"), [(3, 8, "seeds", 8), (8, 3, "configurations", 8)])
def test_what_seeds_have_of_their_own_is_found_whatever_the_trend(groups, seeds, over, n):
    flat, steep = (windows_of(np.random.default_rng(1), groups=groups, seeds=seeds, own=0.95, trend=t) for t in (0.0, 9.0))
    (found, strata), (same, _) = (within_configuration_correlation(table, "x", "y") for table in (flat, steep))
    assert found.p < 0.01 < found.interval.low
    assert found.interval.value == pytest.approx(same.interval.value, abs=0.02)
    assert (found.over, found.n, strata, found.points) == (over, n, 4 * groups, len(flat))


def test_names_and_order_of_seeds_change_nothing():
    table = windows_of(np.random.default_rng(2), own=0.5)
    renamed = table.assign(seed=(table["seed"] + 2) % 6).sample(frac=1, random_state=1)
    (found, _), (same, _) = (within_configuration_correlation(each, "x", "y") for each in (table, renamed))
    assert same.interval.value == pytest.approx(found.interval.value)
    assert same.p == pytest.approx(found.p, abs=0.02)  # 4,999 of 720 exchanges, or all


def test_in_one_window_it_is_spearmans_correlation_and_its_test_by_exchanges():
    table = windows_of(np.random.default_rng(3), groups=1, windows=1)
    found, _ = within_configuration_correlation(table, "x", "y")
    assert found.interval.value == pytest.approx(spearmanr(table["x"], table["y"]).statistic)
    orders = [spearmanr(table["x"], order).statistic for order in itertools.permutations(table["y"])]
    assert found.p == pytest.approx(np.mean(np.abs(orders) >= abs(found.interval.value) - 1e-9))


def test_one_seed_of_each_configuration_has_nothing_to_be_compared_with():
    found, strata = within_configuration_correlation(windows_of(np.random.default_rng(4), seeds=1), "x", "y")
    assert np.isnan(found.interval.value)
    assert strata == 0
    empty, _ = within_configuration_correlation(windows_of(np.random.default_rng(4)).head(0), "x", "y")
    assert np.isnan(empty.p)


def test_the_agreement_of_an_order_is_the_mean_of_all_pairs():
    times = np.random.default_rng(5).normal(size=(4, 6))
    pairs = [spearmanr(one, other).statistic for one, other in itertools.combinations(times, 2)]
    assert order_agreement(times)[0] == pytest.approx(np.mean(pairs))
    alike = np.tile(np.arange(6.0), (4, 1))
    value, p = order_agreement(alike)
    assert (value, p) == (pytest.approx(1), pytest.approx(1e-3))
    assert order_agreement(alike[::-1] * 3 + 1) == (value, p)
    assert np.isnan(order_agreement(times[:1])[0])
    assert np.isnan(order_agreement(times[:, :2])[0])


def test_the_p_value_of_an_order_is_uniform_without_one():
    found = np.array([order_agreement(np.random.default_rng(seed).normal(size=(3, 5)), seed)[1] for seed in range(200)])
    for level in (0.05, 0.2, 0.5):
        assert abs((found < level).mean() - level) < 3 * np.sqrt(level * (1 - level) / 200)


def test_what_is_never_learned_comes_last():
    rows = [
        {"run": f"r{seed}", "group": "g", "seed": seed, "split": "train", "sort": "mode", "curve": name, "final": 1.0}
        | {"learning_time": time}
        for seed in range(2)
        for name, time in zip("abcd", (1.0, 2.0, 3.0, np.nan if seed else 4.0), strict=True)
    ]
    row, *whole = order_relations(pd.DataFrame(rows))
    assert [each["among"] for each in whole] == ["all", "all"]
    assert (row["value"], row["n"], row["points"]) == (pytest.approx(1), 2, 4)


def series_with(times, *, height, noise=0.1, steps=4000, seed=0):
    """A series over steps that falls as a power, with a bump of a given height at each time, and noise."""
    step = np.arange(steps)
    bumps = sum(np.exp(-((np.log((step + 1) / time) / 0.12) ** 2)) for time in times)
    noise = np.random.default_rng(seed).normal(0, noise, steps)
    return np.exp(-0.4 * np.log(step + 5) + height * bumps + noise)


TIMES = np.array([150.0, 180.0, 420.0, np.nan])


def test_steps_that_are_longer_at_the_learning_times_are_found_and_a_power_of_time_is_not():
    planted = steps_around(series_with(TIMES[:3], height=0.6), TIMES)
    assert planted.modes == 3
    assert planted.ratio > 1.2
    assert planted.p <= 2 / 41
    power = steps_around(series_with((), height=0, noise=0), TIMES)
    assert power.ratio == pytest.approx(1, abs=0.01)
    scaled = steps_around(7 * series_with(TIMES[:3], height=0.6), TIMES)
    assert scaled.ratio == pytest.approx(planted.ratio)
    assert scaled.p == planted.p


def test_noise_is_seldom_found_to_be_longer_at_any_times():
    random = np.random.default_rng(6)
    found = []
    for seed in range(100):
        times = np.exp(random.uniform(np.log(30), np.log(1000))) * np.exp(np.abs(random.normal(0, 0.4, 6)))
        found.append(steps_around(series_with((), height=0, seed=seed, noise=0.5), times))
    assert sum(each.p < 0.05 for each in found) <= 100 * 0.05 + 3 * np.sqrt(100 * 0.05 * 0.95)
    assert 0.35 < np.mean([each.excess > 0 for each in found]) < 0.65


def test_times_at_the_ends_of_a_run_leave_no_room_for_a_shift():
    assert steps_around(np.ones(100), [1.0, 95.0]).modes == 0
    assert np.isnan(steps_around(np.ones(100), []).p)
    gap = np.where(np.arange(1000) < 300, np.nan, 1.0)
    assert steps_around(gap, [100.0]).modes == 0
    assert steps_around(np.ones(1000), [100.0]).ratio == 1
