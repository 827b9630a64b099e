"""How much time and memory does the training of a network of tracks need?"""

from __future__ import annotations

import math

from anodiff.settings.inference import InferenceSettings
from anodiff.sweep.costs import MEMORY_MARGIN, job_minutes
from anodiff.sweep.footprint import process_memory

#: Seconds of one core for a point of a track forward and backward, over the square of the network's width; for making a point;
#: and the mean length of the tracks that a network learns from.
TRACK_POINT, MADE_POINT, TRACK_POINTS = 5e-9, 1e-7, 215


def inference_minutes(settings: InferenceSettings, longest: int) -> int:
    """Return the minutes of training a network of tracks: 15, plus twice its seconds on one core."""
    return min(longest, job_minutes(15, inference_seconds(settings)))


def inference_seconds(settings: InferenceSettings) -> float:
    """Return the seconds of training a network of tracks on one core, without a safety margin.

    A track passes forward and backward once, on average `TRACK_POINTS` points. Those of the calibration
    and of two held-out sets pass forward, the latter on average 500 points. A point takes
    5 ns times the square of the width, and its making `MADE_POINT`.
    """
    point = TRACK_POINT * settings.width**2
    learned = settings.tracks * (TRACK_POINTS * point + 1000 * MADE_POINT)
    calibrated = 1.5 * settings.calibration_tracks * (TRACK_POINTS * point / 3 + 1000 * MADE_POINT)
    scored = 2 * settings.validation_tracks * (500 * point / 3 + 1000 * MADE_POINT)
    return learned + calibrated + scored


def inference_memory(settings: InferenceSettings) -> int:
    """Return the MB of training a network of tracks: the process with torch, and 100 numbers of
    four bytes for each channel of each of the 1,000 points of a batch's tracks.
    """
    return math.ceil(MEMORY_MARGIN * (process_memory("cpu") + 400 * settings.batch_size * 1000 * settings.width / 1e6))
