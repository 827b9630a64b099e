"""The figures of learning show the curves, times and margins of the runs."""

import numpy as np
import pandas as pd
import pytest
from invented import PROBES, add_learning, sweep
from matplotlib.figure import Figure

from anodiff.errors import ConfigError
from anodiff.report.figures.learning_panels import MOST_MODES, drawn_modes
from anodiff.report.figures.run import learning as run_learning
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.sweep.learning import learning_times, modes
from anodiff.report.figures.sweep.starvation import starvation


@pytest.fixture(scope="module")
def runs():
    return sweep(["mlp3"], [64, 128])


def panels_of(figure):
    return [panel for panel in figure.get_axes() if panel.get_visible()]


def lines(panel, ending=""):
    return {line.get_gid(): line for line in panel.lines if line.get_gid() and line.get_gid().endswith(ending)}


def test_every_seed_and_mode_has_its_curve_and_the_first_seed_its_law(runs):
    figure = modes(runs)
    assert isinstance(figure, Figure)
    panels = panels_of(figure)
    assert len(panels) == 2
    drawn = lines(panels[0])
    assert len(drawn) == 2 * 5 + 5
    line = drawn[f"{runs[1].name}:mode 3"]
    store = runs[1].learning_curves
    number = store.attributes["curves"].index("mode 3")
    later = store["step"] > 0
    np.testing.assert_array_equal(line.get_xdata(), store["step"][later])
    np.testing.assert_array_equal(line.get_ydata(), store["curve"][later, number])
    np.testing.assert_array_equal(
        drawn[f"{runs[0].name}:mode 1:law"].get_ydata(), runs[0].learning_curves["curve_fitted"][later, 2]
    )


def test_of_many_modes_the_strongest_and_the_weakest_are_among_the_drawn():
    (run,) = sweep(["mlp3"], [64], seeds=[0])
    add_learning(run, np.random.default_rng(0), modes=9)
    names = list(drawn_modes([run]))
    assert len(names) == MOST_MODES
    assert (names[0], names[-1]) == ("mode 1", "mode 9")


def test_learning_times_are_those_of_the_table_and_what_is_never_learned_is_at_the_end(runs):
    (run,) = sweep(["mlp3"], [64], seeds=[0])
    run.learning.loc[run.learning["curve"] == "class 3", "learning_time"] = np.nan
    left, right = panels_of(learning_times([run]))
    rows = run.learning[run.learning["sort"] == "mode"]
    points = lines(left)[f"{run.name}:mode"]
    np.testing.assert_array_equal(points.get_xdata(), rows["strength"])
    np.testing.assert_array_equal(points.get_ydata(), rows["learning_time"])
    never = lines(right)[f"{run.name}:class:never"]
    assert never.get_ydata().tolist() == [5000]
    (guide,) = [line for line in left.lines if not line.get_gid() and len(line.get_xdata()) == 2]
    x, y = guide.get_data()
    assert (
        x[0] * y[0]
        == pytest.approx(x[1] * y[1])
        == pytest.approx(np.exp(np.log(rows["strength"] * rows["learning_time"]).median()))
    )


def test_a_model_has_a_row_and_an_empty_panel_says_why(runs):
    two = sweep(["mlp3", "vgg9"], [64], seeds=[0])
    for run in two:
        run.__dict__["learning"] = run.learning[run.learning["sort"] != "mode"]
    panels = panels_of(learning_times(two))
    assert len(panels) == 4
    assert [bool(panel.texts) for panel in panels] == [True, False, True, False]


def with_cue(fractions=(0.5, 1.0)):
    runs = []
    for fraction in (None, *fractions):
        for run in sweep(["mlp3"], [64]):
            run.settings.update({"data.cue.fraction": fraction, "data.cue.strength": None if fraction is None else 2.0})
            run.settings.update({"data.cue": None})
            accuracy = None if fraction is None else 0.9 - 0.4 * fraction
            add_learning(run, np.random.default_rng(run.settings["seed"]), probe_accuracy=accuracy)
            runs.append(run)
    return runs


def test_probes_are_coloured_by_the_fraction_and_runs_without_a_cue_stand_for_none():
    *probes, accuracy = panels_of(starvation(with_cue()))
    assert [panel.get_title(loc="left") for panel in probes] == ["as trained", *PROBES]
    for panel, name in zip(probes, ["as trained", *PROBES], strict=True):
        assert list(lines(panel)) == [f"{name}:{fraction}" for fraction in ("0", "0.5", "1")]
    drawn = [line for line in accuracy.lines if line.get_gid() == "accuracy:cue removed"]
    assert [line.get_ydata().tolist() for line in drawn] == [pytest.approx([value] * 2) for value in (0.9, 0.7, 0.5)]


def test_without_a_cue_there_is_no_figure_of_starvation(runs):
    with pytest.raises(ConfigError, match=r"data\.cue"):
        starvation(runs)


def test_the_samples_of_a_run_are_sorted_by_their_learning_time(runs):
    run = RunData(runs[0])
    store = runs[0].learning_curves
    mixed = np.random.default_rng(0).permutation(len(store["train_learning_time"]))
    for name in ("train_margin", "train_learning_time"):
        store.arrays[name] = store[name][..., mixed]
    store.arrays["train_learning_time"][mixed == mixed.max()] = np.nan
    panel, _ = panels_of(run_learning.samples(run))
    (image,) = panel.images
    order = np.lexsort((-store["train_margin"][-1], np.nan_to_num(store["train_learning_time"], nan=np.inf)))
    np.testing.assert_array_equal(image.get_array(), store["train_margin"][:, order].T)
    places = lines(panel)["learned"].get_xdata()
    assert len(places) == len(mixed) - 1
    assert (np.diff(places) >= 0).all()


def test_the_modes_of_a_run_stand_above_its_windows(runs):
    curves, learned, exponents = panels_of(run_learning.modes(RunData(runs[0])))
    assert len(lines(curves)) == 5 + 5
    table = runs[0].learning_windows
    assert [bar.get_height() for bar in learned.patches] == table["modes_in_transition"].tolist()
    np.testing.assert_array_equal(lines(exponents)["beta_max"].get_ydata(), runs[0].exponents["beta_max"])


def test_a_run_without_learning_has_no_such_figures(tmp_path):
    (run,) = sweep(["mlp3"], [64], seeds=[0])
    del run.__dict__["learning"]
    assert run_learning.modes(RunData(run)) is None
    assert run_learning.samples(RunData(run)) is None


def test_the_order_of_the_runs_of_a_configuration_changes_no_point(runs):
    there, back = (
        {line.get_gid(): line for panel in panels_of(learning_times(each)) for line in panel.lines}
        for each in (runs[:2], runs[1::-1])
    )
    for name in there.keys() - {None}:
        pd.testing.assert_series_equal(pd.Series(there[name].get_ydata()), pd.Series(back[name].get_ydata()))
