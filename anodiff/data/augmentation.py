"""How does a batch look to the network: normalised, shifted, mirrored, with noise?"""

from __future__ import annotations

import torch
from torch import Tensor

from anodiff.data.dataset import Dataset, full_scale
from anodiff.settings.data import DataSettings


class Augmentation:
    """Turns stored images into what the network sees in training; `normalise` alone does so in evaluation.

    Every image is shifted by up to k = ``settings.shift`` pixels in both directions, each of the (2k + 1)² shifts as
    likely as the others, with black (a stored zero, then normalised) moving in: what torchvision's
    ``RandomCrop(size, padding=k)`` before ``Normalize`` does. Then it is mirrored with probability 1/2
    (``settings.flip``) and normalised, and Gaussian noise of standard deviation ``settings.noise`` is added to every
    pixel. The images of a batch are treated independently, in a few operations for all of them: shift and flip only say
    from which stored pixel each pixel comes, so together they are one gather.

    Parameters
    ----------
    settings
        The data settings.
    dataset
        The data set whose batches come in; it gives the size, the moments and the device.

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
        # where the pixels of a window lie in a padded image of one row after another, upright and mirrored: (2, H * W)
        self._windows = torch.stack([rows + columns, rows + columns.flip(0)]).flatten(1)
        shifts = torch.arange(2 * self.shift + 1, device=device)
        # where the windows of all shifts begin: ((2k + 1)²,)
        self._corners = (padded_width * shifts[:, None] + shifts).flatten()

    def normalise(self, images: Tensor) -> Tensor:
        """Return stored images (B, C, H, W) as float32: each channel minus its mean, over its standard deviation."""
        return torch.mul(images, self._gain).add_(self._offset)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return an augmented batch.

        Parameters
        ----------
        images : (B, C, H, W)
            Images as the data set stores them; they stay as they are.
        generator
            Source of all randomness, on the images' device. It is drawn from in the order shifts, flips, noise, and
            only for what the settings ask for.

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
