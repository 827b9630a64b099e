"""Two runs or sweeps side by side: intervals against simulation, and every way to have nothing to compare."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from anodiff.cli.comparison_text import print_comparison
from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError, OutputExistsError, StoreMissingError
from anodiff.sweep.comparison import COMPARISON_COLUMNS, compare, difference_interval, write_comparison
from anodiff.sweep.hypothesis_tests import welch_interval


def test_the_interval_of_a_difference_covers_as_often_as_it_says():
    """Of normal estimates it is exact, and of lognormal ones, whose intervals are lopsided, it still covers."""
    random = np.random.default_rng(1)
    covered = {"normal": 0, "lognormal": 0}
    for _ in range(4000):
        a, b = random.normal([1.0, 3.0], [0.5, 0.2])
        difference = difference_interval(Interval(a, a - 0.98, a + 0.98), Interval(b, b - 0.392, b + 0.392))
        covered["normal"] += difference.low <= 2 <= difference.high
        la, lb = random.normal([0.0, 1.0], [0.4, 0.3])
        lopsided = [Interval(*np.exp([v, v - 1.96 * s, v + 1.96 * s])) for v, s in ((la, 0.4), (lb, 0.3))]
        difference = difference_interval(*lopsided)
        covered["lognormal"] += difference.low <= np.e - 1 <= difference.high
    assert covered["normal"] / 4000 == pytest.approx(0.95, abs=0.012)
    assert covered["lognormal"] / 4000 == pytest.approx(0.95, abs=0.025)


def test_a_run_does_not_differ_from_itself(run_folder):
    comparison = compare(run_folder, run_folder)
    assert (comparison.kind, comparison.settings, comparison.beyond) == ("runs", {}, 0)
    assert comparison.judged > 0
    assert (comparison.table["difference"].dropna() == 0).all()
    assert list(comparison.table.columns) == list(COMPARISON_COLUMNS)


def test_two_runs_are_compared_by_the_numbers_of_their_tables_and_the_settings_that_differ(make_run):
    a, b = make_run({"seed": 0}), make_run({"seed": 1, "optimiser.learning_rate": 0.2})
    comparison = compare(a, b)
    assert comparison.settings == {"optimiser.learning_rate": (0.1, 0.2), "seed": (0, 1)}
    rows = comparison.table.set_index(["waiting_time", "quantity"])
    first, second = (pd.read_csv(run / "exponents.csv").set_index("waiting_time") for run in (a, b))
    row = rows.loc[(20, "beta_long")]
    assert row["a"] == first.loc[20, "beta_long"]
    assert row["b_high"] == second.loc[20, "beta_long_high"]
    assert row["difference"] == row["b"] - row["a"]
    assert row["beyond"] == (not row["difference_low"] <= 0 <= row["difference_high"])
    accuracy = comparison.table.set_index("quantity").loc["test_accuracy"]
    assert accuracy["a"] == pytest.approx(0.2)
    assert pd.isna(accuracy["beyond"])


def test_windows_that_only_one_run_has_are_named(make_run):
    a = make_run({"seed": 0})
    b = make_run({"seed": 0, "recording.windows": [{"start": 0, "length": 20}, {"start": 30, "length": 30}]})
    comparison = compare(a, b)
    assert comparison.only_a == ["20–40 by 1", "40–60 by 1"]
    assert comparison.only_b == ["30–60 by 1"]
    assert set(comparison.table["waiting_time"].dropna()) == {0}


def test_sweeps_are_matched_by_configuration_and_differ_by_the_mean_over_seeds(make_run, tmp_path):
    sweeps = {"one": [0, 1], "two": [2, 3, 4]}
    for sweep, seeds in sweeps.items():
        for seed in seeds:
            make_run({"seed": seed}, sweep=sweep)
    make_run({"seed": 0, "training.batch_size": 32}, sweep="two")
    comparison = compare(tmp_path / "results/one", tmp_path / "results/two")
    assert comparison.kind == "sweeps"
    assert comparison.only_b == ["mlp3-bs32-lr0.1"]
    assert set(comparison.table["configuration"]) == {"mlp3-bs64-lr0.1"}
    row = comparison.table.set_index(["waiting_time", "quantity"]).loc[(40, "beta_max")]
    values = {
        sweep: [
            pd.read_csv(path)["beta_max"].iloc[2]
            for path in sorted(tmp_path.glob(f"results/{sweep}/runs/*bs64*/exponents.csv"))
        ]
        for sweep in sweeps
    }
    assert row["a"] == pytest.approx(np.mean(values["one"]))
    welch = welch_interval(values["two"], values["one"])
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((welch.low, welch.high))
    assert (row["seeds_a"], row["seeds_b"]) == (2, 3)


def test_the_printed_comparison_gives_the_number_expected_by_chance(make_run, tmp_path):
    a, b = make_run({"seed": 0}), make_run({"seed": 1})
    comparison = compare(a, b)
    text = io.StringIO()
    print_comparison(comparison, ("[a]", "b"), console=Console(file=text, width=300))
    printed = text.getvalue()
    assert printed.startswith("a  [a]\nb  b\n")
    assert f"{comparison.beyond} of {comparison.judged} differences" in printed
    assert f"about {comparison.judged * 0.05:.0f}" in printed
    assert printed.count("beta_long") == 3
    output = tmp_path / "comparison.csv"
    write_comparison(comparison, output)
    assert len(pd.read_csv(output)) == len(comparison.table)
    with pytest.raises(OutputExistsError):
        write_comparison(comparison, output)


def test_what_cannot_be_compared_is_refused(make_run, tmp_path):
    run = make_run({"seed": 0}, sweep="one")
    make_run({"seed": 0, "training.batch_size": 32}, sweep="two")
    with pytest.raises(ConfigError, match=r"is a run, but .* is not"):
        compare(run, tmp_path / "results/one")
    with pytest.raises(StoreMissingError, match="no finished run"):
        compare(tmp_path / "results/one", tmp_path / "results/none")
    with pytest.raises(ConfigError, match="no configuration in common"):
        compare(tmp_path / "results/one", tmp_path / "results/two")
    with pytest.raises(ConfigError, match=r"must end in \.csv"):
        write_comparison(compare(run, run), tmp_path / "a.txt")
