"""The Cramér–Rao bound is that of Gaussian displacements, and neither likelihood nor network beats it."""

import itertools

import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve

from anodiff.errors import ConfigError
from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.bounds import fractional_brownian_bound
from anodiff.inference.cells import CELL_KIND, KINDS
from anodiff.inference.simulated.motions import fractional_brownian


def covariance(exponent, scale, noise_variance, displacements):
    """By its definition: positions of covariance (t^α + s^α − |t−s|^α)/2 and noise, differenced twice."""
    times = np.arange(displacements + 1.0)
    positions = (times[:, None] ** exponent + times**exponent - abs(times[:, None] - times) ** exponent) / 2
    return np.diff(np.diff(scale * positions + noise_variance * np.eye(len(times)), axis=0), axis=1)


def divergence(first, second):
    """Kullback–Leibler divergence of two centred Gaussian vectors."""
    ratio = np.linalg.solve(second, first)
    return (np.trace(ratio) - len(first) - np.linalg.slogdet(ratio)[1]) / 2


@pytest.mark.parametrize(
    ("noise", "bounds"),
    [(0.0, (0.236, 0.126, 0.072, 0.039)), (0.5, (0.556, 0.279, 0.157, 0.085)), (1.0, (0.670, 0.326, 0.181, 0.098))],
)
def test_bounds_of_brownian_motion(noise, bounds):
    """Without noise that is known; noise that there is must be estimated too."""
    for displacements, bound in zip((30, 100, 300, 999), bounds, strict=True):
        found = fractional_brownian_bound(1.0, displacements, noise=noise, noise_known=noise == 0)
        assert found == pytest.approx(bound, abs=0.0006)


@pytest.mark.parametrize("exponent", [0.4, 1.0, 1.6])
def test_the_information_is_the_curvature_of_the_divergence(exponent):
    """A divergence from parameters θ to θ + δ is δ·F·δ/2; F by its second differences."""
    displacements, noise = 20, 0.7
    centre = np.array([exponent, 1.0, noise**2])
    true, step = covariance(*centre, displacements), 1e-3

    def curved(*direction):
        moved = [divergence(true, covariance(*(centre + sign * step * np.array(direction)), displacements)) for sign in (1, -1)]
        return sum(moved) / step**2

    unit = np.eye(3)
    single = [curved(*each) for each in unit]
    information = np.diag(single)
    for i, j in itertools.combinations(range(3), 2):
        information[i, j] = information[j, i] = (curved(*(unit[i] + unit[j])) - single[i] - single[j]) / 2
    for known in ([0], [0, 1], [0, 2], [0, 1, 2]):
        expected = np.sqrt(np.linalg.inv(information[np.ix_(known, known)])[0, 0])
        found = fractional_brownian_bound(
            exponent, displacements, noise=noise, scale_known=1 not in known, noise_known=2 not in known
        )
        assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("exponent", [0.6, 1.4])
def test_maximum_likelihood_reaches_the_bound(exponent):
    tracks, displacements = 400, 150
    drawn = fractional_brownian(np.full(tracks, exponent), displacements, 1, np.random.default_rng(0))[:, 0].T.astype(float)
    grid = np.arange(exponent - 0.5, min(exponent + 0.5, 1.99), 0.01)
    likelihood = np.empty((len(grid), tracks))  # of the best scale
    for number, each in enumerate(grid):
        factor = cho_factor(covariance(each, 1.0, 0.0, displacements))
        squares = (drawn * cho_solve(factor, drawn)).sum(axis=0)
        likelihood[number] = -np.log(np.diag(factor[0])).sum() - displacements / 2 * np.log(squares)
    best = likelihood.argmax(axis=0)
    assert (best > 0).all()
    assert (best < len(grid) - 1).all()
    spread = np.std(grid[best] - exponent)
    assert spread == pytest.approx(
        fractional_brownian_bound(exponent, displacements, noise_known=True), rel=3 / np.sqrt(2 * tracks)
    )


def test_the_network_does_not_beat_the_bound():
    """Estimates of mean slope m in α spread at least by m times the bound, also if they are biased."""
    tracks, displacements = 300, 299
    rng = np.random.default_rng(1)
    exponents = rng.uniform(0.6, 1.4, tracks)
    moves = fractional_brownian(exponents, displacements, 1, rng)
    positions = np.pad(np.cumsum(moves, axis=2, dtype=float), ((0, 0), (0, 0), (1, 0)))
    posterior = TrackReader.load(1).read(positions).posterior
    estimates = posterior.with_prior((KINDS.index("fbm") == CELL_KIND).astype(float)).median
    slope, offset = np.polyfit(exponents, estimates, 1)
    spread = np.std(estimates - slope * exponents - offset)
    bounds = [fractional_brownian_bound(each, displacements, noise_known=True) for each in np.linspace(0.6, 1.4, 5)]
    assert spread > slope * np.mean(bounds) * (1 - 3 / np.sqrt(2 * tracks))
    assert 0.8 < slope < 1.1


@pytest.mark.parametrize("arguments", [(0.0, 100), (2.0, 100), (1.0, 1)])
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ConfigError, match=r"between 0 and 2|at least 2"):
        fractional_brownian_bound(*arguments)
    with pytest.raises(ConfigError, match="noise of at least 0"):
        fractional_brownian_bound(1.0, 10, noise=-1.0)
