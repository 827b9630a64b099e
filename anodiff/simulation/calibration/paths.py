"""Can the estimators be trusted? Their bias, spread and coverage on paths of known law.

Every path of a process is measured as a window of a run is. The truth is the exact expectation at
the same lags, by the same slopes and fits, wherever it is known, not the limit at infinite times.
The number of regimes and the range of the fit differ from path to path; the truth is then the path's
own, what the exact curve gives with them. Where nothing is known exactly, the truth is the mean over
as many further paths.

The pitfall: intervals follow from the theory of Gaussian paths with stationary increments. Random
waiting times, Lévy walks and similar processes are not of that kind (`gaussian` is false). Their
paths scatter more, even in many dimensions, and the interval of a single path need not hold the
value of the ensemble. The table shows how often it does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anodiff.diffusion.ergodicity import ageing_ratio
from anodiff.diffusion.excursions import transverse_excursions
from anodiff.diffusion.exponents import local_exponents, local_slopes, slope
from anodiff.diffusion.intervals import DRAWS, LOWER, UNKNOWN, UPPER, Interval
from anodiff.diffusion.pairs import loss_difference_by_distance, loss_roughness, path_dimension
from anodiff.diffusion.procedure import NAMES, Procedure
from anodiff.diffusion.stable import fit_stable_with_intervals
from anodiff.diffusion.stationarity import LAG, window_ageing
from anodiff.diffusion.tails import log_moment_index
from anodiff.diffusion.window_exponents import measure_exponents
from anodiff.errors import ConfigError
from anodiff.geometry.msd import ageing_msd, logarithmic_lags, time_averaged_msd
from anodiff.geometry.path import path_geometry
from anodiff.simulation.calibration.block_bootstrap import draw_log_msd_by_blocks
from anodiff.simulation.calibration.single_tracks import random_coordinate, track_rows
from anodiff.simulation.calibration.table import CALIBRATION_COLUMNS, Truth, summary
from anodiff.simulation.processes import PROCESSES, Process
from anodiff.storage.types import FloatArray, ProgressCallback, no_progress

#: Lags of the local exponents in the table, and the width of their slope in decades, the default of
#: analysis.slope_width.
LAGS, WIDTH = (1, 10, 100), 0.25

#: The long lags as fractions of the path: those of analysis.long_lags for windows of 1,000 updates.
LONG = (0.2, 0.9)

#: The largest number of coordinates whose updates are used for the tails.
TAIL_COORDINATES = 64

#: A curve whose exponents on both sides differ by less has no crossover.
NO_BEND = 0.02

#: Marks the estimators whose intervals come from the block bootstrap.
BY_BLOCKS = " (block bootstrap)"


def calibrate(
    processes: Iterable[Process] | None = None,
    *,
    dimensions: Sequence[int] = (3, 300),
    paths: int = 50,
    steps: int = 1000,
    seed: int = 0,
    report: ProgressCallback = no_progress,
) -> pd.DataFrame:
    """Return `CALIBRATION_COLUMNS`, a row per process, number of dimensions and estimator.

    Parameters
    ----------
    processes
        Processes to simulate, your own or `anodiff.simulation.processes.PROCESSES` (default: all of
        these).
    dimensions
        Numbers of dimensions in which each process is simulated.
    paths, steps
        Number of paths of each process, and their length.
    seed
        Seed of all paths.

    Raises
    ------
    ConfigError
        If there are fewer than 2 paths, 100 steps or 1 dimension.
    """
    chosen = list(PROCESSES.values() if processes is None else processes)
    if paths < 2 or steps < 100 or min(dimensions, default=0) < 1:
        raise ConfigError(f"{paths} paths of {steps} steps in {list(dimensions)} dimensions; give at least 2, 100 and 1")
    lags = logarithmic_lags(steps, 20, 0.9)
    rows: list[dict[str, object]] = []
    done, total = 0, len(chosen) * len(dimensions) * paths
    for number, process in enumerate(chosen):
        for size in dimensions:
            expected = process.expected_time_average(np.arange(steps + 1), size, steps)
            measured: list[dict[str, Interval]] = []
            targets: list[dict[str, float]] = []
            displacements, coordinates = [], []
            for path in range(paths):
                points = process.simulate(steps, size, np.random.default_rng([seed, number, size, path]))
                estimates, target, ageing = _measure_path(points, lags, path, expected)
                measured.append(estimates)
                targets.append(target)
                displacements.append(ageing)
                coordinates.append(random_coordinate(points, np.random.default_rng([seed, number, size, path, 2])))
                done += 1
                report(done, total, f"{process.name}, {size} dimensions")
            labels = {"process": process.name, "dimensions": size, "steps": steps, "paths": paths}
            labels |= {"gaussian": process.gaussian}
            own = dict.fromkeys(name for target in targets for name in target)  # a path that rests has none of these
            truths = {name: Truth([target.get(name, math.nan) for target in targets]) for name in own}
            truths |= dict(true_values(process, size, steps))
            others = [np.random.default_rng([seed, number, size, path, 1]) for path in range(paths)]
            further = [process.simulate(steps, size, random) for random in others]
            truths = _simulated_truths(further, lags) | truths
            for estimator, truth in truths.items():
                rows.append(labels | summary(estimator, truth, [path[estimator] for path in measured]))
            rows += [labels | row for row in _ensemble_rows(process, size, steps, lags, np.array(displacements))]
            others_coordinates = [random_coordinate(points, random) for points, random in zip(further, others, strict=True)]
            rows += [labels | row for row in track_rows(process, coordinates, others_coordinates)]
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))


def true_values(process: Process, dimensions: int, steps: int) -> Iterator[tuple[str, Truth]]:
    """Yield the name and the true value of every estimator that is the same for all paths of a process."""
    times = np.arange(steps + 1)
    expected = process.expected_time_average(times, dimensions, steps)
    long = _long_lags(steps)
    if expected is not None:
        local = local_exponents(expected, np.array(LAGS), WIDTH)
        for lag, value in zip(LAGS, local, strict=True):
            yield f"beta at lag {lag}", Truth(float(value))
            yield f"beta at lag {lag}{BY_BLOCKS}", Truth(float(value))
        yield "beta_long", Truth(slope(long, expected[long]))
        yield f"beta_long{BY_BLOCKS}", Truth(slope(long, expected[long]))
    elif process.time_averaged_exponent is not None:
        for lag in LAGS:
            yield f"beta at lag {lag}", Truth(process.time_averaged_exponent, "asymptotic")
        yield "beta_long", Truth(process.time_averaged_exponent, "asymptotic")
    if process.exact_msd is not None:
        yield "ageing_ratio", Truth(1)
    elif process.ensemble_msd is not None:
        yield "ageing_ratio", Truth(_ratio_of_halves(process.ensemble_msd(times, dimensions)))
    if process.hurst is not None:
        yield "regimes", Truth(1)
        yield "path_dimension", Truth(1 / process.hurst)
        if dimensions > 1:  # a path on a line has no excursions
            yield "excursion_exponent", Truth(1)
    if process.gaussian and process.alike:
        yield "stable_alpha of updates", Truth(2)
        yield "log_moment_index of updates", Truth(2)
    if process.hurst is not None and process.alike:  # distance grows as the displacement in each direction
        yield "loss_roughness of a linear loss", Truth(1)


def _ratio_of_halves(ensemble: FloatArray) -> float:
    """Return the exact ageing ratio of uncorrelated increments from ⟨x²⟩ at times 0 … T, shape (T+1,)."""
    updates = len(ensemble) - 1
    half, lag = updates // 2, max(1, round(LAG * updates))
    first, second = (
        part[lag:].mean() - part[: half + 1 - lag].mean() for part in (ensemble[: half + 1], ensemble[-half - 1 :])
    )
    return float(first / second)


def _long_lags(steps: int) -> NDArray[np.int64]:
    return np.arange(math.ceil(LONG[0] * steps), math.floor(LONG[1] * steps) + 1)


def _measure_path(
    points: FloatArray, lags: NDArray[np.int64], seed: int, expected: FloatArray | None
) -> tuple[dict[str, Interval], dict[str, float], FloatArray]:
    """Return all estimates from one path, the targets of some, and its ageing and time-averaged MSD, (2, lags)."""
    path = path_geometry(points)
    squares = path.squared_displacements
    msd = time_averaged_msd(squares)
    beta = local_exponents(msd, lags, WIDTH)
    long = _long_lags(len(path.gram))
    exponents = measure_exponents(path, msd, lags, beta, WIDTH, (float(long[0]), float(long[-1])), seed)
    estimates = {
        "beta_max": exponents.largest,
        "beta_long": exponents.long,
        "exponent_first": exponents.first,
        "exponent_second": exponents.second,
        "exponent_third": exponents.third,
        "crossover_lag": exponents.crossover,
        "second_crossover_lag": exponents.second_crossover,
        "regimes": Interval(exponents.regimes.count, math.nan, math.nan),
        "ageing_ratio": window_ageing(path, exponents.regimes, lags, exponents.dimension)[1],
        **_shape(points, squares, path.contour_length, lags, exponents.overall, exponents.single_steps),
    }
    drawn = draw_log_msd_by_blocks(squares, lags, draws=DRAWS, generator=np.random.default_rng([seed, 1]))
    local = local_slopes(lags, WIDTH) @ drawn
    for lag in LAGS:
        index = int(np.abs(lags - lag).argmin())
        estimates[f"beta at lag {lag}"] = Interval(beta[index], exponents.beta_low[index], exponents.beta_high[index])
        estimates[f"beta at lag {lag}{BY_BLOCKS}"] = Interval(beta[index], *np.quantile(local[index], (LOWER, UPPER)))
    within = (lags >= long[0]) & (lags <= long[-1])
    slopes = np.polynomial.polynomial.polyfit(np.log(lags[within]), drawn[within], 1)[1]
    estimates[f"beta_long{BY_BLOCKS}"] = Interval(exponents.long.value, *np.quantile(slopes, (LOWER, UPPER)))
    updates = np.diff(points[:, :TAIL_COORDINATES], axis=0)
    estimates["stable_alpha of updates"] = fit_stable_with_intervals(updates, seed=seed).alpha
    estimates["log_moment_index of updates"] = log_moment_index(updates, block=max(2, len(updates) // 20), seed=seed)
    targets = {} if expected is None or exponents.procedure is None else _targets(exponents.procedure, expected)
    return estimates, targets, np.array([ageing_msd(squares)[lags], msd[lags]])


def _targets(procedure: Procedure, expected: FloatArray) -> dict[str, float]:
    """Return what the exact curve gives by a path's own fit; a curve without a bend has no crossover."""
    exact = dict(zip(NAMES, procedure.of_curve(expected), strict=False))
    first, second, third = (exact[name] for name in ("first", "second", "third"))
    return {
        "beta_max": exact["largest"],
        "exponent_first": first,
        "exponent_second": second,
        "exponent_third": third,
        "crossover_lag": math.exp(exact["log_crossover"]) if abs(second - first) > NO_BEND else math.nan,
        "second_crossover_lag": math.exp(exact["log_second_crossover"]) if abs(third - second) > NO_BEND else math.nan,
    }


def _shape(
    points: FloatArray,
    squares: FloatArray,
    contour: FloatArray,
    lags: NDArray[np.int64],
    overall: Interval = UNKNOWN,
    single_steps: float = 0.0,
) -> dict[str, Interval]:
    """Return the estimates that follow from all pairs of points."""
    return {
        "path_dimension": path_dimension(squares, contour, overall, single_steps),
        "excursion_exponent": transverse_excursions(squares, lags).exponent,
        "loss_roughness of a linear loss": loss_roughness(loss_difference_by_distance(squares, points[:, 0])),
    }


def _simulated_truths(paths: Sequence[FloatArray], lags: NDArray[np.int64]) -> dict[str, Truth]:
    """Return the means of shape's estimates over other paths; of the slope 2/D_f for the path dimension."""
    found = []
    for points in paths:
        path = path_geometry(points)
        found.append(
            {name: one.value for name, one in _shape(points, path.squared_displacements, path.contour_length, lags).items()}
        )
    means = {
        name: float(np.nanmean([each[name] for each in found]))
        for name in found[0]
        if points.shape[1] > 1 or "excursion" not in name
    }
    means["path_dimension"] = 1 / float(np.nanmean([1 / each["path_dimension"] for each in found]))
    return {name: Truth(mean, "simulated") for name, mean in means.items()}


def _ensemble_rows(
    process: Process, dimensions: int, steps: int, lags: NDArray[np.int64], displacements: FloatArray
) -> Iterator[dict[str, object]]:
    """Yield the rows of estimates from all paths together; displacements are (paths, 2, lags)."""
    expected = process.expected_time_average(lags, dimensions, steps)
    if process.ensemble_msd is None or expected is None:
        return
    index = int(np.abs(lags - 10).argmin())
    ensemble = process.ensemble_msd(lags, dimensions)
    found = ageing_ratio(displacements[:, 0, index], displacements[:, 1, index])
    yield summary("ageing ratio at lag 10 of the ensemble", Truth(float(ensemble[index] / expected[index])), [found])
    exponent = Interval(slope(lags[1:], displacements[:, 0].mean(axis=0)[1:]), math.nan, math.nan)
    yield summary("exponent of the ensemble's displacement", Truth(slope(lags[1:], ensemble[1:])), [exponent])
