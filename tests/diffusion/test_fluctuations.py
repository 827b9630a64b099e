import numpy as np
import pandas as pd
import pytest

from anodiff.diffusion.fluctuations import moving_variance
from anodiff.errors import ConfigError


def test_the_moving_variance_is_that_of_pandas():
    values = np.random.default_rng(0).normal(size=200).cumsum()
    np.testing.assert_allclose(moving_variance(values, 17), pd.Series(values).rolling(17).var().dropna(), rtol=1e-9)


def test_a_trend_adds_its_own_variance():
    slope, width = 0.3, 40
    found = moving_variance(slope * np.arange(100.0), width)
    np.testing.assert_allclose(found, slope**2 * width * (width + 1) / 12)


def test_a_value_that_is_not_finite_is_missed_where_it_counts():
    values = np.arange(10.0)
    values[4] = np.inf
    assert list(np.isnan(moving_variance(values, 3))) == [2 <= first <= 4 for first in range(8)]
    assert not len(moving_variance(values, 11))
    with pytest.raises(ConfigError, match="width: got 1"):
        moving_variance(values, 1)
