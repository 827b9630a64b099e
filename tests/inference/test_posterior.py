"""One distribution over the cells gives exponent, interval and kind."""

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, KINDS, balanced_prior, exponent_prior

FLAT = Posterior(balanced_prior()[None])


def certain(kind, exponent):
    cells = (KINDS.index(kind) == CELL_KIND) & np.isclose(exponent, CELL_EXPONENT)
    assert cells.sum() == 1
    return Posterior(cells.astype(float)[None])


@pytest.mark.parametrize(("kind", "exponent"), [("attm", 0.05), ("lw", 2.0), ("fbm", 1.0)])
def test_a_certain_answer_is_its_cell_within_half_a_grid_distance(kind, exponent):
    found = certain(kind, exponent)
    assert found.median[0] == pytest.approx(exponent)
    assert [found.quantile(q)[0] for q in (0, 0.25, 1)] == pytest.approx(
        [exponent - 0.025, exponent - 0.0125, exponent + 0.025]
    )
    assert KINDS[found.kind[0]] == kind
    assert found.kinds.sum() == 1


def test_quantiles_invert_the_distribution_of_drawn_exponents():
    rng = np.random.default_rng(0)
    cells = rng.dirichlet(np.full(140, 0.3), 3)
    found = Posterior(cells)
    for row, each in enumerate(cells):
        drawn = CELL_EXPONENT[rng.choice(140, 200_000, p=each)] + rng.uniform(-0.025, 0.025, 200_000)
        for q in (0.05, 0.5, 0.9):
            assert (drawn <= found.quantile(q)[row]).mean() == pytest.approx(q, abs=0.005)


def test_the_median_has_the_smallest_expected_error():
    rng = np.random.default_rng(1)
    found = Posterior(rng.dirichlet(np.full(140, 0.2), 5))
    grid = np.arange(0.05, 2.01, 0.05)

    def error(value):
        fine = grid[:, None] + np.linspace(-0.025, 0.025, 101)
        return (found.exponents * abs(fine - value[:, None, None]).mean(axis=2)).sum(axis=1)

    for shift in (-0.02, 0.02):
        assert (error(found.median) <= error(found.median + shift) + 1e-9).all()


def test_another_prior_gives_the_answer_of_a_network_that_was_trained_with_it():
    """With likelihoods L, the answer under a prior is L·prior over its sum."""
    likelihood = np.random.default_rng(2).random((4, 140))
    answers = [likelihood * prior for prior in (balanced_prior(), exponent_prior())]
    here, there = (Posterior(each / each.sum(axis=1, keepdims=True)) for each in answers)
    np.testing.assert_allclose(here.with_prior(exponent_prior()).cells, there.cells)
    only_fbm = here.with_prior((CELL_KIND == 2).astype(float))
    np.testing.assert_allclose(only_fbm.kinds[:, 2], 1)


def test_a_constant_added_to_all_logits_changes_nothing():
    logits = np.random.default_rng(3).normal(size=(5, 140))
    np.testing.assert_allclose(Posterior.from_logits(logits + 1000).cells, Posterior.from_logits(logits).cells)


def test_the_cumulative_distribution_is_the_inverse_of_the_quantiles():
    found = Posterior(np.random.default_rng(4).dirichlet(np.ones(140), 50))
    shares = np.random.default_rng(5).random(50)
    np.testing.assert_allclose(found.cumulative(found.quantile(shares)), shares, atol=1e-12)
    np.testing.assert_allclose(
        [found.cumulative(np.full(50, end)) for end in (0.0, 2.5)], [np.zeros(50), np.ones(50)], atol=1e-12
    )


def test_wrong_shapes_and_priors_are_refused():
    with pytest.raises(ConfigError, match="expected"):
        Posterior.from_logits(np.zeros((2, 5)))
    for prior in (np.zeros(140), -np.ones(140), np.ones(5), np.full(140, np.nan)):
        with pytest.raises(ConfigError, match="140 numbers"):
            FLAT.with_prior(prior)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        FLAT.quantile(1.5)
