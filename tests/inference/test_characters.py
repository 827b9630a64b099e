"""Given tracks are read whatever their units, length and place, or have a reason why not."""

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.inference.answers.logits import answer
from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.answers.weights import read_network, write_network
from anodiff.inference.cells import KINDS
from anodiff.inference.characters import CHARACTERS, characterise
from anodiff.inference.networks.pyramid import Pyramid


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network of random weights, in two dimensions."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Pyramid(2, width=4, levels=3, hidden=8)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    path = tmp_path_factory.mktemp("weights") / "2d.safetensors"
    card = {"network": "pyramid", "dimensions": 2, "settings": {"width": 4, "levels": 3, "hidden": 8}}
    write_network(network, card, path)
    return path


def walk(points, seed=0):
    return np.random.default_rng(seed).normal(size=(points, 2)).cumsum(axis=0)


def numbers(table):
    return table[["exponent", "exponent_low", "exponent_high", *KINDS]].to_numpy(float)


def test_each_track_has_the_answer_of_the_network(weights):
    tracks = [walk(30, 0), walk(12, 1), walk(30, 2)]
    table = characterise(tracks, weights=weights)
    assert list(table.columns) == list(CHARACTERS)
    assert table["points"].tolist() == [30, 12, 30]
    network, _, _ = read_network(weights)
    for row, track in enumerate(tracks):
        posterior = Posterior.from_logits(answer(network, track.T[None].astype(np.float32))[0])
        assert table["exponent"][row] == pytest.approx(posterior.median[0], abs=1e-3)
        assert table["kind"][row] == KINDS[posterior.kind[0]]
        assert table["exponent_low"][row] < table["exponent"][row] < table["exponent_high"][row]
    np.testing.assert_allclose(table[list(KINDS)].sum(axis=1), 1)


def test_units_and_place_do_not_matter(weights):
    near, far = (characterise([track], weights=weights) for track in (walk(50), 1e-9 * walk(50) + 3.0))
    np.testing.assert_allclose(numbers(near), numbers(far), atol=1e-2)


def test_short_and_constant_tracks_have_a_reason(weights):
    table = characterise([walk(9), np.ones((20, 2)), walk(1200)], weights=weights)
    assert table["flags"].tolist() == ["fewer than 10 points", "does not move", "only the first 1000 points; not calibrated"]
    assert np.isnan(numbers(table)[:2]).all()
    np.testing.assert_array_equal(numbers(table)[2:], numbers(characterise([walk(1200)[:1000]], weights=weights)))


def test_no_tracks_give_an_empty_table(weights):
    table = characterise([], weights=weights)
    assert (len(table), list(table.columns)) == (0, list(CHARACTERS))


def test_tracks_of_other_dimensions_or_with_gaps_are_refused(weights):
    with pytest.raises(ConfigError, match=r"track 1: 1 dimensions, but track 0 has 2"):
        characterise([walk(20), np.arange(20.0)], weights=weights)
    with pytest.raises(ConfigError, match="a network for tracks of 2 dimensions; these have 1"):
        characterise(np.arange(20.0), weights=weights)
    gap = walk(20)
    gap[3, 0] = np.nan
    with pytest.raises(ConfigError, match="track 0: 1 of 40 values are NaN"):
        characterise([gap], weights=weights)
