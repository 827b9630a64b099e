import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from anodiff.geometry import PathGeometry
from anodiff.geometry.msd import ageing_msd, logarithmic_lags, time_averaged_msd
from anodiff.simulation.processes import brownian
from anodiff.trajectory import Window


def squared_displacements(points):
    """From the Gram matrix, for paths too long for the slow version."""
    steps = np.diff(points, axis=0)
    return PathGeometry(steps @ steps.T, Window(0, len(steps))).squared_displacements


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("dimensions", "diffusivity"), [(50, 0.5), (400, 3.0)])
def test_brownian_motion_has_an_msd_of_2dD_per_step(seed, dimensions, diffusivity):
    points = brownian(2000, dimensions, seed, diffusivity=diffusivity)
    lags = np.arange(1, 31)
    # The relative sampling error of a time average over T steps in d dimensions is near sqrt(4 τ / 3 T d), at most 0.02.
    np.testing.assert_allclose(
        time_averaged_msd(squared_displacements(points))[lags], 2 * dimensions * diffusivity * lags, rtol=0.08
    )


@pytest.mark.parametrize("seed", range(3))
def test_drift_adds_its_square_times_the_lags(seed):
    points = brownian(2000, 400, seed, diffusivity=0.5, drift=5.0)
    lags = np.arange(1, 201)
    expected = 25.0 * lags**2 + 400 * lags
    np.testing.assert_allclose(time_averaged_msd(squared_displacements(points))[lags], expected, rtol=0.05)


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(1, 5))
def test_the_time_averaged_msd_is_the_mean_over_all_pairs_at_a_lag(seed, steps, dimensions):
    points = brownian(steps, dimensions, seed)
    measured = time_averaged_msd(reference.squared_displacements(points))
    np.testing.assert_allclose(measured, reference.mean_squared_displacement(points), rtol=1e-12)


def test_the_ageing_msd_is_measured_from_the_first_point():
    points = np.array([[3.0, -1, 10], [4, 1, 12], [2, -3, 9]])
    # Subtracting a column instead would give one coordinate at all times.
    np.testing.assert_allclose(ageing_msd(squared_displacements(points)), [0, 1 + 4 + 4, 1 + 4 + 1])


def test_the_ageing_msd_is_a_copy():
    displacements = np.ones((3, 3))
    ageing_msd(displacements)[:] = 7
    assert (displacements == 1).all()


@given(st.integers(1, 5000), st.integers(4, 100), st.floats(0.01, 1))
def test_lags_rise_from_one_to_the_largest(updates, per_decade, largest):
    lags = logarithmic_lags(updates, per_decade, largest)
    assert lags.dtype == np.int64
    assert lags[0] == 1
    assert lags[-1] == max(1, int(largest * updates))
    assert (np.diff(lags) > 0).all()
    ratio = 10 ** (1 / per_decade)
    assert (lags[1:] <= lags[:-1] * ratio + (1 + ratio) / 2 + 1e-9).all()  # rounding moves each by up to one half
