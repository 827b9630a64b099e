"""Which figures of a sweep are there, and what does each show?

Title, caption, and the function that draws it.
"""

from __future__ import annotations

from anodiff.report.figures.figure_kind import FigureKind

#: What captions say about figures that draw at most eight waiting times.
EIGHT = "If there are more than eight waiting times, eight are drawn, evenly spaced in their logarithm."


#: Figures of a sweep, drawn from its runs.
FIGURES = {
    "msd": FigureKind(
        "MSD by waiting time",
        "Time-averaged mean squared displacement Δr²(τ) of the weights against the lag τ. Each panel is a "
        "configuration, each line a window of one seed, coloured by the window's waiting time. Shaded: "
        "95 % interval, from the effective number of independent samples. Dashed: slope 1 (normal "
        f"diffusion, τ) and slope 2 (a straight line, τ²). {EIGHT}",
        "sweep.curves.msd",
    ),
    "beta": FigureKind(
        "β(τ) by waiting time",
        "Local exponent β(τ) = d ln Δr² / d ln τ against the lag τ. The motion is superdiffusive above "
        "the line at 1, subdiffusive below it. Bold: mean over the seeds that reached the window, with "
        "its 95 % interval (shaded). Thin: single seeds. Grey background: the long lags over which the "
        f"table's exponent beta_long is fitted. {EIGHT}",
        "sweep.curves.beta",
    ),
    "nulls": FigureKind(
        "β(τ) against its nulls",
        "Local exponent β(τ) of each configuration's earliest window (black, first seed; shaded: its 95 % "
        "interval), compared with nulls made from the same updates: in random order (orange, dashed), in "
        "random order within each epoch (blue, dash-dotted), with random signs (green, short dashes), and "
        "with the mean update subtracted (dotted). Bands: 95 % of the draws. A path without its mean "
        "update ends where it began, so the dotted line falls at long lags. Where the black line leaves a "
        "null's band, the exponent comes from what that null destroys.",
        "sweep.curves.nulls",
    ),
    "beta_map": FigureKind(
        "β as a map of lag and waiting time",
        "Local exponent β(t_w, τ) of each configuration, mean over seeds. Each row is a window; lags "
        "increase to the right. Orange: superdiffusive (β > 1); blue: subdiffusive; white and the black "
        "line: β = 1. Hatched /: the 95 % interval contains 1. Hatched \\: the interval overlaps the band "
        "of the same updates in random order, so their order makes no detectable difference. Read it from "
        "the bottom up: how do the exponents change while the network learns?",
        "sweep.maps.beta_map",
    ),
    "long_lags": FigureKind(
        "β at long lags",
        "Local exponent β at the long lags (from analysis.long_lags on; for windows with a stride at all "
        "lags, with dots at the ends of the line), mean over seeds, coloured by the waiting time. Shaded: "
        "95 % interval. Dotted: the same updates in random order (pale bands: 95 % of the draws, which "
        "may leave the panel at the bottom). A line below 1 is subdiffusive. Where it differs from its "
        "dotted line, the exponent comes from the order of the updates.",
        "sweep.ageing.long_lags",
    ),
    "ageing": FigureKind(
        "Ageing",
        "Squared displacement from a window's first point (ageing MSD), divided by the time-averaged MSD "
        "at the same lag, over all seeds, coloured by the waiting time. Bands: 95 % intervals from a "
        "jackknife over seeds (none for one seed). The ratio is 1 if the motion is the same throughout "
        "the window. Above 1 the motion slows down within the window, below 1 it speeds up.",
        "sweep.ageing.ageing",
    ),
    "ergodicity": FigureKind(
        "Ergodicity breaking",
        "Ergodicity-breaking parameter EB: the variance over seeds of their time-averaged MSDs, divided "
        "by the squared mean, with its 95 % interval. Dotted: the value for Gaussian paths of the same "
        "law and window. If EB is far above it, single runs do not represent the ensemble. With two seeds "
        "the interval spans three decades.",
        "sweep.ageing.ergodicity",
    ),
    "contour": FigureKind(
        "Displacement against contour length",
        "Mean squared displacement against the contour length s of the path between two points, in "
        "logarithmic bins over pairs of at most 1,001 points, for the first, middle and last window of each "
        "configuration (at most two seeds each). Dashed: the fitted power law Δr² ~ s^(2/D_f). The path dimension D_f (mean "
        "over seeds, with its interval for three or more seeds) is 1 for a straight path and 2 for "
        "Brownian motion. If all steps have the same length, this figure repeats the MSD.",
        "sweep.pairs.contour",
    ),
    "loss_difference": FigureKind(
        "Loss difference against distance",
        "Mean squared difference of the mini-batch loss (MSL) between two points of the path against "
        "their distance Δr, in logarithmic bins over pairs of at most 1,001 points, for the first, middle and "
        "last window of each configuration (at most two seeds each). Dashed: the power law MSL ~ Δr^(2H), drawn over the "
        "distances used for the fit. H is the mean over seeds, with its interval for three or more seeds. "
        "H near 0 is the noise between mini-batches, which makes the MSL level off.",
        "sweep.pairs.loss_difference",
    ),
    "exponents": FigureKind(
        "Exponents over the sweep",
        "Largest local exponent of each window (top; beta_max in the table) and exponent over the long "
        "lags (bottom; beta_long) against the window's waiting time. Points: single seeds; bars: their "
        "95 % intervals; lines: mean over seeds. Grey band: beta_long of the updates in random order "
        "(means over draws), from the smallest to the largest of the model's runs. The motion is "
        "superdiffusive above the line at 1, subdiffusive below it.",
        "sweep.overview.exponents",
    ),
    "dependence": FigureKind(
        "Exponents against depth, batch size and learning rate",
        "Largest local exponent of the first window (top) and exponent over the long lags of the last "
        "window that all compared configurations have (bottom). There is a column for each of depth, "
        "batch size and learning rate that varies in the sweep. A line joins configurations that differ "
        "only in this setting. Markers: means over seeds; dashes: single seeds; bars: Student's 95 % "
        "intervals, for three or more seeds. The motion is superdiffusive above the line at 1.",
        "sweep.dependence.dependence",
    ),
    "tails": FigureKind(
        "Tails of gradients and steps",
        "Top: exponent α of the Lévy-stable law fitted to each window's mini-batch gradients at sampled "
        "parameters; α = 2 (line) is a Gaussian. Each parameter's gradients are shifted by their median "
        "and divided by their interquartile range. A variance that changes within the window also looks "
        "heavy-tailed. Bottom: whether the longest update steps |Δw| of the window follow a power law or "
        "an exponential, by Vuong's ratio. A power law is favoured at 5 % above the grey band (±1.96), an "
        "exponential below it. Both are plotted against the waiting time. Points: single seeds; bars: "
        "their 95 % intervals; lines: mean over seeds.",
        "sweep.overview.tails",
    ),
    "learning": FigureKind(
        "Loss and accuracy",
        "Loss (top) and accuracy (bottom) during training, one line for each seed. Solid: test set, with "
        "a marker at the last value. Dashed: mean over an epoch's mini-batches as trained, including "
        "augmentation. A cross ends a run that diverged.",
        "sweep.overview.learning",
    ),
}


#: Figures of the simplified model, drawn from its store.
MODEL_FIGURES = {
    "surfaces": FigureKind(
        "Simplified model: surfaces",
        "An example of each kind of surface over [−1, 1]², dark where the loss is low, with the paths of "
        "twelve walkers (white; orange: where they end). The fractional surfaces are fractional Brownian, "
        "rough at all scales; a smaller H is rougher. The multifractional surface is roughest in its "
        "middle. The shuffled surface has the heights of a fractional one in random places, smoothed.",
        "model.walkers.surfaces",
    ),
    "walkers": FigureKind(
        "Simplified model: diffusion",
        "Each row is a setting of the walkers, if it was simulated: weak Gaussian noise as published "
        "(chen2021), and on the same surfaces large deterministic steps (ly2025) and noise with a "
        "Lévy-stable law of index 1.5 (levy). Left: mean squared displacement of the walkers from their "
        "start, geometric mean over the surfaces of a kind; dashed: slopes 1 and 2. Middle: its exponent "
        "against H: over the first hundredth of the walk (early), over the half decade where it is "
        "largest (found on one half of the walkers, measured on the other), and from the middle of the "
        "walk on at lags of 5 % to 45 % of the walk (late). Bars: 95 % intervals over surfaces. Late "
        "exponents below 1 also result from confinement, as in the bowl. Right: fraction of the walkers "
        "that ever reached the lowest hundredth of the surface (bars: 95 % intervals), and the step by "
        "which half of them had.",
        "model.walkers.walkers",
    ),
    "gradients": FigureKind(
        "Simplified model: gradients",
        "Distribution of the gradient's first component that walkers see on each kind of surface "
        "(shaded), with the Gaussian of the same variance (dashed) and the fitted stable law (orange). α "
        "is the tail exponent, mean over surfaces with its 95 % interval; it is 2 for a Gaussian. In the "
        "bowl, gradients of moving and resting walkers are mixed.",
        "model.walkers.gradients",
    ),
}


#: Figures of the landscape, drawn from the runs that have one.
LANDSCAPE_FIGURES = {
    "planes": FigureKind(
        "Landscape: slices",
        "The loss over planes through weight space, a row for each configuration (first seed). First the "
        "planes of the first and of the last window's path, with the path drawn on them (circle: its "
        "beginning; square: its end); the axes give the share of the path's variance along each "
        "direction, next to that of a random walk. Then planes through the end of the last window "
        "(cross): of two random, filter-normalised directions; of the two eigenvectors of the Hessian "
        "with the largest eigenvalues; of the steepest descent and the direction of largest curvature "
        "perpendicular to it. The last two extend to each side by the distance between the window's first "
        "and last point. The loss is over a fixed subset of the training set, with fixed batch-norm "
        "statistics.",
        "landscape.sweep.planes",
    ),
    "roughness": FigureKind(
        "Landscape: roughness",
        "Mean squared difference of the loss at distance r from points of the path, coloured by the "
        "point's optimiser step. Solid: random directions; dashed: directions of the path. Grey dashes: "
        "exponents 1 (2H of a Brownian surface) and 2 (a smooth loss). Shaded: the rounding errors of "
        "float32; nothing is fitted there.",
        "landscape.sweep.roughness",
    ),
    "hessian": FigureKind(
        "Landscape: curvature",
        "Largest eigenvalues of the loss's Hessian during training (dark: the largest), the largest of "
        "the Gauss–Newton matrix (dotted), and the edge of stability (black dashes; 2/η without "
        "momentum), above which gradient descent on a quadratic loss is unstable. Negative eigenvalues "
        "are not drawn.",
        "landscape.sweep.hessian",
    ),
    "connection": FigureKind(
        "Roughness against diffusion",
        "The roughness exponent 2H of the loss around a point of the path against the exponents of the "
        "window that contains the point. Filled: random directions; open: directions of the path. ρ: "
        "Spearman's rank correlation with its 95 % interval, from a bootstrap over configurations. Dashed "
        "lines: a smooth loss (2) and normal diffusion (1).",
        "landscape.sweep.connection",
    ),
}


#: Figures of the kinds of motion, drawn from the runs that have a characters.csv.
CHARACTER_FIGURES = {
    "characters": FigureKind(
        "Exponents of single coordinates",
        "Exponent α that a trained network reads off single coordinates of the path, against the window's "
        "waiting time. Top: random coordinates. Points: medians over them, of single seeds; bars: their "
        "quartiles; lines: mean over seeds; crosses: β of the path at long lags, beta_long in the table of "
        "exponents. Bottom: α of the first principal coordinate, minus the median of the same updates in "
        "random order; the first principal coordinate of any path is smooth, so α itself says little. "
        "Filled: beyond all draws of the null. The lines are at 1, normal diffusion, and at 0.",
        "sweep.characters.characters",
    ),
    "kinds": FigureKind(
        "Kinds of motion",
        "Which of five kinds of motion random coordinates of the path look like to a trained network: "
        "probabilities, mean over coordinates and seeds, against the window's waiting time, a panel for "
        "each configuration. attm: annealed transient time motion; ctrw: continuous-time random walk; fbm: "
        "fractional Brownian motion; lw: Lévy walk; sbm: scaled Brownian motion. Black: share of the "
        "coordinates that are unlike all five. A Brownian walk is fbm, attm and sbm at α = 1 alike, so "
        "the three share it.",
        "sweep.characters.kinds",
    ),
}


#: Figures of what is learned when, drawn from the runs that have a learning.csv; the last one from those with a cue.
LEARNING_FIGURES = {
    "modes": FigureKind(
        "Learning curves of modes",
        "How far the network has learned each singular mode of the correlation between inputs and classes, "
        "against the optimiser step: 0 at the first step, 1 where all is learned. Mode 1 (dark) is the "
        "strongest; at most six are drawn, evenly spaced. Thin: single seeds. Shaded: 95 % interval over "
        "samples, and dashed: the law that fits best, both of the first seed. A mode is learned where it "
        "passes the line at a half for good. A sigmoid is flat at first; an exponential is steepest at once.",
        "sweep.learning.modes",
    ),
    "learning_times": FigureKind(
        "Learning time against strength and frequency",
        "Learning times of single runs, with 95 % intervals from a bootstrap over samples. Left: of modes, "
        "against their singular value. Right: of classes, against their share of the training samples. "
        "Grey: one over the strength, or one over the frequency, through the median point. Hollow "
        "triangles, at the end of the run: what was never learned. Along the grey line, twice as strong or "
        "frequent is learned in half of the time.",
        "sweep.learning.learning_times",
    ),
    "starvation": FigureKind(
        "Starvation by a cue",
        "Test samples as they were trained, with the cue removed, and with the cue of another class: how "
        "far they are learned against the optimiser step, coloured by the fraction of training images "
        "whose cue is that of their class (0: no cue). Bold: mean over seeds; thin: single seeds. Right: "
        "their accuracy at the end against the fraction. If the cue starves the shapes, the lines with the "
        "cue removed are lower, and later, the larger the fraction. A row has runs that differ in nothing but "
        "fraction and seed; its title says what is unusual in them. A curve below −1.2 is not shown: the "
        "cue decides.",
        "sweep.starvation.starvation",
    ),
}


#: Figures of groups and walks, drawn from the runs that have a parts.csv: the first from those with groups, the second with
#: walks.
PART_FIGURES = {
    "layers": FigureKind(
        "Exponents by layer",
        "Left: exponent β over the long lags of the whole path (top row) and of each group of parameters, such as a "
        "layer, in the model's order; mean over seeds. Columns are windows by their waiting time. Orange: superdiffusive "
        "(β > 1); blue: subdiffusive; white: β = 1. Dots: the mean interval contains 1. Hatched: unknown, because the "
        "group does not move or the window is too short. Right: the group's share of Δr² over the long lags, darker for "
        "more; the shares of a window add up to 100 %. A group with a small share can move anomalously without the path "
        "showing it.",
        "sweep.parts.layers",
    ),
    "walks": FigureKind(
        "What the optimiser adds",
        "Exponent β over the long lags against the window's waiting time, of the path itself (black), of its updates "
        "without decoupled weight decay (orange), of the decay (green), and of the walk Σ −η g of the same gradients "
        "without momentum and preconditioning (blue): the null. Points: single seeds; bars: their 95 % intervals; lines: "
        "mean over seeds. Where black leaves blue, the exponent comes from the optimiser, not from the gradients.",
        "sweep.parts.walks",
    ),
}


#: All figures of a page, in its order.
ALL_FIGURES = FIGURES | PART_FIGURES | CHARACTER_FIGURES | LEARNING_FIGURES | LANDSCAPE_FIGURES | MODEL_FIGURES
