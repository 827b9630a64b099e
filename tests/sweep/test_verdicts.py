"""Under its null a claim is neither supported nor contradicted in more than one sweep of twenty."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from anodiff.sweep.claims import claim_rows, early_and_late
from anodiff.sweep.clusters import ENOUGH_SEEDS, cluster_column, names_of_runs
from anodiff.sweep.connections import within_time_correlation
from anodiff.sweep.hypothesis_tests import combined_verdict, without_chance_contradictions
from anodiff.sweep.jump_claims import jump_parts
from anodiff.sweep.landscape_claims import landscape_parts, walker_parts

#: Sweeps of a simulation, and of one that is in the quick tests although each sweep takes half a second.
SWEEPS, FEW_SWEEPS = 200, 20


def too_many(sweeps):
    """More than this many of the sweeps are more than 5 %: three standard deviations."""
    return sweeps * 0.05 + 3 * np.sqrt(sweeps * 0.05 * 0.95)


def sweep(random, configurations, seeds, *, between, within):
    """Two windows of every run of a null sweep: no exponent differs from its null, except for scatter of the whole
    configuration (``between``) and of the run."""
    rows = []
    for configuration in range(configurations):
        common = random.normal(0, between, 6)
        for seed in range(seeds):
            early, late, order, trend, residual, law = common + random.normal(0, within, 6)
            run = {"group": f"c{configuration}", "run": f"c{configuration}-{seed}", "seed": seed, "status": "complete"}
            run |= {"model": "ab"[configuration % 2], "batch_size": configuration // 2, "learning_rate": 0.1}
            for number, value in ((0, early), (1, 0.1), (2, late)):
                exponent = {"beta_long": 1 + value, "beta_long_above_sign_randomised": value}
                exponent |= {"beta_max": 1 + number * trend, "superdiffusion_p_shuffled": 0.5 + order}
                exponent |= {"superdiffusion_p_residual": 0.5 + residual, "bowl_against_power_law": law}
                rows.append(run | exponent | {"window": number, "waiting_time": number, "length": 10, "stride": 1})
    return pd.DataFrame(rows)


NO_TAILS = pd.DataFrame(columns=["run", "group", "seed", "status", "quantity", "stable_alpha", "stable_alpha_high"]).assign(
    hill_index=[], against_exponential=[]
)

DESIGNS = {
    "configurations that scatter": (10, 2, 1.0, 0.1),
    "seeds that scatter": (2, 10, 0.0, 1.0),
    "one configuration": (1, 12, 0.0, 1.0),
    "both": (8, 3, 1.0, 1.0),
}

#: Number of simulated sweeps of each design; a sweep with more runs takes longer.
LONG = {"one configuration": SWEEPS, "both": SWEEPS // 2, "configurations that scatter": 50, "seeds that scatter": 50}


@pytest.mark.parametrize(
    ("design", "sweeps"),
    [
        ("one configuration", FEW_SWEEPS),
        *(pytest.param(design, sweeps, marks=pytest.mark.long) for design, sweeps in LONG.items()),
    ],
)
def test_noise_supports_or_contradicts_no_claim_in_more_than_one_sweep_of_twenty(design, sweeps):
    configurations, seeds, between, within = DESIGNS[design]
    random = np.random.default_rng(configurations)
    found = []
    for _ in range(sweeps):
        table = claim_rows(sweep(random, configurations, seeds, between=between, within=within), NO_TAILS)
        found.append({number: combined_verdict(own["verdict"]) for number, own in table.groupby("claim")})
    verdicts = pd.DataFrame(found)[[1, 2]]
    for verdict in ("supports", "contradicts"):
        assert ((verdicts == verdict).sum() <= too_many(sweeps)).all()


def null_tails(random, runs):
    """Gradients and step lengths whose tails are Gaussian or exponential, but for the scatter of the runs."""
    rows = []
    for run in range(runs):
        for quantity in ("normalised_gradient", "standardised_gradient", "step_length"):
            alpha, way, ratio = random.normal(size=3)
            row = {"run": run, "group": run, "seed": run, "quantity": quantity, "hill_index": 3.0}
            row |= {"stable_alpha": 2 + alpha, "stable_alpha_high": 2 + alpha, "way_to_gaussian": 0.5 + way}
            rows.append(row | {"against_exponential": ratio})
    return pd.DataFrame(rows)


def null_landscape(random, runs):
    """Losses that are smooth, and roughness that shares a trend in time with the largest exponent and nothing else."""
    rows = []
    for run in range(runs):
        for kind in ("path", "random"):
            own = random.normal(0, 0.1)
            for time in range(3):
                value = 2 + own + 0.01 * time
                row = {"run": run, "group": run, "seed": run, "status": "complete", "directions": kind, "step": time}
                row |= {"roughness_exponent": value, "roughness_exponent_high": value, "decades": 4.0}
                rows.append(row | {"beta_max": 1.5 - 0.1 * time + random.normal(0, 0.01)})
    return pd.DataFrame(rows)


def null_walkers(random, surfaces):
    """Walkers that move alike on all surfaces, and freely late."""
    kinds = ("fractional, H = 0.5", "fractional, H = 0.9", "bowl", "shuffled")
    exponents = {"exponent_early": 1.2, "exponent_late": 1.0}
    rows = [{"setting": "s", "kind": kind, "flags": ""} for kind in kinds for _ in range(surfaces)]
    return pd.DataFrame([row | {name: random.normal(value, 0.1) for name, value in exponents.items()} for row in rows])


@pytest.mark.long
@pytest.mark.parametrize(
    ("parts", "table"),
    [(jump_parts, null_tails), (landscape_parts, null_landscape), (walker_parts, null_walkers)],
    ids=["claim 3", "claim 4", "claim 5"],
)
def test_noise_supports_or_contradicts_the_other_claims_as_seldom(parts, table):
    random = np.random.default_rng(5)
    found = [
        combined_verdict(row["verdict"] for row in without_chance_contradictions(parts(table(random, 8))))
        for _ in range(SWEEPS)
    ]
    assert found.count("supports") <= too_many(SWEEPS)
    assert found.count("contradicts") <= too_many(SWEEPS)


def test_the_trend_of_each_run_is_scipys_rank_correlation_and_needs_three_windows_that_differ():
    random = np.random.default_rng(0)
    lengths = {"long": 7, "ties": 6, "short": 2, "equal": 4}
    windows = {run: np.round(random.normal(size=length), 0 if run == "ties" else 9) for run, length in lengths.items()}
    windows["equal"][:] = 1.5
    rows = [
        {"run": run, "group": run, "seed": 0, "status": "complete", "length": 10, "stride": 1, "waiting_time": time**2}
        | {"beta_max": beta, "beta_long": 1.0, "beta_long_above_sign_randomised": 0.0, "superdiffusion_p_shuffled": 0.5}
        for run, own in windows.items()
        for time, beta in enumerate(own)
    ]
    trends = early_and_late(pd.DataFrame(rows).sample(frac=1, random_state=1))["trend"]
    for run in ("long", "ties"):
        assert trends[run] == pytest.approx(spearmanr(np.arange(lengths[run]), windows[run]).statistic)
    assert trends[["short", "equal"]].isna().all()


def test_runs_that_share_a_configuration_count_once():
    random = np.random.default_rng(0)
    table = claim_rows(sweep(random, 7, 2, between=1, within=0.1), NO_TAILS)
    own = table[table["claim"] == 1]
    assert own["n"].tolist() == [7] * 6
    assert own["test"].str.contains("over configurations").all()
    assert own["note"].str.contains(r"of 7 configurations \(14 runs\)").all()


@pytest.mark.parametrize(
    ("configurations", "seeds", "expected"),
    [(7, 2, "group"), (6, 9, "group"), (3, 6, "seed"), (1, 3, "seed"), (3, 1, "group"), (3, 3, "seed")],
)
def test_what_is_independent_is_said(configurations, seeds, expected):
    names = names_of_runs(sweep(np.random.default_rng(0), configurations, seeds, between=0, within=1))
    assert len(names) == configurations * seeds
    assert cluster_column(names) == expected


def test_runs_of_different_configurations_and_seeds_are_independent():
    names = pd.DataFrame({"group": list("abc"), "seed": [1, 2, 3]})
    assert cluster_column(names) == "run"
    alone = pd.DataFrame({"run": ["x", "y", "y"], "beta_long": 1.0})
    assert cluster_column(names_of_runs(alone)) == "run"


def test_a_part_that_cannot_be_decided_says_which_seeds_would_decide_it():
    table = claim_rows(sweep(np.random.default_rng(0), 2, 3, between=0, within=1), NO_TAILS)
    assert table[table["claim"] == 1]["note"].str.contains(f"fewer than 6: set {ENOUGH_SEEDS}", regex=False).all()
    assert ENOUGH_SEEDS == "seed: [0, 1, 2, 3, 4, 5]"


def test_contradictions_are_corrected_for_their_number_by_holms_method():
    def verdicts(*ps):
        rows = [{"p": p, "verdict": "contradicts" if p < 0.05 else "undecided", "note": ""} for p in ps]
        return [row["verdict"] for row in without_chance_contradictions(rows)]

    assert verdicts(0.01, 0.02, 0.3) == ["contradicts", "contradicts", "undecided"]  # 0.01 * 3 and 0.02 * 2 are below 0.05
    assert verdicts(0.02, 0.01, 0.03, 0.04) == ["undecided", "contradicts", "undecided", "undecided"]
    assert verdicts(0.04) == ["contradicts"]
    assert verdicts(0.03, np.nan, np.nan) == ["contradicts", "undecided", "undecided"]
    supporting = [{"p": 0.04, "verdict": "supports", "note": ""}] * 20
    assert without_chance_contradictions(supporting) == supporting


def points(random, runs, *, trend=0.0, common=0.0, times=3):
    """Two quantities at points of runs, that share a trend in time and, with ``common``, what is a run's own."""
    rows = []
    for run in range(runs):
        own = random.normal(size=2)
        own[1] = common * own[0] + np.sqrt(1 - common**2) * own[1]
        for time in range(times):
            x, y = own + random.normal(0, 0.3, 2) + trend * time
            rows.append({"run": f"r{run}", "group": f"r{run}", "seed": run, "step": 100 * time, "x": x, "y": -y})
    return pd.DataFrame(rows)


@pytest.mark.long
@pytest.mark.parametrize("runs", [6, 9])
def test_a_trend_that_both_have_in_common_is_no_correlation(runs):
    random = np.random.default_rng(1)
    tables = [points(random, runs, trend=5.0) for _ in range(SWEEPS)]
    assert all(spearmanr(table["x"], table["y"]).statistic < -0.7 for table in tables)
    decided = sum(within_time_correlation(table, "x", "y").p < 0.05 for table in tables)
    assert decided <= too_many(SWEEPS)


def test_what_runs_have_of_their_own_is_a_correlation_whatever_the_trend():
    random = np.random.default_rng(2)
    flat, steep = (points(np.random.default_rng(3), 12, common=0.95, trend=trend) for trend in (0.0, -4.0))
    found = within_time_correlation(flat, "x", "y")
    assert found.interval.high < 0 < 1 - found.p
    assert found.p < 0.01
    assert within_time_correlation(steep, "x", "y") == found
    shuffled = flat.sample(frac=1, random_state=int(random.integers(100)))
    assert within_time_correlation(shuffled, "x", "y") == found


def test_at_one_time_it_is_spearmans_correlation_and_its_test_by_exchanges():
    table = points(np.random.default_rng(4), 6, common=0.5, times=1)
    found = within_time_correlation(table, "x", "y")
    assert found.interval.value == pytest.approx(spearmanr(table["x"], table["y"]).statistic)
    all_orders = [spearmanr(table["x"], order).statistic for order in itertools.permutations(table["y"])]
    assert found.p == pytest.approx(np.mean(np.abs(all_orders) >= abs(found.interval.value) - 1e-9))
    assert (found.n, found.over, found.points) == (6, "runs", 6)


def test_runs_of_one_configuration_are_exchanged_together_and_two_are_too_few():
    table = points(np.random.default_rng(5), 12, common=0.9)
    grouped = table.assign(group=table["run"].str[1:].astype(int) // 2, seed=table["seed"] % 2)
    found = within_time_correlation(grouped, "x", "y")
    assert (found.n, found.over) == (6, "configurations")
    assert np.isnan(within_time_correlation(table[table["seed"] < 2], "x", "y").interval.value)
    assert np.isnan(within_time_correlation(table.head(0), "x", "y").interval.value)
