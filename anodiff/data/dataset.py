"""On which images and labels is the network trained and tested?

A data set is made in steps: read or draw the images and labels, merge classes, thin them out,
choose a subset of the training samples, corrupt its labels, add cues, compute the moments of the
images as they then are. Each random step has its own stream,
numpy's ``SeedSequence(settings.seed, spawn_key=(k,))`` with k from `STREAMS`, so that changing one
step does not change the others. Everything happens on the CPU, so the data are the same on every
device.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anodiff.data.cue import brightness_offsets, draw_cues, probe_images, with_offsets
from anodiff.data.files import read_image_folder, read_torchvision
from anodiff.data.sources import Source, draw_clusters, draw_modes, read_digits
from anodiff.errors import ConfigError
from anodiff.settings.data import IMAGE_FOLDER_SIZE, ClusterSettings, CueSettings, DataSettings, ModeSettings

#: Key of each random stream.
STREAMS = {"subset": 0, "labels": 1, "clusters": 2, "imbalance": 3, "cue": 4, "test_cue": 5, "modes": 6}

#: Images whose levels are counted at a time.
BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels as tensors on one device.

    Images keep the type of their source: a uint8 value v means brightness v/255, a float32 value is
    the brightness. With a cue they are float32, and may be darker than 0 or brighter than 1.
    `anodiff.data.Augmentation` computes what the network sees, (brightness - mean) / std, batch by
    batch.

    Attributes
    ----------
    name
        The data set's name in the settings.
    train_images, test_images : (N, C, H, W) uint8 or float32
        Square images.
    train_labels, test_labels : (N,) int64
        Classes, from 0. Only training labels can be corrupted.
    classes
        Number of classes.
    mean, std : (C, 1, 1) float32
        Moments of each channel's brightness over all pixels of the training images; 0 and 1 if the
        settings turn normalisation off. The standard deviation of a constant channel is set to 1.
    probes : of (N, C, H, W) float32
        Further versions of the test images by name, with the same labels: those of
        `anodiff.data.cue` if there is a cue, else none.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    mean: Tensor
    std: Tensor
    probes: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.train_images.shape[1]

    @property
    def size(self) -> int:
        """Pixels along a side of an image."""
        return self.train_images.shape[-1]

    def to(self, device: torch.device | str) -> Dataset:
        """Return the data set with all its tensors on ``device``."""
        return dataclasses.replace(
            self,
            train_images=self.train_images.to(device),
            train_labels=self.train_labels.to(device),
            test_images=self.test_images.to(device),
            test_labels=self.test_labels.to(device),
            mean=self.mean.to(device),
            std=self.std.to(device),
            probes={name: images.to(device) for name, images in self.probes.items()},
        )


def load(
    settings: DataSettings,
    root: str | Path,
    *,
    download: bool = False,
    device: torch.device | str = "cpu",
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    settings
        Which data set, and what is done to it before training.
    root
        Folder of data sets, in torchvision's layout. ``digits``, ``gaussian_clusters`` and
        ``gaussian_modes`` need no files.
    download
        Let torchvision download missing files.
    device
        Device of the tensors.

    Raises
    ------
    DatasetMissingError
        If files are missing or unreadable, or could not be downloaded.
    ConfigError
        If the settings ask for more samples or classes than the data set has.

    Examples
    --------
    >>> dataset = load(DataSettings(name="digits"), "data")
    >>> dataset.train_images.shape, dataset.classes
    (torch.Size([1437, 1, 8, 8]), 10)
    """
    source = _read(settings, Path(root).expanduser().absolute(), download)
    source = _subset(_thinned(_merged(source, settings), settings), settings)
    labels = corrupt_labels(source, settings.label_noise, _stream(settings, "labels"))
    source = dataclasses.replace(source, train_labels=labels)
    probes: dict[str, np.ndarray] = {}
    if settings.cue is not None:
        probes = probe_images(settings.cue, source.test_images, source.test_labels, source.classes)
        source = _cued(source, settings, settings.cue)
    images = torch.from_numpy(source.train_images)
    channels = images.shape[1]
    mean, std = moments(images) if settings.normalise else (torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
    return Dataset(
        name=settings.name,
        train_images=images,
        train_labels=torch.from_numpy(source.train_labels),
        test_images=torch.from_numpy(source.test_images),
        test_labels=torch.from_numpy(source.test_labels),
        classes=source.classes,
        mean=mean,
        std=std,
        probes={name: torch.from_numpy(each) for name, each in probes.items()},
    ).to(device)


def full_scale(images: Tensor) -> int:
    """Return the stored value that means brightness 1."""
    return 1 if images.is_floating_point() else 255


def moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel's brightness, (C, 1, 1) float32.

    Parameters
    ----------
    images : (N, C, H, W) uint8 or float32
        Stored images. Sums are in float64; the variance is divided by the number of pixels.
    """
    if images.is_floating_point():
        std, mean = torch.std_mean(images.double(), (0, 2, 3), correction=0)
    else:  # a histogram of the 256 levels is exact, and faster than sums over the pixels
        counts = torch.stack([_histogram(channel) for channel in images.unbind(1)]).double()  # (C, 256)
        shares = counts / counts.sum(1, keepdim=True)
        levels = torch.arange(256, dtype=torch.float64) / full_scale(images)
        mean = shares @ levels
        std = (shares * (levels - mean[:, None]) ** 2).sum(1).sqrt()
    std = torch.where(std > 0, std, 1.0)
    return mean.float().view(-1, 1, 1), std.float().view(-1, 1, 1)


def _histogram(channel: Tensor) -> Tensor:
    """Count the 256 levels in a channel (N, H, W) uint8, in blocks: bincount makes int64 copies."""
    blocks = channel.split(BLOCK)
    return torch.stack([torch.bincount(block.flatten(), minlength=256) for block in blocks]).sum(0)


def corrupt_labels(source: Source, fraction: float, random: np.random.Generator) -> np.ndarray:
    """Return the training labels (N,), round(fraction * N) of them replaced by a random other class.

    A larger fraction corrupts the same labels in the same way, and further ones.
    """
    labels = source.train_labels.copy()
    order = random.permutation(len(labels))
    steps = random.integers(1, source.classes, len(labels))
    chosen = order[: round(fraction * len(labels))]
    labels[chosen] = (labels[chosen] + steps[chosen]) % source.classes
    return labels


def _read(settings: DataSettings, root: Path, download: bool) -> Source:
    if settings.name == "digits":
        return read_digits()
    if settings.name == "gaussian_clusters":
        return draw_clusters(settings.clusters or ClusterSettings(), _stream(settings, "clusters"))
    if settings.name == "gaussian_modes":
        return draw_modes(settings.modes or ModeSettings(), _stream(settings, "modes"))
    if settings.name == "image_folder":
        return read_image_folder(root / (settings.folder or ""), settings.image_size or IMAGE_FOLDER_SIZE)
    return read_torchvision(settings.name, root, download=download)


def _merged(source: Source, settings: DataSettings) -> Source:
    """Merge neighbouring classes into ``settings.merged_classes``."""
    if settings.merged_classes is None:
        return source
    group = np.array([settings.merged_label(label, source.classes) for label in range(source.classes)], dtype=np.int64)
    train, test = group[source.train_labels], group[source.test_labels]
    return dataclasses.replace(source, train_labels=train, test_labels=test, classes=settings.merged_classes)


def _thinned(source: Source, settings: DataSettings) -> Source:
    """Keep of each class what ``settings.imbalance`` leaves; what a larger ratio keeps, a smaller one keeps too."""
    if settings.imbalance == 1:
        return source
    each = np.bincount(source.train_labels, minlength=source.classes).tolist()
    left = settings.thinned_counts(each)
    order = _stream(settings, "imbalance").permutation(len(source.train_labels))
    kept = np.sort(np.concatenate([order[source.train_labels[order] == label][:count] for label, count in enumerate(left)]))
    return dataclasses.replace(source, train_images=source.train_images[kept], train_labels=source.train_labels[kept])


def _cued(source: Source, settings: DataSettings, cue: CueSettings) -> Source:
    """Add cues to the training and the test images."""
    offsets = brightness_offsets(cue.strength, source.classes)

    def cued(images: np.ndarray, labels: np.ndarray, stream: str) -> np.ndarray:
        return with_offsets(images, offsets[draw_cues(labels, source.classes, cue.fraction, _stream(settings, stream))])

    return dataclasses.replace(
        source,
        train_images=cued(source.train_images, source.train_labels, "cue"),
        test_images=cued(source.test_images, source.test_labels, "test_cue"),
    )


def _subset(source: Source, settings: DataSettings) -> Source:
    """Keep ``settings.train_samples`` training samples, in order; smaller subsets are in larger ones."""
    if settings.train_samples is None:
        return source
    available = len(source.train_labels)
    if settings.train_samples > available:
        raise ConfigError(
            f"train_samples {settings.train_samples} is more than the {available} training samples of {settings.name}; "
            f"set data.train_samples to at most {available}, or leave it out to keep all"
        )
    kept = np.sort(_stream(settings, "subset").permutation(available)[: settings.train_samples])
    return dataclasses.replace(source, train_images=source.train_images[kept], train_labels=source.train_labels[kept])


def _stream(settings: DataSettings, name: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(STREAMS[name],)))
