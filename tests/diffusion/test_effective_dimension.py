"""The number of directions in which a path moves over a lag, against paths whose number is known."""

import numpy as np
import pytest

from anodiff.diffusion.effective_dimension import effective_dimension
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian, quadratic_bowl, quadratic_bowl_msd

T = 200
LAGS = logarithmic_lags(T, 5, 0.5)


@pytest.mark.parametrize("dimensions", [1, 10, 300])
@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.7])
def test_the_effective_dimension_of_isotropic_motion_is_its_dimension(dimensions, hurst):
    found = [
        effective_dimension(path_geometry(fractional_brownian(T, dimensions, seed, hurst=hurst)), LAGS[:8])
        for seed in range(20)
    ]
    # Errors may be overestimated but not underestimated: the dimension is somewhat low, never high.
    assert 0.7 * dimensions <= np.median(found) <= 1.1 * dimensions


def test_a_drift_does_not_lower_the_effective_dimension():
    found = [effective_dimension(path_geometry(brownian(T, 300, seed, drift=5.0)), LAGS[:8]) for seed in range(10)]
    assert (np.median(found, axis=0) > 200).all()


def test_the_effective_dimension_counts_directions_by_their_variance():
    widths = np.array([3.0, 1.0, 1.0, 0.1, 0.01])
    expected = (widths**2).sum() ** 2 / (widths**4).sum()
    found = [effective_dimension(path_geometry(brownian(T, 5, seed) * widths), LAGS[:6]) for seed in range(40)]
    assert np.median(found) == pytest.approx(expected, rel=0.2)


def test_directions_that_stop_one_after_another_count_less_at_long_lags_too():
    """In a bowl whose rates span two decades; lags above a tenth of the window are extrapolated."""
    curvatures, settings = np.geomspace(0.1, 10, 300), {"learning_rate": 0.1, "noise": 1.0}
    lags = logarithmic_lags(1000, 5, 0.9)
    own = np.array([quadratic_bowl_msd(lags, 1, curvatures=np.array([one]), **settings) for one in curvatures])
    exact = own.sum(axis=0) ** 2 / (own**2).sum(axis=0)
    paths = [quadratic_bowl(1000, 300, seed, curvatures=curvatures, start="stationary", **settings) for seed in range(6)]
    found = np.median([effective_dimension(path_geometry(path), lags) for path in paths], axis=0)
    np.testing.assert_allclose(found[lags <= 100], exact[lags <= 100], rtol=0.2)
    assert (np.diff(found[lags > 100]) <= 0).all()
    assert 0.5 < found[-1] / exact[-1] < 1.3  # the same for all longer lags would be 1.25 or more: intervals too narrow
