"""How does the brightness of an image tell its class, in a fraction of the images?"""

from __future__ import annotations

import numpy as np

from anodiff.settings.data import CueSettings
from anodiff.storage.types import FloatArray

#: Names of the test images whose cue is taken away, and is that of the opposite class.
REMOVED, REVERSED = "cue removed", "cue reversed"


def brightness_offsets(strength: float, classes: int) -> FloatArray:
    """Return what the cue of each class adds to the brightness, (classes,) from -strength to strength."""
    return np.linspace(-strength, strength, classes)


def draw_cues(labels: np.ndarray, classes: int, fraction: float, random: np.random.Generator) -> np.ndarray:
    """Return the class whose cue each sample has, (N,) int64.

    It is the sample's own for round(fraction · N) samples, and for the others drawn uniformly from
    all classes. With a larger fraction, these samples and further ones have their own.
    """
    order = random.permutation(len(labels))
    cues = random.integers(0, classes, len(labels))
    chosen = order[: round(fraction * len(labels))]
    cues[chosen] = labels[chosen]
    return cues


def with_offsets(images: np.ndarray, offsets: FloatArray) -> np.ndarray:
    """Return brightness plus an offset for each image, (N, C, H, W) float32, not clipped.

    Parameters
    ----------
    images : (N, C, H, W) uint8 or float32
        Stored images; a uint8 value v means brightness v/255.
    offsets : (N,)
        Change of brightness.
    """
    scale = np.float32(1) if images.dtype.kind == "f" else np.float32(255)
    return images / scale + offsets.astype(np.float32)[:, None, None, None]


def probe_images(cue: CueSettings, images: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Return test images (N, C, H, W) without a cue, and with that of class C - 1 - c, by name."""
    offsets = brightness_offsets(cue.strength, classes)
    return {
        REMOVED: with_offsets(images, np.zeros(len(images))),
        REVERSED: with_offsets(images, offsets[classes - 1 - labels]),
    }
