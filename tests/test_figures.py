"""What is drawn is what the stores hold, and every sweep can be drawn."""

import numpy as np
import pytest

from anodiff.errors import ConfigError
from anodiff.figures import FIGURES, draw, style
from anodiff.figures.curves import beta, msd
from anodiff.figures.overview import exponents, learning
from anodiff.tables import read_runs

DRAWN = {"msd": msd, "beta": beta, "exponents": exponents, "learning": learning}


@pytest.fixture
def sweep(make_run):
    """Two models; one has two seeds, and one of its runs diverged."""
    folders = [make_run({"seed": seed}) for seed in (0, 1)]
    folders.append(make_run({"optimiser.learning_rate": 9.0}, taken=25, status="diverged", diverged_at=25))
    return [*folders, make_run({"model": "mlp4"})]


def lines(figure, panel):
    return [line for line in figure.axes[panel].lines if line.get_gid()]


def test_the_msd_is_drawn_as_it_is_stored(sweep):
    runs = read_runs(sweep)
    drawn = {line.get_gid(): line for line in lines(msd(runs), 0)}
    assert len(drawn) == 2 * 3  # seeds, windows
    for run in runs[:2]:
        for number, time in enumerate(run.curves["waiting_time"].values):
            line = drawn[f"{run.name}:{time}"]
            np.testing.assert_array_equal(line.get_xdata(), run.curves["lag"].values)
            np.testing.assert_array_equal(line.get_ydata(), run.curves["msd"].values[number])


def test_the_bold_line_is_the_mean_over_seeds(sweep):
    runs = read_runs(sweep)
    (line,) = [line for line in lines(beta(runs), 0) if line.get_gid().endswith(":20")]
    expected = np.mean([run.curves["beta"].values[1] for run in runs[:2]], axis=0)
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_panels_are_configurations_and_each_model_starts_a_row(sweep):
    figure = msd(read_runs(sweep))
    shown = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert shown == [
        "mlp3 · batch 64 · lr 0.1",
        "mlp3 · batch 64 · lr 9\n1 of 1 diverged, at step 25",
        "mlp4 · batch 64 · lr 0.1",
    ]


def test_guides_have_slopes_one_and_two(sweep):
    panel = msd(read_runs(sweep[:1])).axes[0]
    guides = [line for line in panel.lines if not line.get_gid()]
    slopes = [np.diff(np.log(line.get_ydata()))[0] / np.diff(np.log(line.get_xdata()))[0] for line in guides]
    assert slopes == pytest.approx([1, 2])


def test_exponents_are_those_of_the_table(sweep):
    runs = read_runs(sweep)
    top = exponents(runs).axes[0]
    points = {(x, y) for line in top.lines if line.get_linestyle() == "None" for x, y in zip(*line.get_data(), strict=True)}
    assert {(0, run.exponents["beta_max"][0]) for run in runs[:3]} <= points


def test_axes_say_what_they_show_and_in_which_unit(sweep):
    runs = read_runs(sweep)
    curve, overview, learned = msd(runs), exponents(runs), learning(runs)
    assert curve.get_supxlabel() == beta(runs).get_supxlabel() == "lag τ (optimiser steps)"
    assert curve.get_supylabel() == "MSD Δr² (squared weight units)"
    assert overview.axes[0].get_ylabel() == "largest local exponent β"
    assert "optimiser step" in learned.axes[-1].get_xlabel()


def test_at_most_eight_windows_are_drawn_the_first_and_the_last_among_them(make_run):
    runs = read_runs([make_run({"recording.window_length": 4})])
    times = style.waiting_times(runs)
    assert len(times) <= 8
    assert (times[0], times[-1]) == (0, 56)


@pytest.mark.parametrize("kind", FIGURES)
def test_the_same_sweep_gives_the_same_bytes_in_every_format(kind, sweep, tmp_path):
    for suffix in (".svg", ".pdf", ".png"):
        for number in (1, 2):
            draw(kind, sweep, tmp_path / f"{number}{suffix}")
        assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()


@pytest.mark.parametrize("kind", FIGURES)
def test_a_run_that_diverged_at_once_is_drawn_without_a_warning(kind, make_run, tmp_path):
    draw(kind, [make_run(taken=3, status="diverged", diverged_at=3)], tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text()


def test_unknown_kinds_and_formats_are_refused(sweep, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'beta'"):
        draw("bta", sweep, tmp_path / "figure.svg")
    with pytest.raises(ConfigError, match=r"\.svg, \.pdf, \.png"):
        draw("beta", sweep, tmp_path / "figure.gif")
    with pytest.raises(ConfigError, match="no runs"):
        draw("beta", [], tmp_path / "figure.svg")


def test_every_kind_of_figure_can_be_drawn():
    assert set(DRAWN) == set(FIGURES)
