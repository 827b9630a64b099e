"""Can the estimators of roughness be trusted? Tests on exact fractional graphs and fields.

Profiles and surfaces test the estimators for whole graphs. Fields over many dimensions test the
structure functions that are measured around points of a path, along directions like those of a
sweep: random ones, and those that a path takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError
from anodiff.landscape.structure import cosines, fit_structure, squared_increments
from anodiff.simulation.calibration.table import CALIBRATION_COLUMNS, Truth, summary
from anodiff.simulation.processes import fractional_brownian
from anodiff.simulation.surfaces import fractional_surface
from anodiff.simulation.surfaces.fractal import METHODS, roughness_of
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

#: Hurst exponents of the graphs, points of a profile, and points per side of a surface.
HURST, PROFILE, SURFACE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 1001, 65

#: Dimensions of a field; directions of each kind and radii around a point of it, the defaults of
#: the roughness settings.
DIMENSIONS, DIRECTIONS, RADII = 1000, 8, np.geomspace(1e-4, 1, 17)

#: Updates and Hurst exponent of the path that gives directions: superdiffusive, as early in
#: training.
PATH = 1000, 0.75


def calibrate_roughness(
    *,
    hurst: Sequence[float] = HURST,
    graphs: int = 50,
    seed: int = 0,
    report: ProgressCallback = no_progress,
) -> pd.DataFrame:
    """Return `CALIBRATION_COLUMNS`, a row per Hurst exponent, kind of graph and method.

    ``process`` is ``profile``, ``surface`` or ``field`` with its H; ``dimensions`` is 1, 2 or
    1,000; ``steps`` is the number of points per side or of radii; ``paths`` is the number of
    graphs.

    Raises
    ------
    ConfigError
        If there are fewer than 2 graphs.
    """
    if graphs < 2:
        raise ConfigError(f"{graphs} graphs of each kind; give at least 2")
    kinds: dict[str, tuple[int, Callable[[np.random.Generator, float], np.ndarray]]] = {
        "profile": (PROFILE, lambda random, h: fractional_brownian(PROFILE - 1, 1, random, hurst=h)[:, 0]),
        "surface": (SURFACE, lambda random, h: fractional_surface(SURFACE, random, hurst=h).heights),
    }
    rows = []
    total = (len(kinds) + 1) * len(hurst)
    for number, (kind, (points, make)) in enumerate(kinds.items()):
        for index, exponent in enumerate(hurst):
            report(number * len(hurst) + index, total, f"roughness of a {kind}, H = {exponent:g}")
            made = [make(np.random.default_rng([seed, number, index, graph]), exponent) for graph in range(graphs)]
            labels = {"process": f"{kind}, H = {exponent:g}", "dimensions": number + 1, "steps": points, "paths": graphs}
            for method in METHODS:
                found = [roughness_of(graph, method).hurst for graph in made]
                rows.append(labels | {"gaussian": True} | summary(f"hurst ({method})", Truth(exponent), found))
    for index, exponent in enumerate(hurst):
        report(len(kinds) * len(hurst) + index, total, f"structure functions of a field, H = {exponent:g}")
        labels = {"process": f"field, H = {exponent:g}", "dimensions": DIMENSIONS, "steps": len(RADII), "paths": graphs}
        fits = [_fit_field(np.random.default_rng([seed, len(kinds), index, graph]), exponent) for graph in range(graphs)]
        for name in fits[0]:
            rows.append(labels | {"gaussian": True} | summary(name, Truth(exponent), [fit[name] for fit in fits]))
    report(total, total, "done")
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))


def _fit_field(random: np.random.Generator, hurst: float) -> dict[str, Interval]:
    """Return H around a point of a field, along random directions and along those of a path."""
    steps, persistence = PATH
    walk = fractional_brownian(steps, DIMENSIONS, random, hurst=persistence)
    later = np.round(np.geomspace(1, steps, DIRECTIONS)).astype(int)
    found = {}
    for kind, vectors in (("random", random.normal(size=(DIRECTIONS, DIMENSIONS))), ("path", walk[later] - walk[0])):
        angles = cosines(vectors)
        for part, squared in squared_increments(_field(angles, RADII, hurst, random), 0.0).items():
            fit = fit_structure(RADII, squared, 0.0, int(random.integers(2**31)), angles=angles, part=part)
            found[f"hurst ({part}, {kind} directions)"] = fit.hurst
    return found


def _field(angles: FloatArray, radii: FloatArray, hurst: float, random: np.random.Generator) -> FloatArray:
    """Return a fractional Brownian field at ±r along directions, shape (directions, 2, radii).

    It is exact: <L(p) L(q)> = (|p|^2H + |q|^2H − |p − q|^2H) / 2, by the square root of this
    matrix.
    """
    which = np.repeat(np.arange(len(angles)), 2 * len(radii))
    along = np.tile(np.concatenate([radii, -radii]), len(angles))
    squared_distances = (
        along[:, None] ** 2 + along**2 - 2 * np.outer(along, along) * np.clip(angles, -1, 1)[np.ix_(which, which)]
    )
    powers = np.abs(along) ** (2 * hurst)
    values, vectors = np.linalg.eigh((powers[:, None] + powers - np.maximum(squared_distances, 0) ** hurst) / 2)
    drawn = vectors @ (np.sqrt(np.maximum(values, 0)) * random.normal(size=len(values)))
    return np.asarray(drawn.reshape(len(angles), 2, len(radii)), np.float64)
