import itertools
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from typing import get_args

import numpy as np
import pytest
from invented import LAGS, invented_sweep, sweep
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from anodiff.diffusion.nulls import NULLS
from anodiff.errors import ConfigError, OutputExistsError, StoreMissingError
from anodiff.report.figures import sources
from anodiff.report.figures.catalogue import FIGURES, LANDSCAPE_FIGURES
from anodiff.report.figures.drawing import draw, save
from anodiff.report.figures.figure_kind import FORMATS, FigureKind
from anodiff.report.figures.panels import MOST_COLUMNS, configuration_labels, group_by_model
from anodiff.report.figures.style import CONFIGURATIONS, MOST_WINDOWS, waiting_times
from anodiff.report.figures.sweep import characters, curves, overview
from anodiff.settings.stages import FigureFormat
from anodiff.sweep.results import read_runs

FUNCTIONS = {
    "msd": curves.msd,
    "beta": curves.beta,
    "nulls": curves.nulls,
    "exponents": overview.exponents,
    "tails": overview.tails,
    "learning": overview.learning,
    "characters": characters.characters,
    "kinds": characters.kinds,
}

SWEEPS = {
    "one run": lambda: sweep(["mlp3"], [64], seeds=[0]),
    "groups and seeds": sweep,
    "twelve windows": lambda: sweep(starts=range(0, 12000, 1000)),
    "one window": lambda: sweep(starts=[0]),
    "one diverged": lambda: sweep(diverged_at={"vgg9-bs64-lr0.1-seed1": 2120}),
    "all diverged at once": lambda: sweep(["mlp3"], [64], diverged_at={f"mlp3-bs64-lr0.1-seed{seed}": 12 for seed in (0, 1)}),
    "six models": lambda: sweep([f"mlp{depth}" for depth in range(3, 9)], [16, 32], seeds=[0], starts=[0, 1000]),
}

#: Their names; those that are like others are left to the long tests.
MARKED_SWEEPS = [
    pytest.param(name, marks=pytest.mark.long) if name not in ("one run", "groups and seeds", "one diverged") else name
    for name in SWEEPS
]


def visible(figure):
    return [panel for panel in figure.get_axes() if panel.get_visible() and panel.axison]


def legends(figure):
    """The legends below the columns."""
    return [panel.get_legend() for panel in figure.get_axes() if panel.get_legend()]


def line(panel, name):
    (found,) = [line for line in panel.lines if line.get_gid() == name]
    return found


def lines(panel):
    return [line for line in panel.lines if line.get_gid()]


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("which", MARKED_SWEEPS)
def test_every_figure_of_every_sweep_is_drawn_without_a_warning_and_with_the_same_bytes_again(kind, which, tmp_path):
    save(FUNCTIONS[kind](SWEEPS[which]()), tmp_path / "first.svg", ".svg")
    drawn = (tmp_path / "first.svg").read_bytes()
    root = ElementTree.fromstring(drawn)
    assert root.tag.endswith("svg")
    if which == "groups and seeds":
        save(FUNCTIONS[kind](SWEEPS[which]()), tmp_path / "second.svg", ".svg")
        assert (tmp_path / "second.svg").read_bytes() == drawn


@pytest.mark.parametrize("kind", ["msd", "beta", "kinds"])
@pytest.mark.parametrize("which", MARKED_SWEEPS)
def test_each_configuration_has_a_panel_and_each_model_begins_a_row(kind, which):
    runs = SWEEPS[which]()
    figure = FUNCTIONS[kind](runs)
    panels = visible(figure)
    assert len(panels) == len({run.group for run in runs})
    starts = {}
    for panel in panels:
        place = panel.get_subplotspec()
        assert place.colspan.start < MOST_COLUMNS
        starts.setdefault(panel.get_title("left").split(" · ")[0], (place.colspan.start))
    assert starts == dict.fromkeys(group_by_model(runs), 0)


@pytest.mark.parametrize("kind", ["exponents", "tails", "learning", "characters"])
@pytest.mark.parametrize("which", MARKED_SWEEPS)
def test_each_model_has_a_column_of_two_panels(kind, which):
    runs = SWEEPS[which]()
    panels = visible(FUNCTIONS[kind](runs))
    assert [panel.get_title("left") for panel in panels if panel.get_title("left")] == list(group_by_model(runs))
    assert len(panels) == 2 * len(group_by_model(runs))


def test_axes_name_their_quantity_and_unit():
    for kind, (across, up) in {
        "msd": ("lag τ (optimiser steps)", ["MSD Δr² (squared weight units)"] * 2),
        "beta": ("lag τ (optimiser steps)", ["local exponent β"] * 2),
        "exponents": (
            "waiting time $t_w$ (optimiser steps)",
            ["largest local exponent β", "exponent β over long lags\n(200–900 steps)"],
        ),
        "tails": (
            "waiting time $t_w$ (optimiser steps)",
            ["stable exponent α of gradients", "power law against exponential\ntail of step lengths (Vuong)"],
        ),
        "learning": ("optimiser step", ["loss (nats)", "accuracy (fraction correct)"]),
    }.items():
        panels = visible(FUNCTIONS[kind](sweep()))
        assert {panel.get_xlabel() for panel in panels} - {""} == {across}
        assert [panel.get_ylabel() for panel in panels if panel.get_ylabel()] == up


def test_msd_panels_are_logarithmic_and_hold_the_curves_of_every_seed_and_window():
    runs = sweep()
    panels = dict(zip(dict.fromkeys(run.group for run in runs), visible(curves.msd(runs)), strict=True))
    for panel in panels.values():
        assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
        assert len(lines(panel)) == 2 * 5
    for run in runs:
        for window, time in enumerate(run.curves["waiting_time"].values):
            drawn = line(panels[run.group], f"{run.name}:{time}")
            np.testing.assert_array_equal(drawn.get_xdata(), run.curves["lag"])
            np.testing.assert_array_equal(drawn.get_ydata(), run.curves["msd"][window])


def test_msd_guides_have_slopes_1_and_2_and_lie_below_the_curves():
    (run,) = SWEEPS["one run"]()
    (panel,) = visible(curves.msd([run]))
    guides = [line for line in panel.lines if not line.get_gid()]
    slopes = [np.diff(np.log(guide.get_ydata())) / np.diff(np.log(guide.get_xdata())) for guide in guides]
    np.testing.assert_allclose(np.ravel(slopes), [1, 2])
    for guide in guides:
        height = np.exp(np.interp(np.log(LAGS), np.log(guide.get_xdata()), np.log(guide.get_ydata()), left=-np.inf))
        assert (height < run.curves["msd"].values.min(0)).all()


def test_waiting_times_have_one_colour_each_in_all_panels():
    runs = sweep()
    for function in (curves.msd, curves.beta):
        figure = function(runs)
        drawn = {
            (each.get_gid().split(":")[1], to_rgba(each.get_color())) for panel in visible(figure) for each in lines(panel)
        }
        assert len(drawn) == len({colour for _, colour in drawn}) == 5
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["0", "1,000", "2,000", "3,000", "4,000"]


def test_beta_shows_the_mean_of_the_seeds_and_each_of_them():
    runs = sweep(["mlp3"], [64], seeds=[0, 1, 2])
    (panel,) = visible(curves.beta(runs))
    assert panel.get_xscale() == "log"
    for window, time in enumerate(runs[0].curves["waiting_time"].values):
        seeds = [run.curves["beta"].values[window] for run in runs]
        for run, values in zip(runs, seeds, strict=True):
            np.testing.assert_array_equal(line(panel, f"{run.name}:{time}").get_ydata(), values)
        mean = line(panel, f"{runs[0].group}:{time}")
        np.testing.assert_allclose(mean.get_ydata(), np.mean(seeds, axis=0))
        assert mean.get_linewidth() > line(panel, f"{runs[0].name}:{time}").get_linewidth()


def test_beta_marks_the_line_at_1_its_sides_and_the_long_lags():
    (panel,) = visible(curves.beta(SWEEPS["one run"]()))
    assert [list(each.get_ydata()) for each in panel.lines if not each.get_gid()] == [[1, 1]]
    assert {text.get_text() for text in panel.texts} == {"superdiffusive ↑", "subdiffusive ↓"}
    (span,) = panel.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == (200, 900)


def test_long_lags_are_not_shaded_where_no_window_reaches_them():
    (run,) = SWEEPS["one run"]()
    run.exponents["beta_long"] = np.nan
    (panel,) = visible(curves.beta([run]))
    assert not panel.patches
    top, bottom = visible(overview.exponents([run]))
    assert [text.get_text() for text in top.texts] == []
    assert [" ".join(text.get_text().split()) for text in bottom.texts] == ["no window reaches the long lags (200–900 steps)"]


def test_seeds_are_averaged_at_the_lags_that_all_of_them_have():
    runs = sweep(["mlp3"], [64], starts=[0])
    runs[1].curves["beta"].values[0, -5:] = np.nan
    (panel,) = visible(curves.beta(runs))
    mean = line(panel, f"{runs[0].group}:0")
    np.testing.assert_array_equal(mean.get_xdata(), LAGS[:-5])
    assert len(line(panel, f"{runs[0].name}:0").get_xdata()) == len(LAGS)


def test_windows_that_share_a_waiting_time_are_all_drawn():
    runs = sweep(["mlp3"], [64], starts=[0, 0, 1000], seeds=[0])
    runs[0].exponents["stride"] = [1, 100, 1]
    for function in (curves.msd, curves.beta):
        (panel,) = visible(function(runs))
        assert sorted(each.get_gid().split(":")[1] for each in lines(panel)) == ["0", "0", "1000"]


def test_at_most_eight_waiting_times_are_drawn_evenly_in_their_logarithm():
    for starts in (range(0, 200_000, 1000), [0] + [1000 * 2**power for power in range(12)]):
        times = waiting_times(sweep(["mlp3"], [64], seeds=[0], starts=starts))
        assert len(times) == MOST_WINDOWS
        assert (times[0], times[-1]) == (starts[0], starts[-1])
        ratios = np.diff(np.log(np.array(times) + 1000))
        assert ratios.max() < 2.5 * ratios.min()
    assert waiting_times(sweep(starts=range(0, 8000, 1000))) == list(range(0, 8000, 1000))


DRAWN = {
    overview.exponents: [("beta_max", 1, None), ("beta_long", 1, None)],
    overview.tails: [("stable_alpha", 2, "standardised_gradient"), ("against_exponential", 0, "step_length")],
}


@pytest.mark.parametrize("function", DRAWN)
def test_points_are_the_tables_with_a_line_through_the_means(function):
    runs = sweep(["mlp3"], [64, 128], seeds=[0, 1])
    for panel, (column, reference, quantity) in zip(visible(function(runs)), DRAWN[function], strict=True):
        tables = {run.name: run.tails[run.tails["quantity"] == quantity] if quantity else run.exponents for run in runs}
        for run in runs:
            points = line(panel, run.name)
            np.testing.assert_array_equal(points.get_xdata(), tables[run.name]["waiting_time"])
            np.testing.assert_array_equal(points.get_ydata(), tables[run.name][column])
            assert points.get_linestyle() == "None"
        for group in group_by_model(runs)["mlp3"].values():
            means = np.mean([tables[run.name][column] for run in group], axis=0)
            np.testing.assert_allclose(line(panel, group[0].group).get_ydata(), means)
        assert any(list(each.get_ydata()) == [reference] * 2 for each in panel.lines)


def test_waiting_times_over_many_scales_are_spread_logarithmically():
    starts = [0] + [1000 * 2**power for power in range(9)]
    assert {panel.get_xscale() for panel in visible(overview.exponents(sweep(starts=starts)))} == {"symlog"}
    assert {panel.get_xscale() for panel in visible(overview.exponents(sweep()))} == {"linear"}


def test_learning_curves_are_those_of_the_store_without_unmeasured_values():
    runs = sweep(["mlp3"], [64])
    for panel, quantity in zip(visible(overview.learning(runs)), ("loss", "accuracy"), strict=True):
        assert panel.get_yscale() == ("log" if quantity == "loss" else "linear")
        for run, kind in itertools.product(runs, ("train", "test")):
            measured = run.curves[f"{kind}_{quantity}"].dropna("epoch")
            drawn = line(panel, f"{run.name}:{kind}")
            np.testing.assert_array_equal(drawn.get_xdata(), measured["epoch_step"])
            np.testing.assert_array_equal(drawn.get_ydata(), measured)


def test_the_unit_of_the_loss_is_that_of_the_runs():
    units = []
    for losses in (["mse"], ["cross_entropy", "mse"]):
        units.append(visible(overview.learning(invented_sweep({"model": ["mlp3"], "training.loss": losses})))[0].get_ylabel())
    assert units == ["loss (mean squared error)", "loss (each run's own)"]


def test_models_beyond_four_continue_below_with_the_same_axis():
    runs = sweep([f"mlp{depth}" for depth in range(3, 9)], [64], seeds=[0])
    panels = visible(overview.exponents(runs))
    assert [panel.get_title("left") for panel in panels if panel.get_title("left")] == list(group_by_model(runs))
    for quantity in ("largest local exponent β", "exponent β over long lags\n(200–900 steps)"):
        assert sum(panel.get_ylabel() == quantity for panel in panels) == 2
    assert len({panel.get_ylim() for panel in panels}) == 2


def test_configurations_beyond_the_colours_differ_by_their_marker():
    runs = sweep(["mlp3"], range(1, 11), [0.1, 0.2], [0])
    figure = overview.exponents(runs)
    top, _ = visible(figure)
    looks = {(line(top, run.name).get_color(), line(top, run.name).get_marker()) for run in runs}
    assert len(looks) == 20
    assert {colour for colour, _ in looks} == set(CONFIGURATIONS)
    handles = legends(figure)[0].get_lines()
    assert [(handle.get_color(), handle.get_marker()) for handle in handles] == [
        (line(top, run.name).get_color(), line(top, run.name).get_marker()) for run in runs
    ]


def test_a_diverged_run_is_drawn_up_to_its_last_step_and_marked():
    runs = SWEEPS["one diverged"]()
    lost = next(run for run in runs if "diverged_at" in run.curves.attrs)
    for function in (curves.msd, curves.beta):
        marked = [panel for panel in visible(function(runs)) if "diverged" in panel.get_title("left")]
        assert [panel.get_title("left") for panel in marked] == ["vgg9 · batch 64 · lr 0.1\n1 of 2 diverged at step 2,120"]
        assert sum(each.get_gid().startswith(f"{lost.name}:") for each in lines(marked[0])) == 2
    texts = [text.get_text() for text in legends(overview.exponents(runs))[1].get_texts()]
    assert texts == ["batch 64 · lr 0.1 (1 of 2 diverged at step 2,120)", "batch 128 · lr 0.1"]
    figure = overview.learning(runs)
    crosses = [each.get_gid() for panel in visible(figure) for each in lines(panel) if each.get_marker() == "x"]
    assert set(crosses) == {f"{lost.name}:train", f"{lost.name}:test"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["test", "train", "diverged"]


def test_a_panel_without_curves_says_why():
    runs = SWEEPS["all diverged at once"]()
    for function in (curves.msd, curves.beta):
        (panel,) = visible(function(runs))
        assert "lost" in [text.get_text() for text in panel.texts]  # the note in the table
        assert panel.get_title("left").endswith("2 of 2 diverged at step 12")


def test_labels_say_what_differs_and_no_more():
    runs = invented_sweep(
        {
            "model": [{"name": "mlp3", "width": 64}],
            "optimiser.weight_decay": [0.0, 1e-5],
            "training.batch_size": [64],
            "optimiser.learning_rate": [1e-5],
            "seed": [0, 1],
        }
    )
    ((name, model),) = group_by_model(runs).items()
    assert (name, list(configuration_labels(model).values())) == (
        "mlp3",
        ["batch 64 · lr 1e-05", "batch 64 · lr 1e-05 · weightdecay1e-05"],
    )


def test_long_titles_are_wrapped():
    runs = invented_sweep({"model": ["resnet14"], "data.label_noise": [0.0, 0.25], "data.flip": [False, True], "seed": [0]})
    titles = [panel.get_title("left") for panel in visible(curves.msd(runs))]
    assert titles[-1] == "resnet14 · batch 128 · lr 0.1 · flip ·\nlabelnoise0.25"


def test_one_call_draws_every_figure_of_the_runs_that_are_read_once(make_run, tmp_path, monkeypatch):
    folders = [make_run(), make_run({"seed": 1}, taken=30, status="diverged", diverged_at=30)]
    read, reported = [], []
    monkeypatch.setattr(sources, "read_runs", lambda given: read.append(given) or read_runs(given))
    files = draw(["all"], folders, tmp_path / "figures", report=lambda *progress: reported.append(progress))
    assert read == [folders]
    assert files == [tmp_path / "figures" / f"{kind}.svg" for kind in FIGURES]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(files)
    assert reported == [(number, 13, kind) for number, kind in enumerate([*FIGURES, "done"])]
    assert all(file.read_bytes().startswith(b"<?xml") for file in files)
    draw(["beta"], folders, tmp_path / "beta.svg")
    assert (tmp_path / "beta.svg").read_bytes() == (tmp_path / "figures" / "beta.svg").read_bytes()


def test_all_draws_the_landscapes_of_the_runs_that_have_one_and_no_other_source_is_needed(make_run, tmp_path, monkeypatch):
    folders = [make_run({"seed": seed}) for seed in (0, 1)]
    for name in ("slices", "roughness.zarr", "roughness.csv", "curvature.zarr"):
        (folders[1] / "landscape" / name).mkdir(parents=True)
    drawn_from = []
    monkeypatch.setattr(FigureKind, "function", lambda kind: lambda runs: drawn_from.append(runs) or Figure())
    files = draw(["all"], folders, tmp_path / "figures")
    assert [file.stem for file in files] == [*FIGURES, *LANDSCAPE_FIGURES]
    assert [[run.folder for run in runs] for runs in drawn_from] == [folders] * len(FIGURES) + [folders[1:]] * 4
    monkeypatch.undo()
    with pytest.raises(StoreMissingError, match="landscape"):
        draw(["roughness"], folders, tmp_path / "roughness.svg")


def test_a_figure_is_drawn_once_for_all_its_formats_and_the_same_bytes_come_out_alone(run_folder, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "msd", lambda runs, msd=curves.msd: drawn.append(runs) or msd(runs))
    draw(["msd"], [run_folder], tmp_path / "together", formats=["svg", "pdf", "png"])
    assert len(drawn) == 1
    for suffix, begins in ((".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG")):
        draw(["msd"], [run_folder], tmp_path / f"alone{suffix}")
        content = (tmp_path / f"alone{suffix}").read_bytes()
        assert content.startswith(begins)
        assert content == (tmp_path / "together" / f"msd{suffix}").read_bytes()
    assert b"/FontFile2" in (tmp_path / "alone.pdf").read_bytes()  # TrueType fonts, embedded: text that can be searched
    assert b"/Type3" not in (tmp_path / "alone.pdf").read_bytes()


def test_existing_files_are_refused_before_anything_is_drawn_and_the_others_are_not_written(run_folder, tmp_path, monkeypatch):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "msd.pdf").write_text("mine")
    monkeypatch.setattr(sources, "read_runs", lambda given: pytest.fail("read"))
    with pytest.raises(OutputExistsError, match=r"msd\.pdf"):
        draw(["beta", "msd"], [run_folder], folder, formats=["svg", "pdf"])
    assert list(folder.iterdir()) == [folder / "msd.pdf"]
    monkeypatch.undo()
    draw(["msd"], [run_folder], folder / "msd.svg", formats=["pdf"], overwrite=True)
    assert (folder / "msd.pdf").read_bytes().startswith(b"%PDF")


def test_if_one_figure_fails_none_is_written(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "learning", lambda runs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        draw(["msd", "learning"], [run_folder], tmp_path / "figures")
    assert list((tmp_path / "figures").iterdir()) == []


def test_the_formats_of_the_settings_are_those_that_can_be_written():
    assert tuple(f".{name}" for name in get_args(FigureFormat)) == FORMATS


def test_what_cannot_be_drawn_is_one_line(run_folder, tmp_path):
    for kinds, output, formats, message in (
        (["msdd"], "mds.svg", [], "unknown figure 'msdd'; did you mean 'msd'?"),
        (["msd"], "msd.jpeg", [], r"msd\.jpeg: a figure's name must end in one of \.svg, \.pdf, \.png"),
        (["msd", "beta"], "both.svg", [], r"both\.svg: 2 figures do not fit into one file; name a folder"),
        (["msd"], "msd.svg", ["gif"], "--formats gif: a figure's format is one of svg, pdf, png"),
        (["msd"], "figures", ["gif"], "--formats gif: a figure's format is one of svg, pdf, png"),
        (["walkers"], "walkers.svg", [], r"from one simplified_model\.zarr; 0 were given"),
        ([], "figures", [], "no figure is named"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            draw(kinds, [run_folder], tmp_path / output, formats=formats)
        assert "\n" not in str(caught.value)
    for kinds in (["msd"], ["all"]):
        with pytest.raises(ConfigError, match="no runs given"):
            draw(kinds, [], tmp_path / "msd.svg")
    with pytest.raises(StoreMissingError):
        draw(["msd"], [tmp_path / "nowhere"], tmp_path / "msd.svg")
    assert not (tmp_path / "msd.svg").exists()


def test_the_user_s_own_style_has_no_effect(tmp_path):
    import matplotlib

    runs = SWEEPS["one run"]()
    save(curves.msd(runs), tmp_path / "plain.svg", ".svg")
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 20, "axes.facecolor": "red", "svg.fonttype": "none"}):
        save(curves.msd(runs), tmp_path / "styled.svg", ".svg")
    assert (tmp_path / "styled.svg").read_bytes() == (tmp_path / "plain.svg").read_bytes()


def test_the_list_of_figures_imports_neither_matplotlib_nor_torch_and_drawing_no_torch():
    code = """
import sys
import anodiff.report.figures
assert not {"matplotlib", "torch"} & sys.modules.keys()
import anodiff.report.figures.sweep.curves, anodiff.report.figures.sweep.overview
assert not {"torch", "matplotlib.pyplot"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nulls_are_drawn_beside_the_first_seeds_earliest_window():
    runs = SWEEPS["groups and seeds"]()
    figure = curves.nulls(runs)
    first = runs[0]
    lines = {line.get_gid(): line for panel in figure.axes for line in panel.lines if line.get_gid()}
    groups = {run.group for run in runs}
    assert len(lines) == (1 + len(NULLS)) * len(groups)
    np.testing.assert_array_equal(lines[f"{first.name}:beta"].get_ydata(), first.curves["beta"].values[0])
    np.testing.assert_array_equal(lines[f"{first.name}:beta_shuffled"].get_ydata(), first.curves["beta_shuffled"].values[0])
