"""How are data sets read from files? torchvision's data sets, and folders of images."""

from __future__ import annotations

import pickle
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from anodiff.data.sources import Source
from anodiff.errors import ConfigError, DatasetMissingError

#: Number of TIFF's tag for the bits of a pixel.
TIFF_BITS = 258

TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


def read_torchvision(name: str, root: Path, *, download: bool = False) -> Source:
    """Read one of torchvision's data sets from its files under ``root``, as uint8.

    Raises
    ------
    ConfigError
        If torchvision is missing, or was built for another torch.
    DatasetMissingError
        If files are missing or damaged, or cannot be downloaded; the message gives the command that
        downloads them.
    """
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        raise ConfigError(f"data {name!r} needs a torchvision that fits this torch: {_one_line(error)}") from error

    kind = getattr(torchvision.datasets, TORCHVISION[name])
    files = _expected_files(kind, root)
    missing = [file for file in files if not file.is_file()]
    if missing and not download:
        raise DatasetMissingError(
            f"{name}: {_listed([str(file.relative_to(root)) for file in missing])} not found in {root}; "
            f"to download, run: {_download_command(kind, root)}"
        )
    if missing:
        try:
            kind(root, download=True)
        except (OSError, RuntimeError) as error:
            raise DatasetMissingError(
                f"{name}: download to {root} failed ({_one_line(error)}); "
                f"on a machine with a network, run: {_download_command(kind, root)}"
            ) from error
    try:
        train, test = kind(root, train=True), kind(root, train=False)
        return Source(*_arrays(train), *_arrays(test), classes=len(train.classes))
    except (OSError, RuntimeError, ValueError, LookupError, AssertionError, EOFError, pickle.UnpicklingError) as error:
        folder = next(iter(files)).parent
        intact = torchvision.datasets.utils.check_integrity
        damaged = [file.name for file, md5 in files.items() if not intact(file, md5)]
        raise DatasetMissingError(
            f"{name}: damaged or unreadable: {_listed(damaged) or 'a file'} in {folder} ({_one_line(error)}); "
            f"to download again, delete that folder and run: {_download_command(kind, root)}"
        ) from error


def _expected_files(kind: Any, root: Path) -> dict[Path, str | None]:
    """Return the files that a torchvision class reads, with their md5 if torchvision has it."""
    if hasattr(kind, "base_folder"):
        batches = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        return {root / kind.base_folder / file: md5 for file, md5 in batches}
    return {root / kind.__name__ / "raw" / Path(packed).stem: None for packed, _ in kind.resources}


def _arrays(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, C, H, W) uint8 and labels (N,) int64 of a torchvision data set."""
    images = np.asarray(dataset.data)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    labels = np.asarray(dataset.targets, dtype=np.int64)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, {len(labels)} labels")
    return np.ascontiguousarray(images), labels


def _download_command(kind: Any, root: Path) -> str:
    code = f"import torchvision; torchvision.datasets.{kind.__name__}({str(root)!r}, download=True)"
    quoted = shlex.quote(code) if set(str(root)) & set("\"'$`\\!") else f'"{code}"'
    return f"python -c {quoted}"


def read_image_folder(folder: Path, size: int) -> Source:
    """Read ``folder``/train and ``folder``/test, each with one folder of images per class.

    Images are converted to RGB and resized to ``size`` × ``size`` pixels, bilinearly with
    anti-aliasing, as uint8. Pixels of 16 bits are scaled by the range of their type. Classes are
    numbered in alphabetical order of their names.

    Raises
    ------
    DatasetMissingError
        If a folder is missing or has no images, if train and test have different classes, or if an
        image is damaged, too large, or has pixels of a type without a range.
    """
    train, test = folder / "train", folder / "test"
    train_classes, test_classes = _classes(train), _classes(test)
    if train_classes != test_classes:
        only_train, only_test = sorted(train_classes - test_classes), sorted(test_classes - train_classes)
        only = [f"{_listed(names)} only in {part}" for names, part in ((only_train, train), (only_test, test)) if names]
        raise DatasetMissingError(f"image_folder: train/ and test/ must have the same classes: {', '.join(only)}")
    if len(train_classes) < 2:
        raise DatasetMissingError(f"image_folder: {train} needs one folder per class, for two or more classes")
    return Source(*_read_images(train, size), *_read_images(test, size), classes=len(train_classes))


def _classes(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise DatasetMissingError(
            f"image_folder: there is no folder {folder}; set data.folder to a folder under the data root that contains "
            "train/ and test/, each with one folder of images per class"
        )
    return {entry.name for entry in folder.iterdir() if entry.is_dir()}


def _read_images(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    from torchvision.datasets import ImageFolder

    try:
        listing = ImageFolder(folder)
    except OSError as error:
        raise DatasetMissingError(f"image_folder: {folder}: {_one_line(error)}") from error
    images = np.empty((len(listing), size, size, 3), dtype=np.uint8)
    for row, (path, _) in enumerate(listing.samples):
        images[row] = _read_image(path, size)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), np.asarray(listing.targets, dtype=np.int64)


def _read_image(path: str, size: int) -> Any:
    """Return an image in RGB, ``size`` × ``size`` pixels."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow refuses twice that size
            with Image.open(path) as image:
                return _to_rgb(image).resize((size, size), Image.Resampling.BILINEAR)
    except Exception as error:  # Pillow's readers raise all kinds on files that are not what they seem
        raise DatasetMissingError(f"image_folder: {path} cannot be read ({_one_line(error)})") from error


def _to_rgb(image: Any) -> Any:
    """Convert a Pillow image of any mode to RGB. Pillow itself clips wider pixels at 255.

    Raises
    ------
    ValueError
        If its pixels have no range: floating-point numbers, and integers of 32 bits.
    """
    from PIL import Image

    if image.mode.startswith("I;16"):
        bits = image.tag_v2.get(TIFF_BITS, (16,))[0] if image.format == "TIFF" else 16
        largest = 2**bits - 1
    elif image.mode == "I" and image.format in ("PNG", "PPM"):  # these have 16 bits at most, and Pillow scales to them
        largest = 2**16 - 1
    elif image.mode in ("F", "I"):
        kind = "floating-point numbers" if image.mode == "F" else "integers of 32 bits or with a sign"
        raise ValueError(f"its pixels are {kind}, whose black and white are unknown; save it with 8 or 16 bits per pixel")
    else:
        return image.convert("RGB")
    grey = np.round(np.asarray(image, dtype=np.float64) * (255 / largest)).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _listed(names: list[str]) -> str:
    """Return the first three names, and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _one_line(error: Exception) -> str:
    """Return an error's text on one line, without torchvision's hint to use its own keyword."""
    text = str(error).replace("You can use download=True to download it", "")
    return " ".join(text.split()).rstrip(".") or type(error).__name__
