"""Which figures of a sweep are there, and what does each show? Titles, captions, and the function that draws each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


#: Endings of the files that a figure can be written to.
FORMATS = (".svg", ".pdf", ".png")


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: its title, the caption that page and report print under it, and what draws it.

    ``drawn_by`` is a module of this package and a function there, such as ``sweep.curves.msd``, from runs (or the simplified
    model's ensembles) to a matplotlib figure.
    """

    title: str
    caption: str
    drawn_by: str = ""


#: Figures that take pairs of a window's points, and read geometry.zarr.
GEOMETRY_FIGURES = ("contour", "loss_difference")


#: Figures over a sweep, drawn from its runs.
FIGURES = {
    "msd": FigureKind(
        "MSD by waiting time",
        "Time-averaged mean squared displacement Δr²(τ) of the weights against the lag τ, one panel for each configuration, "
        "one line for each window and seed, coloured by the window's waiting time; shaded: its 95 % interval, by the "
        "effective number of independent samples. Dashed: slope 1 (normal diffusion, τ) and slope 2 (a straight line, τ²). Of"
        " more than eight waiting times, eight are drawn, spread evenly in their logarithm.",
        "sweep.curves.msd",
    ),
    "beta": FigureKind(
        "β(τ) by waiting time",
        "Local exponent β(τ) = d ln Δr² / d ln τ against the lag τ. Above the line at 1 the motion is superdiffusive, below "
        "it subdiffusive. Bold: mean over the seeds that reached the window, with its 95 % interval (shaded); thin: single "
        "seeds. Grey ground: the long lags over which the exponent beta_long of the table is fitted. Of more than eight "
        "waiting times, eight are drawn, spread evenly in their logarithm.",
        "sweep.curves.beta",
    ),
    "nulls": FigureKind(
        "β(τ) against its nulls",
        "Local exponent β(τ) of each configuration's earliest window (black, first seed; shaded: its 95 % interval) against "
        "what is left of it in nulls made of the same updates: in random order (orange, dashed), in random order within each "
        "epoch (blue, dash-dotted), with random signs (green, short dashes; bands: 95 % of the draws), and with the mean "
        "update subtracted (dotted; such a path ends where it began, so that it falls at long lags). Where the line leaves a "
        "null's band, what that null destroys makes the exponent.",
        "sweep.curves.nulls",
    ),
    "beta_map": FigureKind(
        "β as a map of lag and waiting time",
        "Local exponent β(t_w, τ) of each configuration, mean over seeds: a row for each window, lags to the right. Orange: "
        "superdiffusive (β > 1); blue: subdiffusive; white and the black line: β = 1. Hatched /: the 95 % interval holds 1; "
        "hatched \\\\: the interval meets the band of the same updates in random order, so that their order makes no "
        "difference that can be told. Read it from the bottom up: how do the exponents change while the network learns?",
        "sweep.maps.beta_map",
    ),
    "long_lags": FigureKind(
        "β at long lags",
        "Local exponent β at the long lags (from analysis.long_lags on; of windows with a stride at all their lags, dots at "
        "their ends), mean over seeds, coloured by the waiting time, with its 95 % interval (shaded). Dotted: what is left of "
        "it in the same updates in random order (pale bands: 95 % of the draws); it may leave the panel below. A line below 1 "
        "is subdiffusive; where it is told from its dotted line, the order of updates makes the exponent.",
        "sweep.ageing.long_lags",
    ),
    "ageing": FigureKind(
        "Ageing",
        "Squared displacement from a window's first point (ageing MSD) over the time-averaged MSD at the same lag, all seeds "
        "together, coloured by the waiting time; bands: 95 % intervals by a jackknife over seeds (none for one seed). 1: "
        "motion that is the same all through the window. Above 1: it slows down within the window; below: it speeds up.",
        "sweep.ageing.ageing",
    ),
    "ergodicity": FigureKind(
        "Ergodicity breaking",
        "Ergodicity-breaking parameter EB, the variance over seeds of their time-averaged MSDs over its squared mean, with its "
        "95 % interval, beside what Gaussian paths of the same law and window would have (dotted). Far above it, single "
        "runs do not speak for the ensemble; with two seeds the interval spans three decades.",
        "sweep.ageing.ergodicity",
    ),
    "contour": FigureKind(
        "Displacement against contour length",
        "Mean squared displacement against the contour length s of the path between two points, in logarithmic bins over all "
        "pairs, for the first, middle and last window of each configuration (of at most two seeds each); dashed: the fitted "
        "power law Δr² ~ s^(2/D_f). The path dimension D_f (mean over seeds; with its interval from three seeds on) is 1 for a "
        "straight path and 2 for Brownian motion. Where steps are equally long this repeats the MSD.",
        "sweep.pairs.contour",
    ),
    "loss_difference": FigureKind(
        "Loss difference against distance",
        "Mean squared difference of the mini-batch loss (MSL) between two points of the path against their distance Δr, in "
        "logarithmic bins over all pairs, for the first, middle and last window of each configuration (of at most two seeds "
        "each); dashed: the fitted power law MSL ~ Δr^(2H), over the distances that it was fitted to. H (mean over seeds; with "
        "its interval from three seeds on) near 0 is the noise between mini-batches, which levels MSL off.",
        "sweep.pairs.loss_difference",
    ),
    "exponents": FigureKind(
        "Exponents over the sweep",
        "Largest local exponent of each window (top; beta_max in the table) and exponent over the long lags (bottom; "
        "beta_long) against the window's waiting time. Points: single seeds; bars: their 95 % intervals; lines: mean over "
        "seeds. Grey band: beta_long of the updates in random order, from the least to the largest of the model's runs (means "
        "over draws). Above the line at 1 the motion is superdiffusive, below it subdiffusive.",
        "sweep.overview.exponents",
    ),
    "dependence": FigureKind(
        "Exponents against depth, batch size and learning rate",
        "Largest local exponent of the first window (top) and exponent over the long lags of the last window that all compared "
        "configurations have (bottom), a column for each of depth, batch size and learning rate that varies in the sweep. A "
        "line joins configurations that differ in this setting alone; markers: means over seeds, dashes: single seeds, bars: "
        "Student's 95 % intervals from three seeds on. Above the line at 1 the motion is superdiffusive.",
        "sweep.dependence.dependence",
    ),
    "tails": FigureKind(
        "Tails of gradients and steps",
        "Top: exponent α of the Lévy-stable law fitted to each window's mini-batch gradients at sampled parameters, each "
        "parameter's less its median and over its interquartile range (a variance that changes within the window looks "
        "heavy-tailed as well); line: 2, a Gaussian. Bottom: whether the longest update steps |Δw| of the window follow a "
        "power law or an exponential, as Vuong's ratio; above the grey band (±1.96) a power law is favoured at 5 %, below it "
        "an exponential. Points: single seeds; bars: their 95 % intervals; lines: mean over seeds; against the waiting time.",
        "sweep.overview.tails",
    ),
    "learning": FigureKind(
        "Loss and accuracy",
        "Loss (top) and accuracy (bottom) during training, one line for each seed. Solid: test set, a marker at its last "
        "value; dashed: mean over an epoch's mini-batches as trained, augmentation included. A cross ends a run that diverged.",
        "sweep.overview.learning",
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
        "model.walkers.surfaces",
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
        "model.walkers.walkers",
    ),
    "gradients": FigureKind(
        "Simplified model: gradients",
        "Distribution of the gradient's first component that walkers see on each kind of surface (shaded), with the "
        "Gaussian of the same variance (dashed) and the stable law fitted to it (orange); α: its tail exponent, mean over"
        " surfaces with its 95 % interval, 2 for a Gaussian. In the bowl gradients of walkers on their way and at rest "
        "are mixed.",
        "model.walkers.gradients",
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
        "landscape.sweep.planes",
    ),
    "roughness": FigureKind(
        "Landscape: roughness",
        "Mean squared difference of the loss at distance r from points of the path, coloured by the point's optimiser "
        "step; solid: random directions, dashed: the path's own. Grey dashes: exponents 1 (2H of a Brownian surface) and "
        "2 (a smooth loss). Shaded: what float32's rounding makes; nothing is fitted there.",
        "landscape.sweep.roughness",
    ),
    "hessian": FigureKind(
        "Landscape: curvature",
        "Largest eigenvalues of the loss's Hessian during training (dark: the largest), the largest of the Gauss–Newton "
        "matrix (dotted), and the edge of stability 2/η (black dashes), above which gradient descent on a quadratic loss "
        "is unstable. Negative eigenvalues are not drawn.",
        "landscape.sweep.hessian",
    ),
    "connection": FigureKind(
        "Roughness against diffusion",
        "The roughness exponent 2H of the loss around a point of the path against the exponents of the window that holds "
        "the point; filled: random directions, open: the path's own. ρ: Spearman's rank correlation with its 95 % "
        "interval by a bootstrap over configurations. The dashed lines are a smooth loss (2) and normal diffusion (1).",
        "landscape.sweep.connection",
    ),
}


#: All figures of a page, in its order.
ALL_FIGURES = FIGURES | LANDSCAPE_FIGURES | MODEL_FIGURES
