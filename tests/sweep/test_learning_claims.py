"""Tables of learning get the verdicts that they were made to get, and noise gets none."""

import numpy as np
import pandas as pd
import pytest

from anodiff.learning.columns import CURVE_COLUMNS
from anodiff.sweep.hypothesis_tests import combined_verdict, without_chance_contradictions
from anodiff.sweep.learning_claims import learning_parts, slope_of_run, without_cue

RUN = {"data": "digits", "model": "mlp3", "batch_size": 64, "learning_rate": 0.1, "status": "complete"}


def learning_of(*, advantage=10.0, order=-1.0, slope=-1.0, scatter=0.05, runs=8, random=None):
    """Rows of modes and classes: by how much a sigmoid is better, and exponents of the learning time in strength and
    frequency."""
    random = random or np.random.default_rng(0)
    rows = []
    for run in range(runs):
        about = {"run": f"r{run}", "group": f"g{run}", "seed": run, **RUN, "split": "train", "law": "logistic", "final": 1.0}
        for number in range(5):
            strength, frequency = 0.7**number, 0.5 ** (number + 1)
            noise = np.exp(random.normal(0, scatter, 2))
            mode = {"curve": f"mode {number}", "sort": "mode", "strength": strength}
            mode |= {"learning_time": 100 * strength**order * noise[0], "sigmoid_advantage": advantage + random.normal()}
            kind = {"curve": f"class {number}", "sort": "class", "frequency": frequency, "accuracy": 0.9}
            rows += [about | mode, about | kind | {"learning_time": 30 * frequency**slope * noise[1]}]
    return pd.DataFrame(rows)


def starved(*, fall=0.4, later=1.0, gain=None, fractions=(None, 0.5, 1.0), seeds=8, random=None):
    """Rows of the probe without a cue: its accuracy falls, and its learning time grows, with the fraction of cues."""
    random = random or np.random.default_rng(0)
    rows = []
    for fraction in fractions:
        for seed in range(seeds):
            for decoupling in (0.0,) if gain is None else (0.0, 0.1):
                p = fraction or 0.0
                row = {"run": f"{fraction}-{decoupling}-{seed}", "group": f"{fraction}-{decoupling}", "seed": seed, **RUN}
                row |= {"data.cue.fraction": fraction, "data.cue.strength": None if fraction is None else 2.0}
                row |= {} if gain is None else {"training.decoupling": decoupling}
                row |= {"sort": "probe", "curve": "cue removed"} if fraction is not None else {"sort": "all", "curve": "all"}
                value = 0.9 - fall * p + (gain or 0) * (decoupling > 0) + random.normal(0, 0.01)
                time = 100 * np.exp(later * p + random.normal(0, 0.05))
                rows.append(row | {"split": "test", "accuracy": value, "learning_time": time, "strength": np.nan})
    table = pd.DataFrame(rows).astype({"data.cue.fraction": float, "data.cue.strength": float})
    return table.reindex(columns=[*table, *(name for name in CURVE_COLUMNS if name not in table)])


def verdicts(table, claim):
    return [part["verdict"] for part in learning_parts(table)[claim]]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (learning_of(), [["supports"], ["supports"], ["supports", "supports"]]),
        (learning_of(advantage=-10, order=1, slope=1), [["contradicts"], ["contradicts"], ["contradicts"] * 2]),
        (learning_of(slope=-0.5), [["supports"], ["supports"], ["supports", "contradicts"]]),
        (learning_of(runs=5), [["undecided"], ["undecided"], ["undecided", "undecided"]]),
    ],
    ids=["as claimed", "the reverse", "a half for one", "five runs"],
)
def test_each_claim_is_judged_by_its_own_curves(table, expected):
    assert [verdicts(table, number) for number in (6, 7, 8)] == expected


def test_without_a_table_nothing_is_measured_and_the_note_names_the_setting():
    parts = [row for rows in learning_parts(None).values() for row in rows]
    assert {row["verdict"] for row in parts} == {"not measured"}
    assert all("learning.seeds" in row["note"] for row in parts)
    assert list(learning_parts(None)) == [6, 7, 8, 9]


def test_classes_of_equal_frequency_measure_no_dependence_on_it():
    equal = learning_of().assign(frequency=0.1)
    assert verdicts(equal, 8) == ["not measured"] * 2
    assert np.isnan(slope_of_run(pd.DataFrame({"learning_time": [1.0, 2, 4], "frequency": [0.2, 0.2, 0.3]})))
    assert slope_of_run(pd.DataFrame({"learning_time": [1.0, 2, 4], "frequency": [0.4, 0.2, 0.1]})) == pytest.approx(-1)


def test_a_mode_that_is_never_learned_is_the_last_one():
    table = learning_of()
    weakest = table["curve"] == "mode 4"
    parts = [
        learning_parts(table.assign(learning_time=table["learning_time"].where(~weakest, value)))[7][0]
        for value in (1e9, np.nan)
    ]
    assert parts[0] == parts[1]


def test_runs_that_differ_in_the_fraction_alone_are_paired():
    assert verdicts(starved(gain=0.1), 9) == ["supports"] * 3
    assert verdicts(starved(), 9) == ["supports", "supports", "not measured"]
    assert verdicts(starved(fall=-0.1, later=-1, gain=-0.1), 9) == ["contradicts"] * 3
    assert verdicts(starved(fractions=(0.5,)), 9)[:2] == ["not measured"] * 2
    part = learning_parts(starved(gain=0.1))[9][0]
    assert part["value"] == pytest.approx(-0.4, abs=0.02)
    assert part["n"] == 8  # seeds: what is common to the configurations of a seed counts once


def test_a_run_without_a_cue_stands_beside_every_strength():
    table = starved(seeds=1)
    strong = table[table["data.cue.fraction"] > 0].assign(**{"data.cue.strength": 5.0}, run="strong")
    found = without_cue(pd.concat([table, strong]))
    assert found.loc[found["data.cue.fraction"] == 0, "data.cue.strength"].tolist() == [2.0, 5.0]


def test_another_order_of_the_rows_changes_nothing():
    for table in (learning_of(), starved(gain=0.1)):
        for number, rows in learning_parts(table.sample(frac=1, random_state=1)).items():
            for row, same in zip(rows, learning_parts(table)[number], strict=True):
                assert row["verdict"] == same["verdict"]
                assert row["value"] == pytest.approx(same["value"], nan_ok=True)


@pytest.mark.parametrize("sweeps", [20, pytest.param(200, marks=pytest.mark.long)])
def test_noise_supports_or_contradicts_no_claim_in_more_than_one_sweep_of_twenty(sweeps):
    found = []
    for number in range(sweeps):
        random = np.random.default_rng(number)
        noise = learning_parts(learning_of(advantage=0, order=0, slope=0, scatter=0.5, random=random))
        half = learning_parts(learning_of(slope=-1, scatter=0.5, random=random))[8][1:]  # −1 is true: no contradiction
        shapes = learning_parts(starved(fall=0, later=0, gain=0.0, random=random))[9]
        parts = {6: noise[6], 7: noise[7], 8: noise[8][:1], "−1": half, 9: shapes}
        found.append(
            {
                name: combined_verdict(row["verdict"] for row in without_chance_contradictions(rows))
                for name, rows in parts.items()
            }
        )
    table = pd.DataFrame(found)
    most = sweeps * 0.05 + 3 * np.sqrt(sweeps * 0.05 * 0.95)
    assert ((table == "contradicts").sum() <= most).all()
    assert ((table == "supports").sum().drop("−1") <= most).all()
