"""Can the estimators of roughness be trusted? Each on exact fractional Brownian profiles and surfaces of known H."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from anodiff.calibration import COLUMNS, Report, Truth, summary
from anodiff.errors import ConfigError
from anodiff.landscape.fractal import METHODS, roughness_of
from anodiff.processes import fractional_brownian
from anodiff.surfaces import fractional_surface

#: Hurst exponents of the graphs; points of a profile, and of a surface a side.
HURST, PROFILE, SURFACE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 1001, 65


def calibrate_roughness(
    *,
    hurst: Sequence[float] = HURST,
    graphs: int = 50,
    seed: int = 0,
    report: Report = lambda done, total, message: None,
) -> pd.DataFrame:
    """Return `anodiff.calibration.COLUMNS`, a row per Hurst exponent, kind of graph and method.

    ``process`` is ``profile`` or ``surface`` with its H, ``dimensions`` 1 or 2, ``steps`` the points a side, ``paths`` the
    number of graphs.

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
    total = len(kinds) * len(hurst)
    for number, (kind, (points, make)) in enumerate(kinds.items()):
        for place, exponent in enumerate(hurst):
            report(number * len(hurst) + place, total, f"roughness of a {kind}, H = {exponent:g}")
            made = [make(np.random.default_rng([seed, number, place, graph]), exponent) for graph in range(graphs)]
            about = {"process": f"{kind}, H = {exponent:g}", "dimensions": number + 1, "steps": points, "paths": graphs}
            for method in METHODS:
                found = [roughness_of(graph, method).hurst for graph in made]
                rows.append(about | {"gaussian": True} | summary(f"hurst ({method})", Truth(exponent), found))
    report(total, total, "done")
    return pd.DataFrame(rows, columns=list(COLUMNS))
