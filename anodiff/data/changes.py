"""What is done to images and labels before training? Classes merged or thinned out, labels corrupted, cues added."""

from __future__ import annotations

import dataclasses

import numpy as np

from anodiff.data.cue import brightness_offsets, draw_cues, with_offsets
from anodiff.data.sources import Source
from anodiff.settings.data import CueSettings, DataSettings


def merged(source: Source, settings: DataSettings) -> Source:
    """Merge neighbouring classes into ``settings.merged_classes``."""
    if settings.merged_classes is None:
        return source
    group = np.array([settings.merged_label(label, source.classes) for label in range(source.classes)], dtype=np.int64)
    train, test = group[source.train_labels], group[source.test_labels]
    return dataclasses.replace(source, train_labels=train, test_labels=test, classes=settings.merged_classes)


def thinned(source: Source, settings: DataSettings, random: np.random.Generator) -> Source:
    """Keep of each class what ``settings.imbalance`` leaves; what a larger ratio keeps, a smaller one keeps too."""
    if settings.imbalance == 1:
        return source
    each = np.bincount(source.train_labels, minlength=source.classes).tolist()
    left = settings.thinned_counts(each)
    order = random.permutation(len(source.train_labels))
    kept = np.sort(np.concatenate([order[source.train_labels[order] == label][:count] for label, count in enumerate(left)]))
    return dataclasses.replace(source, train_images=source.train_images[kept], train_labels=source.train_labels[kept])


def cued(source: Source, cue: CueSettings, random: np.random.Generator, test_random: np.random.Generator) -> Source:
    """Add cues to the training and the test images, each drawn from a generator of its own."""
    offsets = brightness_offsets(cue.strength, source.classes)

    def with_cues(images: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return with_offsets(images, offsets[draw_cues(labels, source.classes, cue.fraction, random)])

    return dataclasses.replace(
        source,
        train_images=with_cues(source.train_images, source.train_labels, random),
        test_images=with_cues(source.test_images, source.test_labels, test_random),
    )


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
