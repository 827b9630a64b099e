"""Intervals by inverting a test, compared with their closed forms."""

import numpy as np
import pytest
from scipy.stats import chi2, norm

from anodiff.diffusion.intervals import invert

TRUTHS = np.linspace(-3, 3, 25)[:, None]


def quantiles(distribution, count=4001):
    """Draws with exactly the quantiles of the distribution."""
    return distribution.ppf((np.arange(count) + 0.5) / count)


def test_a_shift_of_fixed_error_gives_the_known_interval():
    drawn = TRUTHS[:, :, None] + 0.4 * quantiles(norm)
    low, high = invert(np.array([0.7]), TRUTHS, drawn)
    np.testing.assert_allclose([low[0], high[0]], 0.7 + 0.4 * norm.ppf([0.025, 0.975]), atol=2e-3)


def test_bias_is_removed():
    drawn = TRUTHS[:, :, None] + 1.5 + 0.4 * quantiles(norm)
    low, high = invert(np.array([0.7]), TRUTHS, drawn)
    assert (low[0] + high[0]) / 2 == pytest.approx(0.7 - 1.5, abs=2e-3)


def test_the_interval_of_a_variance_is_exact():
    truths = np.linspace(-3, 3, 200)[:, None]  # ln σ²; s² (n − 1) / σ² has the χ² distribution
    drawn = truths[:, :, None] + np.log(quantiles(chi2(9)) / 9)
    low, high = invert(np.array([0.2]), truths, drawn)
    np.testing.assert_allclose([low[0], high[0]], 0.2 - np.log(chi2(9).ppf([0.975, 0.025]) / 9), atol=3e-3)


def test_an_error_that_grows_with_the_truth_makes_the_upper_side_longer():
    scale = np.exp(0.5 * TRUTHS)[:, :, None]
    low, high = invert(np.array([0.0]), TRUTHS, TRUTHS[:, :, None] + 0.3 * scale * quantiles(norm))
    assert high[0] > -low[0] > 0


def test_beyond_the_simulated_truths_the_error_is_constant():
    drawn = TRUTHS[:, :, None] + 0.4 * quantiles(norm)
    low, high = invert(np.array([9.0]), TRUTHS, drawn)
    np.testing.assert_allclose([low[0], high[0]], 9 + 0.4 * norm.ppf([0.025, 0.975]), atol=2e-3)


def test_what_was_not_measured_has_no_interval():
    drawn = TRUTHS[:, :, None] + quantiles(norm)
    assert np.isnan(invert(np.array([np.nan]), TRUTHS, drawn)).all()
