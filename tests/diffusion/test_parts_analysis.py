"""Each part of a model is measured as the whole is; contributions add up, and a planted layer is told apart."""

import math

import numpy as np
import pandas as pd
import pytest
from parted import HOSTILE, SHORT, part_rows, with_groups, without_weights

from anodiff.diffusion.analysis import analyse
from anodiff.diffusion.intervals import UNKNOWN, Interval
from anodiff.diffusion.parts.analysis import compute_parts
from anodiff.diffusion.parts.columns import CURVES, PART_COLUMNS
from anodiff.diffusion.parts.differences import difference
from anodiff.diffusion.parts.store import open_parts
from anodiff.errors import ConfigError, OutputExistsError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.trajectory import Window

STEPS = 240


def brownian(size, steps=STEPS, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps + 1, size)), axis=0)


def ballistic(size, steps=STEPS, seed=1):
    """Straight on, with steps that hardly scatter."""
    direction, noise = np.ones(size), 0.05 * brownian(size, steps, seed)
    return np.arange(steps + 1)[:, None] * direction + noise


def rows_of(geometry, settings):
    return compute_parts(geometry, geometry.with_name("p.zarr"), geometry.with_name("p.csv"), settings, overwrite=True)


def planted(record_path, tmp_path, sizes, named, points, windows=None, **further):
    """The folder of a path with groups, measured."""
    path = record_path(points, windows, steps=further.pop("steps", None), **further)
    compute_geometry(with_groups(path, sizes, named), tmp_path / "geometry.zarr")
    compute_parts(tmp_path / "geometry.zarr", tmp_path / "parts.zarr", tmp_path / "parts.csv", SHORT)
    return tmp_path


@pytest.fixture
def two(record_path, tmp_path):
    """A model of two layers and one that stands still: the first goes straight on, the second is Brownian."""
    points = np.hstack([ballistic(60), brownian(60), np.ones((STEPS + 1, 3))])
    return planted(record_path, tmp_path, (60, 60, 3), {"straight": ["p0"], "random": ["p1"], "still": ["p2"]}, points)


def test_a_ballistic_and_a_brownian_layer_are_told_apart(two):
    rows = part_rows(two)
    straight, random = rows.loc[("group", "straight")], rows.loc[("group", "random")]
    assert straight["beta_long_low"] > 1.8
    assert random["beta_long_low"] < 1 < random["beta_long_high"]
    assert random["beta_long_high"] < straight["beta_long_low"]
    assert random["difference_long_low"] > 0  # the whole is straight, because the straight layer is most of it at long lags
    assert straight["difference_long_low"] < 0 < straight["difference_long_high"]
    assert straight["msd_share_long"] > 0.9 > straight["step_share"]


def test_the_shares_of_the_groups_add_up_to_one_and_their_msds_to_that_of_the_whole(two):
    rows = part_rows(two)
    for share in ("step_share", "msd_share_long"):
        assert rows.loc["group", share].sum() == pytest.approx(1, abs=1e-12)
        assert rows.loc[("whole", "whole"), share] == 1
    curves = open_parts(two / "parts.zarr")
    whole, *groups = curves["msd"].values
    np.testing.assert_allclose(np.nansum(groups, axis=0), whole, rtol=1e-12)


def test_the_whole_is_measured_as_in_the_table_of_exponents(record_path, tmp_path):
    folder = planted(record_path, tmp_path, (20, 20), {"a": ["p0"], "b": ["p1"]}, brownian(40))
    exponents = analyse(open_geometry(folder / "geometry.zarr"), SHORT).exponents
    rows = part_rows(folder).loc["whole"]
    shared = [name for name in PART_COLUMNS if name in exponents and name not in ("flags", "note", "window")]
    for name in shared:
        assert rows[name].iloc[0] == exponents[name].iloc[0] or pd.isna(rows[name].iloc[0]), name
    assert rows["whole_beta_long"].iloc[0] == exponents["beta_long"].iloc[0]
    assert math.isnan(rows["difference_long"].iloc[0])


def test_a_group_that_stands_still_has_a_note_instead_of_numbers(two):
    still = part_rows(two).loc[("group", "still")]
    assert still["note"] == "the group does not move"
    assert (still["step_share"], still["msd_share_long"]) == (0, 0)
    assert still[["beta_max", "beta_long", "exponent_first", "difference_long"]].isna().all()
    curves = open_parts(two / "parts.zarr")
    assert np.isnan(curves["msd"].values[3]).all()
    assert curves["part"].values.tolist() == ["whole", "straight", "random", "still"]
    assert curves["part_kind"].values.tolist() == ["whole", *["group"] * 3]


def test_the_gradient_walk_of_plain_sgd_is_the_path(record_path, tmp_path):
    points = brownian(40)
    compute_geometry(without_weights(record_path(points), walks={"gradient": points.astype(np.float32)}), tmp_path / "g.zarr")
    rows = rows_of(tmp_path / "g.zarr", SHORT).set_index("kind")
    whole, walk = rows.loc["whole"], rows.loc["walk"]
    for name in ("beta_long", "beta_max", "exponent_first", "step_share", "msd_share_long"):
        assert walk[name] == pytest.approx(whole[name], rel=1e-4)
    assert walk["difference_long"] == pytest.approx(0, abs=1e-4)
    assert walk["difference_long_low"] < 0 < walk["difference_long_high"]


def test_what_momentum_adds_is_read_off_one_row(record_path, tmp_path):
    """Heavy-ball updates are persistent; the steps of the same gradients are not."""
    gradients = np.random.default_rng(0).normal(size=(STEPS, 40))
    updates, velocity = [], np.zeros(40)
    for gradient in gradients:
        velocity = 0.9 * velocity + gradient
        updates.append(velocity)
    points, plain = (np.vstack([np.zeros(40), np.cumsum(steps, axis=0)]) for steps in (updates, gradients))
    path = without_weights(record_path(points), walks={"gradient": plain, "preconditioned": points.astype(np.float32)})
    compute_geometry(path, tmp_path / "geometry.zarr")
    settings = SHORT.model_copy(update={"long_lags": (2, 12)})
    rows = rows_of(tmp_path / "geometry.zarr", settings).set_index("part")
    row = rows.loc["gradient"]
    assert row["beta_long"] == row["gradient_beta_long"] == pytest.approx(1, abs=0.05)
    assert row["whole_beta_long"] == pytest.approx(row["preconditioned_beta_long"], rel=1e-4)
    assert row["optimiser_long"] == row["preconditioned_beta_long"] - row["gradient_beta_long"]
    assert row["optimiser_long_low"] > 0.3
    assert row["difference_long_low"] > 0.3
    assert rows.loc["preconditioned", "difference_long"] == pytest.approx(0, abs=1e-4)
    for name in ("gradient_beta_long", "preconditioned_beta_long", "whole_beta_long", "optimiser_long"):
        assert rows[name].nunique() == 1  # in every row of the window


def test_windows_without_a_geometry_and_short_ones_say_why(record_path, tmp_path):
    points = np.hstack([brownian(10), brownian(10, seed=2)])
    windows = [Window(0, 200), Window(200, 40, 1), Window(100, 120, 4)]
    path = with_groups(
        record_path(points[:231], windows, steps=STEPS, status="diverged", diverged_at=230),
        (10, 10),
        {"a": ["p0"], "b": ["p1"]},
    )
    compute_geometry(path, tmp_path / "geometry.zarr")
    rows = rows_of(tmp_path / "geometry.zarr", SHORT)
    notes = rows.groupby("window")["note"].unique()
    assert [str(each[0]) for each in notes[1:]] == ["the run diverged at step 230, before the window's end", "nan"]
    assert rows["step_share"].isna().tolist() == [False] * 3 + [True] * 3 + [False] * 3
    with_stride = rows[rows["window"] == 2]
    assert with_stride["beta_long"].notna().all()
    last = rows_of(tmp_path / "geometry.zarr", SHORT.model_copy(update={"long_lags": (50, 199)})).iloc[-1]
    assert last["note"].startswith("too short, or too few of its points")
    assert math.isnan(last["msd_share_long"])
    assert math.isnan(last["difference_long"])


def test_hostile_names_come_back_from_the_table_and_the_store(record_path, tmp_path):
    named = {name: [f"p{number}"] for number, name in enumerate(HOSTILE)}
    folder = planted(record_path, tmp_path, [4] * len(HOSTILE), named, brownian(4 * len(HOSTILE), 60), steps=60)
    assert pd.read_csv(folder / "parts.csv")["part"].tolist() == ["whole", *HOSTILE]
    assert open_parts(folder / "parts.zarr")["part"].values.tolist() == ["whole", *HOSTILE]


def test_the_results_are_the_same_to_the_bit_and_replaced_only_with_overwrite(two):
    before = (two / "parts.csv").read_bytes(), open_parts(two / "parts.zarr")
    outputs = two / "geometry.zarr", two / "parts.zarr", two / "parts.csv"
    with pytest.raises(OutputExistsError, match="--overwrite"):
        compute_parts(*outputs, SHORT)
    seen = []
    compute_parts(*outputs, SHORT, overwrite=True, report=lambda done, total, text: seen.append((done, total, text)))
    assert (two / "parts.csv").read_bytes() == before[0]
    assert open_parts(two / "parts.zarr").identical(before[1])
    assert [done for done, *_ in seen] == [0, 1, 2, 3, 4]
    assert {total for _, total, _ in seen} == {4}
    assert seen[1][2] == "window from step 0, straight"


def test_an_interrupted_analysis_resumes_after_its_last_window_and_leaves_nothing_else(record_path, tmp_path):
    windows = [Window(60 * number, 60) for number in range(3)]
    path = record_path(brownian(20, 180), windows)
    compute_geometry(with_groups(path, (10, 10), {"a": ["p0"], "b": ["p1"]}), tmp_path / "geometry.zarr")
    whole = [tmp_path / name for name in ("geometry.zarr", "whole.zarr", "whole.csv")]
    compute_parts(*whole, SHORT)
    begun = [tmp_path / name for name in ("geometry.zarr", "parts.zarr", "parts.csv")]

    def interrupted(done, total, text):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_parts(*begun, SHORT, report=interrupted)
    assert not begun[1].exists()
    assert not begun[2].exists()
    seen = []
    compute_parts(*begun, SHORT, report=lambda done, total, text: seen.append(done))
    assert seen == [6, 7, 8, 9]  # the last window alone
    assert begun[2].read_bytes() == whole[2].read_bytes()
    assert open_parts(begun[1]).identical(open_parts(whole[1]))
    assert "rows" not in open_parts(begun[1]).attrs
    left = {path.name for path in tmp_path.iterdir()}
    named = {"trajectory.zarr", "geometry.zarr", "whole.zarr", "whole.csv", "parts.zarr", "parts.csv"}
    assert left == named | {"whole.csv.sha256", "parts.csv.sha256"}


def test_an_unfinished_analysis_of_another_path_or_by_other_settings_is_begun_anew(record_path, tmp_path):
    named = {"a": ["p0"], "b": ["p1"]}
    windows = [Window(60 * number, 60) for number in range(2)]

    def geometry(seed):
        path = record_path(brownian(20, 120, seed), windows, tmp_path / f"{seed}.zarr")
        compute_geometry(with_groups(path, (10, 10), named), tmp_path / f"g{seed}.zarr")
        return tmp_path / f"g{seed}.zarr"

    first, second = geometry(0), geometry(1)
    outputs = tmp_path / "parts.zarr", tmp_path / "parts.csv"
    expected = rows_of(second, SHORT)

    def interrupted(done, total, text):
        if done == 4:
            raise KeyboardInterrupt

    for begun, settings in ((first, SHORT), (second, SHORT.model_copy(update={"slope_width": 0.5}))):
        with pytest.raises(KeyboardInterrupt):
            compute_parts(begun, *outputs, settings, report=interrupted)
    pd.testing.assert_frame_equal(compute_parts(second, *outputs, SHORT), expected)


def test_the_store_says_what_each_array_is(two):
    import xarray

    curves = xarray.open_zarr(two / "parts.zarr")
    assert set(curves.data_vars) == set(CURVES)
    assert curves["beta"].dims == ("part", "window", "lag")
    assert {"lag", "waiting_time"} <= set(curves.coords)
    assert curves["msd"].attrs["long_name"].startswith("time-averaged mean squared displacement of the part")
    assert [part["name"] for part in curves.attrs["parts"]] == ["whole", "straight", "random", "still"]
    assert curves.attrs["analysis"]["long_lags"] == [20, 100]


def test_a_run_without_parts_is_refused_in_one_line(record_path, tmp_path):
    compute_geometry(record_path(brownian(3, 20)), tmp_path / "geometry.zarr")
    with pytest.raises(ConfigError, match=r"no groups and no walks in it; train with recording\.groups"):
        compute_parts(tmp_path / "geometry.zarr", tmp_path / "parts.zarr", tmp_path / "parts.csv", SHORT)
    assert not (tmp_path / "parts.csv").exists()


def test_the_interval_of_a_difference_is_that_of_independent_values():
    found = difference(Interval(1.5, 1.2, 1.9), Interval(1.0, 0.6, 1.4))
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - 0.5, 0.5 + math.hypot(0.4, 0.4)))
    exact = Interval(2.0, 2.0, 2.0)
    assert difference(exact, Interval(1.0, 0.9, 1.2)) == Interval(1.0, pytest.approx(0.8), pytest.approx(1.1))
    assert math.isnan(difference(UNKNOWN, Interval(1, 0, 2)).low)
    assert math.isnan(difference(Interval(1, math.nan, math.nan), Interval(1, 0, 2)).high)
