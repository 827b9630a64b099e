"""Samples with Pareto tails and a check of coverage, for the tests of tails and of power laws."""

from scipy.stats import binom


def pareto(generator, index, shape):
    """Values with P(x > y) = y^(−index) for y ≥ 1."""
    return (1 - generator.random(shape)) ** (-1 / index)


def covered(intervals, truth):
    """Assert that the number of intervals that hold the truth is compatible with 95 % of them."""
    number = sum(found.low <= truth <= found.high for found in intervals)
    low, high = binom.ppf([0.0005, 0.9995], len(intervals), 0.95)
    assert low <= number <= high, (number, len(intervals))
