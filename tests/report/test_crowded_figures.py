"""In the figures of the whole published sweep, with names as long as they come, nothing hides anything else."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from invented import invented_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from anodiff.diffusion.pairs import Binned
from anodiff.report.figures.catalogue import CHARACTER_FIGURES, FIGURES, LEARNING_FIGURES, PART_FIGURES
from anodiff.report.figures.landscape import sweep as landscapes
from anodiff.report.figures.panels import MOST_COLUMNS, MOST_PANELS, configuration_labels, group_by_model, wrapped
from anodiff.report.figures.style import STYLE, styled
from anodiff.report.figures.sweep import pairs
from anodiff.settings.sweep import Config
from anodiff.sweep.results import PairMeans, RunResult
from anodiff.sweep.runs import sweep_runs

CONFIGS = Path(__file__).parents[2] / "config"

KINDS = FIGURES | CHARACTER_FIGURES | LEARNING_FIGURES | PART_FIGURES

#: The exponents that the roughness is drawn against.
AT_ONE = dict.fromkeys(landscapes.AGAINST, 1.0)

#: Pixels by which boxes of text may touch: a box is a little larger than its letters.
TOUCH = 1.0


@pytest.fixture(scope="module")
def published():
    """A run of each configuration of config/paper.yaml, with invented curves."""
    return invented_config("paper", [0, 1000, 4000, 128000])


def invented_config(name, starts):
    config = Config.model_validate(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")))
    return [invented_run(run, starts) for run in sweep_runs(config).values()]


def overlap(one, other):
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > TOUCH and high > TOUCH


def overlapping(texts, renderer):
    """The pairs of texts that overlap."""
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_visible() and text.get_text()]
    return [(one, other) for (one, a), (other, b) in itertools.combinations(boxes, 2) if overlap(a, b)]


def fits(text, renderer, box):
    """Whether a text is inside a box."""
    own = text.get_window_extent(renderer)
    inside = min(own.x0 - box.x0, own.y0 - box.y0, box.x1 - own.x1, box.y1 - own.y1)
    return not text.get_text() or inside > -TOUCH


@pytest.mark.parametrize("kind", ["long_lags", "beta_map", "exponents", "dependence", "learning_times"])
def test_no_text_of_a_figure_of_the_published_sweep_overlaps_another_or_leaves_the_figure(kind, published):
    assert len(published) > 40
    figure = KINDS[kind].function()(published)
    with styled():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        panels = [panel for panel in figure.get_axes() if panel.get_visible()]
        for axis in (axis for panel in panels if panel.axison for axis in (panel.xaxis, panel.yaxis)):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()) if low <= tick.get_loc() <= high]
            assert not overlapping([tick.label1 for tick in ticks], renderer)
        titles = [panel._left_title for panel in panels]
        names = [axis.label for panel in panels if panel.axison for axis in (panel.xaxis, panel.yaxis)]
        legends = [*figure.legends, *(panel.get_legend() for panel in panels if panel.get_legend())]
        entries = [text for legend in legends for text in legend.get_texts()]
        entries += [figure._supxlabel] if figure._supxlabel else []
        assert not overlapping([*titles, *names, *entries], renderer)
        assert [text.get_text() for text in (*titles, *names, *entries) if not fits(text, renderer, figure.bbox)] == []
        drawn = [panel.get_window_extent(renderer) for panel in panels if panel.axison]
        boxes = [(text, text.get_window_extent(renderer)) for text in (*titles, *entries)]
        assert [text.get_text() for text, own in boxes if any(overlap(own, box) for box in drawn)] == []


def test_the_legend_of_many_models_is_no_wider_than_the_figure(monkeypatch):
    models = [f"densenet{depth}" for depth in range(100, 112)]
    rows = [(model, kind) for model in models for kind in ("random", "path")]
    table = pd.DataFrame(rows, columns=["run", "directions"]).assign(model=lambda rows: rows["run"], group="one")
    monkeypatch.setattr(landscapes, "landscape_table", lambda runs: table.assign(roughness_exponent=2.0, **AT_ONE))
    figure = landscapes.connection([])
    with styled():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        texts = figure.legends[0].get_texts()
        assert len(texts) == 2 * len(models)
        assert all(fits(text, renderer, figure.bbox) for text in texts)
        assert min(panel.get_window_extent(renderer).height for panel in figure.get_axes()) > 1.5 * figure.dpi


@pytest.mark.parametrize("function", [pairs.contour, pairs.loss_difference])
@pytest.mark.parametrize("fall", [False, True])
def test_no_point_of_the_means_over_pairs_lies_behind_the_texts(function, fall, published, monkeypatch):
    distances = np.geomspace(0.1, 10, 20)
    binned = Binned(distances, distances ** (-0.5 if fall else 1.5), np.full(20, 99), np.ones(20, bool), np.zeros(10))
    monkeypatch.setattr(RunResult, "pairs", lambda run, window: PairMeans(binned, binned))
    run = published[0]
    exponents = run.exponents.assign(path_dimension=1.5, loss_roughness=0.7)
    figure = function([replace(run, exponents=exponents)])
    with styled():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        (panel,) = [panel for panel in figure.get_axes() if panel.get_visible()]
        assert len(panel.texts) == 3
        points = [place for line in panel.lines if line.get_gid() for place in panel.transData.transform(line.get_xydata())]
        assert not any(text.get_window_extent(renderer).contains(*place) for text in panel.texts for place in points)


def test_models_share_rows_of_panels_only_where_they_would_need_more_rows_than_all_panels_do(published):
    few = [run for run in published if run.settings["model.name"] in ("resnet20", "vgg9", "mlp3")]
    for runs, rows in ((published, MOST_PANELS // MOST_COLUMNS), (few, 4)):
        figure = KINDS["nulls"].function()(runs)
        panels = [panel for panel in figure.get_axes() if panel.get_visible()]
        assert panels[0].get_gridspec().nrows == rows
    first = [panel for panel in panels if panel.get_subplotspec().colspan.start == 0]
    assert [panel.get_title("left").split(" ")[0] for panel in first] == ["resnet20", "resnet20", "vgg9", "mlp3"]


def test_series_that_differ_in_shortcuts_have_different_labels(published):
    figure = KINDS["dependence"].function()(published)
    for panel in figure.get_axes():
        if panel.get_legend():
            texts = [text.get_text() for text in panel.get_legend().get_texts()]
            assert len(set(texts)) == len(texts)


def test_the_digest_of_windows_is_named_only_where_nothing_else_differs():
    runs = invented_config("reproduction", [0])
    for model in group_by_model(runs).values():
        labels = list(configuration_labels(model).values())
        assert len(set(labels)) == len(labels)
        assert not any("windows" in label for label in labels)
    alike = {f"a{digest}-bs128-lr0.1-windows{digest}": [renamed(runs[0], digest)] for digest in ("c0bc2f", "b6a22e")}
    assert [label.rpartition(" ")[2] for label in configuration_labels(alike).values()] == ["windowsc0bc2f", "windowsb6a22e"]


def renamed(run, digest):
    return replace(run, name=f"resnet14-bs128-lr0.1-seed0-windows{digest}")


def test_a_wrapped_text_keeps_its_words_breaks_after_dots_and_fits_unless_a_word_is_wider():
    text = "resnet14 · batch 128 · lr 0.1 · noshortcut · nobatchnorm"
    for inches in (0.2, 1.0, 1.7, 2.5, 9.0):
        lines = wrapped(text, inches, 8.5).split("\n")
        assert " ".join(lines) == text
        assert not any(line.startswith("·") for line in lines)
        with styled():
            for line in lines:
                width = TextPath((0, 0), line, size=8.5, prop=FontProperties(family=STYLE["font.family"])).get_extents().width
                assert width / 72 <= inches or len(line.removesuffix(" ·").split(" ")) == 1
    assert "\n" not in wrapped(text, 9.0, 8.5)
