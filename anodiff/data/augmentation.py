"""How is a batch prepared for the network? Images are normalised, shifted, mirrored, with noise; tokens stay."""

from __future__ import annotations

import torch
from torch import Tensor

from anodiff.data.dataset import Dataset, full_scale
from anodiff.settings.data import DataSettings
from anodiff.settings.shapes import Tokens


def build_augmentation(settings: DataSettings, dataset: Dataset) -> Augmentation | AsTokens:
    """Return what prepares batches of a data set, by the kind of its samples."""
    return AsTokens() if isinstance(dataset.shape, Tokens) else Augmentation(settings, dataset)


class AsTokens:
    """Give tokens the type of an index; nothing is drawn."""

    def normalise(self, tokens: Tensor) -> Tensor:
        """Return stored tokens (B, T) as int64."""
        return tokens.long()

    def __call__(self, tokens: Tensor, generator: torch.Generator) -> Tensor:
        """Return stored tokens (B, T) as int64."""
        return tokens.long()


class Augmentation:
    """Turn stored images into what the network sees in training (in evaluation: `normalise`).

    Every image is shifted by up to k = ``settings.shift`` pixels in both directions and filled with
    black (a stored zero, then normalised). All (2k + 1)² shifts are equally likely. This is
    torchvision's ``RandomCrop(size, padding=k)`` before ``Normalize``. Then the image is mirrored
    with probability 1/2 (``settings.flip``) and normalised. Finally, Gaussian noise of standard
    deviation ``settings.noise`` is added to every pixel. The images of a batch are transformed
    independently but together: shift and flip only determine from which stored pixel each pixel
    comes, so the two are one gather.

    Parameters
    ----------
    settings
        The data settings.
    dataset
        The data set that the batches are from; it gives the size, the moments and the device.

    Examples
    --------
    >>> from anodiff.data import load
    >>> settings = DataSettings(name="digits", shift=1, noise=0.1)
    >>> dataset = load(settings, "data")
    >>> augment = Augmentation(settings, dataset)
    >>> augment(dataset.train_images[:64], torch.Generator().manual_seed(0)).shape
    torch.Size([64, 1, 8, 8])
    """

    def __init__(self, settings: DataSettings, dataset: Dataset) -> None:
        self.shift = settings.shift
        self.flip = settings.flip
        self.noise = settings.noise
        # (x / scale - mean) / std as one product and one sum
        self._gain = 1 / (full_scale(dataset.train_images) * dataset.std)
        self._offset = -dataset.mean / dataset.std

        device = dataset.train_images.device
        height, width = dataset.train_images.shape[2:]
        padded_width = width + 2 * self.shift
        rows = padded_width * torch.arange(height, device=device)[:, None]
        columns = torch.arange(width, device=device)
        # positions of a window's pixels in a flattened padded image, upright and mirrored: (2, H * W)
        self._windows = torch.stack([rows + columns, rows + columns.flip(0)]).flatten(1)
        shifts = torch.arange(2 * self.shift + 1, device=device)
        # position of the first pixel of the window, for all shifts: ((2k + 1)²,)
        self._corners = (padded_width * shifts[:, None] + shifts).flatten()

    def normalise(self, images: Tensor) -> Tensor:
        """Return stored images (B, C, H, W) as float32: (x - mean) / std for each channel."""
        return torch.mul(images, self._gain).add_(self._offset)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return an augmented batch.

        Parameters
        ----------
        images : (B, C, H, W)
            Images as the data set stores them; they are not modified.
        generator
            Source of all randomness, on the images' device. The order of the draws is shifts,
            flips, noise; only what the settings ask for is drawn.

        Returns
        -------
        (B, C, H, W) float32
        """
        if self.shift or self.flip:
            images = self._move(images, generator)
        seen = self.normalise(images)
        if self.noise:
            noise = torch.randn(seen.shape, generator=generator, device=seen.device)
            seen.add_(noise, alpha=self.noise)
        return seen

    def _move(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Shift and mirror stored images (B, C, H, W)."""
        batch, channels = images.shape[:2]

        def choose(table: Tensor) -> Tensor:
            return table[torch.randint(len(table), (batch,), generator=generator, device=images.device)]

        corners = choose(self._corners) if self.shift else self._corners.expand(batch)  # (B,)
        windows = choose(self._windows) if self.flip else self._windows[:1]  # (B or 1, H * W)
        pixels = corners[:, None] + windows
        padded = torch.nn.functional.pad(images, (self.shift,) * 4).flatten(2)  # (B, C, (H + 2k) * (W + 2k))
        return padded.gather(2, pixels[:, None].expand(-1, channels, -1)).view(images.shape)
