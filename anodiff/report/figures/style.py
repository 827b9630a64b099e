"""How all figures look, how their panels are laid out, and what their titles and legends say."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.lines import Line2D

from anodiff.errors import ConfigError
from anodiff.report.figures.catalogue import FORMATS
from anodiff.storage.stores import DIVERGED, writing
from anodiff.sweep.results import RunResult

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "anodiff",
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}

#: Colours of configurations: hues of Okabe & Ito, their lightness spread so that grey print and colour-blind eyes tell them.
CONFIGURATIONS = ("#0B4A9E", "#D55E00", "#00795B", "#D685B4", "#62BBEE", "#F3C13A", "#000000")
#: Each configuration has a marker beside its colour; their numbers share no factor, so that pairs repeat late.
MARKERS = "osD^vPXph<>"
#: Blue below, orange above the middle: colour-blind safe; blue ends darker than orange, so that grey print tells the sides too.
DIVERGING = LinearSegmentedColormap.from_list("sides of the middle", ["#08306b", "#4292c6", "#ffffff", "#fdae61", "#b35806"])
QUIET = "#6b6b6b"
GUIDE: dict[str, Any] = {"color": QUIET, "linewidth": 0.8, "linestyle": (0, (4, 3))}

#: Axis label of the loss, by the setting training.loss.
LOSS_UNITS = {"cross_entropy": "loss (nats)", "mse": "loss (mean squared error)"}

MOST_WINDOWS = 8
MOST_COLUMNS = 4
#: Panels of configurations in a figure; of more, some of each model are drawn, and the figure says so.
MOST_PANELS = 24
PANEL = (2.75, 2.35)
TITLE_WIDTH = 42

Group = list[RunResult]


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style, and none of the reader's own."""
    everything: dict[Any, Any] = dict(matplotlib.rcParamsDefault) | STYLE
    everything.pop("backend")  # figures are made without a window
    with matplotlib.rc_context(everything):
        yield


def outputs(output: str | Path, formats: Sequence[str] = ()) -> list[Path]:
    """Return the files of a figure: ``output``, and beside it those of the same name with the endings ``formats``.

    Raises
    ------
    ConfigError
        For an ending that is not in `FORMATS`.
    """
    output = Path(output)
    if output.suffix not in FORMATS:
        raise ConfigError(f"{output}: a figure's name must end in one of {', '.join(FORMATS)}")
    endings = [f".{ending.strip().removeprefix('.')}" for ending in formats]
    for ending in endings:
        if ending not in FORMATS:
            raise ConfigError(f"--formats {ending[1:]}: a figure's format is one of {', '.join(each[1:] for each in FORMATS)}")
    return list(dict.fromkeys([output, *(output.with_suffix(ending) for ending in endings)]))


def publish(make: Callable[[], Figure], output: str | Path, formats: Sequence[str] = (), *, overwrite: bool = False) -> None:
    """Make a figure once, and write it to ``output`` and, beside it, in further ``formats``: all of these files, or none.

    Parameters
    ----------
    make
        Draws the figure; called when it is known that the files may be written.
    output
        Its ending is its format, one of `FORMATS`.
    formats
        Endings of further files, such as ``pdf``.

    Raises
    ------
    ConfigError, OutputExistsError, StorageError
    """
    files = outputs(output, formats)
    with ExitStack() as stack:
        temporary = [stack.enter_context(writing(file, overwrite=overwrite)) for file in files]
        figure = make()
        for path, file in zip(temporary, files, strict=True):
            save(figure, path, file.suffix)


def save(figure: Figure, path: Path, suffix: str) -> None:
    """Write a figure in the format of ``suffix``; the same figure gives the same bytes. It is laid out the first time only."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with styled():
        if not isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine):
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for panel in figure.get_axes():  # the layout's solver repeats itself but for the last bits
                left, bottom, width, height = np.round(panel.get_position().bounds, 6)
                panel.set_position((left, bottom, width, height))
        figure.dpi = STYLE["savefig.dpi"] if suffix == ".png" else 72
        if suffix == ".svg":  # by its canvas: savefig would draw everything once more, for a layout that stands
            FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
        elif suffix == ".pdf":
            FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
        else:
            FigureCanvasAgg(figure).print_png(path)


def by_model(runs: Sequence[RunResult]) -> dict[str, dict[str, Group]]:
    """Gather the runs that differ in their seed alone, and those groups by model, in the order of the sweep."""
    models: dict[str, dict[str, Group]] = {}
    for run in runs:
        models.setdefault(str(run.settings["model.name"]), {}).setdefault(run.group, []).append(run)
    return models


def labels(model: dict[str, Group]) -> dict[str, str]:
    """Say of each group of a model what tells it from the others: batch size, learning rate, further parts of its name."""
    usual, further = {}, {}
    for name, group in model.items():
        settings = group[0].settings
        batch, rate = settings["training.batch_size"], f"{settings['optimiser.learning_rate']:g}"
        usual[name] = [f"batch {batch}", f"lr {rate}"]
        rest = name.partition(f"-bs{batch}-lr{rate}")[2]
        further[name] = [part for part in re.split(r"-(?=[A-Za-z])", rest) if part]
    shared = set.intersection(*(set(parts) for parts in further.values()))
    return {name: " · ".join(usual[name] + [part for part in further[name] if part not in shared]) for name in model}


def diverged_at(run: RunResult) -> int | None:
    """Return the step at which a run diverged; None if it did not."""
    attributes = run.curves.attrs
    return int(attributes.get("diverged_at", attributes["steps_completed"])) if attributes["status"] == DIVERGED else None


def fate(group: Group) -> str:
    """Say which runs of a group diverged, and where; empty if none did."""
    steps = [step for run in group if (step := diverged_at(run)) is not None]
    if not steps:
        return ""
    which = "" if len(group) == 1 else f"{len(steps)} of {len(group)} "
    return f"{which}diverged at step {', '.join(f'{step:,}' for step in sorted(set(steps)))}"


def panels(runs: Sequence[RunResult], lag: str, height: str) -> tuple[Figure, list[tuple[Axes, Group]]]:
    """Make a panel for each group, each model starting a new row, up to four columns, with common axes.

    Of more than `MOST_PANELS` groups some of each model are drawn, and a line below says how many are not.
    """
    rows: list[list[tuple[str, Group]]] = []
    models = by_model(runs)
    chosen = _chosen({name: len(model) for name, model in models.items()})
    for name, model in models.items():
        entries = [(f"{name} · {text}", model[group]) for group, text in labels(model).items()]
        entries = [entries[place] for place in chosen[name]]
        rows += [entries[first : first + MOST_COLUMNS] for first in range(0, len(entries), MOST_COLUMNS)]
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(max(5.6, PANEL[0] * columns + 0.5), PANEL[1] * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    placed = []
    for row, entries in enumerate(rows):
        for panel in axes[row, len(entries) :]:
            panel.set_visible(False)
        axes[row, 0].set_ylabel(height)
        for column, (title, group) in enumerate(entries):
            panel = axes[row, column]
            lines = textwrap.wrap(title, TITLE_WIDTH if columns > 1 else 2 * TITLE_WIDTH)
            panel.set_title("\n".join([*lines, fate(group)] if fate(group) else lines))
            lowest = not any(column < len(later) for later in rows[row + 1 :])
            panel.tick_params(labelbottom=lowest)
            panel.set_xlabel(lag if lowest else "")
            placed.append((panel, group))
    groups = sum(len(model) for model in models.values())
    if len(placed) < groups:
        note = f"{len(placed)} of {groups} configurations; draw the others by naming their runs: anodiff figures"
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7.5, color=QUIET)
    return figure, placed


def _chosen(numbers: dict[str, int]) -> dict[str, list[int]]:
    """Return which configurations of each model have a panel: all, or as many of each model as `MOST_PANELS` allows."""
    shares = dict.fromkeys(numbers, 0)
    while sum(shares.values()) < min(MOST_PANELS, sum(numbers.values())):
        poorest = min((name for name in numbers if shares[name] < numbers[name]), key=lambda name: shares[name])
        shares[poorest] += 1
    return {
        name: np.linspace(0, number - 1, shares[name]).round().astype(int).tolist() if shares[name] else []
        for name, number in numbers.items()
    }


def say_if_empty(panel: Axes, text: str) -> None:
    """Write the reason into a panel in which no line has a point."""
    if not any(len(line.get_xdata()) for line in panel.lines if line.get_gid()):  # type: ignore[arg-type]
        panel.text(
            0.5, 0.5, textwrap.fill(text, 32), transform=panel.transAxes, ha="center", va="center", color=QUIET, fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )  # fmt: skip


def waiting_times(runs: Sequence[RunResult]) -> list[int]:
    """Return at most eight of the sweep's waiting times, the first and the last among them, evenly in their logarithm."""
    known = sorted({int(start) for run in runs for start in run.curves["waiting_time"].values})
    if len(known) <= MOST_WINDOWS:
        return known
    since = np.log(np.array(known) - known[0] + (known[1] - known[0]))
    chosen = {int(np.abs(since - target).argmin()) for target in np.linspace(since[0], since[-1], MOST_WINDOWS)}
    return [known[index] for index in sorted(chosen)]


def time_colours(times: Sequence[int]) -> dict[int, Any]:
    """Give each waiting time a colour, dark for early, light for late."""
    shades = np.linspace(0.0, 0.86, max(2, len(times)))
    return {time: matplotlib.colormaps["viridis"](shade) for time, shade in zip(times, shades, strict=False)}


def time_legend(figure: Figure, colours: dict[int, Any], title: str = "waiting time $t_w$ (optimiser steps)") -> None:
    """Explain the colours of waiting times above the panels."""
    handles = [Line2D([], [], color=colour, linewidth=2, label=f"{time:,}") for time, colour in colours.items()]
    width = sum(0.4 + 0.075 * len(str(handle.get_label())) for handle in handles)
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=len(handles) if width < figure.get_figwidth() else math.ceil(len(handles) / 2),
        title=title,
        title_fontsize=8.5,
        alignment="left",
        handlelength=1.3,
        columnspacing=1.3,
    )
