"""Means over seeds of crossovers."""

import math

import pandas as pd

from anodiff.sweep.seeds import crossovers_of_one_kind


def rows(*values):
    return [
        pd.Series({"crossover_lag": lag, "exponent_first": first, "exponent_second": second}) for lag, first, second in values
    ]


def test_knees_where_the_exponent_falls_and_where_it_rises_are_not_averaged():
    assert crossovers_of_one_kind(rows((100, 1.2, 0.8), (5, 0.8, 1.2), (120, 1.3, 0.7))) == [100, 120]
    assert crossovers_of_one_kind(rows((5, 0.8, 1.2), (6, 0.8, 1.2), (100, 1.2, 0.8))) == [5, 6]
    assert crossovers_of_one_kind(rows((5, 0.8, 1.2), (100, 1.2, 0.8))) == [100]


def test_a_censored_crossover_is_left_out():
    assert crossovers_of_one_kind(rows((math.nan, 1.2, 0.8), (100, 1.2, 0.8))) == [100]
    assert crossovers_of_one_kind(rows((math.nan, 1.2, 0.8))) == []
