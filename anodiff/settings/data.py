"""On which data set does a network train, and how are its images prepared?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from anodiff.errors import did_you_mean, quoted
from anodiff.settings.base import Folder, Named, Seed, Settings, name_label

DATASETS = ("digits", "cifar10", "cifar100", "mnist", "fashion_mnist", "image_folder", "gaussian_clusters")

#: Pixels of all gaussian_clusters together: 40 GB as float32.
MOST_PIXELS = 10_000_000_000

#: Pixels a side of the images of an image_folder, if ``image_size`` is not set.
IMAGE_FOLDER_SIZE = 32


class ClusterSettings(Settings):
    """Gaussian clusters: class centres drawn from a normal distribution, and points around them
    with standard deviation 1."""

    classes: Annotated[int, Field(ge=2, le=10_000)] = 10
    """Number of classes; each is one cluster."""
    image_size: Annotated[int, Field(ge=2, le=512)] = 8
    """Each point is an image with one channel and this many pixels a side, so that any model can take
    it."""
    samples: Annotated[int, Field(ge=4, le=10_000_000)] = 2000
    """Total number of points; a fifth of them is the test set."""
    separation: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the centres' coordinates, in units of the clusters' own."""

    @model_validator(mode="after")
    def _bounded(self) -> ClusterSettings:
        if self.image_size**2 * max(self.samples, self.classes) > MOST_PIXELS:
            raise ValueError(f"samples times image_size² must be at most {MOST_PIXELS:,}")
        return self

    @property
    def test_samples(self) -> int:
        """Number of points in the test set."""
        return round(self.samples / 5)


class DataSettings(Named):
    """The data set, and what is done to each batch of it."""

    name: Annotated[str, name_label("")] = "cifar10"
    """digits (scikit-learn's; needs no files); cifar10, cifar100, mnist, fashion_mnist
    (torchvision's files); image_folder (one folder per class); gaussian_clusters."""
    folder: Folder | None = None
    """For image_folder: a folder under the data root that contains ``train/`` and ``test/``, each
    with one folder per class."""
    image_size: Annotated[int | None, Field(ge=2, le=1024)] = None
    """For image_folder: images are resized to this many pixels a side (32 by default)."""
    clusters: ClusterSettings | None = None
    """For gaussian_clusters: their number, size and separation."""
    train_samples: Annotated[int | None, Field(ge=1, le=1_000_000_000)] = None
    """Keep only this many training samples, drawn with ``seed``. By default all are kept."""
    normalise: bool = True
    """Subtract each channel's mean over the training set and divide by its standard deviation."""
    shift: Annotated[int, Field(ge=0, le=64)] = 0
    """Shift each image at random by up to this many pixels in both directions, and fill with black.
    This equals a random crop after padding by as many pixels (4 in the published set-up)."""
    flip: bool = False
    """Mirror each image horizontally with probability 1/2."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of Gaussian noise added to every pixel of a training batch, after
    normalisation."""
    label_noise: Annotated[float, Field(ge=0, le=1), name_label("labelnoise")] = 0.0
    """Fraction of the training labels that are replaced by another class, drawn at random."""
    seed: Annotated[Seed, name_label("dataseed")] = 0
    """Seed of what is fixed before training: corrupted labels, the subset, the clusters. All seeds
    of a sweep share it."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"unknown data set {quoted(name)}; {did_you_mean(name, DATASETS)}")
        return name

    @model_validator(mode="after")
    def _fits(self) -> DataSettings:
        for field, dataset in (("folder", "image_folder"), ("image_size", "image_folder"), ("clusters", "gaussian_clusters")):
            if getattr(self, field) is not None and self.name != dataset:
                raise ValueError(f"{field!r} is for {dataset}, not for {self.name}; leave it out")
        if self.name == "image_folder" and self.folder is None:
            raise ValueError("image_folder needs 'folder': a folder under the data root that contains train/ and test/")
        return self
