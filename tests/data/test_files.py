from __future__ import annotations

import os
import shlex
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anodiff.data import Dataset, load
from anodiff.errors import ConfigError, DatasetMissingError
from anodiff.settings.data import DataSettings

PUBLISHED = os.environ.get("ANODIFF_TEST_DATA")
FOLDERS = {"cifar10": "cifar-10-batches-py", "mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}


def published(name: str) -> Dataset:
    if PUBLISHED is None:
        pytest.skip("ANODIFF_TEST_DATA does not name a folder of data sets")
    if not (Path(PUBLISHED) / FOLDERS[name]).is_dir():
        pytest.skip(f"no {FOLDERS[name]} in ANODIFF_TEST_DATA")
    return load(DataSettings(name=name), PUBLISHED)


def refusal(settings: DataSettings, root: Path, **keywords) -> str:
    with pytest.raises(DatasetMissingError) as caught:
        load(settings, root, **keywords)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_published_cifar10_has_its_known_sizes_and_moments():
    dataset = published("cifar10")
    assert dataset.train_images.shape == (50_000, 3, 32, 32)
    assert dataset.test_images.shape == (10_000, 3, 32, 32)
    assert dataset.train_images.dtype == torch.uint8
    assert torch.bincount(dataset.train_labels).tolist() == [5000] * 10
    assert torch.bincount(dataset.test_labels).tolist() == [1000] * 10
    np.testing.assert_allclose(dataset.mean.flatten(), [0.4914, 0.4822, 0.4465], atol=5e-5)
    np.testing.assert_allclose(dataset.std.flatten(), [0.2470, 0.2435, 0.2616], atol=5e-5)


@pytest.mark.parametrize("train", [True, False], ids=["train", "test"])
def test_published_cifar10_images_and_labels_are_torchvisions(train):
    dataset = published("cifar10")
    images = dataset.train_images if train else dataset.test_images
    labels = dataset.train_labels if train else dataset.test_labels
    import torchvision

    theirs = torchvision.datasets.CIFAR10(PUBLISHED, train=train, transform=torchvision.transforms.PILToTensor())
    for index in (0, 1, 777, len(labels) - 1):
        assert torch.equal(images[index], theirs[index][0])
        assert labels[index] == theirs[index][1]


@pytest.mark.parametrize(
    ("name", "mean", "std", "ones"), [("mnist", 0.1307, 0.3081, 6742), ("fashion_mnist", 0.2860, 0.3530, 6000)]
)
def test_published_mnist_kinds_have_their_known_sizes_and_moments(name, mean, std, ones):
    dataset = published(name)
    assert dataset.train_images.shape == (60_000, 1, 28, 28)
    assert dataset.test_images.shape == (10_000, 1, 28, 28)
    assert dataset.train_images.dtype == torch.uint8
    assert dataset.classes == 10
    assert int((dataset.train_labels == 1).sum()) == ones
    assert dataset.mean.item() == pytest.approx(mean, abs=5e-5)
    assert dataset.std.item() == pytest.approx(std, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "kind", "folder"),
    [
        ("cifar10", "CIFAR10", "cifar-10-batches-py"),
        ("cifar100", "CIFAR100", "cifar-100-python"),
        ("mnist", "MNIST", "MNIST"),
        ("fashion_mnist", "FashionMNIST", "FashionMNIST"),
    ],
)
def test_missing_files_are_reported_in_one_line_with_the_command_that_downloads_them(name, kind, folder, tmp_path):
    message = refusal(DataSettings(name=name), tmp_path)
    assert message.startswith(f"{name}: {folder}")
    assert f"not found in {tmp_path};" in message
    command = f'python -c "import torchvision; torchvision.datasets.{kind}({str(tmp_path)!r}, download=True)"'
    assert message.endswith(command)


@pytest.mark.usefixtures("unfit_torchvision")
def test_a_torchvision_for_another_torch_is_said_to_be_one(tmp_path):
    with pytest.raises(ConfigError, match=r"fits this torch: operator torchvision::nms does not exist$"):
        load(DataSettings(name="mnist"), tmp_path)


@pytest.mark.parametrize("folder", ["plain", "with space", "it's $HOME's", 'a "quoted" one'])
def test_the_command_survives_the_shell(folder, tmp_path):
    message = refusal(DataSettings(name="mnist"), tmp_path / folder)
    _, _, code = shlex.split(message.partition("run: ")[2])
    called: list[str] = []
    code = code.replace("import torchvision; torchvision.datasets.MNIST", "record")
    exec(code, {"record": lambda root, download: called.append(root)})
    assert called == [str(tmp_path / folder)]


def test_a_relative_root_is_reported_as_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"MNIST({str(tmp_path / 'data')!r}," in refusal(DataSettings(name="mnist"), Path("data"))


def test_a_single_missing_file_is_named(tmp_path):
    raw = write_mnist(tmp_path)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    message = refusal(DataSettings(name="mnist"), tmp_path)
    assert message.startswith("mnist: MNIST/raw/t10k-labels-idx1-ubyte not found in")


def test_a_failed_download_is_reported_in_one_line(tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise RuntimeError("Error downloading:\nTried a mirror, got:\nno route")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", fail)
    message = refusal(DataSettings(name="mnist"), tmp_path, download=True)
    reason = "Error downloading: Tried a mirror, got: no route"
    assert message.startswith(f"mnist: download to {tmp_path} failed ({reason}); ")
    assert "python -c" in message


def test_a_download_fills_the_root_and_happens_only_where_files_are_missing(tmp_path, monkeypatch):
    calls: list[str] = []

    def fill(dataset):
        calls.append("download")
        write_mnist(Path(dataset.root))

    monkeypatch.setattr("torchvision.datasets.MNIST.download", fill)
    for _ in range(2):
        assert len(load(DataSettings(name="mnist"), tmp_path, download=True).train_labels) == 20
    assert calls == ["download"]


def write_mnist(root: Path) -> Path:
    """Write a small MNIST, 20 training and 10 test images, in its files' format; return their folder."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 10)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    return raw


def test_mnist_files_are_read_as_they_are(tmp_path):
    raw = write_mnist(tmp_path)
    dataset = load(DataSettings(name="mnist"), tmp_path)
    assert dataset.train_images.numpy().tobytes() == (raw / "train-images-idx3-ubyte").read_bytes()[16:]
    assert dataset.test_labels.tolist() == list(range(10))


@pytest.mark.parametrize("length", [0, 3, 500])
def test_a_truncated_mnist_file_is_reported_in_one_line(length, tmp_path):
    images = write_mnist(tmp_path) / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:length])
    message = refusal(DataSettings(name="mnist"), tmp_path)
    assert message.startswith(f"mnist: damaged or unreadable: a file in {images.parent} (")
    assert "delete that folder and run: python -c" in message


def test_images_and_labels_of_different_number_are_reported_in_one_line(tmp_path):
    raw = write_mnist(tmp_path)
    shutil.copy(raw / "t10k-labels-idx1-ubyte", raw / "train-labels-idx1-ubyte")
    assert "20 images, 10 labels" in refusal(DataSettings(name="mnist"), tmp_path)


def test_a_damaged_cifar10_file_is_named(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    from torchvision.datasets import CIFAR10 as kind

    for name in [*(name for name, _ in kind.train_list + kind.test_list), kind.meta["filename"]]:
        (folder / name).write_bytes(b"no pickle")
    message = refusal(DataSettings(name="cifar10"), tmp_path)
    damaged = "data_batch_1, data_batch_2, data_batch_3 and 4 more"
    assert message.startswith(f"cifar10: damaged or unreadable: {damaged} in {folder} (")


COLOURS = {"ants": (200, 10, 10), "bees": (10, 200, 10)}


def write_images(root: Path, size: tuple[int, int] = (20, 12)) -> DataSettings:
    """Write images with one colour per class: 3 per class for training, 2 for testing."""
    for part, count in (("train", 3), ("test", 2)):
        for name, colour in COLOURS.items():
            folder = root / "insects" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", size, colour).save(folder / f"{index}.png")
    return DataSettings(name="image_folder", folder="insects", image_size=8)


def test_an_image_folder_gives_resized_uint8_images_of_its_classes(tmp_path):
    dataset = load(write_images(tmp_path), tmp_path)
    assert (dataset.train_images.shape, dataset.test_images.shape) == ((6, 3, 8, 8), (4, 3, 8, 8))
    assert dataset.train_images.dtype == torch.uint8
    assert dataset.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.classes == 2
    for image, label in zip(dataset.train_images, dataset.train_labels.tolist(), strict=True):
        assert image.flatten(1).unique(dim=1).flatten().tolist() == list(list(COLOURS.values())[label])


def test_an_image_folder_is_32_pixels_a_side_by_default(tmp_path):
    write_images(tmp_path)
    assert load(DataSettings(name="image_folder", folder="insects"), tmp_path).size == 32


def test_images_of_the_wanted_size_are_read_pixel_by_pixel(tmp_path):
    settings = write_images(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "insects" / "train" / "ants" / "0.png")
    assert np.array_equal(load(settings, tmp_path).train_images[0].permute(1, 2, 0).numpy(), pixels)


def test_grey_images_become_three_equal_channels(tmp_path):
    settings = write_images(tmp_path)
    Image.new("L", (8, 8), 77).save(tmp_path / "insects" / "train" / "ants" / "0.png")
    assert load(settings, tmp_path).train_images[0].unique().tolist() == [77]


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part_of_an_image_folder_is_reported_in_one_line(part, tmp_path):
    settings = write_images(tmp_path)
    shutil.rmtree(tmp_path / "insects" / part)
    message = refusal(settings, tmp_path)
    assert message.startswith(f"image_folder: there is no folder {tmp_path / 'insects' / part};")


def test_differing_classes_of_train_and_test_are_reported_in_one_line(tmp_path):
    settings = write_images(tmp_path)
    (tmp_path / "insects" / "test" / "bees").rename(tmp_path / "insects" / "test" / "beess")
    message = refusal(settings, tmp_path)
    assert f"bees only in {tmp_path / 'insects' / 'train'}, beess only in {tmp_path / 'insects' / 'test'}" in message


def test_an_image_folder_of_one_class_or_none_is_refused_in_one_line(tmp_path):
    settings = write_images(tmp_path)
    for part in ("train", "test"):
        shutil.rmtree(tmp_path / "insects" / part / "bees")
    assert "two or more" in refusal(settings, tmp_path)
    for part in ("train", "test"):
        shutil.rmtree(tmp_path / "insects" / part / "ants")
    assert "two or more" in refusal(settings, tmp_path)


def test_a_class_without_images_is_reported_in_one_line(tmp_path):
    settings = write_images(tmp_path)
    for image in (tmp_path / "insects" / "train" / "bees").iterdir():
        image.rename(image.with_suffix(".text"))
    assert "bees" in refusal(settings, tmp_path)


@pytest.mark.parametrize("length", [0, 10, 50])
def test_a_damaged_image_is_named_in_one_line(length, tmp_path):
    settings = write_images(tmp_path)
    image = tmp_path / "insects" / "test" / "bees" / "1.png"
    image.write_bytes(image.read_bytes()[:length])
    assert refusal(settings, tmp_path).startswith(f"image_folder: {image} cannot be read (")


def save_pgm(path, pixels):
    path.write_bytes(b"P5\n%d %d\n65535\n" % pixels.shape[::-1] + pixels.astype(">u2").tobytes())


SIXTEEN_BITS = {
    "png": lambda path, pixels: Image.fromarray(pixels).save(path),
    "tif": lambda path, pixels: Image.fromarray(pixels).save(path),
    "tiff": lambda path, pixels: Image.fromarray(pixels.astype(">u2")).save(path),
    "pgm": save_pgm,
}


@pytest.mark.parametrize("ending", SIXTEEN_BITS)
def test_an_image_of_16_bits_is_that_of_8_bits_whose_grey_levels_it_has(tmp_path, ending):
    settings = write_images(tmp_path)
    grey = np.random.default_rng(0).integers(0, 256, (20, 12), dtype=np.uint8)
    folder = tmp_path / "insects" / "train" / "ants"
    Image.fromarray(grey).save(folder / "0.png")
    (folder / "1.png").unlink()
    SIXTEEN_BITS[ending](folder / f"1.{ending}", grey.astype(np.uint16) * 257)
    images = load(settings, tmp_path).train_images
    assert torch.equal(images[0], images[1])


def test_an_image_of_12_bits_in_a_tiff_is_scaled_by_its_own_range(tmp_path):
    settings = write_images(tmp_path)
    pixels = np.repeat([0, 4095], 4).astype(np.uint32).reshape(2, 4)
    packed = bytes(int(digits, 16) for row in pixels for digits in _pairs("".join(f"{value:03x}" for value in row)))
    tags = [(256, 4), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, len(packed))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(packed))
    (tmp_path / "insects" / "train" / "ants" / "0.png").unlink()
    path = tmp_path / "insects" / "train" / "ants" / "0.tif"
    path.write_bytes(header + packed + struct.pack("<H", len(tags)) + entries + bytes(4))
    image = load(settings, tmp_path).train_images[0]
    assert (int(image.min()), int(image.max())) == (0, 255)


def _pairs(digits):
    return [digits[place : place + 2] for place in range(0, len(digits), 2)]


@pytest.mark.parametrize(("dtype", "said"), [(np.float32, "floating-point numbers"), (np.int32, "integers of 32 bits")])
def test_an_image_whose_pixels_have_no_range_is_refused_and_named(tmp_path, dtype, said):
    settings = write_images(tmp_path)
    path = tmp_path / "insects" / "train" / "ants" / "0.tif"
    Image.fromarray(np.full((8, 8), 0.5).astype(dtype)).save(path)
    message = refusal(settings, tmp_path)
    assert message.startswith(f"image_folder: {path} cannot be read (its pixels are {said}")


def test_a_decompression_bomb_is_refused_and_named(tmp_path, monkeypatch):
    settings = write_images(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    path = tmp_path / "insects" / "test" / "bees" / "0.png"
    Image.new("L", (50, 39)).save(path)
    assert load(settings, tmp_path).test_images.shape[0] == 4  # up to twice the limit is no bomb
    Image.new("L", (50, 41)).save(path)
    assert refusal(settings, tmp_path).startswith(f"image_folder: {path} cannot be read (Image size (2050 pixels) exceeds")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
def test_random_damage_to_an_image_is_named_or_does_no_harm(tmp_path, ending):
    settings = write_images(tmp_path)
    folder = tmp_path / "insects" / "test" / "bees"
    (folder / "0.png").unlink()
    path = folder / f"0.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 12, 3), dtype=np.uint8)).save(path)
    content, random = path.read_bytes(), np.random.default_rng(1)
    for _ in range(25):
        damaged = bytearray(content)
        for place in random.integers(0, min(len(content), 200), 3):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            load(settings, tmp_path)
        except DatasetMissingError as error:
            message = str(error)
        else:
            continue
        assert str(path) in message
        assert "\n" not in message
