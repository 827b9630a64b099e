"""Which network is trained on which data set?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from anodiff.errors import did_you_mean
from anodiff.settings.base import Named, Settings, label

DATASETS = ("digits", "cifar10", "cifar100", "mnist", "fashion_mnist", "image_folder", "gaussian_clusters")


class ClusterSettings(Settings):
    """Gaussian clusters: class centres drawn from a normal distribution, points around them with standard deviation 1."""

    classes: Annotated[int, Field(ge=2, le=10_000)] = 10
    """Number of classes, one cluster each."""
    image_size: Annotated[int, Field(ge=2, le=512)] = 8
    """Points are laid out as images of one channel and this many pixels a side, so that every model takes them."""
    samples: Annotated[int, Field(ge=4)] = 2000
    """Points in all; a fifth of them is the test set."""
    separation: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the centres' coordinates, in units of the clusters' own."""


class DataSettings(Named):
    """The data set and what is done to each batch of it."""

    name: Annotated[str, label("")] = "cifar10"
    """digits (scikit-learn's, no files needed), cifar10, cifar100, mnist, fashion_mnist (torchvision's files),
    image_folder (one folder per class), gaussian_clusters."""
    folder: str | None = None
    """For image_folder: the folder under the data root that holds ``train/`` and ``test/``, each with one folder a class."""
    image_size: Annotated[int | None, Field(ge=2, le=1024)] = None
    """For image_folder: images are resized to this many pixels a side (default 32)."""
    clusters: ClusterSettings | None = None
    """For gaussian_clusters: their number, size and separation."""
    train_samples: Annotated[int | None, Field(ge=1)] = None
    """Keep only so many training samples, drawn by ``seed``; all by default."""
    normalise: bool = True
    """Subtract each channel's mean over the training set and divide by its standard deviation."""
    shift: Annotated[int, Field(ge=0, le=64)] = 0
    """Random shift of each image by up to so many pixels in both directions, black moving in: the same as a random crop
    after padding by as many (4 in the published set-up)."""
    flip: bool = False
    """Random horizontal flip of each image."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of Gaussian noise added to every pixel of a training batch, after normalisation."""
    label_noise: Annotated[float, Field(ge=0, le=1), label("labelnoise")] = 0.0
    """Fraction of the training labels replaced by a random other class."""
    seed: Annotated[int, Field(ge=0), label("dataseed")] = 0
    """Seed of what is fixed before training: corrupted labels, the subset, the clusters. Shared by all seeds of a sweep."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"unknown data set {name!r}; {did_you_mean(name, DATASETS)}")
        return name

    @model_validator(mode="after")
    def _fits(self) -> DataSettings:
        for field, dataset in (("folder", "image_folder"), ("image_size", "image_folder"), ("clusters", "gaussian_clusters")):
            if getattr(self, field) is not None and self.name != dataset:
                raise ValueError(f"{field!r} is for {dataset}, not for {self.name}")
        if self.name == "image_folder" and self.folder is None:
            raise ValueError("image_folder needs 'folder': the folder under the data root that holds train/ and test/")
        return self
