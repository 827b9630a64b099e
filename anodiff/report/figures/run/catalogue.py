"""Which figures of a run are there, and what does each show?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anodiff.report.figures.catalogue import FigureKind

if TYPE_CHECKING:
    pass


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
