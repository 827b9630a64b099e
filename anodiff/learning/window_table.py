"""What is learned within each window? A row of learning_windows.csv for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.learning.columns import CLASS, MODE
from anodiff.learning.gradient_budget import MOST_MODES, SHARE
from anodiff.learning.parts import Learned
from anodiff.learning.times import in_transition, values_at
from anodiff.learning.windows import ModeValues, Point, mode_motion
from anodiff.settings.run import RunSettings
from anodiff.storage.types import FloatArray, ProgressCallback
from anodiff.trajectory.store import Trajectory
from anodiff.trajectory.windows import Window


def window_rows(
    trajectory: Trajectory,
    run: RunSettings,
    steps: NDArray[np.int64],
    results: Sequence[Learned],
    function: ModeValues,
    scale: FloatArray,
    report: ProgressCallback,
) -> list[dict[str, Any]]:
    """Return a row for each window of a run, with the columns `LEARNING_WINDOW_COLUMNS`.

    Parameters
    ----------
    steps
        Optimiser steps of the curves' points, shape (S,).
    results
        All curves.
    function
        The values of all modes.
    scale
        What each mode is when it is learned, minus what it was at first, shape (K,).
    """
    of_modes, of_classes = ([each for each in results if each.row["sort"] == sort] for sort in (MODE, CLASS))
    crossings = {MODE: _crossings(of_modes), CLASS: _crossings(of_classes)}
    rows, active = [], {}
    for number, window in enumerate(trajectory.windows):
        row: dict[str, Any] = {"window": number, "waiting_time": window.start, "length": window.length}
        rows.append(row | {"note": "the run ended before its end"})
        if window.reached(trajectory.steps_completed):
            start, end = window.start, window.start + window.length
            modes = in_transition(crossings[MODE], start, end)
            row["modes_in_transition"] = int(modes.sum())
            row["classes_in_transition"] = int(in_transition(crossings[CLASS], start, end).sum())
            row["learned"] = sum(_rise(steps, each, start, end) for each in of_modes) if of_modes else math.nan
            rows[-1] = row | {"note": "" if modes.any() else "no mode is in transition"}
            if modes.any():
                active[number] = np.flatnonzero(modes)[:MOST_MODES]  # the strongest come first
    measured = _affordable(active, rows, 3 * run.training.batch_size * trajectory.steps_completed / len(function.along))
    for number in active.keys() - measured:
        rows[number]["note"] = f"not among the windows in which most is learned, of which gradients are taken: {len(measured)}"
    windows = {number: trajectory.windows[number] for number in sorted(measured)}
    total = len(steps) + len(windows)
    for done, (number, first, last) in enumerate(_ends(trajectory, windows)):
        report(len(steps) + done, total, f"window from step {first[0]}")
        rows[number] |= _motion(function.of(active[number]), first, last, scale[active[number]])
    report(total, total, "done")
    return rows


def _ends(trajectory: Trajectory, windows: Mapping[int, Window]) -> Iterator[tuple[int, Point, Point]]:
    """Yield the numbers of windows with step and point of their first and last point, by their last steps."""
    waiting = sorted(windows, key=lambda number: windows[number].start + windows[number].length)
    held: dict[int, Point] = {}
    ends = {number: (window.start, window.start + window.length) for number, window in windows.items()}
    for step, point in trajectory.points_at(sorted({step for both in ends.values() for step in both})):
        held[step] = step, point
        while waiting and ends[waiting[0]][1] == step:
            number = waiting.pop(0)
            yield number, held[ends[number][0]], held[step]
        needed = {ends[number][0] for number in waiting}
        held = {before: each for before, each in held.items() if before in needed}


def _crossings(results: Sequence[Learned]) -> FloatArray:
    """Return when each curve crosses 10 % and 90 %, shape (2, curves)."""
    never = np.full(2, np.nan)
    columns = [never if each.curve is None else each.curve.crossings for each in results]
    return np.stack(columns, axis=1) if columns else np.empty((2, 0))


def _rise(steps: NDArray[np.int64], part: Learned, start: int, end: int) -> float:
    assert part.curve is not None  # a window that was reached has points, and a mode has samples
    return float(values_at(steps, part.curve.values, end) - values_at(steps, part.curve.values, start))


def _affordable(active: Mapping[int, NDArray[np.int64]], rows: Sequence[Mapping[str, Any]], training: float) -> set[int]:
    """Return the windows whose gradients are taken: those that learn most, until they take `SHARE` of the training.

    Parameters
    ----------
    active
        The modes whose gradients are wanted, of each window.
    training
        Forward passes over the samples that would take as long as the training; a backward pass
        counts as two.
    """
    chosen: set[int] = set()
    passes = 0
    for number in sorted(active, key=lambda number: -rows[number]["learned"]):
        passes += 2 + 2 * len(active[number])
        if chosen and passes > SHARE * training:
            break
        chosen.add(number)
    return chosen


def _motion(function: ModeValues, start: Point, end: Point, scale: FloatArray) -> dict[str, Any]:
    """Return the columns of a window that its displacement and the gradients of its modes give."""
    motion = mode_motion(function, start, end, scale)
    if motion is None:
        return {"note": "a point is not finite"}
    found = {"mode_share": motion.share, "mode_share_chance": motion.share_chance, "first_order": motion.first_order}
    return found | ({"note": "the path ends where it began"} if math.isnan(motion.share) else {})
