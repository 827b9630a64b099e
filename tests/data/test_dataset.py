from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from anodiff.data import Dataset, load
from anodiff.data.dataset import moments
from anodiff.data.sources import read_digits
from anodiff.errors import ConfigError, DatasetMissingError
from anodiff.settings.data import ClusterSettings, DataSettings

NOWHERE = "there-is-no-such-folder"


def digits(**settings) -> Dataset:
    return load(DataSettings(name="digits", **settings), NOWHERE)


def clusters(seed: int = 0, **settings) -> Dataset:
    chosen = DataSettings(name="gaussian_clusters", clusters=ClusterSettings(**settings), normalise=False, seed=seed)
    return load(chosen, NOWHERE)


def rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def same(one: Dataset, other: Dataset) -> bool:
    fields = ("train_inputs", "train_labels", "test_inputs", "test_labels", "mean", "std")
    return all(torch.equal(getattr(one, field), getattr(other, field)) for field in fields)


def test_digits_are_split_into_1437_and_360_images_of_8_by_8():
    dataset = digits()
    assert dataset.train_images.shape == (1437, 1, 8, 8)
    assert dataset.test_images.shape == (360, 1, 8, 8)
    assert (dataset.channels, dataset.size, dataset.classes, dataset.name) == (1, 8, 10, "digits")
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == torch.int64


def test_the_digits_are_those_that_scikit_learn_reads_to_the_bit_and_in_its_order():
    from sklearn.datasets import load_digits

    ours, theirs = read_digits(), load_digits()
    test = np.zeros(len(theirs.target), dtype=bool)
    test[np.argsort(theirs.target, kind="stable")[::5]] = True
    for images, labels, part in ((ours.train_images, ours.train_labels, ~test), (ours.test_images, ours.test_labels, test)):
        expected = np.float32(theirs.images[part][:, None] / 16)
        assert (images.dtype, images.shape, images.tobytes()) == (np.float32, expected.shape, expected.tobytes())
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(labels, theirs.target[part])


def test_digits_without_scikit_learns_file_are_refused_in_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DatasetMissingError, match="pip install scikit-learn"):
        read_digits()


def test_no_digit_is_in_both_training_and_test_set():
    dataset = digits()
    assert not rows(dataset.train_images) & rows(dataset.test_images)


def test_a_fifth_of_each_digit_is_in_the_test_set():
    dataset = digits()
    train, test = torch.bincount(dataset.train_labels), torch.bincount(dataset.test_labels)
    assert bool(((test - (train + test) / 5).abs() < 1).all())


def test_the_split_of_digits_does_not_depend_on_the_seed():
    assert same(digits(seed=0), digits(seed=5))


def test_the_moments_are_those_of_the_training_set():
    dataset = digits()
    images = dataset.train_images.double().numpy()
    assert dataset.mean.item() == pytest.approx(images.mean(), rel=1e-6)
    assert dataset.std.item() == pytest.approx(images.std(), rel=1e-6)


def test_without_normalisation_the_moments_are_0_and_1():
    dataset = digits(normalise=False)
    assert (dataset.mean.tolist(), dataset.std.tolist()) == ([[[0.0]]], [[[1.0]]])


@pytest.mark.parametrize("count", [1, 3000])
def test_moments_of_uint8_images_are_numpys_over_brightness(count):
    images = torch.randint(256, (count, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, std = moments(images)
    brightness = images.numpy() / 255
    np.testing.assert_allclose(mean.flatten(), brightness.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std.flatten(), brightness.std((0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("value", [torch.tensor(77, dtype=torch.uint8), torch.tensor(0.1)], ids=["uint8", "float32"])
def test_a_constant_channel_has_standard_deviation_1(value):
    assert moments(value.expand(1001, 1, 7, 7))[1].item() == 1


def test_a_subset_has_the_wanted_size_and_comes_from_the_training_set():
    full, part = digits(), digits(train_samples=100)
    assert len(part.train_labels) == 100
    assert len(rows(part.train_images)) == 100
    assert rows(part.train_images) <= rows(full.train_images)
    assert torch.equal(part.test_images, full.test_images)


def test_a_smaller_subset_is_part_of_a_larger_one():
    assert rows(digits(train_samples=50).train_images) <= rows(digits(train_samples=100).train_images)


def test_the_seed_chooses_the_subset():
    assert same(digits(train_samples=100), digits(train_samples=100))
    assert rows(digits(train_samples=100).train_images) != rows(digits(train_samples=100, seed=1).train_images)


def test_a_subset_keeps_images_and_labels_together():
    full, part = digits(), digits(train_samples=100)
    label = {image.numpy().tobytes(): int(k) for image, k in zip(full.train_images, full.train_labels, strict=True)}
    assert [label[image.numpy().tobytes()] for image in part.train_images] == part.train_labels.tolist()


def test_a_subset_larger_than_the_training_set_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"^train_samples 2000 is more than the 1437 training samples of digits; .*$"):
        digits(train_samples=2000)


@settings(deadline=None, max_examples=15)
@given(fraction=st.floats(0, 1), samples=st.integers(1, 1437))
def test_label_noise_changes_exactly_its_fraction_of_the_labels(fraction, samples):
    clean = digits(train_samples=samples)
    noisy = digits(train_samples=samples, label_noise=fraction)
    assert int((clean.train_labels != noisy.train_labels).sum()) == round(fraction * samples)
    assert torch.equal(clean.train_images, noisy.train_images)


def test_label_noise_leaves_test_labels_alone():
    assert torch.equal(digits().test_labels, digits(label_noise=1.0).test_labels)


def test_a_corrupted_label_is_uniform_over_the_other_classes():
    clean, noisy = digits(), digits(label_noise=1.0)
    steps = (noisy.train_labels - clean.train_labels) % 10
    counts = torch.bincount(steps, minlength=10)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:].numpy()).pvalue > 1e-3


def test_the_seed_chooses_the_corrupted_labels():
    assert same(digits(label_noise=0.2), digits(label_noise=0.2))
    assert not torch.equal(digits(label_noise=0.2).train_labels, digits(label_noise=0.2, seed=1).train_labels)


def test_more_label_noise_keeps_the_labels_that_less_has_corrupted():
    clean, less, more = (digits(label_noise=fraction).train_labels for fraction in (0, 0.2, 0.5))
    corrupted = clean != less
    assert torch.equal(less[corrupted], more[corrupted])


def test_the_subset_does_not_depend_on_the_label_noise():
    clean, noisy = digits(train_samples=100), digits(train_samples=100, label_noise=0.5)
    assert torch.equal(clean.train_images, noisy.train_images)


def test_loading_leaves_the_global_generators_alone():
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    digits(train_samples=100, label_noise=0.5)
    clusters()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_a_fifth_of_the_cluster_points_is_the_test_set():
    dataset = clusters(samples=1003, image_size=5, classes=7)
    assert dataset.train_images.shape == (802, 1, 5, 5)
    assert dataset.test_images.shape == (201, 1, 5, 5)
    assert dataset.train_images.dtype == torch.float32


def test_the_smallest_clusters_have_a_test_point():
    dataset = clusters(samples=4, classes=2)
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (3, 1)


def test_cluster_classes_differ_in_number_by_one_at_most():
    dataset = clusters(samples=1003, classes=7)
    for labels in (dataset.train_labels, dataset.test_labels):
        counts = torch.bincount(labels, minlength=7)
        assert counts.max() - counts.min() <= 1


def test_cluster_points_have_standard_deviation_1_around_their_class_mean():
    dataset = clusters(samples=4000, classes=4)
    for label in range(4):
        points = dataset.train_images[dataset.train_labels == label]
        assert points.std(0).mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("separation", [0.0, 0.5, 3.0])
def test_cluster_centres_are_spread_by_the_separation(separation):
    classes = 20
    dataset = clusters(samples=10_000, classes=classes, image_size=16, separation=separation)
    means = torch.stack([dataset.train_images[dataset.train_labels == label].mean(0) for label in range(classes)])
    per_class = len(dataset.train_labels) / classes
    # 20 x 256 means of 400 points each: their variance is the centres' plus that of a mean of points
    expected = (separation**2 + 1 / per_class) ** 0.5
    assert means.std().item() == pytest.approx(expected, rel=0.05)


def test_training_and_test_points_of_a_class_share_their_centre():
    dataset = clusters(samples=10_000, classes=2, separation=1.0)
    train, test = (
        images[labels == 0].mean(0)
        for images, labels in ((dataset.train_images, dataset.train_labels), (dataset.test_images, dataset.test_labels))
    )
    torch.testing.assert_close(train, test, rtol=0, atol=0.2)


def test_the_seed_chooses_the_clusters():
    assert same(clusters(seed=0), clusters(seed=0))
    assert not torch.equal(clusters(seed=0).train_images, clusters(seed=1).train_images)


def test_normalised_clusters_have_mean_0_and_standard_deviation_1():
    dataset = load(DataSettings(name="gaussian_clusters"), NOWHERE)
    seen = (dataset.train_images - dataset.mean) / dataset.std
    assert seen.mean().item() == pytest.approx(0, abs=1e-6)
    assert seen.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_moving_a_dataset_moves_every_tensor():
    moved = digits().to("meta")
    fields = ("train_inputs", "train_labels", "test_inputs", "test_labels", "mean", "std")
    assert all(getattr(moved, field).device.type == "meta" for field in fields)
    assert (moved.name, moved.classes) == ("digits", 10)
