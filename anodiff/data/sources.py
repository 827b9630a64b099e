"""Where do images come from that need no files? scikit-learn's digits, and points drawn around random centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anodiff.settings.data import ClusterSettings


@dataclass(frozen=True, eq=False)
class Source:
    """Images (N, C, H, W), uint8 or float32, and labels (N,) int64 in 0 … classes - 1, as they come."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int


def read_digits() -> Source:
    """Return scikit-learn's 1,797 handwritten digits: 8 × 8 float32 images, their 17 levels of grey laid from 0 to 1.

    The split is fixed. Sorted by class, within a class in scikit-learn's order, every fifth image is a test image: 360
    in all, a fifth of each class to within one image. The other 1,437 train.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    test[np.argsort(labels, kind="stable")[::5]] = True
    return Source(images[~test], labels[~test], images[test], labels[test], classes=10)


def draw_clusters(settings: ClusterSettings, random: np.random.Generator) -> Source:
    """Draw Gaussian clusters: a centre for each class, N(0, separation²) in every pixel, and points N(0, 1) around it.

    Classes take turns, so their numbers differ by one at most, in the training set and in the test set. The centres are
    drawn first, then the training and the test set: the centres do not depend on the number of points.
    """
    pixels = settings.image_size**2
    centres = settings.separation * random.standard_normal((settings.classes, pixels))
    test_samples = round(settings.samples / 5)

    def points(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count, dtype=np.int64) % settings.classes
        images = (centres[labels] + random.standard_normal((count, pixels))).astype(np.float32)
        return images.reshape(count, 1, settings.image_size, settings.image_size), labels

    train, test = points(settings.samples - test_samples), points(test_samples)
    return Source(*train, *test, classes=settings.classes)
