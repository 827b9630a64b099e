"""Merged and thinned-out classes, and brightness that tells the class."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from anodiff.data import Augmentation, load
from anodiff.data.dataset import STREAMS
from anodiff.data.sources import Source
from anodiff.errors import ConfigError
from anodiff.settings.data import DataSettings


def digits(**settings):
    return load(DataSettings(name="digits", **settings), "nowhere")


def shifts(images, plain):
    """Return what was added to each image, the same for all its pixels."""
    added = (images - plain).flatten(1)
    assert torch.allclose(added, added[:, :1].expand_as(added), atol=1e-6)
    return added[:, 0]


def test_every_random_step_has_a_stream_of_its_own():
    assert len(set(STREAMS.values())) == len(STREAMS)


def test_digits_merged_into_two_classes_are_below_5_or_not():
    plain, merged = digits(), digits(merged_classes=2)
    assert merged.classes == 2
    for before, after in ((plain.train_labels, merged.train_labels), (plain.test_labels, merged.test_labels)):
        assert torch.equal(after, (before >= 5).long())
    assert torch.equal(plain.train_images, merged.train_images)


def test_merging_into_three_keeps_the_order_of_the_classes():
    plain, merged = digits(), digits(merged_classes=3)
    for label in range(10):
        assert set(merged.train_labels[plain.train_labels == label].tolist()) == {label * 3 // 10}


def test_more_merged_classes_than_classes_are_refused():
    with pytest.raises(ConfigError, match=r"^merged_classes 11 is more than the 10 classes of digits; .* at most 10, .*$"):
        digits(merged_classes=11)


@pytest.mark.parametrize("ratio", [1.0, 10.0, 1e6])
def test_the_last_class_is_rarer_by_the_ratio_and_those_between_by_its_powers(ratio):
    counts = torch.bincount(digits(imbalance=ratio).train_labels).tolist()
    most = 147
    available = torch.bincount(digits().train_labels).tolist()
    expected = [min(have, max(1, round(most * ratio ** (-label / 9)))) for label, have in enumerate(available)]
    assert counts == (expected if ratio > 1 else available)
    assert torch.equal(digits(imbalance=ratio).test_labels, digits().test_labels)


def test_two_merged_classes_are_one_to_ten():
    first, second = torch.bincount(digits(merged_classes=2, imbalance=10).train_labels).tolist()
    assert first == 720
    assert second == 72


def test_what_a_larger_imbalance_keeps_a_smaller_one_keeps_too():
    kept = [{image.numpy().tobytes() for image in digits(imbalance=ratio).train_images} for ratio in (1, 5, 50)]
    assert kept[2] < kept[1] < kept[0]
    assert not torch.equal(digits(imbalance=5).train_images, digits(imbalance=5, seed=1).train_images)


def test_the_cue_of_a_fraction_of_the_images_is_that_of_their_class():
    plain = digits(merged_classes=2, normalise=False)
    for fraction in (0.0, 0.8, 1.0):
        cued = digits(merged_classes=2, normalise=False, cue={"strength": 0.1, "fraction": fraction})
        for images, before, labels in (
            (cued.train_images, plain.train_images, plain.train_labels),
            (cued.test_images, plain.test_images, plain.test_labels),
        ):
            added = shifts(images, before)
            assert torch.allclose(added.abs(), torch.tensor(0.1), atol=1e-6)
            agreeing = float(((added > 0) == (labels == 1)).float().mean())
            # all of the fraction, and by chance half of the rest
            deviation = 0.5 * np.sqrt((1 - fraction) / len(labels))
            assert agreeing == pytest.approx(fraction + (1 - fraction) / 2, abs=4 * deviation + 1e-3)


def test_the_cues_of_several_classes_are_evenly_spaced():
    added = shifts(digits(cue={"strength": 0.9, "fraction": 1.0}).train_images, digits().train_images)
    for label in range(10):
        assert torch.allclose(added[digits().train_labels == label], torch.tensor(0.2 * label - 0.9), atol=1e-5)


def test_probes_are_the_test_images_without_the_cue_and_with_the_opposite_one():
    plain, cued = digits(), digits(cue={"strength": 0.9, "fraction": 0.5})
    assert plain.probes == {}
    assert list(cued.probes) == ["cue removed", "cue reversed"]
    assert torch.equal(cued.probes["cue removed"], plain.test_images)
    added = shifts(cued.probes["cue reversed"], plain.test_images)
    assert torch.allclose(added, 0.9 - 0.2 * plain.test_labels, atol=1e-5)
    assert set(cued.to("cpu").probes) == set(cued.probes)


def test_the_cue_is_that_of_the_class_a_sample_is_trained_as():
    settings = {"merged_classes": 2, "label_noise": 0.3, "normalise": False}
    plain, cued = digits(**settings), digits(**settings, cue={"strength": 0.1, "fraction": 1.0})
    assert torch.equal(plain.train_labels, cued.train_labels)
    assert torch.equal(shifts(cued.train_images, plain.train_images) > 0, plain.train_labels == 1)


def test_a_larger_fraction_changes_no_cue_that_was_that_of_the_class():
    less, more = (digits(merged_classes=2, cue={"strength": 0.1, "fraction": share}) for share in (0.3, 0.6))
    own = shifts(digits(merged_classes=2, cue={"strength": 0.1, "fraction": 1.0}).train_images, digits().train_images)
    agrees = [torch.isclose(shifts(each.train_images, digits().train_images), own) for each in (less, more)]
    assert not (agrees[0] & ~agrees[1]).any()
    assert agrees[1].sum() > agrees[0].sum()


def test_the_moments_are_those_of_images_with_their_cues():
    settings = DataSettings(name="digits", cue={"strength": 0.5, "fraction": 0.7})
    dataset = load(settings, "nowhere")
    seen = Augmentation(settings, dataset).normalise(dataset.train_images)
    assert seen.mean().item() == pytest.approx(0, abs=1e-5)
    assert seen.std(correction=0).item() == pytest.approx(1, rel=1e-5)


def test_bytes_become_brightness_and_are_not_clipped(monkeypatch):
    images = np.array([0, 255, 51, 255], dtype=np.uint8).reshape(4, 1, 1, 1)
    labels = np.array([0, 1, 1, 0])
    monkeypatch.setattr("anodiff.data.dataset.read_digits", lambda: Source(images, labels, images, labels, classes=2))
    dataset = digits(cue={"strength": 0.25, "fraction": 1.0}, normalise=False)
    assert torch.allclose(dataset.train_images.flatten(), torch.tensor([-0.25, 1.25, 0.45, 0.75]))
    assert torch.allclose(dataset.probes["cue removed"].flatten(), torch.tensor([0, 1, 0.2, 1]))


@pytest.mark.parametrize(
    "cue", [{"strength": 0, "fraction": 1}, {"strength": 0.1, "fraction": 1.1}, {"strength": 0.1}, {"fraction": 0.5}]
)
def test_a_cue_has_a_strength_and_a_fraction(cue):
    with pytest.raises(ValidationError):
        DataSettings(name="digits", cue=cue)
