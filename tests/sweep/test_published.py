"""The published numbers: as they stand in the study's scripts; which runs repeat them; what agrees with them."""

import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from invented import invented_run

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError, OutputExistsError
from anodiff.settings.sweep import Config
from anodiff.sweep.published_comparison import (
    BESIDE_PUBLISHED_COLUMNS,
    agreement,
    beside_published,
    compare_with_published,
    write_published,
)
from anodiff.sweep.published_rows import PUBLISHED_COLUMNS, SET_UP, published_row, published_rows, published_table
from anodiff.sweep.runs import sweep_runs

PAPER = {
    "data": {"name": "cifar10", "shift": 4, "flip": True},
    "model": {"name": "resnet14", "options": {"projection": True}},
    "training": {"batch_size": 128, "steps": 3000, "initialisation": "kaiming"},
}


def planned(*entries):
    """Runs of the published sweep with what each entry changes."""
    return list(sweep_runs(Config.model_validate({"sweep": {"name": "s", "defaults": PAPER, "runs": list(entries)}})).values())


def measured(entry, *, starts=(0, 1000), **exponents):
    """A run whose every window has these exponents, with intervals of ± 0.1, and lags with a factor of 2."""
    (run,) = planned(entry)
    result = invented_run(run, starts)
    result.exponents["note"] = pd.Series([None] * len(starts), dtype="string")
    for name, value in ({"regimes": 2} | exponents).items():
        low, high = (value / 2, value * 2) if name == "crossover_lag" else (value - 0.1, value + 0.1)
        result.exponents[name] = value
        if name != "regimes":
            result.exponents[[f"{name}_low", f"{name}_high"]] = low, high
    return result


def settings_of(entry):
    return planned(entry)[0].settings.model_dump(mode="json")


def numbers(comparison, waiting_time=0):
    return comparison.table[comparison.table["waiting_time"] == waiting_time].set_index("quantity")


def test_the_rows_are_those_of_the_scripts():
    rows = {(row.depth, row.shortcut, row.batch_size, row.learning_rate): row for row in published_rows()}
    assert len(rows) == 24 + 4
    row = rows[14, True, 128, 0.1]
    assert (row.exponent_first, row.exponent_second, row.crossover_lag) == (1.315, 0.727, 180)
    row = rows[110, False, 256, 0.1]
    assert (row.exponent_first, row.exponent_second, row.crossover_lag) == (1.172, 0.746, 400)
    row = rows[20, True, 1024, 0.1]
    assert (row.exponent_first, row.exponent_second, row.crossover_lag) == (1.36, 0.6, 45)
    row = rows[14, None, 1024, 0.01]
    assert (row.exponent_first, row.exponent_second) == (1.833, 1.7)
    assert math.isnan(row.crossover_lag)
    assert rows[14, False, 1024, 0.1].exponent_first == 1.388  # also the learning rate .1 of the second script
    assert {depth: {key[2] for key in rows if key[0] == depth} for depth in (56, 110)} == {
        56: {128, 512, 1024},
        110: {128, 256, 512},
    }
    assert list(published_table()) == list(PUBLISHED_COLUMNS)
    assert published_table()["source"].str.contains("274bf5e").all()


def test_all_rows_of_the_published_sweep_are_repeated_by_a_run_with_its_set_up():
    for row in published_rows():
        entry = {
            "model.name": f"resnet{row.depth}",
            "model.options": {"projection": True},
            "training.batch_size": row.batch_size,
        }
        entry["optimiser.learning_rate"] = row.learning_rate
        for shortcut in (True, False) if row.shortcut is None else (row.shortcut,):
            assert published_row(settings_of(entry | {"model.shortcut": shortcut})) == (row, "")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"data.label_noise": 0.2}, "data.label_noise is 0.2, published: 0"),
        ({"training.loss": "mse"}, "training.loss is mse, published: cross_entropy"),
        ({"model.batch_norm": False}, "model.batch_norm is false, published: true"),
        ({"optimiser.momentum": 0.9}, "optimiser.momentum is 0.9, published: 0"),
        ({"data.cue": {"strength": 1.0, "fraction": 0.9}}, "data.cue is set, published: not set"),
        ({"model.options": {"projection": False}}, "model.options.projection is false, published: true"),
        ({"training.batch_size": 64}, "no published row for resnet14 with shortcuts, batch size 64, learning rate 0.1"),
        ({"model": "vgg9"}, "model.name is vgg9, published: resnet<depth>"),
    ],
)
def test_a_run_that_differs_in_something_else_repeats_no_row_and_it_is_said_why(entry, why):
    row, said = published_row(settings_of(entry))
    assert row is None
    assert why in said


def test_length_windows_and_seed_may_differ_and_a_setting_that_was_not_stored_has_its_default():
    settings = settings_of({"training.steps": 100, "recording.window_length": 50, "seed": 3})
    del settings["training"]["decoupling"]
    assert published_row(settings)[0].crossover_lag == 180
    assert all(len(values) for values in SET_UP.values())


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


def test_each_window_of_a_run_stands_beside_its_row():
    run = measured({}, exponent_first=1.4, exponent_second=1.0, crossover_lag=360)
    run.exponents.loc[1, "exponent_second"] = 0.75
    run.exponents.loc[1, ["exponent_second_low", "exponent_second_high"]] = 0.65, 0.85
    found = compare_with_published([run])
    assert (found.judged, found.agreeing, found.windows, found.windows_agreeing, found.matched) == (6, 5, 2, 1, 1)
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
    assert set(compare_with_published([nothing]).table["note"]) == {"lost"}


def test_a_published_row_without_a_crossover_has_two_numbers():
    run = measured({"optimiser.learning_rate": 0.05, "training.batch_size": 1024}, exponent_first=1.7, exponent_second=0.7)
    found = compare_with_published([run])
    assert numbers(found).index.tolist() == ["exponent_first", "exponent_second"]
    assert found.windows_agreeing == 2


def test_runs_without_a_row_are_named_and_none_with_one_is_refused():
    run, other = measured({}, exponent_first=1.3, exponent_second=0.7), measured({"training.loss": "mse"})
    found = compare_with_published([other, run])
    assert found.unmatched == {other.name: "training.loss is mse, published: cross_entropy"}
    with pytest.raises(ConfigError, match=r"none of 1 runs repeats a published row; .*mse: training\.loss is mse"):
        compare_with_published([other])
    with pytest.raises(ConfigError, match="no runs given"):
        compare_with_published([])


def test_the_same_seed_twice_is_refused():
    run = measured({}, exponent_first=1.3, exponent_second=0.7)
    with pytest.raises(ConfigError, match="same configuration and seed"):
        compare_with_published([run, run])


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
