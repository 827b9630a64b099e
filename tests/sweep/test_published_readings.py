"""Two readings of a window, and two orders of lags in which their numbers may be the published ones."""

import math

import numpy as np
import pandas as pd
import pytest
from invented import invented_run
from published_runs import measured, numbers, parted, planned

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.sweep.published.comparison import compare_with_published
from anodiff.sweep.published.readings import QUANTITIES, in_order, read_two_parts

#: exponents and knees of the published row of `PAPER`, whose exponent falls with the lag there.
FIRST, SECOND, LAG = 1.315, 0.727, 180


def test_reversed_numbers_are_compared_the_other_way_around():
    found = compare_with_published([measured({}, exponent_first=SECOND, exponent_second=FIRST, crossover_lag=LAG)])
    reversed_order = numbers(found, order="reversed")
    assert reversed_order["value"].tolist() == [FIRST, SECOND, LAG]
    assert reversed_order["agrees"].tolist() == [True, True, True]
    published_order = numbers(found, order="published")
    assert published_order["value"].tolist() == [SECOND, FIRST, LAG]
    assert published_order["agrees"].tolist() == [False, False, pd.NA]
    assert found.summaries["fitted", "reversed"].windows_agreeing == 2
    assert found.summaries["fitted", "published"].windows_agreeing == 0


def test_a_knee_counts_only_where_the_first_exponent_is_the_larger_as_in_all_published_rows():
    falling = compare_with_published([measured({}, exponent_first=FIRST, exponent_second=SECOND, crossover_lag=LAG)])
    assert numbers(falling).loc["crossover_lag", "agrees"]
    row = numbers(falling, order="reversed").loc["crossover_lag"]
    assert pd.isna(row["agrees"])
    assert "falls here" in row["note"]
    assert row["value"] == LAG


def test_of_three_regimes_each_order_takes_the_two_at_its_end():
    lags = {"crossover_lag": 20, "second_crossover_lag": 170}
    run = measured({}, regimes=3, exponent_first=0.6, exponent_second=0.75, exponent_third=1.3, **lags)
    found = compare_with_published([run])
    assert numbers(found)["value"].tolist() == [0.6, 0.75, 20]
    assert numbers(found, order="reversed")["value"].tolist() == [1.3, 0.75, 170]
    assert "three regimes: the first two" in numbers(found).loc["exponent_first", "note"]
    assert numbers(found, order="reversed").loc["exponent_first", "note"] == "three regimes: the last two"


def test_orders_keep_the_intervals_with_their_numbers():
    windows = measured({}, exponent_first=0.6, exponent_second=1.3, crossover_lag=90).exponents
    assert in_order(windows, "published")[list(QUANTITIES)].equals(windows[list(QUANTITIES)])
    swapped = in_order(windows, "reversed")
    for end in ("", "_low", "_high"):
        assert (swapped[f"exponent_first{end}"] == windows[f"exponent_second{end}"]).all()
        assert (swapped[f"exponent_second{end}"] == windows[f"exponent_first{end}"]).all()
        assert (swapped[f"crossover_lag{end}"] == windows[f"crossover_lag{end}"]).all()


@pytest.mark.parametrize(("short", "long", "order"), [(FIRST, SECOND, "published"), (SECOND, FIRST, "reversed")])
def test_two_parts_are_those_of_the_curve_in_diffusion_zarr(short, long, order):
    found = compare_with_published([parted({}, short, long, 150)])
    rows = numbers(found, 1000, "two_parts", order)
    assert rows["value"].tolist() == pytest.approx([FIRST, SECOND, 150], rel=0.01)
    assert rows["agrees"].all()
    assert (found.summaries["two_parts", order].windows_agreeing, found.summaries["fitted", order].compared) == (2, 0)


@pytest.mark.parametrize(("off", "agrees"), [(0.098, True), (0.102, False)])
def test_two_parts_of_one_run_have_only_the_published_tolerance(off, agrees):
    row = numbers(compare_with_published([parted({}, FIRST + off, SECOND, 100)]), 0, "two_parts").loc["exponent_first"]
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((row["difference"] - 0.1, row["difference"] + 0.1))
    assert math.isnan(row["value_low"])
    assert row["agrees"] == agrees
    assert row["note"] == "one run: only the published tolerance counts"


def test_two_parts_of_several_seeds_have_students_interval():
    firsts, lags = [1.2, 1.3, 1.5], [80, 100, 150]
    runs = [parted({"seed": seed}, first, 0.7, lag) for seed, (first, lag) in enumerate(zip(firsts, lags, strict=True))]
    rows = numbers(compare_with_published(runs), 0, "two_parts")
    mean, logs = ensemble_mean(firsts), ensemble_mean(np.log(lags))
    found = rows.loc["exponent_first", ["value", "value_low", "value_high"]].tolist()
    assert found == pytest.approx([mean.value, mean.low, mean.high], abs=0.01)
    assert rows.loc["crossover_lag", "value_low"] == pytest.approx(math.exp(logs.low), rel=0.02)
    assert rows["seeds"].tolist() == [3, 3, 3]
    assert rows["note"].isna().all()


def test_seeds_whose_knees_go_other_ways_are_in_no_common_mean():
    runs = [parted({"seed": seed}, *(1.3, 0.7) if seed else (0.7, 1.3), 100) for seed in (0, 1, 2)]
    row = numbers(compare_with_published(runs), 0, "two_parts").loc["exponent_first"]
    assert (row["seeds"], row["value"]) == (2, pytest.approx(1.3, abs=0.01))
    assert row["note"] == "1 of 3 seeds have other regimes and are left out"


def test_two_parts_end_at_nine_tenths_of_the_window_and_a_window_without_a_curve_keeps_its_note():
    run = parted({}, FIRST, SECOND, 100)
    run.exponents["length"] = 500
    run.curves["msd"].values[:, run.curves["lag"].values > 450] = 1e9
    run.curves["msd"].values[1] = np.nan
    run.exponents.loc[1, "note"] = "lost"
    rows = read_two_parts(run)
    assert rows.loc[0, ["exponent_first", "exponent_second"]].tolist() == pytest.approx([FIRST, SECOND], abs=0.01)
    assert rows.loc[1, "note"] == "lost"
    assert math.isnan(rows.loc[1, "exponent_first"])
    few = invented_run(planned({})[0], [0])
    few.exponents["length"] = 4
    assert read_two_parts(few).loc[0, "note"] == "too few lags for two parts"
