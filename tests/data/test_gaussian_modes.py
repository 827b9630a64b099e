"""Modes: clusters along single pixels, as frequent as asked for."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from anodiff.data import load
from anodiff.settings.data import DataSettings, ModeSettings


def modes(seed=0, **settings):
    return load(DataSettings(name="gaussian_modes", modes=ModeSettings(**settings), normalise=False, seed=seed), "nowhere")


def test_without_noise_a_mode_lights_one_pixel_by_its_strength():
    dataset = modes(strengths=[2.0, 1.0, 0.5], classes=2, image_size=3, samples=15)
    flat = dataset.train_images.flatten(1)
    assert dataset.train_images.shape == (12, 1, 3, 3)
    assert dataset.test_images.shape == (3, 1, 3, 3)
    expected = torch.zeros(3, 9)
    expected[range(3), range(3)] = torch.tensor([2.0, 1.0, 0.5])
    assert torch.equal(flat, expected.repeat_interleave(4, 0))
    assert torch.equal(dataset.train_labels, torch.tensor([0, 1, 0]).repeat_interleave(4))
    assert (dataset.mean.item(), dataset.std.item()) == (0, 1)


def test_the_modes_are_as_frequent_as_asked_for():
    dataset = modes(strengths=[1.0] * 3, frequencies=[4, 2, 1], samples=35)
    assert (dataset.train_images.flatten(1) > 0).sum(0)[:3].tolist() == [16, 8, 4]
    assert (dataset.test_images.flatten(1) > 0).sum(0)[:3].tolist() == [4, 2, 1]


@pytest.mark.parametrize("total", [3, 10, 11, 12, 999])
def test_counts_are_within_one_of_their_share_and_add_up(total):
    settings = ModeSettings(strengths=[1.0, 1.0, 1.0], frequencies=[0.3, 0.5, 0.9])
    counts = np.array(settings.counts(total))
    assert counts.sum() == total
    assert (np.abs(counts - total * np.array([0.3, 0.5, 0.9]) / 1.7) < 1).all()


def test_noise_spreads_the_points_around_their_centres():
    dataset = modes(strengths=[3.0, 1.0], image_size=8, noise=0.5, samples=20_000)
    for label, strength in ((0, 3.0), (1, 1.0)):
        points = dataset.train_images[dataset.train_labels == label].flatten(1)
        centre = torch.zeros(64)
        centre[label] = strength
        assert torch.allclose(points.mean(0), centre, atol=5 * 0.5 / np.sqrt(len(points)))
        assert (points - centre).std().item() == pytest.approx(0.5, rel=0.01)
    assert not torch.equal(dataset.train_images, modes(1, strengths=[3.0, 1.0], noise=0.5, samples=20_000).train_images)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"strengths": [1.0, 1.0], "frequencies": [1.0]}, "2 'strengths' and 1 'frequencies'"),
        ({"strengths": [1.0, 1.0], "classes": 3}, "too few"),
        ({"strengths": [1.0] * 5, "image_size": 2}, "too many"),
        ({"strengths": [1.0, 1.0], "frequencies": [100, 1], "samples": 20}, "without a training sample"),
        ({"strengths": [1.0, 0.0]}, "greater than 0"),
    ],
)
def test_modes_that_do_not_fit_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        ModeSettings(**settings)


def test_normalised_modes_are_refused():
    with pytest.raises(ValidationError, match="set 'normalise' to false"):
        DataSettings(name="gaussian_modes")
