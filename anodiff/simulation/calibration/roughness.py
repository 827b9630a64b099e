"""Can the estimators of roughness be trusted? Each on exact fractional Brownian profiles, surfaces and fields of known H.

Profiles and surfaces are for the estimators of whole graphs; the structure functions that are measured around points of a path
are put to fields over many dimensions, along directions like a sweep's: random ones, and those that a path takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError
from anodiff.landscape.structure import cosines, fit_structure, squares
from anodiff.simulation.calibration.table import COLUMNS, Truth, summary
from anodiff.simulation.processes import fractional_brownian
from anodiff.simulation.surfaces import fractional_surface
from anodiff.simulation.surfaces.fractal import METHODS, roughness_of
from anodiff.storage.types import FloatArray, Report, silent

#: Hurst exponents of the graphs; points of a profile, and of a surface a side.
HURST, PROFILE, SURFACE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 1001, 65

#: A field's dimensions, and around a point of it the directions of each kind and the radii: those of the roughness settings.
DIMENSIONS, DIRECTIONS, RADII = 1000, 8, np.geomspace(1e-4, 1, 17)

#: Updates and Hurst exponent of the path whose directions are taken: superdiffusive, as early in training.
PATH = 1000, 0.75


def calibrate_roughness(
    *,
    hurst: Sequence[float] = HURST,
    graphs: int = 50,
    seed: int = 0,
    report: Report = silent,
) -> pd.DataFrame:
    """Return `anodiff.simulation.calibration.table.COLUMNS`, a row per Hurst exponent, kind of graph and method.

    ``process`` is ``profile``, ``surface`` or ``field`` with its H, ``dimensions`` 1, 2 or 1,000, ``steps`` the points a side
    or the radii, ``paths`` the number of graphs.

    Raises
    ------
    ConfigError
        If there are fewer than 2 graphs.
    """
    if graphs < 2:
        raise ConfigError(f"{graphs} graphs of each kind; give 2 at least")
    kinds: dict[str, tuple[int, Callable[[np.random.Generator, float], np.ndarray]]] = {
        "profile": (PROFILE, lambda random, h: fractional_brownian(PROFILE - 1, 1, random, hurst=h)[:, 0]),
        "surface": (SURFACE, lambda random, h: fractional_surface(SURFACE, random, hurst=h).heights),
    }
    rows = []
    total = (len(kinds) + 1) * len(hurst)
    for number, (kind, (points, make)) in enumerate(kinds.items()):
        for place, exponent in enumerate(hurst):
            report(number * len(hurst) + place, total, f"roughness of a {kind}, H = {exponent:g}")
            made = [make(np.random.default_rng([seed, number, place, graph]), exponent) for graph in range(graphs)]
            about = {"process": f"{kind}, H = {exponent:g}", "dimensions": number + 1, "steps": points, "paths": graphs}
            for method in METHODS:
                found = [roughness_of(graph, method).hurst for graph in made]
                rows.append(about | {"gaussian": True} | summary(f"hurst ({method})", Truth(exponent), found))
    for place, exponent in enumerate(hurst):
        report(len(kinds) * len(hurst) + place, total, f"structure functions of a field, H = {exponent:g}")
        about = {"process": f"field, H = {exponent:g}", "dimensions": DIMENSIONS, "steps": len(RADII), "paths": graphs}
        around = [_around(np.random.default_rng([seed, len(kinds), place, graph]), exponent) for graph in range(graphs)]
        for name in around[0]:
            rows.append(about | {"gaussian": True} | summary(name, Truth(exponent), [found[name] for found in around]))
    report(total, total, "done")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _around(random: np.random.Generator, hurst: float) -> dict[str, Interval]:
    """Return H of structure functions around a point of a field, along random and along a path's directions."""
    steps, persistence = PATH
    walk = fractional_brownian(steps, DIMENSIONS, random, hurst=persistence)
    later = np.round(np.geomspace(1, steps, DIRECTIONS)).astype(int)
    found = {}
    for kind, vectors in (("random", random.normal(size=(DIRECTIONS, DIMENSIONS))), ("path", walk[later] - walk[0])):
        angles = cosines(vectors)
        for part, squared in squares(_field(angles, RADII, hurst, random), 0.0).items():
            fit = fit_structure(RADII, squared, 0.0, int(random.integers(2**31)), angles=angles, part=part)
            found[f"hurst ({part}, {kind} directions)"] = fit.hurst
    return found


def _field(angles: FloatArray, radii: FloatArray, hurst: float, random: np.random.Generator) -> FloatArray:
    """Return a fractional Brownian field at ±r along directions, shape (directions, 2, radii); it is 0 at the point.

    <L(p) L(q)> = (|p|^2H + |q|^2H − |p − q|^2H) / 2, exact, by the square root of this matrix.
    """
    which = np.repeat(np.arange(len(angles)), 2 * len(radii))
    along = np.tile(np.concatenate([radii, -radii]), len(angles))
    apart = along[:, None] ** 2 + along**2 - 2 * np.outer(along, along) * np.clip(angles, -1, 1)[np.ix_(which, which)]
    far = np.abs(along) ** (2 * hurst)
    values, vectors = np.linalg.eigh((far[:, None] + far - np.maximum(apart, 0) ** hurst) / 2)
    drawn = vectors @ (np.sqrt(np.maximum(values, 0)) * random.normal(size=len(values)))
    return np.asarray(drawn.reshape(len(angles), 2, len(radii)), np.float64)
