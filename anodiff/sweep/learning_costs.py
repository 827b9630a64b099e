"""How much time and memory does it take to measure what a run learns when?"""

from __future__ import annotations

import math

from anodiff.learning.gradient_budget import GRADIENT_SAMPLES, MOST_MODES, SHARE
from anodiff.settings.learning import LearningSettings
from anodiff.settings.run import RunSettings
from anodiff.sweep.costs import BACKWARD, MEMORY_MARGIN, READ_SPEED, image_bytes, job_minutes, steps, window_updates
from anodiff.sweep.footprint import process_memory
from anodiff.sweep.run_size import activation_bytes, images, network_size, point_bytes
from anodiff.trajectory.format import BUFFER_BYTES, CHUNK_SAMPLES

#: Samples of a batch (`anodiff.learning.recorded_outputs`).
BATCH = 256

#: Seconds of a batch forward: for the pass, and for each parameter.
PASS, PASS_PARAMETER = 1e-2, 5e-7

#: Seconds of one core for the curve of a mode, class or group: bootstrap and laws.
CURVE = 0.05

#: Passes at each point: over the training samples, once more for batch-norm statistics, and over the test samples; and over
#: two further versions of these in data with a cue.
PASSES, CUE_PASSES = 3, 2

#: Curves beside those of modes, classes and groups: all training samples, and one for each pass over test samples.
CURVES = 4


def learning_minutes(settings: RunSettings, learning: LearningSettings, longest: int) -> int:
    """Return the minutes of the stage `learning`: 15, plus twice `learning_seconds`."""
    return min(longest, job_minutes(15, learning_seconds(settings, learning)))


def learning_seconds(settings: RunSettings, learning: LearningSettings, image: float | None = None) -> float:
    """Return the seconds of the stage `learning`, without the start and a safety margin.

    Parameters
    ----------
    image
        Seconds of an image forward, if they are known; otherwise a batch of 256 takes 10 ms + 0.5 µs
        a parameter.
    """
    data, (parameters, _) = images(settings.data), network_size(settings)
    samples = min(data.samples, learning.samples or data.samples)
    windows = min(len(window_updates(settings)), _affordable_windows(settings, samples))
    passes = PASSES + (CUE_PASSES if settings.data.cue else 0)
    batches = passes * learning.points * math.ceil(samples / BATCH) + (2 + 2 * MOST_MODES) * windows
    seconds = batches * (BATCH * image if image is not None else PASS + PASS_PARAMETER * parameters)
    reads = min(learning.points, 1 + _points(settings) // CHUNK_SAMPLES) + 2 * windows
    curves = learning.modes + data.classes + 10 * len(learning.groups) + CURVES
    return seconds + reads * _shard_bytes(settings) / READ_SPEED + CURVE * curves


def learning_memory(settings: RunSettings, learning: LearningSettings, device: str = "cuda") -> int:
    """Return the MB of the stage `learning` on ``cpu`` or ``cuda``, 15 % more than its parts.

    The parts: the process with torch, 200 MB for its work, the images, two shards of points, 15
    copies of the weights (those of a few points and gradients in float64), what is kept of each
    sample at each point, and on a CPU what autograd keeps of 256 images.
    """
    samples = min(images(settings.data).samples, learning.samples or images(settings.data).samples)
    kept = 8 * (5 + 2 * learning.modes) * learning.points * samples
    activations = 0.0 if device == "cuda" else BACKWARD * GRADIENT_SAMPLES * activation_bytes(settings)
    parts = image_bytes(settings) + 2 * _shard_bytes(settings) + 15 * point_bytes(settings) + kept + activations
    return math.ceil(MEMORY_MARGIN * (process_memory(device) + 200 + parts / 1e6))


def _affordable_windows(settings: RunSettings, samples: int) -> int:
    """Return of how many windows gradients are taken at most."""
    training = 3 * settings.training.batch_size * steps(settings)
    return max(1, int(SHARE * training / ((2 + 2 * MOST_MODES) * min(samples, GRADIENT_SAMPLES))))


def _points(settings: RunSettings) -> int:
    """Return the number of stored points, shared ends of windows counted twice."""
    updates = window_updates(settings)
    return sum(updates) + len(updates)


def _shard_bytes(settings: RunSettings) -> float:
    """Return the bytes of a file of points, of which one is read for each point."""
    point = point_bytes(settings)
    return point * max(1, min(CHUNK_SAMPLES, _points(settings), BUFFER_BYTES // point))
