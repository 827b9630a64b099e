"""Two powers of the lag as an eye would put them: exact laws, other lags, and what is no curve of two parts."""

import math

import numpy as np
import pytest

from anodiff.diffusion.two_parts import NO_PARTS, two_parts
from anodiff.errors import ConfigError
from anodiff.geometry.msd import logarithmic_lags

#: Lags of diffusion.zarr for windows of the study's lengths.
LENGTHS = (782, 1078, 1173)


def law(lags, short, long, knee, prefactor=0.3):
    return prefactor * np.where(lags < knee, (lags / knee) ** short, (lags / knee) ** long)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("short", "long"), [(1.3, 0.7), (0.7, 1.4), (2.0, 1.0)])
@pytest.mark.parametrize("at", [12, 20, 30])
def test_exact_laws_with_a_knee_at_a_lag_are_found_exactly(length, short, long, at):
    lags = logarithmic_lags(length, 20, 0.9)
    found = two_parts(lags, law(lags, short, long, lags[at]))
    assert (found.short, found.long, found.knee) == pytest.approx((short, long, lags[at]), rel=1e-9)


@pytest.mark.parametrize("knee", [23.4, 57.3, 133.7, 180.5])
def test_a_knee_between_two_lags_is_found_there(knee):
    lags = logarithmic_lags(1173, 20, 0.9)
    found = two_parts(lags, law(lags, 0.73, 1.4, knee))
    assert (found.short, found.long) == pytest.approx((0.73, 1.4), abs=0.005)
    assert found.knee == pytest.approx(knee, rel=0.01)


def test_the_fit_is_least_squares_over_lags_evenly_spaced_in_their_logarithm():
    """Against every knee of a fine grid, for a curve that bends smoothly."""
    lags = np.geomspace(1, 900, 60)
    msd = lags**0.7 * (1 + lags / 100) ** 0.6 * np.exp(0.05 * np.sin(3 * np.log(lags)))
    x, y, best = np.log(lags), np.log(msd), (np.inf,)
    for knee in np.linspace(math.log(4), math.log(280), 2000):
        design = np.stack([np.ones_like(x), x, np.maximum(x - knee, 0)], axis=1)
        solved, misfit, *_ = np.linalg.lstsq(design, y)
        best = min(best, (misfit[0], solved[1], solved[1] + solved[2], math.exp(knee)))
    found = two_parts(lags, msd)
    assert (found.short, found.long) == pytest.approx(best[1:3], abs=0.005)
    assert found.knee == pytest.approx(best[3], rel=0.02)


def test_many_long_lags_do_not_weigh_more_than_they_do_on_a_logarithmic_axis():
    every = np.arange(1, 1001)
    msd = every**0.7 * (1 + every / 60) ** 0.7
    few = logarithmic_lags(1000, 20, 1.0)
    dense, sparse = two_parts(every, msd), two_parts(few, msd[few - 1])
    assert (dense.short, dense.long) == pytest.approx((sparse.short, sparse.long), abs=0.01)
    assert dense.knee == pytest.approx(sparse.knee, rel=0.05)


def test_the_unit_of_lag_moves_the_knee_alone_and_that_of_the_msd_nothing():
    lags = logarithmic_lags(1000, 20, 0.9)
    msd = lags**0.7 * (1 + lags / 60) ** 0.7
    plain, scaled = two_parts(lags, msd), two_parts(10 * lags, 1e-6 * msd)
    assert (scaled.short, scaled.long, scaled.knee) == pytest.approx((plain.short, plain.long, 10 * plain.knee), rel=1e-6)


def test_longer_lags_and_lags_without_an_msd_are_left_out():
    lags = np.arange(1, 1001)
    msd = law(lags, 0.7, 1.3, 50)
    spoilt = np.where(lags > 700, 1e9, msd)
    spoilt[lags == 7] = np.nan
    spoilt[lags == 8] = 0
    found = two_parts(lags, spoilt, largest=700)
    assert (found.short, found.long) == pytest.approx((0.7, 1.3), abs=0.005)


def test_a_knee_at_an_end_of_the_search_is_not_there():
    lags = logarithmic_lags(1000, 20, 0.9)
    found = two_parts(lags, law(lags, 1.3, 0.7, 600))
    assert math.isnan(found.knee)
    assert found.short == pytest.approx(1.3, abs=0.03)


def test_a_curve_too_short_for_two_parts_has_none():
    assert two_parts([1, 2, 3], [1, 2, 3]) == NO_PARTS
    assert two_parts(np.arange(1, 9), np.arange(1, 9)) == NO_PARTS
    with pytest.raises(ConfigError, match="msd: got shape"):
        two_parts([1, 2], [[1, 2]])
