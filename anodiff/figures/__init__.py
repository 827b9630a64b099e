"""Pictures of a sweep: which there are, what they show, and one function, `draw`, that draws each.

Everything heavy is imported when something is drawn, so that the list of figures costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from anodiff.surfaces.ensemble import Ensemble

#: Endings of the files that a figure can be written to.
FORMATS = (".svg", ".pdf", ".png")


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: its title, the caption that page and report print under it, and what draws it.

    ``drawn_by`` is a module of this package and a function there, such as ``curves.msd``, from runs (or the simplified
    model's ensembles) to a matplotlib figure.
    """

    title: str
    caption: str
    drawn_by: str = ""


FIGURES = {
    "msd": FigureKind(
        "MSD by waiting time",
        "Time-averaged mean squared displacement Δr²(τ) of the weights against the lag τ, one panel for each "
        "configuration, one line for each window and seed, coloured by the window's waiting time. Dashed: slope 1 "
        "(normal diffusion, τ) and slope 2 (a straight line, τ²). Of more than eight waiting times, eight are drawn, spread "
        "evenly in their logarithm.",
        "curves.msd",
    ),
    "beta": FigureKind(
        "β(τ) by waiting time",
        "Local exponent β(τ) = d ln Δr² / d ln τ against the lag τ. Above the line at 1 the motion is superdiffusive, below "
        "it subdiffusive. Bold: mean over the seeds that reached the window; thin: single seeds. Shaded: the long lags over "
        "which the exponent beta_long of the table is fitted. Of more than eight waiting times, eight are drawn, spread evenly "
        "in their logarithm.",
        "curves.beta",
    ),
    "nulls": FigureKind(
        "β(τ) against its nulls",
        "Local exponent β(τ) of each configuration's earliest window (black, first seed; shaded: its 95 % interval) against "
        "what is left of it in nulls made of the same updates: in random order (orange), in random order within each epoch "
        "(blue), with random signs (green; bands: 95 % of the draws), and with the mean update subtracted (dotted; "
        "such a path ends where it began, so that it falls at long lags). Where the line leaves a null's band, what that null "
        "destroys makes the exponent.",
        "curves.nulls",
    ),
    "exponents": FigureKind(
        "Exponents over the sweep",
        "Largest local exponent of each window (top; beta_max in the table) and exponent over the long lags (bottom; "
        "beta_long) against the window's waiting time. Points: single seeds; lines: mean over seeds. Above the line at 1 the "
        "motion is superdiffusive, below it subdiffusive.",
        "overview.exponents",
    ),
    "learning": FigureKind(
        "Loss and accuracy",
        "Loss (top) and accuracy (bottom) during training, one line for each seed. Solid: test set, a marker at its last "
        "value; dashed: mean over an epoch's mini-batches as trained, augmentation included. A cross ends a run that diverged.",
        "overview.learning",
    ),
}

#: Figures of the simplified model, drawn from its store.
MODEL_FIGURES = {
    "surfaces": FigureKind(
        "Simplified model: surfaces",
        "An example of each kind of surface over [−1, 1]², dark where the loss is low, with the paths of twelve walkers "
        "(white; orange: where they end). The fractional surfaces are fractional Brownian, rough at all scales, the "
        "rougher the smaller H; the multifractional one is roughest in its middle; the shuffled one has the same heights "
        "as a fractional one in random places, smoothed.",
        "surfaces.surfaces",
    ),
    "walkers": FigureKind(
        "Simplified model: diffusion",
        "A row for each setting of the walkers: weak Gaussian noise as published (chen2021), and on the same surfaces large "
        "deterministic steps (ly2025) and noise of a Lévy-stable law of index 1.5 (levy), as far as they were asked for. "
        "Left: mean squared displacement of the walkers from their start, geometric mean over the surfaces of a kind; "
        "dashed: slopes 1 and 2. Middle: its exponent over the first hundredth of the walk (early), over the half decade "
        "where it is largest (found on one half of the walkers, measured on the other), and from the middle of the walk on "
        "at lags of 5 % to 45 % of it (late), against H; bars: 95 % intervals over surfaces. Late exponents below 1 are "
        "confinement too, as in the bowl. Right: how many walkers ever came to the lowest hundredth of the surface (bars: "
        "95 % intervals), and the step by which half of them had.",
        "surfaces.walkers",
    ),
    "gradients": FigureKind(
        "Simplified model: gradients",
        "Distribution of the gradient's first component that walkers see on each kind of surface (shaded), with the "
        "Gaussian of the same variance (dashed) and the stable law fitted to it (orange); α: its tail exponent, mean over"
        " surfaces with its 95 % interval, 2 for a Gaussian. In the bowl gradients of walkers on their way and at rest "
        "are mixed.",
        "surfaces.gradients",
    ),
}

#: Figures of the landscape, drawn from the runs that have one.
LANDSCAPE_FIGURES = {
    "planes": FigureKind(
        "Landscape: slices",
        "The loss over planes through weight space, a row for each configuration (first seed): the plane of the first and"
        " of the last window's path, with the path drawn on it (circle: its beginning; square: its end) and the share of "
        "the path's variance along each axis beside a random walk's; then planes through the end of the last window (cross): "
        "of two random, filter-normalised directions, and, as wide to each side as the path went in that window, of the two "
        "eigenvectors of the Hessian with the largest eigenvalues or of the steepest descent and the direction of largest "
        "curvature across it. Loss over a fixed subset of the training set, batch-norm statistics held.",
        "landscapes.planes",
    ),
    "roughness": FigureKind(
        "Landscape: roughness",
        "Mean squared difference of the loss at distance r from points of the path, coloured by the point's optimiser "
        "step; solid: random directions, dashed: the path's own. Grey dashes: exponents 1 (2H of a Brownian surface) and "
        "2 (a smooth loss). Shaded: what float32's rounding makes; nothing is fitted there.",
        "landscapes.roughness",
    ),
    "hessian": FigureKind(
        "Landscape: curvature",
        "Largest eigenvalues of the loss's Hessian during training (dark: the largest), the largest of the Gauss–Newton "
        "matrix (dotted), and the edge of stability 2/η (black dashes), above which gradient descent on a quadratic loss "
        "is unstable. Negative eigenvalues are not drawn.",
        "landscapes.hessian",
    ),
    "connection": FigureKind(
        "Roughness against diffusion",
        "The roughness exponent 2H of the loss around a point of the path against the exponents of the window that holds "
        "the point; filled: random directions, open: the path's own. ρ: Spearman's rank correlation with its 95 % "
        "interval by a bootstrap over configurations. The dashed lines are a smooth loss (2) and normal diffusion (1).",
        "landscapes.connection",
    ),
}

#: All figures of a page, in its order.
ALL_FIGURES = FIGURES | LANDSCAPE_FIGURES | MODEL_FIGURES


def draw(
    kind: str,
    folders: Sequence[str | Path],
    output: str | Path,
    *,
    formats: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Draw one kind of figure over the runs in ``folders``, or of the one simplified_model.zarr given.

    The ending of ``output`` says the format; ``formats`` names further ones, written beside it under the same name.

    Raises
    ------
    ConfigError
        For an unknown kind or format, and without runs.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    if kind not in ALL_FIGURES:
        raise ConfigError(f"unknown figure {kind!r}; {did_you_mean(kind, ALL_FIGURES)}")
    from anodiff.figures import style
    from anodiff.tables import read_runs

    style.outputs(output, formats)
    drawn = _model(kind, folders) if kind in MODEL_FIGURES else read_runs(folders)
    module, function = ALL_FIGURES[kind].drawn_by.split(".")
    make = getattr(import_module(f"anodiff.figures.{module}"), function)
    style.publish(lambda: make(drawn), output, formats, overwrite=overwrite)


def _model(kind: str, stores: Sequence[str | Path]) -> Sequence[Ensemble]:
    if len(stores) != 1:
        raise ConfigError(f"figure {kind!r} is of one simplified_model.zarr; {len(stores)} were given")
    from anodiff.surfaces.store import open_model

    return open_model(stores[0])
