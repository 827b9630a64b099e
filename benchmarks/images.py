"""What the networks of the benchmarks are trained on."""

import torch

from anodiff.data import Dataset, load
from anodiff.settings.data import DataSettings


def dataset(name, device):
    """Return a data set whose test set is one image, so that evaluation costs no loop anything.

    ``like cifar10`` has the shapes of CIFAR-10 and random pixels: a step takes as long, and nothing need be downloaded.
    """
    if name == "digits":
        digits = load(DataSettings(name="digits"), "data", device=device)
        images, labels, classes, mean, std = digits.train_images, digits.train_labels, 10, digits.mean, digits.std
    else:
        random = torch.Generator().manual_seed(0)
        images = torch.randint(256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=random).to(device)
        labels, classes = torch.randint(10, (50_000,), generator=random).to(device), 10
        mean, std = (torch.full((3, 1, 1), value, device=device) for value in (0.5, 0.29))
    return Dataset(name, images, labels, images[:1], labels[:1], classes, mean, std)
