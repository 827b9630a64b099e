"""Tracks are observed as in the challenge: scaled, noisy, cut; and the cells are those that it allows."""

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, KINDS, balanced_prior, exponent_prior, kind_exponents, kind_number
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE, draw_points, draw_tracks, make_tracks
from anodiff.inference.teaching.validation import held_out


def cells_of(kind):
    return np.flatnonzero(kind_number(kind) == CELL_KIND)


def test_the_challenge_allows_140_cells():
    assert np.bincount(CELL_KIND).tolist() == [20, 20, 39, 21, 40]
    spans = {kind: (kind_exponents(kind).min(), kind_exponents(kind).max()) for kind in KINDS}
    assert spans == {"attm": (0.05, 1), "ctrw": (0.05, 1), "fbm": (0.05, 1.95), "lw": (1, 2), "sbm": (0.05, 2)}
    with pytest.raises(ConfigError, match="did you mean 'fbm'"):
        kind_number("fbn")


def test_the_priors_make_kinds_or_exponents_equally_frequent():
    np.testing.assert_allclose(np.bincount(CELL_KIND, balanced_prior()), 1 / 5)
    columns = np.rint(CELL_EXPONENT * 20).astype(int)
    np.testing.assert_allclose(np.bincount(columns, exponent_prior())[1:], 1 / 40)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_displacements_of_a_whole_walk_have_standard_deviation_1(kind, dimensions):
    cells = np.resize(cells_of(kind), 100)
    positions = make_tracks(cells, np.zeros(100), 200, dimensions, np.random.default_rng(0), walk_points=200).positions
    assert positions.shape == (100, dimensions, 200)
    assert (positions[..., 0] == 0).all()
    moves = np.diff(positions.astype(np.float64))
    spread, resting = moves.std(axis=2), (moves == 0).all(axis=2)
    straight = spread < 1e-3 * abs(moves.mean(axis=2))
    np.testing.assert_allclose(spread[~resting & ~straight], 1, rtol=1e-3)
    assert not resting.any() or kind == "ctrw"
    assert not straight.any() or kind == "lw"


def test_a_flight_that_never_turns_is_not_noisy():
    straight = make_tracks(np.full(300, cells_of("lw")[-1]), np.ones(300), 100, 2, np.random.default_rng(0), walk_points=100)
    moves = np.diff(straight.positions)
    never = abs(moves).min(axis=(1, 2)) > 5000
    assert 0.1 < never.mean() < 0.5  # 1/ln(100) = 0.22 of them, some along an axis
    np.testing.assert_allclose(moves[never].std(axis=2) / abs(moves[never].mean(axis=2)), 0, atol=1e-2)


def test_noise_adds_twice_its_variance_to_displacements():
    noise = np.full(2000, 0.5)
    cells = np.full(2000, cells_of("sbm")[19])  # α = 1: white displacements
    moves = np.diff(make_tracks(cells, noise, 100, 1, np.random.default_rng(0), walk_points=100).positions[:, 0])
    assert moves.var() == pytest.approx(1 + 2 * 0.25, rel=0.02)
    assert (moves[:, 1:] * moves[:, :-1]).mean() == pytest.approx(-0.25 - 1 / 99, abs=0.02)


def test_a_short_track_is_the_beginning_of_a_long_one():
    cells = np.arange(140)
    whole = make_tracks(cells, np.zeros(140), 1000, 2, np.random.default_rng(3)).positions
    short = make_tracks(cells, np.zeros(140), 30, 2, np.random.default_rng(3)).positions
    np.testing.assert_array_equal(short, whole[..., :30])


def test_random_tracks_cover_kinds_noise_and_lengths():
    tracks = draw_tracks(20_000 // 10, 10, 1, np.random.default_rng(0))
    assert np.bincount(tracks.kinds, minlength=5) / len(tracks.kinds) == pytest.approx(0.2, abs=0.05)
    assert np.isin(tracks.noise, CHALLENGE_NOISE).mean() == pytest.approx(0.5, abs=0.05)
    assert 0 <= tracks.noise.min() < 0.01
    rng = np.random.default_rng(0)
    lengths = np.array([draw_points(rng) for _ in range(20_000)])
    assert lengths.min() == 10
    assert lengths.max() == 1000
    assert np.log(lengths).mean() == pytest.approx(np.log(np.sqrt(10 * 1000)), abs=0.05)


def test_the_same_seed_gives_the_same_tracks():
    first, second = (draw_tracks(50, 20, 3, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)
    held = [[tracks.positions.sum() for tracks in held_out(60, 1, 5, balanced_prior())] for _ in range(2)]
    assert held[0] == held[1]


def test_sizes_and_noise_are_checked():
    for points in (1, 1001):
        with pytest.raises(ConfigError, match="from 2 to 1000"):
            draw_tracks(3, points, 1, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="noise is negative"):
        make_tracks(np.zeros(1, int), np.array([-1.0]), 10, 1, np.random.default_rng(0))
