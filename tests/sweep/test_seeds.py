"""Means over seeds of regimes."""

import math

import pandas as pd
import pytest

from anodiff.sweep.seeds import of_one_kind

NAMES = ["crossover_lag", "exponent_first", "exponent_second", "exponent_third"]


def windows(*values):
    table = pd.DataFrame([(*row, *[math.nan] * (4 - len(row))) for row in values], columns=NAMES)
    bends = table["exponent_first"] != table["exponent_second"]
    return table.assign(regimes=1 + bends + table["exponent_third"].notna())


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([(100, 1.2, 0.8), (5, 0.8, 1.2), (120, 1.3, 0.7)], [100, 120]),
        ([(5, 0.8, 1.2), (6, 0.8, 1.2), (100, 1.2, 0.8)], [5, 6]),
        ([(5, 0.8, 1.2), (100, 1.2, 0.8)], [100]),
        ([(100, 1.2, 0.8), (20, 1.2, 0.9, 0.8), (20, 1.2, 0.9, 0.7)], [20, 20]),
        ([(20, 1.2, 0.9, 0.8), (20, 1.2, 0.7, 0.8), (30, 1.2, 0.7, 0.8)], [20, 30]),
    ],
    ids=["falls", "rises", "as many", "three regimes", "rises again"],
)
def test_knees_of_different_kinds_are_not_averaged(rows, chosen):
    assert of_one_kind(windows(*rows))["crossover_lag"].tolist() == chosen


def test_windows_without_regimes_are_left_out():
    assert of_one_kind(windows((100, math.nan, math.nan), (math.nan, 1.0, 1.0)))["exponent_first"].tolist() == [1.0]
    assert not len(of_one_kind(windows((100, math.nan, math.nan))))
