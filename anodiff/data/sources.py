"""Which data sets need no files? scikit-learn's digits, Gaussian clusters and Gaussian modes."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anodiff.errors import DatasetMissingError
from anodiff.settings.gaussian import ClusterSettings, ModeSettings


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

    The file is scikit-learn's own. It is read without scikit-learn, whose import takes a second.

    Raises
    ------
    DatasetMissingError
        If scikit-learn is not installed, or its file is elsewhere.
    """
    rows = np.loadtxt(_digits_file(), delimiter=",", dtype=np.uint8)  # (1797, 65): 64 grey levels 0 … 16, and the class
    images = (rows[:, :-1].reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    labels = rows[:, -1].astype(np.int64)
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


def draw_modes(settings: ModeSettings, random: np.random.Generator) -> Source:
    """Draw points ``strengths[k]`` e_k + ``noise`` · N(0, I) of modes k, where e_k is pixel k.

    In each set the modes follow one another, as many points of each as its frequency says. The
    training set is drawn first, then the test set.
    """
    pixels = settings.image_size**2

    def points(count: int) -> tuple[np.ndarray, np.ndarray]:
        modes = np.repeat(np.arange(len(settings.strengths)), settings.counts(count))
        images = np.zeros((count, pixels))
        images[np.arange(count), modes] = np.array(settings.strengths)[modes]
        if settings.noise:
            images += settings.noise * random.standard_normal((count, pixels))
        shaped = images.astype(np.float32).reshape(count, 1, settings.image_size, settings.image_size)
        return shaped, (modes % settings.classes).astype(np.int64)

    train, test = points(settings.samples - settings.test_samples), points(settings.test_samples)
    return Source(*train, *test, classes=settings.classes)


def _digits_file() -> Path:
    """Return scikit-learn's table of the digits, found without an import of scikit-learn."""
    package = importlib.util.find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return path
    raise DatasetMissingError("no file digits.csv.gz of scikit-learn's; install it: pip install scikit-learn")
