"""The networks have the published or planned size, and do not see what they must not see."""

import numpy as np
import pytest
import torch
from torch import nn

from anodiff.inference.networks.features import channels, describe
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.inference.networks.wadnet import CHANNELS, LAYERS, WADNet, standardised


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def walks(number, dimensions, points):
    return torch.randn(number, dimensions, points).cumsum(2)


def number_of_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("outputs", [1, 5])
def test_wadnet_has_the_parameters_of_the_paper(dimensions, outputs):
    first = 32 * (3 * dimensions + 1)
    gated = 16 * 2 * 32 * (3 * 32 + 1)
    mixed, norm = 32 * 33, 2 * 32
    lstm = 4 * 64 * (32 + 64 + 2) + 2 * 4 * 64 * (64 + 64 + 2)
    assert number_of_parameters(WADNet(dimensions, outputs)) == first + gated + mixed + norm + lstm + outputs * 65
    assert number_of_parameters(WADNet(1, 1)) == 192_289  # "about 192,000"


def test_wadnet_is_the_published_stack_of_plain_layers():
    """Also where the dilation exceeds the length, which the network shortens to 1×1 convolutions."""
    network = WADNet(2, 5).eval()
    positions = walks(1, 2, 20)
    signal = network.first(standardised(positions))
    total = signal.clone()
    for layer in range(LAYERS):
        outputs = []
        for own in (network.filters[layer], network.gates[layer]):
            plain = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=2**layer, dilation=2**layer)
            plain.load_state_dict(own.state_dict())
            outputs.append(plain(signal))
        signal = network.mixed(torch.tanh(outputs[0]) * torch.sigmoid(outputs[1]))
        total += signal
    steps, _ = network.lstm(network.norm(total).transpose(1, 2))
    torch.testing.assert_close(network(positions), network.last(steps[:, -1]), rtol=1e-4, atol=1e-5)


def test_wadnet_sees_standardised_coordinates():
    network, positions = WADNet(2, 1).eval(), walks(3, 2, 15)
    scaled = positions * torch.tensor([[3.0], [0.01]]) + 7
    torch.testing.assert_close(network(positions), network(scaled), rtol=1e-3, atol=1e-4)
    assert torch.isfinite(network(torch.ones(1, 2, 15))).all()


@pytest.mark.parametrize("points", [2, 10, 37, 1000])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_pyramid_reads_tracks_of_any_length(dimensions, points):
    answer = Pyramid(dimensions, width=8, hidden=16)(walks(4, dimensions, points))
    assert answer.shape == (4, 140)
    assert torch.isfinite(answer).all()


def test_the_pyramid_does_not_see_units_origin_or_other_tracks():
    network, positions = Pyramid(2, width=8, hidden=16), walks(4, 2, 50)
    randomised(network)
    torch.testing.assert_close(network(positions), network(1000 * positions - 5), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network(positions)[:2], network(positions[:2]), rtol=1e-5, atol=1e-6)


def test_the_last_level_sees_the_whole_track():
    network = Pyramid(1, width=4, hidden=8).double()
    for parameter in network.parameters():  # all positive, so that no unit is silent and nothing cancels
        nn.init.constant_(parameter, 0.1)
    seen = torch.zeros(1, channels(1), 1000, dtype=torch.float64, requires_grad=True)
    signal = network.stem(seen)
    for level, blocks in enumerate(network.levels):
        signal = blocks(network.halvings[level - 1](signal) if level else signal)
    signal[0, :, signal.shape[2] // 2].sum().backward()
    reached = torch.nonzero(seen.grad[0].abs().sum(dim=0)).ravel()
    assert (reached.min(), reached.max()) == (0, 999)


def test_a_new_block_changes_nothing_that_is_positive():
    network = Pyramid(1, width=4)
    signal = torch.rand(2, 4, 30)
    torch.testing.assert_close(network.levels[0](signal), signal)


def test_channels_are_what_they_are_said_to_be():
    positions = walks(2, 2, 40).double()
    seen, numbers = (each.numpy() for each in describe(positions))
    array = positions.numpy()
    moves = np.diff(array)
    mean_length = np.linalg.norm(moves, axis=1).mean(axis=1)[:, None, None]
    np.testing.assert_allclose(seen[:, :2, 1:], moves / mean_length)
    np.testing.assert_allclose(seen[:, 2, 1:], np.log1p(np.linalg.norm(moves / mean_length, axis=1)))
    assert (seen[:, :3, 0] == 0).all()
    centred = array - array.mean(axis=2, keepdims=True)
    width = np.sqrt((centred**2).sum(axis=1).mean(axis=1))
    np.testing.assert_allclose(seen[:, 3:], centred / width[:, None, None])
    np.testing.assert_allclose(numbers[:, 0], np.log(0.4))
    np.testing.assert_allclose(numbers[:, 1], np.log(width / mean_length[:, 0, 0]) / np.log(40))


def test_a_constant_track_has_finite_channels():
    seen, numbers = describe(torch.full((1, 3, 10), 2.5))
    assert (seen == 0).all()
    assert torch.isfinite(numbers).all()


def randomised(network):
    """Replace the zeros that blocks begin with."""
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
