"""On which data set does a network train, and how are its images prepared?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from anodiff.errors import ConfigError, did_you_mean, quoted
from anodiff.settings.base import Folder, Named, Seed, Settings, name_label

DATASETS = (
    "digits",
    "cifar10",
    "cifar100",
    "mnist",
    "fashion_mnist",
    "image_folder",
    "gaussian_clusters",
    "gaussian_modes",
)

#: Pixels of all gaussian_clusters or gaussian_modes together: 40 GB as float32.
MOST_PIXELS = 10_000_000_000

#: Settings that one data set alone has.
OWN_SETTINGS = {
    "folder": "image_folder",
    "image_size": "image_folder",
    "clusters": "gaussian_clusters",
    "modes": "gaussian_modes",
}

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


class ModeSettings(Settings):
    """Gaussian modes: mode k is a cluster along pixel k, ``strengths[k]`` from the origin, and
    belongs to class k mod ``classes``. Without noise they are linearly separable, and no two have a
    pixel in common."""

    classes: Annotated[int, Field(ge=2, le=10_000)] = 2
    """Number of classes."""
    image_size: Annotated[int, Field(ge=2, le=512)] = 8
    """Each point is an image with one channel and this many pixels a side. There are at least as
    many pixels as modes."""
    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=10_000)] = [2.0, 2.0, 1.0, 1.0]
    """For each mode, its brightness: the norm of its centre."""
    frequencies: Annotated[list[Annotated[float, Field(gt=0)]], Field(max_length=10_000)] | None = None
    """For each mode, how frequent it is, relative to the others. By default all are equally
    frequent. The numbers of points are proportional to it, rounded by largest remainders."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of every pixel around its cluster's centre."""
    samples: Annotated[int, Field(ge=4, le=10_000_000)] = 2000
    """Total number of points; a fifth of them is the test set."""

    @model_validator(mode="after")
    def _fits(self) -> ModeSettings:
        modes, pixels = len(self.strengths), self.image_size**2
        if self.frequencies is not None and len(self.frequencies) != modes:
            raise ValueError(f"there are {modes} 'strengths' and {len(self.frequencies)} 'frequencies'; give one for each mode")
        if not self.classes <= modes <= pixels:
            raise ValueError(
                f"{modes} 'strengths' are too {'few' if modes < self.classes else 'many'}: one for each mode, of which there "
                f"are at least as many as 'classes', {self.classes}, and at most as many as pixels, {pixels}"
            )
        if pixels * self.samples > MOST_PIXELS:
            raise ValueError(f"samples times image_size² must be at most {MOST_PIXELS:,}")
        if 0 in self.counts(self.samples - self.test_samples):
            raise ValueError(f"{self.samples} 'samples' leave a mode without a training sample; set more")
        return self

    @property
    def test_samples(self) -> int:
        """Number of points in the test set."""
        return round(self.samples / 5)

    def counts(self, total: int) -> list[int]:
        """Return how many of ``total`` points belong to each mode, rounded by largest remainders.

        Examples
        --------
        >>> ModeSettings(strengths=[2, 1, 1], frequencies=[4, 2, 1]).counts(10)
        [6, 3, 1]
        """
        frequencies = self.frequencies or [1.0] * len(self.strengths)
        shares = [total * frequency / sum(frequencies) for frequency in frequencies]
        counts = [int(share) for share in shares]
        largest = sorted(range(len(shares)), key=lambda mode: counts[mode] - shares[mode])
        for mode in largest[: total - sum(counts)]:
            counts[mode] += 1
        return counts


class CueSettings(Settings):
    """A cue beside the shapes: the brightness of the whole image tells its class, or seems to.

    In class c of C, ``strength`` · (2c/(C − 1) − 1) is added to every pixel: the first class is
    darker by the strength, the last one brighter. Nothing is clipped. Pixels that ``shift`` brings
    in stay black. Training and test images have cues. The test images are kept without any as
    well, and with those of class C − 1 − c."""

    strength: Annotated[float, Field(gt=0, le=1000), name_label("cue")]
    """Largest change of brightness, where 1 is white. Data sets without a white, the Gaussian ones,
    have it in units of their pixels."""
    fraction: Annotated[float, Field(ge=0, le=1), name_label("cuefraction")]
    """Fraction of the images whose cue is that of their class (the one they are trained as). The
    others have the cue of a class drawn at random, which may be their own."""


class DataSettings(Named):
    """The data set, and what is done to each batch of it."""

    name: Annotated[str, name_label("")] = "cifar10"
    """digits (scikit-learn's; needs no files); cifar10, cifar100, mnist, fashion_mnist
    (torchvision's files); image_folder (one folder per class); gaussian_clusters; gaussian_modes."""
    folder: Folder | None = None
    """For image_folder: a folder under the data root that contains ``train/`` and ``test/``, each
    with one folder per class."""
    image_size: Annotated[int | None, Field(ge=2, le=1024)] = None
    """For image_folder: images are resized to this many pixels a side (32 by default)."""
    clusters: ClusterSettings | None = None
    """For gaussian_clusters: their number, size and separation."""
    modes: ModeSettings | None = None
    """For gaussian_modes: their strengths and frequencies."""
    merged_classes: Annotated[int | None, Field(ge=2, le=10_000), name_label("merged")] = None
    """Merge neighbouring classes into this many: class c of C becomes ⌊c · merged_classes / C⌋. With 2,
    digits are below 5, or not."""
    imbalance: Annotated[float, Field(ge=1, le=1e6)] = 1.0
    """Ratio r between the numbers of training samples of the first and the last class, a long tail:
    class c of C keeps a share r^(−c/(C − 1)) of the number of the most frequent class (at most all
    it has, at least one sample), drawn with ``seed``. The test set stays as it is."""
    cue: CueSettings | None = None
    """Brightness that tells the class in a part of the images."""
    train_samples: Annotated[int | None, Field(ge=1, le=1_000_000_000)] = None
    """Keep only this many training samples (of those that ``imbalance`` leaves), drawn with ``seed``. By
    default all are kept."""
    normalise: bool = True
    """Subtract each channel's mean over the training set and divide by its standard deviation. For
    gaussian_modes it must be false."""
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
    """Seed of what is fixed before training: corrupted labels, the subset, the clusters, the cues. All
    seeds of a sweep share it."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"unknown data set {quoted(name)}; {did_you_mean(name, DATASETS)}")
        return name

    @model_validator(mode="after")
    def _fits(self) -> DataSettings:
        for field, dataset in OWN_SETTINGS.items():
            if getattr(self, field) is not None and self.name != dataset:
                raise ValueError(f"{field!r} is for {dataset}, not for {self.name}; leave it out")
        if self.name == "image_folder" and self.folder is None:
            raise ValueError("image_folder needs 'folder': a folder under the data root that contains train/ and test/")
        if self.name == "gaussian_modes" and self.normalise:
            raise ValueError("the pixels of gaussian_modes are their strengths; set 'normalise' to false")
        return self

    def class_counts(self, counts: Sequence[int]) -> list[int]:
        """Return how many training samples each class has after ``merged_classes`` and ``imbalance``.

        Parameters
        ----------
        counts
            How many the source has of each class.

        Raises
        ------
        ConfigError
            If there are fewer classes than ``merged_classes``.

        Examples
        --------
        >>> DataSettings(merged_classes=2, imbalance=10).class_counts([50, 60, 70, 40])
        [110, 11]
        """
        if self.merged_classes is not None:
            merged = [0] * self.merged_classes
            for label, count in enumerate(counts):
                merged[self.merged_label(label, len(counts))] += count
            counts = merged
        return self.thinned_counts(counts)

    def thinned_counts(self, counts: Sequence[int]) -> list[int]:
        """Return how many samples ``imbalance`` leaves of each class."""
        if self.imbalance == 1:
            return list(counts)
        most, last = max(counts), max(1, len(counts) - 1)
        wanted = (max(1, round(most * self.imbalance ** (-label / last))) for label in range(len(counts)))
        return [min(count, kept) for count, kept in zip(counts, wanted, strict=True)]

    def merged_label(self, label: int, classes: int) -> int:
        """Return what class ``label`` of ``classes`` is merged into.

        Raises
        ------
        ConfigError
            If there are fewer classes than ``merged_classes``.
        """
        if self.merged_classes is None:
            return label
        if self.merged_classes > classes:
            raise ConfigError(
                f"merged_classes {self.merged_classes} is more than the {classes} classes of {self.name}; "
                f"set data.merged_classes to at most {classes}, or leave it out"
            )
        return label * self.merged_classes // classes
