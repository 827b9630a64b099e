"""On which inputs and labels is the network trained and tested?

Text is cut into blocks of tokens, see `anodiff.data.text`. A data set of images is made in steps:
read or draw the images and labels, merge classes, thin them out, choose a subset of the training
samples, corrupt its labels, add cues, compute the moments of the images as they then are. Each
random step has its own stream, numpy's ``SeedSequence(settings.seed, spawn_key=(k,))`` with k from
`STREAMS`, so that changing one step does not change the others. Everything happens on the CPU, so
the data are the same on every device.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anodiff.data.changes import corrupt_labels, cued, merged, thinned
from anodiff.data.cue import probe_images
from anodiff.data.files import read_image_folder, read_torchvision
from anodiff.data.sources import Source, draw_clusters, draw_modes, read_digits
from anodiff.data.text import read_text
from anodiff.errors import ConfigError
from anodiff.settings.data import IMAGE_FOLDER_SIZE, DataSettings
from anodiff.settings.gaussian import ClusterSettings, ModeSettings
from anodiff.settings.shapes import DEFAULT_CONTEXT, Images, Shape, Tokens

#: Key of each random stream.
STREAMS = {"subset": 0, "labels": 1, "clusters": 2, "imbalance": 3, "cue": 4, "test_cue": 5, "modes": 6}

#: Images whose levels are counted at a time.
BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels as tensors on one device: images with one class each, or tokens with the next ones.

    Images keep the type of their source: a uint8 value v means brightness v/255, a float32 value is
    the brightness. With a cue they are float32, and may be darker than 0 or brighter than 1.
    `anodiff.data.Augmentation` computes what the network sees, (brightness - mean) / std, batch by
    batch.

    Attributes
    ----------
    name
        The data set's name in the settings.
    train_inputs, test_inputs : (N, C, H, W) uint8 or float32, or (N, T) uint8 or int32
        Square images, or blocks of tokens.
    train_labels, test_labels : (N,) or (N, T) int64
        Classes, from 0, or the token after each one. Only classes of training images can be corrupted.
    classes
        Number of classes, or of different tokens.
    mean, std : (C, 1, 1) float32
        Moments of each channel's brightness over all pixels of the training images; 0 and 1 if the
        settings turn normalisation off. The standard deviation of a constant channel is set to 1.
        Empty for tokens.
    probes : of (N, C, H, W) float32
        Further versions of the test images by name, with the same labels: those of
        `anodiff.data.cue` if there is a cue, else none.
    origin
        For text: where it is from and its digest, for the provenance of a run.
    """

    name: str
    train_inputs: Tensor
    train_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    classes: int
    mean: Tensor
    std: Tensor
    probes: Mapping[str, Tensor] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """What a network for this data set takes and returns."""
        if self.train_inputs.ndim == 2:
            return Tokens(self.classes, self.train_inputs.shape[1])
        return Images(self.channels, self.size, self.classes)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.train_inputs.device

    @property
    def train_images(self) -> Tensor:
        """The training inputs of a data set of images."""
        return self.train_inputs

    @property
    def test_images(self) -> Tensor:
        """The test inputs of a data set of images."""
        return self.test_inputs

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.train_inputs.shape[1]

    @property
    def size(self) -> int:
        """Pixels along a side of an image."""
        return self.train_inputs.shape[-1]

    def to(self, device: torch.device | str) -> Dataset:
        """Return the data set with all its tensors on ``device``."""
        return dataclasses.replace(
            self,
            train_inputs=self.train_inputs.to(device),
            train_labels=self.train_labels.to(device),
            test_inputs=self.test_inputs.to(device),
            test_labels=self.test_labels.to(device),
            mean=self.mean.to(device),
            std=self.std.to(device),
            probes={name: images.to(device) for name, images in self.probes.items()},
        )


def load(
    settings: DataSettings,
    root: str | Path,
    *,
    context: int | None = None,
    download: bool = False,
    device: torch.device | str = "cpu",
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    settings
        Which data set, and what is done to it before training.
    root
        Folder of data sets, in torchvision's layout. ``digits``, ``gaussian_clusters``,
        ``gaussian_modes`` and the default text need no files.
    context
        For text: tokens of a sample, ``model.context``; by default `DEFAULT_CONTEXT`.
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
    folder = Path(root).expanduser().absolute()
    if settings.is_text:
        return _load_text(settings, folder, context or DEFAULT_CONTEXT).to(device)
    source = _read(settings, folder, download)
    source = _subset(thinned(merged(source, settings), settings, _stream(settings, "imbalance")), settings)
    labels = corrupt_labels(source, settings.label_noise, _stream(settings, "labels"))
    source = dataclasses.replace(source, train_labels=labels)
    probes: dict[str, np.ndarray] = {}
    if settings.cue is not None:
        probes = probe_images(settings.cue, source.test_images, source.test_labels, source.classes)
        source = cued(source, settings.cue, _stream(settings, "cue"), _stream(settings, "test_cue"))
    images = torch.from_numpy(source.train_images)
    channels = images.shape[1]
    mean, std = moments(images) if settings.normalise else (torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
    return Dataset(
        name=settings.name,
        train_inputs=images,
        train_labels=torch.from_numpy(source.train_labels),
        test_inputs=torch.from_numpy(source.test_images),
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


def _subset(source: Source, settings: DataSettings) -> Source:
    """Keep ``settings.train_samples`` training samples, in order; smaller subsets are in larger ones."""
    if settings.train_samples is None:
        return source
    kept = _kept(settings, settings.train_samples, len(source.train_labels))
    return dataclasses.replace(source, train_images=source.train_images[kept], train_labels=source.train_labels[kept])


def _kept(settings: DataSettings, wanted: int, available: int) -> np.ndarray:
    """Return the rising indices of ``train_samples`` of the training samples."""
    if wanted > available:
        raise ConfigError(
            f"train_samples {wanted} is more than the {available} training samples of {settings.name}; "
            f"set data.train_samples to at most {available}, or leave it out to keep all"
        )
    return np.sort(_stream(settings, "subset").permutation(available)[:wanted])


def _load_text(settings: DataSettings, root: Path, context: int) -> Dataset:
    """Load a text: the tokens of a block but the last are a sample, the tokens but the first its labels."""
    text = read_text(settings, root, context)
    train = text.train
    if settings.train_samples is not None:
        train = train[_kept(settings, settings.train_samples, len(train))]
    (train_inputs, train_labels), (test_inputs, test_labels) = _halves(train), _halves(text.test)
    nothing = torch.empty(0, 1, 1)
    return Dataset(
        name=settings.name,
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        classes=text.vocabulary,
        mean=nothing,
        std=nothing,
        origin=text.origin,
    )


def _halves(blocks: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return inputs and labels (N, T) of blocks (N, T + 1)."""
    return torch.from_numpy(blocks[:, :-1].copy()), torch.from_numpy(blocks[:, 1:].astype(np.int64))


def _stream(settings: DataSettings, name: str) -> np.random.Generator:
    """Return the generator of one random step."""
    return np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(STREAMS[name],)))
