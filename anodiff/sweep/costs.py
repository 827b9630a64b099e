"""How much time and memory does a job of a run need? Estimates for a scheduler, with a safety margin.

docs/cluster.md states the formulas. The constants were chosen for one GPU of a cluster. A job that
reaches its time limit is resumed in the next one, so a wrong estimate costs waiting and loses
nothing.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

from anodiff.settings.recording import MOST_STEPS, MOST_WINDOWS, WindowSettings
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import (
    CharacterSettings,
    CurvatureSettings,
    LandscapeSettings,
    RoughnessSettings,
    SimplifiedModelSettings,
)
from anodiff.sweep.footprint import process_memory
from anodiff.sweep.run_size import activation_bytes, network_size, number_bytes, part_counts, point_bytes, samples
from anodiff.trajectory.windows import kept_number, plan_windows

#: Seconds of an optimiser step: for the step itself, for each tensor of parameters (launching its kernels), and for each
#: parameter (arithmetic, and recording at 160 MB/s).
STEP, STEP_TENSOR, STEP_PARAMETER = 5e-3, 2e-4, 2.5e-8

#: Jobs ask for this many times the estimated seconds.
SAFETY_FACTOR = 2

#: What a training takes beyond the estimate of its parts, for what they leave out.
MEMORY_MARGIN = 1.15

#: What a backward pass takes, in units of what autograd keeps for it: gradients of activations, and convolutions' workspaces.
BACKWARD = 1.75

#: Images of which the landscape's stages take products at a time (`anodiff.landscape.surface`).
LANDSCAPE_BATCH = 256

#: Floating-point operations and bytes per second of one core that computes a Gram matrix, well below those of a current node.
GRAM_SPEED, READ_SPEED = 1e10, 1e8

#: Seconds of one core for the analysis of a window of 1,000 updates, all estimators; they grow as the square of the updates.
ANALYSIS_WINDOW = 2

#: Seconds of one core in which a network reads a point of a track; points of a track at most; products of the Gram matrix with
#: a vector for the principal coordinates of a null, and vectors beside the wanted ones.
READ_POINT, READ_POINTS, NULL_PRODUCTS, NULL_VECTORS = 6e-6, 1000, 7, 5

#: Forward passes that take as long as a Hessian product. Products that find eigenvalues, a little more than those counted on a
#: trained MLP, VGG and ResNet: for the first Lanczos vectors, and for each eigenvalue.
PRODUCT_PASSES = 5
LANCZOS_PRODUCTS, EIGENVALUE_PRODUCTS = 12, 3

#: Eigenvalues that the directions of a plane are found from.
PLANE_EIGENVALUES = {"hessian": 2, "gradient": 1}

#: Factors by which lossless compression shrinks full weights and Gram matrices, as in the demo.
WEIGHTS_COMPRESSION, GRAM_COMPRESSION = 1.35, 1.7


def steps(settings: RunSettings) -> int:
    """Return the number of optimiser steps of a run; of an image_folder or text files at most what is allowed."""
    training, recording = settings.training, settings.recording
    if training.steps:
        return training.steps
    batches = samples(settings).samples / training.batch_size
    total = (training.epochs or 0) * (math.floor(batches) if training.drop_last else math.ceil(batches))
    return total if not settings.data.has_unknown_size else min(total, MOST_STEPS, MOST_WINDOWS * recording.window_length)


def training_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes to ask for: 15, plus twice steps × (5 ms + 0.2 ms a tensor + 25 ns a parameter)."""
    return min(longest, job_minutes(15, training_seconds(settings)))


def training_seconds(settings: RunSettings) -> float:
    """Return the seconds of a training's steps on a GPU, without a safety margin."""
    parameters, tensors = network_size(settings)
    return steps(settings) * (STEP + tensors * STEP_TENSOR + parameters * STEP_PARAMETER)


def training_memory(settings: RunSettings, device: str = "cuda") -> int:
    """Return the MB of a training, 15 % more than its parts on ``cpu`` or ``cuda``.

    The parts: the process with torch (`process_memory`), the images, eight copies of the weights
    (those of the path, of an adaptive optimiser, of gradients and of a checkpoint), what the
    recorder holds, and the larger of what a backward pass and what a checkpoint takes.

    The recorder holds two shards (256 rows, 512 MiB at most), one being filled and one being
    written. A checkpoint copies one. With ``weights: none`` it is the updates of the longest window
    instead, and a copy of them, with a matrix of each group; and so for each walk. A backward pass
    on a CPU takes `BACKWARD` times what autograd keeps of a micro-batch.
    """
    parameters, _ = network_size(settings)
    recording, longest = settings.recording, _longest_window(settings)
    groups, walks = part_counts(settings)
    held = walks * number_bytes(settings) * parameters * longest
    if recording.weights == "none":
        checkpoint = held + point_bytes(settings) * longest
        recorder = checkpoint + 16 * (max(groups, 1) + walks) * longest**2
    else:
        checkpoint = held + min(2**29, point_bytes(settings) * 256)
        recorder = held + 2 * min(2**29, point_bytes(settings) * 256) + 16 * walks * longest**2
    backward = 0.0 if device == "cuda" else BACKWARD * _micro_batch(settings) * activation_bytes(settings)
    copies = 8 * number_bytes(settings) * parameters
    parts = image_bytes(settings) + copies + recorder + max(backward, checkpoint)
    return math.ceil(MEMORY_MARGIN * (process_memory(device) + parts / 1e6))


def geometry_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of the pass over a path: 10, plus twice T²P operations and TP numbers a window of T updates."""
    return min(longest, job_minutes(10, geometry_seconds(settings)))


def geometry_seconds(settings: RunSettings, speed: float = GRAM_SPEED) -> float:
    """Return the seconds of the pass over a path on one core of ``speed`` operations a second, without a safety margin."""
    parameters, _ = network_size(settings)
    columns = settings.recording.sketch_size if settings.recording.weights == "sketch" else parameters
    return sum(t * t * columns / speed + t * point_bytes(settings) / READ_SPEED for t in window_updates(settings))


def summing_seconds(settings: RunSettings) -> float:
    """Return the seconds in which the recorder multiplies updates: those of the path without weights, and of each walk."""
    paths = len(settings.recording.walks) + (settings.recording.weights == "none")
    parameters, _ = network_size(settings)
    return paths * sum(t * t * parameters / GRAM_SPEED for t in window_updates(settings))


def geometry_memory(settings: RunSettings) -> int:
    """Return the MB of the pass: 2,000, a quarter of them for columns of weights, five matrices of the longest window, and
    one for each group.
    """
    return 2000 + math.ceil((40 + 8 * part_counts(settings)[0]) * _longest_window(settings) ** 2 / 1e6)


def analysis_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of the analysis: 10, plus twice 2 s (T / 1000)² for each window of T updates."""
    return min(longest, job_minutes(10, analysis_seconds(settings)))


def analysis_seconds(settings: RunSettings) -> float:
    """Return the seconds of the analysis on one core, without a safety margin; a short window takes 2 s as well."""
    return sum(ANALYSIS_WINDOW * max(1.0, (t / 1000) ** 2) for t in window_updates(settings))


def analysis_memory(settings: RunSettings) -> int:
    """Return the MB of the analysis: 1,500, and twelve matrices of the longest window."""
    return 1500 + math.ceil(96 * _longest_window(settings) ** 2 / 1e6)


def characters_minutes(settings: RunSettings, characters: CharacterSettings, longest: int) -> int:
    """Return the minutes of reading kinds of motion: 10, plus twice `characters_seconds`."""
    return min(longest, job_minutes(10, characters_seconds(settings, characters)))


def characters_seconds(settings: RunSettings, characters: CharacterSettings) -> float:
    """Return the seconds of reading kinds of motion on one core, without the start and a safety margin.

    Of each window a network reads every coordinate, the nulls' included, and each null takes
    `NULL_PRODUCTS` products of the Gram matrix with some vectors.
    """
    nulls = 2 * characters.nulls
    tracks = characters.projections + characters.projections // 2 + (characters.components + 1) * (1 + nulls)
    products = 2 * NULL_PRODUCTS * nulls * (characters.components + NULL_VECTORS)
    return sum(
        READ_POINT * tracks * min(t + 1, READ_POINTS) + (products + 10 * min(t, READ_POINTS)) * t * t / GRAM_SPEED
        for t in window_updates(settings)
    )


def characters_memory(settings: RunSettings, device: str = "cpu") -> int:
    """Return the MB of reading kinds of motion: the process with torch, 400, and ten matrices of the longest window."""
    return math.ceil(process_memory("cpu") + 400 + 80 * _longest_window(settings) ** 2 / 1e6)


def landscape_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of one of the landscape's stages: 15, plus twice 5,000 passes of 10 ms + 0.5 µs a parameter."""
    return min(longest, job_minutes(15, landscape_seconds(settings)))


def landscape_seconds(settings: RunSettings) -> float:
    """Return the seconds of one of the landscape's stages, without a safety margin."""
    return 5000 * (1e-2 + 5e-7 * network_size(settings)[0])


def landscape_memory(settings: RunSettings, device: str = "cuda") -> int:
    """Return the MB of one of the landscape's stages on ``cpu`` or ``cuda``, 15 % more than its parts.

    The parts: the process with torch, 300 MB for scipy and its work, the images, 120 float64
    vectors of Lanczos's method, and on a CPU four times what autograd keeps of `LANDSCAPE_BATCH`
    images, because a Hessian product goes twice both ways.
    """
    batch = samples(settings).batch_size(LANDSCAPE_BATCH)
    activations = 0 if device == "cuda" else 4 * batch * activation_bytes(settings)
    parts = image_bytes(settings) + 8 * 120 * network_size(settings)[0] + activations
    return math.ceil(MEMORY_MARGIN * (process_memory(device) + 300 + parts / 1e6))


def slice_passes(settings: LandscapeSettings) -> int:
    """Return the passes over the samples of a run's slices: a grid for each plane, and the directions of two of the planes."""
    products = sum(_eigenvalue_products(PLANE_EIGENVALUES.get(plane, 0)) for plane in settings.planes)
    return len(settings.planes) * settings.points**2 + products * PRODUCT_PASSES


def roughness_passes(settings: RoughnessSettings) -> int:
    """Return the passes of roughness: two kinds of directions, both ways along each, at every distance."""
    radii = round(settings.decades * settings.radii_per_decade) + 1
    return len(settings.at) * 2 * settings.directions * 2 * radii


def curvature_passes(settings: CurvatureSettings) -> int:
    """Return the passes that take as long as the products of curvature."""
    eigenvalues = _eigenvalue_products(settings.eigenvalues)
    products = max(eigenvalues, settings.lanczos_steps) if settings.probes else eigenvalues  # they share the first probe's
    products += max(settings.probes - 1, 0) * settings.lanczos_steps + settings.trace_products
    products += eigenvalues if settings.gauss_newton else 0
    return len(settings.at) * products * PRODUCT_PASSES


def simplified_model_minutes(settings: SimplifiedModelSettings) -> int:
    """Return the minutes of the simplified model: 10, plus twice 1 µs a step of a walker."""
    return job_minutes(10, simplified_model_seconds(settings))


def simplified_model_seconds(settings: SimplifiedModelSettings) -> float:
    """Return the seconds of the simplified model, without a safety margin."""
    kinds = len(settings.hurst) + 4
    surfaces = sum(each.surfaces for each in settings.by_name().values())
    return 1e-6 * kinds * surfaces * settings.walkers * settings.steps


def simplified_model_memory(settings: SimplifiedModelSettings) -> int:
    """Return the MB of the simplified model: 1,000, a walk of all walkers, and the torus that a surface is cut from."""
    walk = 3 * 40 * settings.walkers * settings.steps
    return 1000 + math.ceil((walk + 64 * (6 * settings.points) ** 2) / 1e6)


def trajectory_bytes(settings: RunSettings) -> float:
    """Return the bytes of a stored path: its samples or its Gram matrices, those of groups and of walks, with the usual
    compression.
    """
    recording = settings.recording
    windows = plan_windows(recording.windows, recording.window_length, steps(settings))
    gram = 8 * sum(window.updates**2 for window in windows) / GRAM_COMPRESSION
    groups, walks = part_counts(settings)
    if recording.weights == "none":
        points = (1 + groups) * gram
    else:
        points = kept_number(windows) * point_bytes(settings) / WEIGHTS_COMPRESSION
    return points + walks * gram + 16 * steps(settings)


def geometry_bytes(settings: RunSettings) -> float:
    """Return the bytes of a geometry.zarr: the Gram matrices of the path and its parts, and the sampled gradients."""
    sampled = 4 * min(settings.recording.gradient_coordinates, network_size(settings)[0])
    matrices = 1 + sum(part_counts(settings))
    return sum(8 * matrices * t * t / GRAM_COMPRESSION + t * sampled for t in window_updates(settings))


def _eigenvalue_products(count: int) -> int:
    """Return the products after which this many eigenvalues have usually converged."""
    return LANCZOS_PRODUCTS + EIGENVALUE_PRODUCTS * count if count else 0


def job_minutes(start: int, seconds: float) -> int:
    """Return the minutes that a job asks for: ``start``, plus `SAFETY_FACTOR` times its seconds."""
    return start + math.ceil(SAFETY_FACTOR * seconds / 60)


def image_bytes(settings: RunSettings) -> int:
    """Return the bytes of two copies of the training set: images in float32, or tokens with their labels."""
    of = samples(settings)
    return 2 * of.samples * of.sample_bytes


def _micro_batch(settings: RunSettings) -> int:
    """Return the samples that go through the network at a time in training."""
    return math.ceil(settings.training.batch_size / settings.training.accumulation)


def window_updates(settings: RunSettings) -> tuple[int, ...]:
    """Return the updates of each window."""
    recording = settings.recording
    windows = recording.windows if isinstance(recording.windows, str) else tuple(recording.windows)
    return _updates(windows, recording.window_length, steps(settings))


@lru_cache(maxsize=8)
def _updates(
    windows: Literal["contiguous", "log"] | tuple[WindowSettings, ...], window_length: int, steps: int
) -> tuple[int, ...]:
    return tuple(window.updates for window in plan_windows(windows, window_length, steps))


def _longest_window(settings: RunSettings) -> int:
    return max(window_updates(settings), default=0)
