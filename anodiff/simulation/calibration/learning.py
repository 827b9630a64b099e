"""Can learning times and the laws of learning curves be trusted? Tests on samples that are learned by known laws.

Sample n of a simulated run has c(κ_n t) + noise, where c is a law and κ_n its own rate. Its noise lasts
over neighbouring points, like that of a probability of a network. On top comes noise of the path,
which all samples share. The run is looked at as `anodiff learning` does: at points evenly spaced
in the logarithm of the step, with a bootstrap over samples.

The pitfall: the interval of a learning time is about samples. The true value is therefore that of
all samples along the same path, at the same points; another path has other noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from anodiff.diffusion.intervals import Interval
from anodiff.errors import ConfigError
from anodiff.learning.columns import EXPONENTIAL, LAWS
from anodiff.learning.curves import bootstrap_weights, learning_curve
from anodiff.learning.fits import ADVANTAGE, fit_laws
from anodiff.learning.laws.shapes import rises
from anodiff.learning.times import learning_times
from anodiff.simulation.calibration.table import CALIBRATION_COLUMNS, Truth, summary
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

#: Last step of a run, its points, and bootstrap draws; by default the stage has 32 points.
LAST, POINTS, DRAWS = 10_000, 40, 200

#: Bounds of the step at which half is learned, and of a sigmoid's margin at the start; both are
#: drawn evenly in the logarithm.
HALVES, STARTS = (10.0, 2_500.0), (1e-6, 0.1)

#: Noise of single samples: standard deviation, and correlation at neighbouring points.
OWN_NOISE, OWN_CORRELATION = 0.3, 0.9

#: Time over which the noise of the path is forgotten, in steps.
FORGOTTEN = 1_000.0

#: Name of the share of curves with an advantage of a sigmoid.
SIGMOID = "called a sigmoid"

#: Quantiles of the rates by which the curve of all samples is averaged.
QUANTILES = scipy.special.ndtri((np.arange(400) + 0.5) / 400)


@dataclass(frozen=True)
class Samples:
    """Samples that are looked at: their number, standard deviation of ln κ, and that of the noise of the path."""

    name: str
    number: int
    scatter: float
    noise: float


#: As many samples as by default, as a class of ten has; rates that differ; more noise.
KINDS = (
    Samples("", 256, 0.0, 0.02),
    Samples(", few samples", 25, 0.0, 0.02),
    Samples(", rates scatter", 256, 0.3, 0.02),
    Samples(", noisy path", 256, 0.0, 0.1),
)


def calibrate_learning(*, curves: int = 50, seed: int = 0, report: ProgressCallback = no_progress) -> pd.DataFrame:
    """Return `CALIBRATION_COLUMNS`, rows for each law and each of `KINDS`.

    ``process`` is the law; ``dimensions`` is the number of samples; ``steps`` is the last step;
    ``paths`` is the number of curves. Learning times are in units of the true one. A share of curves
    is a mean of zeros and ones: ``right law``, and ``called a sigmoid``, an advantage above
    `anodiff.learning.fits.ADVANTAGE`.

    Raises
    ------
    ConfigError
        If there are fewer than 2 curves.
    """
    if curves < 2:
        raise ConfigError(f"{curves} learning curves of each kind; give at least 2")
    rows: list[dict[str, object]] = []
    total = len(KINDS) * len(LAWS)
    for number, kind in enumerate(KINDS):
        for index, law in enumerate(LAWS):
            report(len(rows) // 4, total, f"learning curves, {law}{kind.name}")
            found = [_measure(law, kind, np.random.default_rng([seed, number, index, curve])) for curve in range(curves)]
            labels = {"process": f"learning curve, {law}{kind.name}", "dimensions": kind.number, "steps": LAST, "paths": curves}
            for name in found[0]:
                truth = Truth(float(name != SIGMOID or law != EXPONENTIAL))
                rows.append(labels | {"gaussian": False} | summary(name, truth, [each[name] for each in found]))
    report(total, total, "done")
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))


def _measure(law: str, kind: Samples, random: np.random.Generator) -> dict[str, Interval]:
    steps = np.unique(np.concatenate([[0], np.round(np.geomspace(1, LAST, POINTS - 1)).astype(np.int64)]))
    half, start = (math.exp(random.uniform(*np.log(bounds))) for bounds in (HALVES, STARTS))
    shared = kind.noise * _ornstein_uhlenbeck(steps, random)
    truth = _of_samples(law, steps, half, start, kind.scatter * QUANTILES).mean(axis=1) + shared
    values = _of_samples(law, steps, half, start, kind.scatter * random.normal(size=kind.number)) + shared[:, None]
    values += OWN_NOISE * _autoregressive(values.shape, random)
    curve = learning_curve(steps, values, 1.0, bootstrap_weights(kind.number, DRAWS, int(random.integers(2**31))))
    fit = fit_laws(steps, curve.values, curve.error)
    all_samples = float(learning_times(steps, truth))
    times = curve.learning_time, curve.learning_time_low, curve.learning_time_high
    exact = float(learning_times(steps, rises(law, steps, np.array([half]), np.array([start]))[0]))
    return {
        "learning_time": Interval(*(float(each / all_samples) for each in times)),
        "learning_time by interpolation": Interval(exact / half, math.nan, math.nan),
        "right law": Interval(float(fit.law == law), math.nan, math.nan),
        SIGMOID: Interval(float(fit.sigmoid_advantage > ADVANTAGE), math.nan, math.nan),
    }


def _of_samples(law: str, steps: FloatArray, half: float, start: float, logarithms: FloatArray) -> FloatArray:
    """Return c(κ_n t), (points, samples), from ln κ_n."""
    return rises(law, np.asarray(steps, float), half * np.exp(-logarithms), np.full(len(logarithms), start)).T


def _ornstein_uhlenbeck(steps: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return noise of variance 1 at the points, 0 at the first: all curves begin there."""
    kept = np.exp(-np.diff(steps) / FORGOTTEN)
    noise = random.normal(size=len(steps))
    noise[0] = 0
    for later, part in enumerate(kept[1:], start=2):
        noise[later] = part * noise[later - 1] + math.sqrt(1 - part**2) * noise[later]
    return noise


def _autoregressive(shape: tuple[int, ...], random: np.random.Generator) -> FloatArray:
    """Return noise of variance 1, (points, samples), that lasts over neighbouring points."""
    noise = random.normal(size=shape)
    for later in range(1, len(noise)):
        noise[later] = OWN_CORRELATION * noise[later - 1] + math.sqrt(1 - OWN_CORRELATION**2) * noise[later]
    return noise
