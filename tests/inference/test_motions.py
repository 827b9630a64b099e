"""Batches of tracks have the laws of the challenge's package, and of the reference processes where these are the same."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

from anodiff.errors import ConfigError
from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, KINDS, kind_number
from anodiff.inference.simulated import motions
from anodiff.inference.simulated.motions import displacements
from anodiff.simulation.processes import fractional_brownian, scaled_brownian

REFERENCE = np.load(Path(__file__).with_name("andi_reference.npz"))
STEPS = 31


def made(kind, exponent, tracks, steps, dimensions, seed=0):
    kinds = np.full(tracks, kind_number(kind))
    moves = displacements(kinds, np.full(tracks, exponent), steps, dimensions, np.random.default_rng(seed))
    return moves.astype(np.float64)


def statistics(moves):
    """Numbers of each track that do not depend on its scale, by name; moves (tracks, dimensions, steps)."""
    squares = (moves**2).sum(axis=1)  # (tracks, steps)
    total = squares.sum(axis=1)
    return {
        "straightness": (moves.sum(axis=2) ** 2).sum(axis=1) / total,
        "share of the second half": squares[:, squares.shape[1] // 2 :].sum(axis=1) / total,
        "largest share": squares.max(axis=1) / total,
        "share of rests": (squares == 0).mean(axis=1),
        "correlation of neighbours": (moves[..., 1:] * moves[..., :-1]).sum(axis=(1, 2)) / total,
        "share of the first coordinate": (moves[:, 0] ** 2).sum(axis=1) / total,
        "fourth moment": (squares**2).mean(axis=1) / squares.mean(axis=1) ** 2,
    }


def moving(moves):
    """The tracks that move at all, in half precision as the reference."""
    moves = moves[(moves != 0).any(axis=(1, 2))]
    return (moves / np.sqrt((moves**2).mean(axis=(1, 2), keepdims=True))).astype(np.float16).astype(np.float64)


#: The package's ATTM in three dimensions, which is not a walk.
UNSUMMED = [name for name in REFERENCE.files if name.startswith("attm") and name.endswith("3d")]


@pytest.mark.parametrize("name", [name for name in REFERENCE.files if name not in UNSUMMED])
def test_every_kind_has_the_law_of_the_challenge_package(name):
    kind, exponent, dimensions = name[:-1].split("-")
    published = REFERENCE[name].astype(np.float64)
    ours = made(kind, float(exponent), 4000, STEPS, int(dimensions))
    resting = (published == 0).all(axis=(1, 2)).mean(), (ours == 0).all(axis=(1, 2)).mean()
    assert abs(resting[0] - resting[1]) <= 4 * np.sqrt(resting[1] * (1 - resting[1]) / len(published))
    theirs, found = statistics(moving(published)), statistics(moving(ours))
    for statistic, values in theirs.items():
        assert ks_2samp(values, found[statistic]).pvalue > 1e-4, statistic


@pytest.mark.parametrize("name", UNSUMMED)
def test_the_package_does_not_sum_the_jumps_of_attm_in_three_dimensions(name):
    """So its points are jumps about one place, whose differences have the correlation −1/2; ours are a walk."""
    exponent = float(name.split("-")[1])
    found = [
        statistics(moving(moves))["correlation of neighbours"].mean()
        for moves in (REFERENCE[name].astype(np.float64), made("attm", exponent, 4000, STEPS, 3))
    ]
    assert found[0] < -0.2
    assert abs(found[1]) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_the_comparison_tells_other_exponents_apart(kind):
    name = next(name for name in REFERENCE.files if name.startswith(kind))
    exponent = float(name.split("-")[1])
    other = made(kind, min(exponent + 0.5, 2.0) if kind != "lw" else 1.7, 4000, STEPS, 1)
    theirs, found = statistics(moving(REFERENCE[name].astype(np.float64))), statistics(moving(other))
    assert min(ks_2samp(values, found[statistic]).pvalue for statistic, values in theirs.items()) < 1e-4


@pytest.mark.parametrize("exponent", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("kind", ["fbm", "sbm"])
def test_gaussian_kinds_have_the_law_of_the_reference_processes(kind, exponent):
    steps, tracks = 40, 1500
    ours = made(kind, exponent, tracks, steps, 2)
    if kind == "fbm":
        paths = [fractional_brownian(steps, 2, seed, hurst=exponent / 2) for seed in range(tracks)]
    else:  # whose first point is one step later
        paths = [scaled_brownian(steps + 1, 2, seed, exponent=exponent)[1:] for seed in range(tracks)]
    reference = np.diff(np.array(paths), axis=1).transpose(0, 2, 1)
    for lag in (1, 7, steps):
        there, here = (moves[..., :lag].sum(axis=2).ravel() for moves in (reference, ours))
        assert ks_2samp(there, here).pvalue > 1e-3
        assert ks_2samp(reference[..., -lag:].sum(axis=2).ravel(), ours[..., -lag:].sum(axis=2).ravel()).pvalue > 1e-3


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.3, 1.9])
def test_fractional_noise_has_its_covariance(exponent):
    moves = made("fbm", exponent, 20_000, 20, 1)[:, 0]
    lags = np.arange(20)
    expected = ((lags + 1.0) ** exponent - 2.0 * lags**exponent + abs(lags - 1.0) ** exponent) / 2
    found = (moves[:, :1] * moves).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=5 / np.sqrt(len(moves)))


def test_first_waiting_times_are_pareto():
    moves = made("ctrw", 0.7, 20_000, 50, 1)[:, 0]
    times = np.arange(1, 51)
    waited = np.array([(moves[:, :time] == 0).all(axis=1).mean() for time in times])  # no jump at 1 … t: W ≥ t + 1
    np.testing.assert_allclose(waited, (times + 1.0) ** -0.7, atol=5 / np.sqrt(len(moves)))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_levy_flights_have_one_speed_and_isotropic_directions(dimensions):
    moves = made("lw", 1.5, 2000, 40, dimensions)
    np.testing.assert_allclose(np.linalg.norm(moves, axis=1), 1, rtol=1e-5)
    first = moves[:, 0, 0]
    if dimensions == 1:
        assert abs(first.mean()) < 5 / np.sqrt(len(first))
    elif dimensions == 2:
        assert kstest(np.arctan2(moves[:, 1, 0], first), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
    else:  # Archimedes: each coordinate of a point on a sphere is uniform
        assert kstest(first, "uniform", (-1, 2)).pvalue > 1e-3


def test_diffusivities_below_the_smallest_number_leave_the_rest_finite():
    """At σ = 0.03 a diffusivity can be 1e-66, whose root float32 does not hold."""
    moves = made("attm", 0.05, 2000, 200, 1)
    assert np.isfinite(moves).all()
    assert ((moves**2).sum(axis=2) > 0).all()


def test_a_track_does_not_depend_on_the_tracks_of_other_kinds():
    kinds, exponents = CELL_KIND.copy(), CELL_EXPONENT.copy()
    whole = displacements(kinds, exponents, 20, 2, np.random.default_rng(1))
    only = kinds == 0  # the first to be made
    alone = displacements(kinds[only], exponents[only], 20, 2, np.random.default_rng(1))
    np.testing.assert_array_equal(whole[only], alone)


def test_more_tracks_than_are_made_together_are_all_made():
    moves = made("sbm", 1.0, 2 * motions.TOGETHER + 3, 5, 1)
    assert (moves != 0).all()


def test_sizes_are_checked():
    for steps, dimensions in ((0, 1), (5, 0)):
        with pytest.raises(ConfigError, match="at least 1"):
            displacements(np.zeros(1, int), np.ones(1), steps, dimensions, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"\(N,\)"):
        displacements(np.zeros(2, int), np.ones(1), 5, 1, np.random.default_rng(0))
