from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from anodiff.data import Augmentation, Dataset
from anodiff.data.dataset import moments
from anodiff.settings.data import DataSettings

SIZE = 6


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dataset(images: Tensor, normalise: bool = True) -> Dataset:
    channels = images.shape[1]
    mean, std = moments(images) if normalise else (torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
    labels = torch.zeros(len(images), dtype=torch.int64)
    return Dataset("made up", images, labels, images, labels, classes=2, mean=mean, std=std)


def random_images(kind: torch.dtype, count: int = 40, channels: int = 3) -> Tensor:
    shape = (count, channels, SIZE, SIZE)
    if kind == torch.uint8:
        return torch.randint(1, 256, shape, generator=seeded(7), dtype=torch.uint8)
    return torch.randn(shape, generator=seeded(7))


def augmentation(images: Tensor, **settings) -> Augmentation:
    return Augmentation(DataSettings(name="cifar10", **settings), dataset(images))


def reference(image: Tensor, data: Dataset) -> Tensor:
    """Apply torchvision's ToTensor and Normalize to one image."""
    from torchvision.transforms import Normalize

    brightness = image.float() / 255 if image.dtype == torch.uint8 else image
    return Normalize(data.mean.flatten().tolist(), data.std.flatten().tolist())(brightness)


def candidates(image: Tensor, data: Dataset, shift: int, flip: bool) -> dict[tuple[int, int, bool], Tensor]:
    """Return every result of torchvision's RandomCrop(SIZE, padding=shift), RandomHorizontalFlip and Normalize."""
    from torchvision.transforms import functional as vision

    padded = vision.pad(image, [shift] * 4)
    outcomes = {}
    for top in range(2 * shift + 1):
        for left in range(2 * shift + 1):
            crop = vision.crop(padded, top, left, SIZE, SIZE)
            for mirrored in (False, True) if flip else (False,):
                outcomes[top, left, mirrored] = reference(vision.hflip(crop) if mirrored else crop, data)
    return outcomes


def which(output: Tensor, outcomes: dict[tuple[int, int, bool], Tensor]) -> tuple[int, int, bool]:
    """Return the outcome that equals an output; fail if none or several do."""
    close = [key for key, outcome in outcomes.items() if torch.allclose(output, outcome, atol=1e-5)]
    assert len(close) == 1
    return close[0]


KINDS = pytest.mark.parametrize("kind", [torch.uint8, torch.float32], ids=["uint8", "float32"])


@KINDS
def test_without_augmentation_a_batch_is_torchvisions_normalisation_of_it(kind):
    images = random_images(kind)
    augment = augmentation(images)
    expected = torch.stack([reference(image, dataset(images)) for image in images])
    torch.testing.assert_close(augment(images, seeded()), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(augment.normalise(images), expected, rtol=1e-5, atol=1e-5)


@KINDS
def test_the_normalised_training_set_has_mean_0_and_standard_deviation_1(kind):
    images = random_images(kind, count=200)
    seen = augmentation(images).normalise(images)
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen.std((0, 2, 3), correction=0), torch.ones(3), rtol=1e-5, atol=0)


def test_without_normalisation_a_batch_is_brightness_between_0_and_1():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    augment = Augmentation(DataSettings(name="cifar10", normalise=False), dataset(images, normalise=False))
    torch.testing.assert_close(augment.normalise(images).flatten(), torch.linspace(0, 1, 256))


@KINDS
@pytest.mark.parametrize(("shift", "flip"), [(1, False), (2, True), (0, True), (7, False)])
def test_every_output_is_one_of_torchvisions_crops_and_flips_of_its_image(kind, shift, flip):
    images = random_images(kind)
    data = dataset(images)
    augment = augmentation(images, shift=shift, flip=flip)
    for image, output in zip(images, augment(images, seeded()), strict=True):
        outcomes = candidates(image, data, shift, flip).values()
        assert any(torch.allclose(output, outcome, atol=1e-5) for outcome in outcomes)


def test_shifts_fill_with_normalised_black():
    images = torch.full((100, 3, SIZE, SIZE), 200, dtype=torch.uint8)
    images[50:] = 100
    data = dataset(images)
    seen = augmentation(images, shift=2)(images[:50], seeded())
    black, bright = -data.mean / data.std, (200 / 255 - data.mean) / data.std
    is_black, is_bright = (seen - black).abs() < 1e-5, (seen - bright).abs() < 1e-5
    assert bool((is_black | is_bright).all())
    assert bool(is_black.any())


def test_shifts_are_uniform_and_flips_happen_with_probability_one_half():
    shift, count = 1, 3600
    images = random_images(torch.uint8, count=1, channels=1)
    outcomes = candidates(images[0], dataset(images), shift, flip=True)
    outputs = augmentation(images, shift=shift, flip=True)(images.expand(count, -1, -1, -1), seeded())
    drawn = [which(output, outcomes) for output in outputs]
    counts = [drawn.count(outcome) for outcome in outcomes]
    assert len(counts) == 18
    assert stats.chisquare(counts).pvalue > 1e-3


def test_shifts_of_the_images_of_a_batch_are_independent():
    images = random_images(torch.uint8, count=1, channels=1)
    outcomes = candidates(images[0], dataset(images), 1, flip=False)
    augment, generator = augmentation(images, shift=1), seeded()
    pairs = [augment(images.expand(2, -1, -1, -1), generator) for _ in range(1620)]
    drawn = [(which(first, outcomes), which(second, outcomes)) for first, second in pairs]
    counts = [drawn.count((one, other)) for one in outcomes for other in outcomes]
    assert len(counts) == 81
    assert stats.chisquare(counts).pvalue > 1e-3


def test_all_channels_of_an_image_move_together():
    grey = random_images(torch.uint8, channels=1).expand(-1, 3, -1, -1)
    seen = augmentation(grey, shift=2, flip=True)(grey, seeded())
    assert torch.equal(seen[:, 0], seen[:, 1])
    assert torch.equal(seen[:, 0], seen[:, 2])


def test_noise_is_standard_normal_times_its_standard_deviation_after_normalisation():
    images = random_images(torch.uint8, count=400)
    added = augmentation(images, noise=0.3)(images, seeded()) - augmentation(images).normalise(images)
    assert stats.kstest((added / 0.3).flatten().numpy(), "norm").pvalue > 1e-3
    assert added.std().item() == pytest.approx(0.3, rel=0.02)


def test_filled_black_is_noisy_too():
    images = torch.full((50, 1, SIZE, SIZE), 255, dtype=torch.uint8)
    seen = augmentation(images, shift=3, noise=0.5)(images, seeded())
    assert len(seen.unique()) > 0.99 * seen.numel()


@KINDS
@pytest.mark.parametrize("settings", [{}, {"noise": 0.1}, {"shift": 2, "flip": True, "noise": 0.1}])
def test_stored_images_are_not_modified(kind, settings):
    images = random_images(kind)
    before = images.clone()
    augmentation(images, **settings)(images, seeded())
    assert torch.equal(images, before)


def test_the_generator_alone_decides_and_the_global_one_is_untouched():
    images = random_images(torch.uint8)
    augment = augmentation(images, shift=2, flip=True, noise=0.1)
    before = torch.random.get_rng_state()
    first, again, other = augment(images, seeded(1)), augment(images, seeded(1)), augment(images, seeded(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("settings", [{}, {"shift": 2}, {"flip": True}, {"shift": 2, "flip": True, "noise": 0.1}])
def test_outputs_are_contiguous_float32_of_the_same_shape(settings):
    images = random_images(torch.uint8)
    seen = augmentation(images, **settings)(images[:17], seeded())
    assert (seen.shape, seen.dtype, seen.is_contiguous()) == ((17, 3, SIZE, SIZE), torch.float32, True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_every_output_is_one_of_torchvisions_crops_and_flips_of_its_image():
    images = random_images(torch.uint8)
    data = dataset(images)
    augment = Augmentation(DataSettings(name="cifar10", shift=2, flip=True), data.to("cuda"))
    outputs = augment(images.cuda(), torch.Generator("cuda").manual_seed(0)).cpu()
    for image, output in zip(images, outputs, strict=True):
        which(output, candidates(image, data, 2, flip=True))
