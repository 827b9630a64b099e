"""What does the simplified model show?

Walkers on their surfaces, how they diffuse, and the gradients that they see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from anodiff.diffusion.stable import fit_stable
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, QUIET, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.simulation.surfaces.ensemble import Ensemble

#: Panels in a row.
COLUMNS = 4

#: Exponents that are drawn against H, and their labels.
EXPONENTS = {"exponent_early": "early", "exponent_largest": "largest", "exponent_late": "late"}


#: Named settings, and the titles of their rows.
SETTINGS = {
    "chen2021": "Gaussian noise (chen2021)",
    "ly2025": "large steps without noise (ly2025)",
    "levy": "Lévy-stable noise (levy)",
}


def surfaces(ensembles: Sequence[Ensemble]) -> Figure:
    """Draw an example of each kind of surface, with paths of walkers of the first setting."""
    ensembles = _by_setting(ensembles)[0]
    with styled():
        figure, axes = _grid(len(ensembles), 2.15, 0.2)
        for panel, ensemble in zip(axes, ensembles, strict=False):
            image = draw_surface(panel, ensemble)
            for path in np.moveaxis(ensemble.paths, 1, 0):
                panel.plot(*path.T, color="white", linewidth=0.5, alpha=0.85)
                panel.plot(*path[-1], "o", color="#D55E00", markersize=2.5, markeredgecolor="white", markeredgewidth=0.4)
            panel.set_title(ensemble.kind)
        figure.colorbar(image, ax=axes, location="right", shrink=0.6, aspect=40, ticks=[]).set_label("loss, low to high")
        figure.supxlabel("x", fontsize=8.5)
        figure.supylabel("y", fontsize=8.5)
    return figure


def draw_surface(panel: Axes, ensemble: Ensemble) -> QuadMesh:
    """Draw the example of a kind of surface as a heat map over [−1, 1]²; return the map."""
    panel.grid(False)
    example = ensemble.example
    image = panel.pcolormesh(
        example.coordinates, example.coordinates, example.heights.T, cmap="viridis", shading="nearest", rasterized=True
    )
    panel.set_aspect("equal")
    panel.set_xlim(-1, 1)
    panel.set_ylim(-1, 1)
    return image


def walkers(ensembles: Sequence[Ensemble]) -> Figure:
    """Draw each kind's ensemble MSD, exponents against H, and arrivals at the lowest part; one row
    for each setting.
    """
    settings = _by_setting(ensembles)
    looks = _looks(settings[0])
    with styled():
        figure = Figure(figsize=(9.6, 3.2 * len(settings) + 0.5), layout="constrained")
        axes = figure.subplots(len(settings), 3, width_ratios=(1.1, 1.1, 0.9), squeeze=False)
        for row, own in zip(axes, settings, strict=True):
            msd, against, arrival = row
            _draw_displacement(msd, own, looks)
            msd.set_title(SETTINGS.get(own[0].setting, own[0].setting))
            _draw_against_hurst(against, own, looks)
            _draw_arrivals(arrival, own, looks)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return figure


def _grid(number: int, height: float, labels_height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with this many panels that share their axes, in rows of a height in inches,
    and its panels.
    """
    rows = -(-number // COLUMNS)
    figure = Figure(figsize=(2.2 * COLUMNS, height * rows + labels_height), layout="constrained")
    axes = list(figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).flat)
    for panel in axes[number:]:
        panel.set_visible(False)
    return figure, axes


def _by_setting(ensembles: Sequence[Ensemble]) -> list[list[Ensemble]]:
    """Return the ensembles of each setting, in their order."""
    names = dict.fromkeys(ensemble.setting for ensemble in ensembles)
    return [[ensemble for ensemble in ensembles if ensemble.setting == name] for name in names]


def _draw_displacement(panel: Axes, ensembles: Sequence[Ensemble], looks: dict[str, dict[str, Any]]) -> None:
    for ensemble in ensembles:
        curve = np.exp(np.log(ensemble.ageing_msd[:, 0]).mean(axis=0))
        panel.plot(ensemble.lags, curve, label=ensemble.kind, gid=ensemble.kind, **looks[ensemble.kind])
    lag = ensembles[0].lags.astype(float)
    bottom = min(float(ensemble.ageing_msd[:, 0, 0].min()) for ensemble in ensembles)
    for power in (1, 2):
        guide = bottom * lag**power
        panel.plot(lag[guide < 3], guide[guide < 3], **GUIDE)
    log_scale(panel, "x", "y")
    panel.set_xlabel("lag τ from the start (steps)")
    panel.set_ylabel("Δr²(τ) (squared half sides)")


def gradients(ensembles: Sequence[Ensemble]) -> Figure:
    """Draw the gradients that walkers of the first setting see on each kind of surface, with
    Gaussian and stable fits.
    """
    ensembles = _by_setting(ensembles)[0]
    with styled():
        figure, axes = _grid(len(ensembles), 2.1, 0.5)
        x, edges = np.linspace(-6, 6, 241), np.linspace(-6, 6, 61).tolist()
        for panel, ensemble in zip(axes, ensembles, strict=False):
            panel.hist(ensemble.gradients, bins=edges, density=True, color="#c9d6e2", label="gradients")
            panel.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), label="Gaussian", **(GUIDE | {"linewidth": 1.1}))
            law = fit_stable(ensemble.gradients)
            alpha = ensemble.exponent("gradient_alpha")
            if np.isfinite(law.alpha):
                panel.plot(x, law.density(x), color=CONFIGURATIONS[1], label="stable law", gid="stable")
            panel.set_title(f"{ensemble.kind}\nα = {alpha.value:.2f} [{alpha.low:.2f}, {alpha.high:.2f}]")
            log_scale(panel, "y")
            panel.set_ylim(1e-4, 3)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
        figure.supxlabel("∂L/∂x (in units of its standard deviation)", fontsize=8.5)
        figure.supylabel("density", fontsize=8.5)
    return figure


def _looks(ensembles: Sequence[Ensemble]) -> dict[str, dict[str, Any]]:
    """Return shades by H and solid lines for fractional surfaces; colours and dashes for the
    others, for grey print.
    """
    fractional = [ensemble.kind for ensemble in ensembles if np.isfinite(ensemble.rows["hurst"].astype(float)).all()]
    others = [ensemble.kind for ensemble in ensembles if ensemble.kind not in fractional]
    shades = np.linspace(0, 0.86, max(2, len(fractional)))
    looks: dict[str, dict[str, Any]] = {
        kind: {"color": matplotlib.colormaps["viridis"](shade), "linewidth": 1.4}
        for kind, shade in zip(fractional, shades, strict=False)
    }
    dashes = [(0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (2, 1.5))]
    for number, kind in enumerate(others):
        looks[kind] = {"color": CONFIGURATIONS[(1, 3, 6, 5)[number % 4]], "linestyle": dashes[number % 4], "linewidth": 1.4}
    return looks


def _draw_against_hurst(panel: Axes, ensembles: Sequence[Ensemble], looks: dict[str, dict[str, Any]]) -> None:
    fractional = [ensemble for ensemble in ensembles if np.isfinite(ensemble.rows["hurst"].astype(float)).all()]
    others = [ensemble for ensemble in ensembles if ensemble not in fractional]
    places = [float(ensemble.rows["hurst"].iloc[0]) for ensemble in fractional] + [
        1.08 + 0.09 * number for number in range(len(others))
    ]
    markers = dict(zip(EXPONENTS, "o^s", strict=True))
    for number, (column, name) in enumerate(EXPONENTS.items()):
        for place, ensemble in zip(places, [*fractional, *others], strict=True):
            interval = ensemble.exponent(column)
            error = np.array([[interval.value - interval.low], [interval.high - interval.value]])
            panel.errorbar(
                place + 0.014 * (number - 1), interval.value, yerr=np.nan_to_num(error), fmt=markers[column], markersize=4,
                color=looks[ensemble.kind]["color"], elinewidth=0.9,
            )  # fmt: skip
        panel.plot([], [], markers[column], color=QUIET, markersize=4, label=name)
    panel.axhline(1, **GUIDE)
    panel.axvline(1.02, color="#c8c8c8", linewidth=0.7)
    panel.set_xticks(
        places, [f"{place:g}" for place in places[: len(fractional)]] + [other.kind.partition(",")[0] for other in others]
    )
    for label in panel.get_xticklabels()[len(fractional) :]:
        label.set(rotation=40, ha="right", fontsize=7)
    panel.set_xlabel("Hurst exponent H of the surface")
    panel.set_ylabel("exponent of Δr²")
    panel.legend(loc="best", ncols=3, columnspacing=0.8, handletextpad=0.2, fontsize=7.5)


def _draw_arrivals(panel: Axes, ensembles: Sequence[Ensemble], looks: dict[str, dict[str, Any]]) -> None:
    for row, ensemble in enumerate(ensembles):
        reached = ensemble.exponent("reached")
        panel.barh(row, reached.value, color=looks[ensemble.kind]["color"], height=0.62)
        panel.plot([max(0.0, reached.low), min(1.0, reached.high)], [row, row], color="black", linewidth=0.9)
        median = ensemble.rows["median_time"].median()
        half = (ensemble.rows["reached"] >= 0.5).mean() > 0.5
        panel.text(1.03, row, f"{median:,.0f}" if half and np.isfinite(median) else "–", va="center", fontsize=7.5)
    panel.text(1.03, -0.85, "half by\nstep", va="bottom", fontsize=7.5, color=QUIET)
    panel.set_yticks(range(len(ensembles)), [ensemble.kind for ensemble in ensembles], fontsize=7.5)
    panel.set_ylim(len(ensembles) - 0.5, -0.7)
    panel.set_xlim(0, 1.0)
    panel.grid(visible=False, axis="y")
    panel.set_xlabel("fraction that reached the lowest hundredth")
