"""Which figures of a run are there, and what does each show?

Title, caption, and the function that draws it.
"""

from __future__ import annotations

from anodiff.report.figures.catalogue import EIGHT
from anodiff.report.figures.figure_kind import FigureKind

#: The figures of a run, in the order of the page. A figure for which a run has no data is left out.
RUN_FIGURES = {
    "msd": FigureKind(
        "MSD by waiting time",
        "Time-averaged mean squared displacement Δr²(τ) of the weights against the lag τ. Each line is a "
        "window, coloured by its waiting time. Shaded: its 95 % interval, from the effective number of "
        "independent samples. Dashed: slope 1 (normal diffusion, τ) and slope 2 (a straight line, τ²). "
        f"Windows with a stride have dots at the ends of their line. {EIGHT}",
        "run.diffusion.msd",
    ),
    "beta": FigureKind(
        "β(τ) by waiting time",
        "Local exponent β(τ) = d ln Δr² / d ln τ of each window with its 95 % interval (shaded). The "
        "motion is superdiffusive above the line at 1, subdiffusive below it. Grey background: the long "
        f"lags over which beta_long is fitted. {EIGHT}",
        "run.diffusion.beta",
    ),
    "nulls": FigureKind(
        "β(τ) against its nulls, window by window",
        "Local exponent β(τ) of each window (black; shaded: its 95 % interval), compared with nulls made "
        "from the same updates (bands: 95 % of the draws). Where the black line leaves a null's band, the "
        "exponent comes from what that null destroys. A path without its mean update ends where it began, "
        f"so the dotted line falls at long lags. {EIGHT}",
        "run.diffusion.nulls",
    ),
    "trend": FigureKind(
        "A mean that relaxes, and what is left",
        "Left: share of Δr² that is a smooth mean which relaxes, as the way down into a bowl; the rest is "
        "fluctuation. Slower fluctuation counts as mean, so superdiffusive motion has a share too. Right: local "
        "exponent β of the path without this mean, at the lags at which the two can be told apart. Shaded: 95 % "
        f"of the draws of its null, the same with random signs. Above the band it is superdiffusion. {EIGHT}",
        "run.explanations.trend",
    ),
    "increments": FigureKind(
        "Displacements and updates",
        "Left: non-Gaussian parameter α₂ = ⟨|r|⁴⟩ / (⟨|r|²⟩² (1 + 2/d)) − 1 of the displacements r over a lag, "
        "with d their effective dimension. It is 0 for Gaussian displacements, and above 0 if the scale that all "
        "directions share changes in time; tails of single directions do not show. Right: autocorrelation of "
        "the updates (the velocity autocorrelation), 0 if they are independent. Vertical axes are linear near 0 "
        f"and logarithmic beyond. {EIGHT}",
        "run.explanations.increments",
    ),
    "beta_map": FigureKind(
        "β as a map of lag and waiting time",
        "Local exponent β of every window (waiting time upwards) and lag (to the right). Orange: "
        "superdiffusive; blue: subdiffusive; white: normal diffusion. Dots: the 95 % interval contains 1. "
        "Grey: not measured.",
        "run.maps.beta_map",
    ),
    "long_lags": FigureKind(
        "Long lags",
        "Left: Δr² at the long lags, divided by its value at the first of them, so that lines fan out by "
        "their exponents; dashed: slope 1. Right: the exponent over these lags against the waiting time, "
        "with its 95 % interval; band: the same for the updates in random order, 95 % of the draws. The "
        "motion is subdiffusive below 1.",
        "run.ageing.long_lags",
    ),
    "ageing": FigureKind(
        "Ageing",
        "Left: the MSD averaged over the window (solid) and the squared displacement from the window's "
        "first point alone (dashed). Right: their ratio. Without ageing the ratio is 1, except for the "
        "scatter of a single displacement: the shaded band contains 95 % of it (for Gaussian paths with "
        f"the effective dimension). Above 1 the motion slows down within the window. {EIGHT}",
        "run.ageing.ageing",
    ),
    "loss": FigureKind(
        "Loss, its jumps and its variance",
        "From top to bottom. Loss: of each step's mini-batch (grey; for a long run the median and the "
        "range of short stretches), training mean and test value by epoch. Accuracy. Change of the loss "
        "in a step, |ΔL|: the dashed line is one standard deviation of ΔL in each window; consecutive "
        "steps above it form an avalanche; the largest avalanches are marked (orange, at their largest "
        "change). Variance of the loss over a moving stretch of steps; shaded: its 95 % interval if "
        "losses were independent and Gaussian. A dotted line ends a run that diverged.",
        "run.loss.loss",
    ),
    "contour": FigureKind(
        "Displacement against contour length",
        "Left: Δr² against the contour length s, means over pairs of points (dots) and the fitted Δr² ~ "
        "s^(2/D_f) (lines); at most 1,001 points of a window are used. Right: path dimension D_f with its "
        "95 % interval: 1 for a straight path, 2 for Brownian motion, more for subdiffusion. If step "
        f"lengths hardly vary (σ / mean), this figure repeats the MSD. {EIGHT}",
        "run.path.contour",
    ),
    "msl": FigureKind(
        "Loss difference against distance",
        "Left: mean squared loss difference MSL of points at distance Δr (dots) and the fitted MSL ~ "
        "Δr^(2H) (lines). Right: 2H with its 95 % interval: 0 if the difference is only mini-batch noise, "
        f"1 for a Brownian loss along the path, 2 for a smooth one. {EIGHT}",
        "run.path.loss_by_distance",
    ),
    "excursion": FigureKind(
        "Transverse excursions",
        "Left: the largest squared distance of a fragment of the path from the line between its ends, "
        "divided by the squared length of that line: 1/4 for Brownian motion in many dimensions (dashed), "
        "0 for a straight path. Right: exponent of excursion² against chord² with its 95 % interval; 1 is "
        f"self-similar. {EIGHT}",
        "run.path.excursion",
    ),
    "gradients": FigureKind(
        "Distributions of gradients and steps",
        "Distributions in the first and the last window, with the Gaussian of the same mean and variance "
        "(dashed) and the fitted Lévy-stable law (orange). α is its tail exponent with its 95 % interval; "
        "it is 2 for a Gaussian. Gradient entries of sampled parameters are shown twice: pooled, where "
        "Gaussian entries with different variances look heavy-tailed, and standardised, where each "
        "parameter's entries are shifted by their median and divided by their interquartile range. Below: "
        "α of every window. Quantities that were not measured, or in too few steps, are left out.",
        "run.tails.gradients",
    ),
    "layers": FigureKind(
        "Exponents by layer",
        "Left: exponent β over the long lags of each group of parameters, such as a layer, and of the whole path above "
        "them. Rows are in the model's order, columns are windows by their waiting time. Orange: superdiffusive (β > 1); "
        "blue: subdiffusive; white: β = 1. Dots: the 95 % interval contains 1. Hatched: unknown, because the group does "
        "not move or the window is too short. Right: the group's share of Δr² over the long lags, in per cent; the shares "
        "of a window add up to 100.",
        "run.parts.layers",
    ),
    "walks": FigureKind(
        "What the optimiser adds, walk by walk",
        "Top: mean squared displacement of the first and the last window, of the path itself (black), of its updates "
        "without decoupled weight decay (orange), of the decay (green), and of the walk Σ −η g of the same gradients "
        "without momentum and preconditioning (blue): the null. Middle: their local exponents with 95 % intervals "
        "(shaded); grey background: the long lags. Bottom: their exponents over the long lags against the waiting time. "
        "Where black leaves blue, the exponent comes from the optimiser, not from the gradients.",
        "run.parts.walks",
    ),
    "modes": FigureKind(
        "Learning curves of modes, and the motion beside them",
        "Top: how far the network has learned each singular mode of the correlation between inputs and classes, "
        "0 at the first step and 1 where all is learned, with its 95 % interval over samples (shaded) and the law "
        "that fits best (dashed). Mode 1 (dark) is the strongest; at most six are drawn. Middle: number of modes "
        "that are between 10 % and 90 % within each window (a bar for each). Bottom: largest local exponent of the "
        "same windows with its 95 % interval; the motion is superdiffusive above the line at 1.",
        "run.learning.modes",
    ),
    "samples": FigureKind(
        "Sample by sample",
        "Margin of training samples (the output of the sample's class minus the largest other one) at the "
        "recorded steps, to the right. Each row is a sample; those learned first are at the bottom. Orange: "
        "right; blue: wrong; the most extreme hundredth of margins has the colour of the ends. Black line: the "
        "step from which on the sample is right for good; rows above its end are never learned. Orange left of "
        "the line was learned and forgotten again.",
        "run.learning.samples",
    ),
    "hessian": FigureKind(
        "Curvature during training",
        "Largest eigenvalues of the loss's Hessian (dark: the largest), the largest of the Gauss–Newton "
        "matrix (dotted), and the edge of stability (black dashes; 2/η without momentum), above which "
        "gradient descent on a quadratic loss is unstable. Negative eigenvalues are not drawn.",
        "run.maps.hessian",
    ),
}
