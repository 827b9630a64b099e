"""The study's figure 4, the simplified model, redrawn from a simplified_model.zarr; published_figures.py draws it.

The published panels b and f are of one walk each, the fractal one cut by hand into two phases. Here they are means over all
walkers. The walker of a and d is the one of the first surface that gets furthest in the first fifth of its walk.
"""

import numpy as np
from matplotlib.figure import Figure

from anodiff.report.figures.landscape.panels import path_legend
from anodiff.report.figures.model.walkers import draw_surface
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, QUIET, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.simulation.surfaces.ensemble import WAITING

#: Part of a walk that is drawn from near; steps that are drawn on the shuffled surface; limits of Δr².
INITIAL, SHORT_WALK, HEIGHTS = 0.2, 200, (1e-4, 4)

#: Colours of the three kinds of surfaces.
FRACTAL, CONVEX, RANDOM = QUIET, CONFIGURATIONS[0], CONFIGURATIONS[1]


def figure4(ensembles):
    """Draw walkers on a fractal surface, a bowl and a shuffled surface, their MSD, and the gradients that they see."""
    own = {each.kind: each for each in ensembles if each.setting == ensembles[0].setting}
    fractal = [each for kind, each in own.items() if kind.startswith("fractional")][-1]  # the shuffled surface is made from it
    convex, random = own["bowl"], own["shuffled"]
    kinds = ((fractal, "fractal", FRACTAL), (convex, "convex", CONVEX), (random, "random", RANDOM))
    with styled():
        figure = Figure(figsize=(10.2, 6.6), layout="constrained")
        surface, phases, gradients, zoom, shuffled, surrogates = figure.subplots(2, 3).flat
        early = round(INITIAL * (len(fractal.paths) - 1))
        walker = int(((fractal.paths[early] - fractal.paths[0]) ** 2).sum(axis=1).argmax())
        image = draw_surface(surface, fractal)
        draw_path(surface, fractal.paths[:, walker])
        surface.set_title(f"Figure 4a: a walker on a fractal surface,\nH = {fractal.example.hurst:g}")
        figure.colorbar(image, ax=surface, shrink=0.7).set_label("height (loss)")
        draw_msd(phases, fractal, 0, "from the start", FRACTAL, "-")
        draw_msd(phases, fractal, -1, f"from step {round(WAITING[-1] * (len(fractal.paths) - 1)):,}", FRACTAL, ":")
        draw_msd(surrogates, convex, 0, "convex", CONVEX, "-")
        draw_msd(surrogates, random, 0, "random", RANDOM, "-")
        for panel in (phases, surrogates):
            for power in (1, 2):
                lags = np.array([1.0, 30.0])
                panel.plot(lags, 3e-4 * lags**power, **GUIDE)
        phases.set_title("Figure 4b: MSD in two phases,\nfractal surfaces")
        surrogates.set_title("Figure 4f: MSD on other surfaces,\nfrom the start")
        for each, label, colour in kinds:
            gradients.hist(
                each.gradients, bins=np.linspace(-5, 5, 51).tolist(), density=True, histtype="step", linewidth=1.3,
                color=colour, label=label,
            )  # fmt: skip
            print(f"4c: {label}: stable α = {said(each.exponent('gradient_alpha'))}")
            exponents = [f"{name} {said(each.exponent(f'exponent_{name}'))}" for name in ("early", "late")]
            print(f"4: {each.kind}: exponents of all walkers from their start: {', '.join(exponents)}")
        log_scale(gradients, "y")
        gradients.legend()
        gradients.set_title("Figure 4c: gradients")
        gradients.set_xlabel("∂L/∂x (in its standard deviations)")
        gradients.set_ylabel("density")
        draw_zoom(figure, zoom, fractal, fractal.paths[: early + 1, walker])
        draw_surface(shuffled, random)
        draw_path(shuffled, random.paths[: SHORT_WALK + 1, 0])
        shuffled.set_title(f"Figure 4e: {SHORT_WALK} steps on a random surface")
        for panel in (surface, shuffled, zoom):
            panel.set_xlabel("x (half sides)")
            panel.set_ylabel("y (half sides)")
        for panel in (phases, gradients, surrogates):
            panel.set_box_aspect(1)
        return figure


def said(interval):
    """Return a value with its interval as text."""
    ends = f" [{interval.low:.2f}, {interval.high:.2f}]" if np.isfinite([interval.low, interval.high]).all() else ""
    return f"{interval.value:.2f}{ends}"


def draw_path(panel, path):
    """Draw a walker's path with its ends."""
    panel.plot(*path.T, color="white", linewidth=0.7)
    panel.plot(*path[0], "x", color=CONFIGURATIONS[1], markersize=6, markeredgewidth=1.6, label="start")
    panel.plot(*path[-1], "o", color=CONFIGURATIONS[1], markersize=4, label="end")
    path_legend(panel, fontsize=7)


def draw_msd(panel, ensemble, waiting, label, colour, line):
    """Draw the MSD of all walkers from a waiting time, the geometric mean over surfaces, as the figure of walkers does."""
    known = np.isfinite(ensemble.ageing_msd[:, waiting]).all(axis=0)
    msd = np.exp(np.log(ensemble.ageing_msd[:, waiting, known]).mean(axis=0))
    panel.plot(ensemble.lags[known], msd, color=colour, linewidth=1.5, linestyle=line, label=label)
    log_scale(panel, "x", "y")
    panel.set_ylim(*HEIGHTS)
    panel.set_xlabel("lag τ (steps)")
    panel.set_ylabel("MSD Δr² (squared half sides)")
    panel.legend(loc="upper left", fontsize=7.5)


def draw_zoom(figure, panel, fractal, path):
    """Draw a walker's first steps on contours of the surface, coloured by their length."""
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    places, heights = fractal.example.coordinates, fractal.example.heights
    centre, half = (path.max(0) + path.min(0)) / 2, 0.55 * np.ptp(path, axis=0).max()
    panel.grid(False)
    panel.contour(places, places, heights.T, levels=60, linewidths=0.4, colors="#b0b0b0", linestyles="solid")
    panel.plot(*path.T, color="#000000", linewidth=0.4)
    points = panel.scatter(*((path[1:] + path[:-1]) / 2).T, c=lengths, s=9, cmap="plasma", zorder=3)
    panel.set_aspect("equal")
    panel.set_xlim(centre[0] - half, centre[0] + half)
    panel.set_ylim(centre[1] - half, centre[1] + half)
    panel.locator_params(nbins=5)
    panel.set_title(f"Figure 4d: the first {len(lengths)} steps of 4a")
    figure.colorbar(points, ax=panel, shrink=0.7).set_label("length of the step (half sides)")
