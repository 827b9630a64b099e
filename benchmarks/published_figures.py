"""The study's figures 2, 3 and 4, panel by panel, redrawn from runs of config/reproduction.yaml.

    python benchmarks/published_figures.py results/reproduction [-o docs/images]

Writes published_figure2.png to published_figure4.png and, for the README, published_msd.png, and prints the
numbers that docs/reproduction_figures.md names. What the study draws in each panel stands in plot_fig2.m to
plot_fig4.m of its public code (commit 274bf5e). The main run is ResNet-14 with shortcuts at batch 128 and learning
rate 0.1; figure 4 is drawn from simplified_model.zarr.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from published_walkers import figure4, said

from anodiff.diffusion.ergodicity import ensemble_mean
from anodiff.diffusion.intervals import Interval
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.run.diffusion import draw_msd
from anodiff.report.figures.run.loss import moving_variance
from anodiff.report.figures.run.path import draw_pair_means
from anodiff.report.figures.run.tails import draw_distribution, read_values
from anodiff.report.figures.run.windows import drawn_windows
from anodiff.report.figures.style import CONFIGURATIONS, GUIDE, QUIET, add_time_legend, styled
from anodiff.report.figures.ticks import log_scale
from anodiff.simulation.surfaces.store import open_model
from anodiff.sweep.published.rows import EXPONENT_TOLERANCE, published_row, published_rows
from anodiff.sweep.results import read_sweep

#: The published panels: steps of the moving variance, end of its axis, steps of |ΔL|, and how far its lines are apart.
VARIANCE_STEPS, VARIANCE_END, CHANGES, APART = 101, 0.005, (99, 500), 0.2

#: Pixels in an inch, and colours of the files.
RESOLUTION, COLOURS = 130, 256

#: Colours of the exponents: ours at short and at long lags, published of the first and the second regime.
SHORT, LONG, FIRST, SECOND = CONFIGURATIONS[0], CONFIGURATIONS[1], "#000000", "#9a9a9a"

#: Markers of the depths.
DEPTHS = {14: "o", 20: "s", 56: "^"}


def figure2(groups, run):
    """Draw MSD, exponents against learning rate and batch size, gradients, |ΔL| and the moving variance of the loss."""
    with styled():
        figure, axes = panels(2, 3, 10.2, 6.4)
        msd, rates, batches, gradients, changes, variance = axes.flat
        windows = three_windows(run)
        draw_msd(msd, run.result, windows)
        draw_published_msd(msd, run.result, windows[0])
        msd.set_title("Figure 2a: MSD by waiting time")
        draw_rates(rates, groups)
        draw_batches(batches, groups)
        draw_gradients(gradients, run)
        losses = run.series["loss"].astype(float)
        for place, window in enumerate(windows):
            steps = np.abs(np.diff(losses[window.start :]))[slice(*CHANGES)]
            changes.plot(np.arange(len(steps)), steps - APART * place, color=window.colour, linewidth=0.7)
        changes.set_title(f"Figure 2e: |ΔL|, lines {APART} apart")
        changes.set_xlabel(f"step after the first {CHANGES[0] + 1} of the window")
        changes.set_ylabel("change of loss in a step, |ΔL| (nats)")
        moving = moving_variance(losses, VARIANCE_STEPS)[:: VARIANCE_STEPS - 1]
        variance.plot((VARIANCE_STEPS - 1) * np.arange(len(moving)), moving, color=FIRST, linewidth=1.1)
        variance.axhline(VARIANCE_END, **GUIDE)
        variance.text(0.98, VARIANCE_END, "end of the published axis", transform=variance.get_yaxis_transform(), ha="right",
                      va="bottom", fontsize=7, color=QUIET)  # fmt: skip
        log_scale(variance, "y")
        variance.set_title("Figure 2f: moving variance of the loss")
        variance.set_xlabel("optimiser step")
        variance.set_ylabel(f"variance over {VARIANCE_STEPS} steps (nats²)")
        add_time_legend(figure, {window.start: window.colour for window in windows})
        beyond = moving[moving > 0]
        print(f"2f: variance {beyond[0]:.3g} at step 0, {beyond[-1]:.3g} at the end; losses {losses[:100].mean():.2f} in the")
        print(f"    first 100 steps, {losses[-100:].mean():.2f} in the last 100")
        for window in windows:
            short, long = regimes([run.result], window.start)
            print(f"2a: window at {window.start}: {said(short)} at short lags, {said(long)} at long lags")
            steps = np.abs(np.diff(losses[window.start :]))[slice(*CHANGES)]
            print(f"2e: window at {window.start}: |ΔL| has mean {steps.mean():.3f}, largest {steps.max():.2f}")
        return figure


def figure3(run):
    """Draw the squared loss difference against distance, and the squared displacement against contour length."""
    with styled():
        figure, (left, right) = panels(1, 2, 7.4, 3.6)
        windows = three_windows(run)
        draw_pair_means(left, run.result, windows, "loss_difference")
        draw_pair_means(right, run.result, windows, "displacement")
        left.set_title("Figure 3a: loss difference by distance")
        left.set_ylabel("MSL: mean of (ΔL)² (nats²)")
        right.set_title("Figure 3c: displacement by contour length")
        add_time_legend(figure, {window.start: window.colour for window in windows})
        for window in windows:
            row = run.result.exponents.iloc[window.number]
            roughness, dimension = (of_row(row, name) for name in ("loss_roughness", "path_dimension"))
            print(f"3: window at {window.start}: H = {said(roughness)}, D_f = {said(dimension)}")
        return figure


def both_orders(runs):
    """Draw the MSD of each run's windows and the published exponents in both orders of lags."""
    with styled():
        figure, axes = panels(1, len(runs), 3.9 * len(runs), 3.5)
        for panel, run in zip(np.atleast_1d(axes), runs, strict=True):
            windows = drawn_windows(run)
            draw_msd(panel, run, windows)
            draw_published_msd(panel, run, windows[0])
            panel.set_title(f"ResNet-14 {'with' if run.settings['model.shortcut'] else 'without'} shortcuts")
        add_time_legend(figure, {window.start: window.colour for window in windows})
        return figure


def panels(rows, columns, width, height):
    """Return a figure and its panels."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns)


def three_windows(run):
    """Return the first, the middle and the last window, in colours that are far apart."""
    windows = drawn_windows(run.result)
    return [windows[place] for place in sorted({0, (len(windows) - 1) // 2, len(windows) - 1})]


def of_row(row, name):
    """Return a quantity of a table's row with its interval."""
    return Interval(*(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")))


def draw_published_msd(panel, run, window):
    """Draw a line with the published exponents and crossover of the run's set-up, at the height of a window at lag 1."""
    row, reason = published_row(run.curves.attrs["settings"])
    if row is None:
        raise SystemExit(f"the main run has no published row: {reason}")
    lags, msd = window.curve(run, "msd")
    orders = (
        ("published exponents", row.exponent_first, row.exponent_second, (0, (1, 1.2))),
        ("the same in reverse order", row.exponent_second, row.exponent_first, (0, (4, 1.2, 1, 1.2))),
    )
    for label, first, second, dashes in orders:
        line = msd[0] * np.minimum(lags, row.crossover_lag) ** first * np.maximum(lags / row.crossover_lag, 1) ** second
        panel.plot(lags, line, color=FIRST, linewidth=1.2, linestyle=dashes, label=label)
    panel.legend(loc="upper left", fontsize=7)


def regimes(group, start=0):
    """Return the exponents of the first and the last regime of the longest window from a step: means over seeds with their
    interval, or those of a single run.
    """
    ends = []
    for run in group:
        windows = run.exponents[run.exponents["waiting_time"] == start]
        row = windows.loc[windows["length"].idxmax()]
        last = next(name for name in ("third", "second") if np.isfinite(row[f"exponent_{name}"]))
        ends.append([of_row(row, f"exponent_{name}") for name in ("first", last)])
    if len(ends) == 1:
        return ends[0]
    return [ensemble_mean([each[place].value for each in ends]) for place in (0, 1)]


def draw_rates(panel, groups):
    """Draw exponents against the learning rate: ours at batch 128, published at batch 1,024."""
    rows = sorted((row for row in published_rows() if row.depth == 14 and row.batch_size == 1024 and row.shortcut is not True),
                  key=lambda row: row.learning_rate)  # fmt: skip
    for name, colour in (("exponent_first", FIRST), ("exponent_second", SECOND)):
        draw_published(panel, [row.learning_rate for row in rows], [getattr(row, name) for row in rows], colour, "D")
    for shortcut, depth, batch, rate, group in groups:
        if shortcut and depth == 14 and batch == 128:
            draw_ours(panel, rate, group, "o", f"2b: learning rate {rate:g}")
    log_scale(panel, "x")
    panel.axhline(1, **GUIDE)
    panel.set_title("Figure 2b: exponents by learning rate")
    panel.set_xlabel("learning rate η (published: batch 1,024; ours: 128)")
    panel.set_ylabel("exponent")
    panel.set_ylim(-0.5, 2.2)  # room for the legend
    looks = (
        (FIRST, "D", "-", "published, first regime"),
        (SECOND, "D", "-", "published, second regime"),
        (SHORT, "o", "", "ours, short lags"),
        (LONG, "o", "", "ours, long lags"),
    )
    for colour, marker, line, label in looks:
        panel.plot([], [], color=colour, marker=marker, linestyle=line, markersize=4, label=label)
    panel.legend(fontsize=7, loc="lower left")


def draw_batches(panel, groups):
    """Draw exponents against the batch size, with shortcuts at learning rate 0.1."""
    for depth, marker in DEPTHS.items():
        rows = [row for row in published_rows() if row.depth == depth and row.shortcut and row.learning_rate == 0.1]
        draw_published(panel, [row.batch_size for row in rows], [row.exponent_first for row in rows], FIRST, marker)
    for shortcut, depth, batch, rate, group in groups:
        if shortcut and rate == 0.1 and depth in DEPTHS:
            shift = 1.05 ** (1 + list(DEPTHS).index(depth))
            draw_ours(panel, batch * shift, group, DEPTHS[depth], f"2c: ResNet-{depth}, batch {batch}")
    log_scale(panel, "x")
    panel.set_xticks([128, 512, 1024], ["128", "512", "1,024"])
    panel.minorticks_off()
    panel.axhline(1, **GUIDE)
    panel.set_title("Figure 2c: exponents by batch size")
    panel.set_xlabel("batch size (samples)")
    panel.set_ylabel("exponent (published: first regime)")
    handles = [
        Line2D([], [], color=FIRST, marker=marker, linestyle="", markersize=4, label=f"ResNet-{depth}")
        for depth, marker in DEPTHS.items()
    ]
    panel.set_ylim(0.2, None)  # room for the legend
    panel.legend(handles=handles, fontsize=7, loc="lower center", ncols=3, columnspacing=1, handletextpad=0.3)


def draw_published(panel, x, y, colour, marker):
    """Draw published exponents with their tolerance."""
    panel.errorbar(x, y, yerr=EXPONENT_TOLERANCE, color=colour, marker=marker, markersize=4, linewidth=0.9, elinewidth=0.7)


def draw_ours(panel, x, group, marker, name):
    """Draw the exponents at short and long lags of a configuration's first window, and print them."""
    short, long = regimes(group)
    for found, colour in ((short, SHORT), (long, LONG)):
        panel.plot([x], [found.value], marker, color=colour, markersize=5, zorder=3)
        panel.vlines([x], found.low, found.high, color=colour, linewidth=1.1, zorder=3)
    print(f"{name}, {len(group)} seed{'s' * (len(group) > 1)}: {said(short)} at short lags, {said(long)} at long lags")


def draw_gradients(panel, run):
    """Draw the pooled gradient entries of the first window with a Gaussian and a stable law."""
    tails = run.result.tails
    row = tails[(tails["window"] == 0) & (tails["quantity"] == "gradient")].iloc[0]
    draw_distribution(panel, read_values(run, 0, "gradient"), row)
    panel.set_title("Figure 2d: gradient entries, first window")
    panel.set_xlabel("gradient entry (nats per weight unit)")
    panel.set_ylabel("density")
    panel.legend(fontsize=7)
    own = tails[tails["quantity"].isin(["gradient", "standardised_gradient"])]
    for _, each in own.iterrows():
        print(f"2d: window at {each['waiting_time']}, {each['quantity']}: α = {said(of_row(each, 'stable_alpha'))}")


def write(figure, file):
    """Write a figure as a small PNG."""
    with styled():
        figure.savefig(file, dpi=RESOLUTION)
    with Image.open(file) as image:
        small = image.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


def published_set_up(results):
    """Return shortcuts, depth, batch size, learning rate and runs, the longest first, of what has the published set-up."""
    found = {}
    for run in sorted(read_sweep(results), key=lambda run: (-run.curves.attrs["steps_completed"], run.name)):
        row, reason = published_row(run.curves.attrs["settings"])
        if row is None and not reason.startswith("no published row"):
            continue
        name, batch, rate = (run.settings[key] for key in ("model.name", "training.batch_size", "optimiser.learning_rate"))
        key = (run.settings["model.shortcut"], int(name.removeprefix("resnet")), batch, rate)
        found.setdefault(key, []).append(run)
    return [(*key, runs) for key, runs in found.items()]


def main():
    """Draw the figures that the results have data for, and say which they have none for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of the sweep's results, such as results/reproduction")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figures")
    arguments = parser.parse_args()
    groups = published_set_up(arguments.results)
    main_runs = [group for *which, group in groups if which == [True, 14, 128, 0.1]]
    if main_runs:
        run = RunData(main_runs[0][0])
        print(f"main run: {run.name}")
        write(figure2(groups, run), arguments.output / "published_figure2.png")
        write(figure3(run), arguments.output / "published_figure3.png")
        plain = [group[0] for *which, group in groups if which == [False, 14, 128, 0.1]]
        write(both_orders([run.result, *plain]), arguments.output / "published_msd.png")
    else:
        print("no figure 2 and 3: ResNet-14 with shortcuts at batch 128 and learning rate 0.1 has not finished")
    model = arguments.results / "simplified_model.zarr"
    if model.exists():
        write(figure4(open_model(model)), arguments.output / "published_figure4.png")
    else:
        print(f"no figure 4: {model} is not there")


if __name__ == "__main__":
    main()
