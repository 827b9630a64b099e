"""Runs beside the published numbers: what agrees, in which reading and order, and what chance gives."""

import itertools
import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from invented import invented_run
from published_runs import measured, numbers, planned, settings_of

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.errors import ConfigError, OutputExistsError
from anodiff.sweep.published.comparison import compare_with_published
from anodiff.sweep.published.readings import ORDERS, READINGS
from anodiff.sweep.published.rows import PUBLISHED_COLUMNS, published_row, published_rows, published_table
from anodiff.sweep.published.table import BESIDE_PUBLISHED_COLUMNS, write_published


def test_chance_is_how_often_the_same_number_agrees_with_the_other_rows():
    """A second exponent of 0.7 fits nearly every row, one of 1.7 only its own."""
    alike = numbers(compare_with_published([measured({}, exponent_first=1.3, exponent_second=0.7)]))
    second = np.array([row.exponent_second for row in published_rows() if row != published_row(settings_of({}))[0]])
    assert alike.loc["exponent_second", "others_agree"] == pytest.approx((abs(second - 0.7) <= math.hypot(0.1, 0.1)).mean())
    assert alike.loc["exponent_second", "others_agree"] > 0.8
    run = measured({"optimiser.learning_rate": 0.01, "training.batch_size": 1024}, exponent_first=1.8, exponent_second=1.7)
    assert numbers(compare_with_published([run])).loc["exponent_second", "others_agree"] == 0
    nothing = numbers(compare_with_published([measured({}, exponent_first=1.3, exponent_second=0.7)]))
    assert math.isnan(nothing.loc["crossover_lag", "others_agree"])


def test_chance_of_several_seeds_is_that_of_their_mean():
    seeds = [measured({"seed": seed}, exponent_first=1.3, exponent_second=0.7, crossover_lag=160) for seed in (0, 1, 2)]
    found = numbers(compare_with_published(seeds)).loc["exponent_second", "others_agree"]
    second = np.array([row.exponent_second for row in published_rows() if row != published_row(settings_of({}))[0]])
    assert found == pytest.approx((abs(second - 0.7) <= 0.1).mean())
    assert found > 0.8


def test_chance_at_once_is_how_many_other_rows_have_all_the_numbers_of_a_window():
    """Those with a crossover are in question, as the window's own row has one."""
    found = compare_with_published([measured({}, exponent_first=1.3, exponent_second=0.7, crossover_lag=160)])
    row, width = published_row(settings_of({}))[0], math.hypot(0.1, 0.1)
    others = [other for other in published_rows() if other != row and math.isfinite(other.crossover_lag)]
    factor = math.exp(math.hypot(math.log(2), math.log(1.5)))
    alike = [
        abs(other.exponent_first - 1.3) <= width
        and abs(other.exponent_second - 0.7) <= width
        and 1 / factor <= 160 / other.crossover_lag <= factor
        for other in others
    ]
    assert len(others) == 23
    assert 0 < sum(alike) < 23
    assert numbers(found)["others_agree_at_once"].tolist() == pytest.approx([np.mean(alike)] * 3)
    summary = found.summaries["fitted", "published"]
    assert summary.others_agree_at_once == pytest.approx(np.mean(alike))
    assert summary.others_agree == pytest.approx(numbers(found)["others_agree"].mean())


def test_each_window_of_a_run_stands_beside_its_row():
    run = measured({}, exponent_first=1.4, exponent_second=1.0, crossover_lag=360)
    run.exponents.loc[1, "exponent_second"] = 0.75
    run.exponents.loc[1, ["exponent_second_low", "exponent_second_high"]] = 0.65, 0.85
    found = compare_with_published([run])
    summary = found.summaries["fitted", "published"]
    assert (summary.compared, summary.agreeing, summary.windows, summary.windows_agreeing) == (6, 5, 2, 1)
    assert found.matched == 1
    assert list(found.table) == list(BESIDE_PUBLISHED_COLUMNS)
    row = numbers(found).loc["exponent_first"]
    assert (row["published"], row["value"], row["difference"]) == (1.315, 1.4, pytest.approx(0.085))
    assert row["difference_high"] == pytest.approx(0.085 + math.hypot(0.1, 0.1))
    assert not numbers(found).loc["exponent_second", "agrees"]
    row = numbers(found, 1000).loc["crossover_lag"]
    assert row["ratio"] == pytest.approx(2)
    assert row["ratio_low"] == pytest.approx(2 * math.exp(-math.hypot(math.log(2), math.log(1.5))))
    assert row["agrees"]
    assert math.isnan(row["difference"])


def test_seeds_are_averaged_and_the_crossover_in_its_logarithm():
    exponents = {0: 1.2, 1: 1.3, 2: 1.5}
    runs = [
        measured({"seed": seed}, exponent_first=first, exponent_second=0.7, crossover_lag=100 * 2**seed)
        for seed, first in exponents.items()
    ]
    rows = numbers(compare_with_published(runs))
    mean = ensemble_mean(list(exponents.values()))
    assert rows.loc["exponent_first", ["value", "value_low", "value_high"]].tolist() == [mean.value, mean.low, mean.high]
    assert rows["seeds"].tolist() == [3, 3, 3]
    assert rows.loc["crossover_lag", "value"] == pytest.approx(200)
    logs = ensemble_mean(np.log([100, 200, 400]))
    assert rows.loc["crossover_lag", "value_low"] == pytest.approx(math.exp(logs.low))


def test_seeds_with_other_regimes_are_in_no_mean_and_it_is_said():
    runs = [measured({"seed": seed}, exponent_first=1.3, exponent_second=0.7, crossover_lag=100) for seed in (0, 1)]
    runs.append(measured({"seed": 2}, exponent_first=0.7, exponent_second=1.3, crossover_lag=100))
    row = numbers(compare_with_published(runs)).loc["exponent_first"]
    assert (row["seeds"], row["value"]) == (2, pytest.approx(1.3))
    assert row["note"] == "1 of 3 seeds have other regimes and are left out"


def test_what_is_not_the_same_number_is_not_compared():
    rising = numbers(compare_with_published([measured({}, exponent_first=0.7, exponent_second=1.3, crossover_lag=180)]))
    assert pd.isna(rising.loc["crossover_lag", "agrees"])
    assert "rises" in rising.loc["crossover_lag", "note"]
    one = numbers(compare_with_published([measured({}, regimes=1, exponent_first=1.3, exponent_second=1.3)]))
    assert one.loc["crossover_lag", "note"] == "one regime: no crossover"
    assert pd.isna(one.loc["crossover_lag", "agrees"])
    run = measured({}, exponent_first=1.3, exponent_second=0.7, crossover_lag=180)
    run.exponents["exponent_first_low"] = np.nan
    assert numbers(compare_with_published([run])).loc["exponent_first", "note"] == "no interval"
    nothing = invented_run(planned({})[0], [0], diverged_at=10)
    table = compare_with_published([nothing]).table
    assert set(table["note"]) == {"lost"}
    assert set(zip(table["reading"], table["order"], strict=True)) == set(itertools.product(READINGS, ORDERS))


def test_a_published_row_without_a_crossover_has_two_numbers():
    run = measured({"optimiser.learning_rate": 0.05, "training.batch_size": 1024}, exponent_first=1.7, exponent_second=0.7)
    found = compare_with_published([run])
    assert numbers(found).index.tolist() == ["exponent_first", "exponent_second"]
    assert found.summaries["fitted", "published"].windows_agreeing == 2


def test_runs_without_a_row_are_named_and_none_with_one_is_refused():
    run, other = measured({}, exponent_first=1.3, exponent_second=0.7), measured({"training.loss": "mse"})
    found = compare_with_published([other, run])
    assert found.unmatched == {other.name: "training.loss is mse, published: cross_entropy"}
    with pytest.raises(ConfigError, match=r"none of 1 runs repeats a published row; .*mse: training\.loss is mse"):
        compare_with_published([other])
    with pytest.raises(ConfigError, match="no runs given"):
        compare_with_published([])


def test_the_same_run_twice_is_refused():
    run = measured({}, exponent_first=1.3, exponent_second=0.7)
    with pytest.raises(ConfigError, match="have the same settings and seed"):
        compare_with_published([run, run])


def test_runs_of_one_walk_are_taken_together_however_long_and_the_longer_one_of_a_seed_counts():
    long, *short = (
        measured({"training.steps": steps, "seed": seed}, starts=starts, exponent_first=first, exponent_second=0.7)
        for steps, seed, starts, first in ((3000, 0, (0, 1000), 1.2), (1500, 1, (0,), 1.4), (1500, 0, (0,), 1.9))
    )
    long.curves.attrs["steps_completed"] = 3000
    found = compare_with_published([*short, long])
    assert found.table["configuration"].unique().tolist() == [long.group]
    first = numbers(found).loc["exponent_first"], numbers(found, 1000).loc["exponent_first"]
    assert [row["seeds"] for row in first] == [2, 1]
    assert [row["value"] for row in first] == pytest.approx([1.3, 1.2])


def test_the_written_tables_say_what_their_columns_mean(tmp_path):
    found = compare_with_published([measured({}, exponent_first=1.3, exponent_second=0.7)]).table
    for name, table, columns in (
        ("a", found, BESIDE_PUBLISHED_COLUMNS),
        ("b", published_table(), PUBLISHED_COLUMNS),
    ):
        write_published(table, tmp_path / f"{name}.csv", columns)
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert schema.names == list(columns) == list(pd.read_csv(tmp_path / f"{name}.csv"))
        assert all(schema.field(column).metadata[b"unit"].decode() == columns[column].unit for column in columns)
        with pytest.raises(OutputExistsError):
            write_published(table, tmp_path / f"{name}.csv", columns)
    with pytest.raises(ConfigError, match=r"must end in \.csv"):
        write_published(found, tmp_path / "a.txt", BESIDE_PUBLISHED_COLUMNS)
