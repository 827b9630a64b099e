"""Samples with Pareto tails, and whether intervals cover as they should: for the tests of tails and of power laws."""

from scipy.stats import binom


def pareto(generator, index, shape):
    """Values with P(x > y) = y^(−index), y ≥ 1."""
    return (1 - generator.random(shape)) ** (-1 / index)


def covered(intervals, truth):
    """How many intervals hold the truth; asserts that it may be 95 % of them."""
    number = sum(found.low <= truth <= found.high for found in intervals)
    low, high = binom.ppf([0.0005, 0.9995], len(intervals), 0.95)
    assert low <= number <= high, (number, len(intervals))
