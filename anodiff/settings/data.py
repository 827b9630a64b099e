"""On which data set does a network train, and how are its images prepared?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from anodiff.errors import ConfigError, did_you_mean, quoted
from anodiff.settings.base import Folder, Named, RelativePath, Seed, Settings, name_label
from anodiff.settings.gaussian import ClusterSettings, ModeSettings

DATASETS = (
    "digits",
    "cifar10",
    "cifar100",
    "mnist",
    "fashion_mnist",
    "image_folder",
    "gaussian_clusters",
    "gaussian_modes",
    "text",
)

#: Settings that one data set alone has.
OWN_SETTINGS = {
    "folder": "image_folder",
    "image_size": "image_folder",
    "clusters": "gaussian_clusters",
    "modes": "gaussian_modes",
    "files": "text",
    "tokenizer": "text",
    "test_fraction": "text",
    "stride": "text",
}

#: Settings that only images have, with the values that leave them as they are.
OF_IMAGES = {
    "merged_classes": None,
    "imbalance": 1.0,
    "cue": None,
    "normalise": False,
    "shift": 0,
    "flip": False,
    "noise": 0.0,
    "label_noise": 0.0,
}

#: Pixels a side of the images of an image_folder, if ``image_size`` is not set.
IMAGE_FOLDER_SIZE = 32

#: Share of a text's tokens that are the test set, if ``test_fraction`` is not set.
TEST_FRACTION = 0.1


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
    (torchvision's files); image_folder (one folder per class); gaussian_clusters; gaussian_modes;
    text (files, or help texts that ship with Python)."""
    folder: Folder | None = None
    """For image_folder: a folder under the data root that contains ``train/`` and ``test/``, each
    with one folder per class."""
    image_size: Annotated[int | None, Field(ge=2, le=1024)] = None
    """For image_folder: images are resized to this many pixels a side (32 by default)."""
    clusters: ClusterSettings | None = None
    """For gaussian_clusters: their number, size and separation."""
    modes: ModeSettings | None = None
    """For gaussian_modes: their strengths and frequencies."""
    files: Annotated[list[RelativePath], Field(min_length=1, max_length=10_000)] | None = None
    """For text: files or patterns such as ``books/*.txt``, relative to the data root, one or a list;
    they are read one after another. By default the help texts of Python's ``pydoc_data.topics``,
    which differ between versions of Python."""
    tokenizer: RelativePath | None = None
    """For text: a JSON file of the package ``tokenizers``, relative to the data root. By default a
    token is a byte."""
    test_fraction: Annotated[float | None, Field(gt=0, lt=1), name_label("testfraction")] = None
    """For text: the last part of the tokens that is the test set, as a fraction (0.1 by default)."""
    stride: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """For text: tokens from the beginning of a block to that of the next one. By default blocks do
    not overlap: it is a block's length, ``model.context`` + 1."""
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
    gaussian_modes it must be false, and for text it is."""
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

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Fill in what depends on the name, so that a run.yaml is complete: tokens are not normalised."""
        value = {"name": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping) or value.get("name") != "text":
            return value
        files = value.get("files")
        return {"normalise": False, **value, "files": [files] if isinstance(files, str) else files}

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
        for field, neutral in OF_IMAGES.items():
            if self.is_text and getattr(self, field) != neutral:
                raise ValueError(f"{field!r} is for images, not for text; leave it out")
        return self

    @property
    def is_text(self) -> bool:
        """Whether samples are blocks of tokens, and not images."""
        return self.name == "text"

    @property
    def has_unknown_size(self) -> bool:
        """Whether nobody knows the number of samples or classes before the files are read."""
        return self.name == "image_folder" or self.files is not None or self.tokenizer is not None

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
