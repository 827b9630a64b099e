"""Slow, obvious versions of what anodiff computes, from the points in float64."""

import itertools
import math

import numpy as np


def updates(points):
    return [after - before for before, after in itertools.pairwise(np.asarray(points, np.float64))]


def gram(points):
    steps = updates(points)
    return np.array([[math.fsum(a * b) for b in steps] for a in steps])


def squared_displacements(points):
    points = np.asarray(points, np.float64)
    return np.array([[np.linalg.norm(b - a) ** 2 for b in points] for a in points])


def mean_squared_displacement(points):
    """The time-averaged MSD at lags 0 … T, by a loop over lags and one over starting points."""
    points = np.asarray(points, np.float64)
    values = []
    for lag in range(len(points)):
        squares = [((points[start + lag] - points[start]) ** 2).sum() for start in range(len(points) - lag)]
        values.append(sum(squares) / len(squares))
    return np.array(values)


def contour_length(points):
    lengths = [0.0]
    for step in updates(points):
        lengths.append(lengths[-1] + np.linalg.norm(step))
    return np.array(lengths)


def boxes_met(profile, side):
    """Number of boxes that a profile passes through, its heights stretched to its length, column by column."""
    length = len(profile) - 1
    stretched = (profile - profile.min()) * (length / (profile.max() - profile.min()))
    met = 0
    for start in range(0, length - side + 1, side):
        piece = stretched[start : start + side + 1]
        for box in range(length // side + 1):
            met += piece.min() < (box + 1) * side and piece.max() >= box * side
    return met * (length / side) / (length // side)
