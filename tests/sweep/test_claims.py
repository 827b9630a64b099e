import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, t

from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.storage.tables import write_table
from anodiff.sweep.claims import CLAIM_COLUMNS, claim_rows
from anodiff.sweep.hypothesis_tests import (
    VERDICTS,
    combined_verdict,
    judge_difference,
    median_interval,
    sign_test,
    welch_interval,
)
from anodiff.sweep.tables import claims_table, write_tables


def test_the_sign_test_counts_all_assignments_of_signs():
    differences = [0.3, -0.1, 0.4, 0.2, 0.5, 0.1, 0.7, math.nan, 0.0]
    positive = sum(value > 0 for value in differences)
    counts = [sum(signs) for signs in itertools.product([0, 1], repeat=7)]
    extreme = sum(count >= positive or count <= 7 - positive for count in counts)
    assert sign_test(differences) == pytest.approx(extreme / 2**7)
    assert math.isnan(sign_test([0, math.nan]))


@pytest.mark.parametrize("n", [6, 7, 9, 14, 40])
def test_the_interval_of_the_median_leaves_out_what_the_sign_test_refuses(n):
    values = np.random.default_rng(n).normal(size=n)
    interval = median_interval(values)
    eps = 1e-9
    assert sign_test(values - (interval.low - eps)) < 0.05
    assert sign_test(values - (interval.high + eps)) < 0.05
    assert sign_test(values - (interval.low + eps)) >= 0.05
    assert sign_test(values - (interval.high - eps)) >= 0.05


def test_five_values_have_no_interval():
    assert math.isnan(median_interval([1, 2, 3, 4, 5]).low)


def test_a_difference_of_two_samples_is_tested_by_ranks():
    one, other = [1.0, 2.0, 3.5, 4.0], [4.5, 5.0, 6.0]
    judged = judge_difference(one, other, over="surfaces")
    assert judged.interval.value == pytest.approx(np.mean(one) - np.mean(other))
    assert judged.p == pytest.approx(2 / math.comb(7, 3))  # the most extreme of all ways to choose three ranks, two-sided
    assert judged.p == mannwhitneyu(one, other, method="exact").pvalue
    assert judged.n == 7
    assert judge_difference([1.0], other, over="surfaces").verdict == "not measured"


def test_welchs_interval_is_that_of_unequal_variances():
    a, b = [1.0, 1.3, 0.9], [2.0, 2.9]
    va, vb = np.var(a, ddof=1) / 3, np.var(b, ddof=1) / 2
    freedom = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 1)
    reach = t.ppf(0.975, freedom) * np.sqrt(va + vb)
    found = welch_interval(b, a)
    assert found.value == pytest.approx(np.mean(b) - np.mean(a))
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))
    assert np.isnan([welch_interval(b, [1.0]).low, welch_interval(b, []).value]).all()
    assert welch_interval([1.5, 1.5], [1.0, 1.0]) == Interval(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["supports", "supports"], "supports"),
        (["supports", "undecided"], "undecided"),
        (["supports", "not measured"], "undecided"),
        (["supports", "contradicts", "not measured"], "contradicts"),
        (["not measured", "not measured"], "not measured"),
        ([], "not measured"),
    ],
)
def test_a_claim_holds_where_all_of_its_parts_do(parts, whole):
    assert combined_verdict(parts) == whole


def verdicts(table):
    """The verdict of each claim of a table."""
    return {number: combined_verdict(rows["verdict"]) for number, rows in table.groupby("claim")}


def exponents_of(early, late, *, runs=8, order=0.05, residual=0.05, law=6.0, model="mlp"):
    """Rows of five windows a run, whose exponents go evenly from early to late; the null of random signs has 1.

    ``order`` and ``residual`` are the p-values of random order and of the path without a relaxing mean, ``law`` is the
    ratio of a power law to relaxation."""
    random = np.random.default_rng(0)
    rows = []
    for run in range(runs):
        for window, beta in enumerate(np.linspace(early, late, 5) + random.normal(0, 0.01)):
            row = {"run": f"{model}-{run}", "model": model, "batch_size": 64, "learning_rate": 0.1, "status": "complete"}
            row |= {"window": window, "waiting_time": 1000 * window, "length": 1000, "stride": 1, "beta_max": beta + 0.1}
            row |= {"beta_long": beta, "beta_long_above_sign_randomised": beta - 1, "superdiffusion_p_shuffled": order}
            row |= {"superdiffusion_p_residual": residual, "trend_share_long": 0.25, "bowl_against_power_law": law}
            rows.append(row)
    return pd.DataFrame(rows)


def no_tails():
    return pd.DataFrame(columns=["run", "status", "quantity", "stable_alpha", "stable_alpha_high", "hill_index"]).assign(
        against_exponential=[]
    )


@pytest.mark.parametrize(
    ("exponents", "expected"),
    [
        (exponents_of(1.5, 0.8), ["supports"] * 6),
        (exponents_of(1.5, 0.8, runs=5), ["undecided"] * 6),
        (exponents_of(0.8, 1.5), ["contradicts", "supports", "supports", "contradicts", "contradicts", "supports"]),
        (exponents_of(1.5, 1.2), ["supports", "supports", "supports", "supports", "contradicts", "supports"]),
        (exponents_of(1.5, 0.8, order=0.7), ["supports", "contradicts", "supports", "supports", "supports", "supports"]),
        (exponents_of(1.5, 0.8, residual=1), ["supports", "supports", "undecided", "supports", "supports", "supports"]),
        (exponents_of(1.5, 0.8, law=-8), ["supports", "supports", "supports", "supports", "supports", "contradicts"]),
    ],
    ids=["the study's", "five runs", "reversed", "never subdiffusive", "drift alone", "a relaxing mean", "a bowl"],
)
def test_the_first_claim_has_parts_each_judged_by_itself(exponents, expected):
    table = claim_rows(exponents, no_tails())
    assert table[table["claim"] == 1]["verdict"].tolist() == expected


def test_runs_that_diverged_and_windows_of_another_shape_do_not_count():
    exponents = exponents_of(1.5, 0.8)
    diverged = exponents_of(0.5, 2, model="lost").assign(status="diverged")
    whole = exponents.groupby("run").head(1).assign(length=5000, stride=5, beta_long=9.0, waiting_time=0)
    parts = [claim_rows(table, no_tails()) for table in (exponents, pd.concat([diverged, whole, exponents]))]
    pd.testing.assert_frame_equal(parts[0][parts[0]["claim"] == 1], parts[1][parts[1]["claim"] == 1])


def test_the_second_claim_judges_the_first_for_each_model():
    exponents = pd.concat(
        [
            exponents_of(1.5, 0.8, runs=12),
            exponents_of(1.5, 1.2, runs=12, model="vgg9"),
            exponents_of(1.5, 0.8, runs=2, model="vit"),
        ]
    )
    table = claim_rows(exponents, no_tails())
    models = table[(table["claim"] == 2) & table["part"].str.contains("with model")].set_index("part")
    assert models["verdict"].tolist() == ["supports", "contradicts", "undecided"]
    assert models["n"].tolist() == [12, 12, 2]
    assert models["value"].tolist() == [1, 0, 1]
    assert table[table["claim"] == 2]["verdict"].tolist()[3:] == ["not measured"] * 3
    assert verdicts(table)[2] == "contradicts"


def test_what_the_sweep_does_not_hold_is_not_measured_and_says_why(tmp_path):
    write_table(exponents_of(1.5, 0.8), tmp_path / "exponents.csv")
    write_table(no_tails(), tmp_path / "tails.csv")
    write_tables([tmp_path / "exponents.csv", tmp_path / "tails.csv"], tmp_path / "claims.csv", kinds=["claims"])
    table = pd.read_csv(tmp_path / "claims.csv")
    assert list(table) == list(CLAIM_COLUMNS) == list(pd.read_parquet(tmp_path / "claims.parquet"))
    assert set(table["claim"]) == set(range(1, 10))
    assert set(table["verdict"]) <= set(VERDICTS)
    absent = table[table["claim"] >= 3]
    assert (absent["verdict"] == "not measured").all()
    assert absent["note"].notna().all()
    assert absent[["value", "low", "high", "p"]].isna().all(axis=None)
    assert verdicts(table) == {1: "supports"} | dict.fromkeys(range(2, 10), "not measured")


def test_claims_are_judged_by_tables_alone(tmp_path):
    write_table(exponents_of(1.5, 0.8), tmp_path / "exponents.csv")
    with pytest.raises(ConfigError, match=r"no tails\.csv among the given tables"):
        claims_table([tmp_path / "exponents.csv"])
    with pytest.raises(ConfigError, match="claims are judged by"):
        claims_table([tmp_path / "runs"])
    with pytest.raises(StoreMissingError, match="--kind tails"):
        claims_table([tmp_path / "exponents.csv", tmp_path / "tails.csv"])


def test_a_table_of_walkers_of_another_version_is_refused_in_a_line(tmp_path):
    old = walkers(rough=1.2, smooth=1.3, bowl=1.0, shuffled=0.6).drop(columns="flags")
    tails = tails_of(1.7, 1.8, 3)
    for name, table in {"exponents": exponents_of(1.5, 0.8), "tails": tails, "simplified_model": old}.items():
        write_table(table, tmp_path / f"{name}.csv")
    with pytest.raises(ConfigError, match=r"simplified_model\.csv: no column '.*'; another version of anodiff made this table"):
        claims_table(sorted(tmp_path.glob("*.csv")))


def walkers(*, late=0.8, bowl_late=0.1, **early):
    """Tables of the simplified model: eight surfaces of each kind, with early and late exponents about the given ones."""
    random = np.random.default_rng(1)
    rows = [
        {"setting": setting, "kind": kind, "exponent_early": value + random.normal(0, 0.01)}
        | {"exponent_late": (bowl_late if kind == "bowl" else late) + random.normal(0, 0.01)}
        | {"flags": "steps across cells" if kind == "rough" else np.nan}
        for setting, shift in (("first", 0), ("second", 1))
        for kind, exponent in early.items()
        for value in [exponent + shift] * 8
    ]
    kinds = {"rough": "fractional, H = 0.5", "smooth": "fractional, H = 0.9"}
    return pd.DataFrame(rows).replace({"kind": kinds})


#: Verdicts on: early exponent on rough and smooth fractal surfaces minus that on the bowl, on smooth ones minus that on
#: shuffled ones; late exponent on smooth ones, and minus that on the bowl.
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (walkers(rough=1.2, smooth=1.3, bowl=1.0, shuffled=0.6), ["supports"] * 5),
        (walkers(rough=1.2, smooth=1.3, bowl=1.4, shuffled=0.6), ["contradicts", "contradicts", *["supports"] * 3]),
        (walkers(rough=0.8, smooth=0.9, bowl=0.5, shuffled=1.2), ["supports", "supports", "contradicts", *["supports"] * 2]),
        (walkers(rough=1.2, smooth=1.3, bowl=1.0, shuffled=0.6, bowl_late=0.8), [*["supports"] * 4, "undecided"]),
        (walkers(rough=1.2, smooth=1.3, bowl=1.0, shuffled=0.6, late=1.2), [*["supports"] * 3, "contradicts", "supports"]),
    ],
    ids=["as published", "a bowl does it too", "a shuffled one does it too", "confined as in the bowl", "no subdiffusion"],
)
def test_walkers_on_fractal_surfaces_are_compared_with_those_on_others(model, expected):
    table = claim_rows(exponents_of(1.5, 0.8), no_tails(), None, model)
    own = table[table["claim"] == 5]
    assert own["verdict"].tolist() == expected
    assert own["n"].tolist() == [16, 16, 16, 8, 16]
    assert own["note"].str.contains("on 8 of 8 the first step crosses a cell").tolist() == [True, *[False] * 4]


def landscape_of(roughness, *, width=0.05, runs=8):
    """Rows of three points a run in both directions; at each time roughness falls as the exponent rises."""
    random = np.random.default_rng(2)
    rows = []
    for run in range(runs):
        for beta, kind in itertools.product((1.5, 1.2, 0.9), ("path", "random")):
            own = 0.02 * run
            value = roughness - 0.1 * (beta - 1.2) - own + random.normal(0, 0.005)
            row = {"run": f"run {run}", "status": "complete", "directions": kind, "beta_max": beta + own, "decades": 4.0}
            row["step"] = {1.5: 0, 1.2: 1000, 0.9: 2000}[beta]
            rows.append(row | {"roughness_exponent": value, "roughness_exponent_high": value + width})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("landscape", "expected"),
    [
        (landscape_of(1.2), ["supports"] * 3),
        (landscape_of(2.3), ["contradicts", "contradicts", "supports"]),
        (landscape_of(1.9, width=0.3), ["undecided", "undecided", "supports"]),
    ],
    ids=["rough", "smooth", "not known well enough"],
)
def test_a_landscape_is_rough_where_its_exponent_is_below_two_with_the_interval(landscape, expected):
    table = claim_rows(exponents_of(1.5, 0.8), no_tails(), landscape)
    assert table[table["claim"] == 4]["verdict"].tolist() == expected


def tails_of(alpha, high, ratio, way=0.0):
    rows = [
        {"run": f"run {run}", "status": "complete", "quantity": quantity, "stable_alpha": alpha, "stable_alpha_high": high}
        | {"hill_index": 2.5, "against_exponential": ratio + 0.01 * run, "way_to_gaussian": way}
        for run in range(8)
        for quantity in ("step_length", "gradient", "standardised_gradient", "normalised_gradient")
    ]
    return pd.DataFrame(rows)


def test_gradients_whose_interval_holds_a_gaussian_are_not_heavy_tailed():
    heavy = claim_rows(exponents_of(1.5, 0.8), tails_of(1.7, 1.8, 3))
    assert heavy[heavy["claim"] == 3]["verdict"].tolist() == ["supports"] * 4
    gaussian = claim_rows(exponents_of(1.5, 0.8), tails_of(1.99, 2.0, -4, way=0.8))
    assert gaussian[gaussian["claim"] == 3]["verdict"].tolist() == ["undecided", "contradicts", "contradicts", "contradicts"]


def test_what_relaxation_explains_is_said_in_words():
    table = claim_rows(exponents_of(1.5, 0.8, residual=1, law=-8), no_tails())
    notes = table[table["claim"] == 1].set_index("measure")["note"]
    assert "relaxation explains the early superdiffusion as well" in notes["superdiffusion_p_residual"]
    assert "share of the mean in Δr² over the long lags: 0.25" in notes["superdiffusion_p_residual"]
    assert "relaxation in a bowl explains the late subdiffusion as well" in notes["bowl_against_power_law"]
    assert not table["note"].str.contains("as well").sum() > 2


def test_what_cannot_see_slow_superdiffusion_does_not_contradict_it():
    table = claim_rows(exponents_of(1.5, 0.8, residual=1), no_tails())
    part = table[(table["claim"] == 1) & (table["measure"] == "superdiffusion_p_residual")].iloc[0]
    assert part["p"] < 0.01
    assert (part["verdict"], verdicts(table)[1]) == ("undecided", "undecided")
    assert "not against the claim" in part["note"]


def test_tables_of_a_version_without_a_column_have_parts_that_are_not_measured():
    old = exponents_of(1.5, 0.8).drop(columns=["superdiffusion_p_residual", "trend_share_long", "bowl_against_power_law"])
    table = claim_rows(old, no_tails())
    assert table[table["claim"] == 1]["verdict"].tolist().count("not measured") == 2
    assert verdicts(table)[1] == "undecided"
