"""Pictures of one run, all its windows: which there are, what they show, and one function, `draw_run`, that draws them all.

matplotlib is imported when something is drawn, so that the list of figures costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, did_you_mean
from anodiff.geometry import PathGeometry
from anodiff.geometry.store import Geometries, open_geometry
from anodiff.landscape.curvature_store import Curvature, open_curvature
from anodiff.report.figures import FORMATS, FigureKind
from anodiff.storage.stores import writing
from anodiff.storage.types import Report, silent
from anodiff.sweep.results import RunResult, read_run
from anodiff.trajectory.format import STEP_SERIES
from anodiff.trajectory.store import open_trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EIGHT = "Of more than eight waiting times, eight are drawn, spread evenly in their logarithm."

#: The figures of a run, in the order of the page. One for which a run has no data is left out.
RUN_FIGURES = {
    "msd": FigureKind(
        "MSD by waiting time",
        "Time-averaged mean squared displacement Δr²(τ) of the weights against the lag τ, a line for each window, coloured by"
        " its waiting time; shaded: its 95 % interval, by the effective number of independent samples. Dashed: slope 1 "
        f"(normal diffusion, τ) and slope 2 (a straight line, τ²). Windows with a stride have points at their ends. {EIGHT}",
    ),
    "beta": FigureKind(
        "β(τ) by waiting time",
        "Local exponent β(τ) = d ln Δr² / d ln τ of each window with its 95 % interval (shaded). Above the line at 1 the "
        "motion is superdiffusive, below it subdiffusive. Grey: the long lags over which beta_long is fitted. " + EIGHT,
    ),
    "nulls": FigureKind(
        "β(τ) against its nulls, window by window",
        "Local exponent β(τ) of each window (black; shaded: its 95 % interval) against what is left of it in nulls made of the "
        "same updates (bands: 95 % of the draws). Where the line leaves a null's band, what that null destroys makes the "
        "exponent. Without its mean update a window's path ends where it began, so that the dotted line falls at long lags. "
        + EIGHT,
    ),
    "beta_map": FigureKind(
        "β as a map of lag and waiting time",
        "Local exponent β of every window (up) and lag (to the right): orange is superdiffusive, blue subdiffusive, white "
        "normal diffusion. Dots: the 95 % interval holds 1. Grey: not measured.",
    ),
    "long_lags": FigureKind(
        "Long lags",
        "Left: Δr² at the long lags, over its value at the first of them, so that lines fan out by their exponents; dashed: "
        "slope 1. Right: the exponent over these lags against the waiting time, with its 95 % interval; band: the same of the "
        "updates in random order, 95 % of the draws. Below 1 the motion is subdiffusive.",
    ),
    "ageing": FigureKind(
        "Ageing",
        "Left: the MSD averaged over the window (solid) and the squared displacement from the window's first point alone "
        "(dashed). Right: their ratio. Motion that does not age has a ratio of 1, but for the scatter of a single displacement,"
        " of which the shaded band holds 95 % (Gaussian, with the effective dimension). Above 1 the motion slows down within "
        f"the window. {EIGHT}",
    ),
    "loss": FigureKind(
        "Loss, its jumps and its variance",
        "From above: loss of each step's mini-batch (grey; of a long run the middle and the range of stretches), training mean "
        "and test value by epoch; accuracy; the change of the loss in a step, |ΔL|, with one standard deviation of ΔL in each "
        "window (dashed), above which consecutive steps make an avalanche, and the largest avalanches (orange, at their "
        "largest change); variance of the loss over a moving stretch of steps, shaded: its 95 % interval if losses were "
        "independent and Gaussian. A dotted line ends a run that diverged.",
    ),
    "contour": FigureKind(
        "Displacement against contour length",
        "Left: Δr² against the contour length s, means over pairs of points (points) and the fitted Δr² ~ s^(2/D) (lines); at "
        "most 1,001 points of a window. Right: path dimension D_f with its 95 % interval; 1 is a straight path, 2 Brownian "
        "motion, more is subdiffusive. Where step lengths hardly vary (σ / mean) this repeats the MSD. " + EIGHT,
    ),
    "msl": FigureKind(
        "Loss difference against distance",
        "Left: mean squared loss difference MSL of points at distance Δr (points) and the fitted MSL ~ Δr^(2H) (lines). Right: "
        "2H with its 95 % interval: 0 where mini-batch noise alone makes the difference, 1 for a Brownian loss along the "
        f"path, 2 for a smooth one. {EIGHT}",
    ),
    "excursion": FigureKind(
        "Transverse excursions",
        "Left: how far fragments of the path stray from the line between their ends, squared, over its squared length; 1/4 "
        "for Brownian motion in many dimensions (dashed), 0 for a straight path. Right: exponent of excursion² against "
        f"chord² with its 95 % interval; 1 is self-similar. {EIGHT}",
    ),
    "gradients": FigureKind(
        "Distributions of gradients and steps",
        "Distributions in the first and the last window with the Gaussian of the same mean and variance (dashed) and the "
        "Lévy-stable law fitted (orange); α: its tail exponent with its 95 % interval, 2 for a Gaussian. Gradient entries of "
        "sampled parameters twice: pooled as they are, which makes Gaussian entries of different variances look heavy-tailed, "
        "and each parameter's less its median and over its interquartile range. Below: α of every window. What was not "
        "measured, or in too few steps, is left out.",
    ),
    "hessian": FigureKind(
        "Curvature during training",
        "Largest eigenvalues of the loss's Hessian (dark: the largest), the largest of the Gauss–Newton matrix (dotted), and "
        "the edge of stability 2/η (black dashes), above which gradient descent on a quadratic loss is unstable. Negative "
        "eigenvalues are not drawn.",
    ),
}


@dataclass(frozen=True)
class RunData:
    """What the figures of a run are drawn from; each store is read when it is asked for, once."""

    result: RunResult
    _paths: dict[int, PathGeometry] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.result.name

    @cached_property
    def geometries(self) -> Geometries:
        """The geometry of the windows."""
        return open_geometry(self.result.folder / "geometry.zarr")

    @cached_property
    def series(self) -> dict[str, NDArray[np.float32]]:
        """The series with a value for every step taken, see `STEP_SERIES`."""
        trajectory = open_trajectory(self.result.folder / "trajectory.zarr")
        return {name: trajectory.series(name)[: trajectory.steps_completed] for name in STEP_SERIES}

    def path(self, window: int) -> PathGeometry:
        """The geometry of one window; only the last one is kept, for a matrix may be large."""
        if self._paths.keys() != {window}:
            self._paths.clear()
            self._paths[window] = self.geometries.read(window)
        return self._paths[window]

    @cached_property
    def curvature(self) -> Curvature | None:
        """The curvature along the path; None where it was not looked at."""
        store = self.result.folder / "landscape" / "curvature.zarr"
        return open_curvature(store) if store.exists() else None


def draw_run(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    kinds: Sequence[str] = (),
    overwrite: bool = False,
    report: Report = silent,
) -> list[str]:
    """Draw the figures of a run as SVG, PDF and PNG into a folder, and return the kinds that there were data for.

    Parameters
    ----------
    folder
        Of the run: ``diffusion.zarr``, ``exponents.csv``, ``tails.csv``, ``geometry.zarr``, ``trajectory.zarr`` and, where the
        landscape was looked at, ``landscape/``.
    output
        The folder of the figures; default: ``figures`` in that of the run.
    kinds
        Of `RUN_FIGURES`; default: all.

    Raises
    ------
    ConfigError
        For an unknown kind.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    for kind in kinds:
        if kind not in RUN_FIGURES:
            raise ConfigError(f"unknown figure {kind!r} of a run; {did_you_mean(kind, RUN_FIGURES)}")
    wanted = [kind for kind in RUN_FIGURES if kind in kinds or not kinds]
    run = RunData(read_run(folder))
    functions = _functions()
    from anodiff.report.figures import style

    drawn = []
    with writing(Path(output) if output else run.result.folder / "figures", overwrite=overwrite) as temporary:
        temporary.mkdir()
        for number, kind in enumerate(wanted):
            report(number, len(wanted), kind)
            figure = functions[kind](run)
            if figure is not None:
                drawn.append(kind)
                for suffix in FORMATS:
                    style.save(figure, temporary / f"{kind}{suffix}", suffix)
        report(len(wanted), len(wanted), "done")
    return drawn


def _functions() -> dict[str, Callable[[RunData], Figure | None]]:
    """Return what draws each kind: a figure, or None where the run has nothing to show."""
    from anodiff.report.figures.run import ageing as run_ageing
    from anodiff.report.figures.run import diffusion as run_diffusion
    from anodiff.report.figures.run import loss as run_loss
    from anodiff.report.figures.run import maps as run_map
    from anodiff.report.figures.run import path as run_path
    from anodiff.report.figures.run import tails as run_tails

    return {
        "msd": run_diffusion.msd,
        "beta": run_diffusion.beta,
        "nulls": run_diffusion.nulls,
        "beta_map": run_map.beta_map,
        "long_lags": run_ageing.long_lags,
        "ageing": run_ageing.ageing,
        "loss": run_loss.loss,
        "contour": run_path.contour,
        "msl": run_path.loss_by_distance,
        "excursion": run_path.excursion,
        "gradients": run_tails.gradients,
        "hessian": run_map.hessian,
    }
