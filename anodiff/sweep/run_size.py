"""How large is what a run trains: its images or its text, its network, and a point of its path?

Nothing is loaded or allocated if it can be avoided. Importing this module is cheap; counting the
parameters of a network imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anodiff.data.text import BYTES, count_blocks, library_text, split_at
from anodiff.settings import shapes
from anodiff.settings.data import IMAGE_FOLDER_SIZE, TEST_FRACTION, DataSettings
from anodiff.settings.gaussian import ClusterSettings, ModeSettings
from anodiff.settings.run import RunSettings
from anodiff.sweep import footprint


@dataclass(frozen=True)
class Images(shapes.Images):
    """The images of a data set: channels, pixels a side, classes, and number of training samples."""

    samples: int


@dataclass(frozen=True)
class Tokens(shapes.Tokens):
    """The blocks of a text: vocabulary, context, and number of training samples."""

    samples: int


#: Tokens of text files, and of a tokenizer's vocabulary, that are assumed before they are read: 100 MB, and GPT-2's.
TEXT_TOKENS, VOCABULARY = 100_000_000, 50_257

#: The data sets of one fixed shape. Classes and samples of an image_folder are those of ImageNet, as a bound.
IMAGES = {
    "digits": Images(1, 8, 10, 1437),
    "cifar10": Images(3, 32, 10, 50_000),
    "cifar100": Images(3, 32, 100, 50_000),
    "mnist": Images(1, 28, 10, 60_000),
    "fashion_mnist": Images(1, 28, 10, 60_000),
    "image_folder": Images(3, IMAGE_FOLDER_SIZE, 1000, 1_300_000),
}

#: Training samples of each class, where they are not as even as they can be.
CLASS_COUNTS = {
    "digits": [142, 146, 141, 147, 144, 146, 145, 143, 139, 144],
    "mnist": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
}


def samples(settings: RunSettings) -> Images | Tokens:
    """Return what a run trains on, without opening the data set."""
    return tokens(settings.data, settings.model.context) if settings.data.is_text else images(settings.data)


def tokens(data: DataSettings, context: int | None = None) -> Tokens:
    """Return the blocks that a run trains on: of the default text its own, of files a bound."""
    context = context or shapes.DEFAULT_CONTEXT
    total = TEXT_TOKENS if data.has_unknown_size else len(library_text())
    train = split_at(total, data.test_fraction or TEST_FRACTION)
    found = count_blocks(train, context, data.stride or context + 1)
    vocabulary = BYTES if data.tokenizer is None else VOCABULARY
    return Tokens(vocabulary, context, min(found, data.train_samples or found))


def images(data: DataSettings) -> Images:
    """Return the images that a run trains on, without opening the data set."""
    if data.name == "gaussian_clusters":
        clusters = data.clusters or ClusterSettings()
        known = Images(1, clusters.image_size, clusters.classes, clusters.samples - clusters.test_samples)
    elif data.name == "gaussian_modes":
        modes = data.modes or ModeSettings()
        known = Images(1, modes.image_size, modes.classes, modes.samples - modes.test_samples)
    else:
        known = IMAGES[data.name]
    counts = data.class_counts(_class_counts(data, known))
    samples = min(sum(counts), data.train_samples or sum(counts))
    return Images(known.channels, data.image_size or known.size, len(counts), samples)


def _class_counts(data: DataSettings, known: Images) -> list[int]:
    """Return how many of the samples belong to each class before any are merged or left out."""
    counts = CLASS_COUNTS.get(data.name) or [
        known.samples // known.classes + (label < known.samples % known.classes) for label in range(known.classes)
    ]
    if data.name == "gaussian_modes":
        modes = data.modes or ModeSettings()
        of_modes = modes.counts(known.samples)
        counts = [sum(of_modes[label :: known.classes]) for label in range(known.classes)]
    return counts


def network_size(settings: RunSettings) -> tuple[int, int]:
    """Return the numbers of parameters and of tensors that hold them; see `anodiff.sweep.footprint.network_size`.

    Raises
    ------
    ConfigError
        If the network cannot be built, or a factory cannot be imported.
    """
    return footprint.network_size(*_network(settings))


def part_counts(settings: RunSettings) -> tuple[int, int]:
    """Return how many groups of parameters and how many walks a run records.

    Raises
    ------
    ConfigError
        If the network cannot be built, or a pattern of the groups fits no parameter that is left.
    """
    return _group_count(settings) if settings.recording.groups else 0, len(settings.recording.walks)


def point_bytes(settings: RunSettings) -> int:
    """Return the bytes of a stored point without compression, or of its sketch."""
    if settings.recording.weights == "sketch":
        return 8 * settings.recording.sketch_size
    return number_bytes(settings) * network_size(settings)[0]


def activation_bytes(settings: RunSettings) -> int:
    """Return the bytes that autograd keeps of one sample for the backward pass; see `anodiff.sweep.footprint`."""
    return footprint.activation_bytes(*_network(settings))


def number_bytes(settings: RunSettings) -> int:
    """Return the bytes of a number of a recorded point: 8 for a network of float64, else 4."""
    return footprint.number_bytes(*_network(settings))


def check_networks(runs: Iterable[RunSettings]) -> None:
    """Refuse networks from elsewhere that cannot be built, and patterns of parameters that fit nothing; the networks of this
    package are known to be built.

    Raises
    ------
    ConfigError
        If one cannot be built, or a pattern fits no parameter.
    """
    for settings in runs:
        if settings.recording.parameters is not None or isinstance(settings.recording.groups, Mapping):
            _group_count(settings)
        if ":" in settings.model.name:
            network_size(settings)


def _group_count(settings: RunSettings) -> int:
    recording = settings.recording
    return footprint.group_count(json.dumps(recording.parameters), json.dumps(recording.groups), *_network(settings))


def _network(settings: RunSettings) -> tuple[str, *tuple[int, ...]]:
    """Return the network's settings in JSON, and the sizes of what it takes and returns."""
    of = samples(settings)
    sizes = (of.channels, of.size, of.classes) if isinstance(of, Images) else (of.vocabulary, of.context)
    return settings.model.model_dump_json(), *sizes
