"""Which data sets need no files? scikit-learn's digits, and Gaussian clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anodiff.settings.data import ClusterSettings


@dataclass(frozen=True, eq=False)
class Source:
    """Images (N, C, H, W) uint8 or float32, and labels (N,) int64 in 0 … classes - 1."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int


def read_digits() -> Source:
    """Return scikit-learn's 1,797 digits: 8 × 8 float32 images with 17 levels of grey from 0 to 1.

    The split is fixed: of the images sorted by class, and within a class in scikit-learn's order,
    every fifth is a test image. There are 360 test images, a fifth of each class to within one
    image, and 1,437 training images.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    test[np.argsort(labels, kind="stable")[::5]] = True
    return Source(images[~test], labels[~test], images[test], labels[test], classes=10)


def draw_clusters(settings: ClusterSettings, random: np.random.Generator) -> Source:
    """Draw a centre for each class, N(0, separation²) in every pixel, and points N(0, 1) around it.

    Classes alternate, so in each set their sizes differ by at most one. The centres are drawn
    first, then the training set, then the test set, so that the centres do not depend on the number
    of points.
    """
    pixels = settings.image_size**2
    centres = settings.separation * random.standard_normal((settings.classes, pixels))

    def points(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count, dtype=np.int64) % settings.classes
        images = (centres[labels] + random.standard_normal((count, pixels))).astype(np.float32)
        return images.reshape(count, 1, settings.image_size, settings.image_size), labels

    train, test = points(settings.samples - settings.test_samples), points(settings.test_samples)
    return Source(*train, *test, classes=settings.classes)
