from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from anodiff.data import Batches
from anodiff.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=50)
@given(samples=st.integers(1, 60), size=st.integers(1, 60), drop_last=st.booleans(), replacement=st.booleans())
def test_an_epoch_has_the_promised_number_and_sizes_of_batches(samples, size, drop_last, replacement):
    size = min(size, samples)
    batches = Batches(samples, size, replacement=replacement, drop_last=drop_last, generator=seeded())
    sizes = [len(indices) for indices in batches.epoch()]
    full, rest = divmod(samples, size)
    if drop_last or not rest:
        assert sizes == [size] * full
    else:
        assert sizes == [size] * full + [size if replacement else rest]
    assert len(sizes) == batches.steps_per_epoch


@settings(deadline=None, max_examples=50)
@given(samples=st.integers(1, 200), size=st.integers(1, 200), seed=st.integers(0, 1000))
def test_without_replacement_an_epoch_holds_each_sample_once(samples, size, seed):
    batches = Batches(samples, min(size, samples), replacement=False, drop_last=False, generator=seeded(seed))
    for _ in range(2):
        assert torch.cat(list(batches.epoch())).sort().values.tolist() == list(range(samples))


def test_dropping_the_last_batch_leaves_out_different_samples_in_different_epochs():
    batches = Batches(10, 4, replacement=False, drop_last=True, generator=seeded())
    left_out = {frozenset(range(10)) - frozenset(torch.cat(list(batches.epoch())).tolist()) for _ in range(20)}
    assert all(len(samples) == 2 for samples in left_out)
    assert len(left_out) > 5


def test_every_permutation_of_an_epoch_is_equally_likely():
    batches = Batches(4, 2, replacement=False, drop_last=False, generator=seeded())
    orders = [tuple(torch.cat(list(batches.epoch())).tolist()) for _ in range(4800)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_epochs_are_independent_of_each_other():
    batches = Batches(4, 2, replacement=False, drop_last=False, generator=seeded())
    first = [int(torch.cat(list(batches.epoch()))[0]) for _ in range(4001)]
    table = np.zeros((4, 4))
    for before, after in pairwise(first):
        table[before, after] += 1
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_with_replacement_every_pair_of_samples_in_a_batch_is_equally_likely():
    batches = Batches(5, 2, replacement=True, drop_last=False, generator=seeded())
    pairs = torch.cat([torch.stack(list(batches.epoch())) for _ in range(2000)])
    counts = torch.bincount(5 * pairs[:, 0] + pairs[:, 1], minlength=25)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("replacement", [False, True])
def test_the_seed_alone_decides_the_order(replacement):
    def orders(seed: int) -> list[list[int]]:
        batches = Batches(50, 8, replacement=replacement, drop_last=False, generator=seeded(seed))
        return [indices.tolist() for _ in range(3) for indices in batches.epoch()]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


@pytest.mark.parametrize("replacement", [False, True])
def test_the_generator_state_between_epochs_restores_the_order(replacement):
    generator = seeded()
    batches = Batches(50, 8, replacement=replacement, drop_last=False, generator=generator)
    list(batches.epoch())
    state = generator.get_state()
    expected = torch.cat(list(batches.epoch()))
    resumed = Batches(50, 8, replacement=replacement, drop_last=False, generator=torch.Generator())
    resumed._generator.set_state(state)
    assert torch.equal(torch.cat(list(resumed.epoch())), expected)


@pytest.mark.parametrize("replacement", [False, True])
def test_leaving_an_epoch_early_does_not_change_the_next(replacement):
    def second(left_early: bool) -> torch.Tensor:
        batches = Batches(50, 8, replacement=replacement, drop_last=False, generator=seeded())
        if left_early:
            next(batches.epoch())
        else:
            list(batches.epoch())
        return torch.cat(list(batches.epoch()))

    assert torch.equal(second(left_early=True), second(left_early=False))


def test_a_batch_larger_than_the_training_set_is_refused_in_one_line():
    message = r"^batch_size 4096 is larger than the 1437 training samples of digits; .*1437$"
    with pytest.raises(ConfigError, match=message):
        Batches(1437, 4096, replacement=False, drop_last=False, generator=seeded(), name="digits")
