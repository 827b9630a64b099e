"""The figures of groups and walks show what parts.csv says, and nothing in them hides anything else."""

import itertools

import numpy as np
import pytest
from invented import add_parts, sweep
from matplotlib.backends.backend_agg import FigureCanvasAgg
from parted import HOSTILE, with_parts

from anodiff.errors import ConfigError
from anodiff.report.figures.drawing import draw, draw_run
from anodiff.report.figures.part_panels import MOST_LETTERS, MOST_NAMES, exponent_norm, layer_map, short_names
from anodiff.report.figures.run import parts as of_run
from anodiff.report.figures.run.data import RunData
from anodiff.report.figures.style import styled
from anodiff.report.figures.sweep import parts as of_sweep
from anodiff.sweep.results import read_run

#: Pixels by which boxes of text may touch: a box is a little larger than its letters.
TOUCH = 1.0


def one_run(starts=range(0, 5000, 1000), **parts):
    (run,) = sweep(["mlp3"], [64], seeds=[0], starts=starts)
    return add_parts(run, **parts)


def panels_of(figure):
    return [panel for panel in figure.get_axes() if panel.get_visible()]


def mesh_of(panel):
    (mesh,) = panel.collections
    return np.ma.filled(mesh.get_array().astype(float), np.nan)


def lines(panel, ending=""):
    return {line.get_gid(): line for line in panel.lines if line.get_gid() and line.get_gid().endswith(ending)}


def overlap(one, other):
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > TOUCH and high > TOUCH


def refuse_collisions(figure):
    """No text of the figure overlaps another, leaves the figure, or covers a panel that it does not belong to."""
    with styled():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        panels = panels_of(figure)
        texts = []
        for panel in panels:
            for axis in (panel.xaxis, panel.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                texts += [tick.label1 for tick in ticks if tick.label1.get_visible()] + [axis.label]
            texts.append(panel._left_title)
        texts += [text for legend in figure.legends for text in legend.get_texts()]
        texts += [figure._supxlabel] if figure._supxlabel else []
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
        assert [(one, other) for (one, a), (other, b) in itertools.combinations(boxes, 2) if overlap(a, b)] == []
        inside = [min(box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1) > -TOUCH for _, box in boxes]
        assert [text for (text, _), fits in zip(boxes, inside, strict=True) if not fits] == []
        drawn = [panel.get_window_extent(renderer) for panel in panels]
        assert [text for text, box in boxes if any(overlap(box, panel) for panel in drawn)] == []
        assert min(min(box.width, 8 * box.height) for box in drawn) > 0.5 * figure.dpi


@pytest.mark.parametrize(
    ("groups", "windows"),
    [(("a", "b"), 1), (("a", "b"), 30), (HOSTILE, 3), ([f"transformer.blocks.{n}.attention" for n in range(100)], 30)],
    ids=["two", "two in many windows", "hostile", "a hundred"],
)
def test_maps_of_layers_are_readable_for_few_and_many_groups_and_windows(groups, windows):
    figure = of_run.layers(RunData(one_run(range(0, 5000 * windows, 5000), groups=groups)))
    refuse_collisions(figure)
    left, right = panels_of(figure)[:2]
    assert len(left.get_yticklabels()) == len(groups) + 1
    assert not any(label.get_parse_math() for label in left.get_yticklabels())
    assert mesh_of(left).shape == mesh_of(right).shape == (len(groups) + 1, windows)


def test_the_map_has_the_exponents_and_shares_of_the_table_with_the_whole_path_at_the_top():
    run = one_run(groups=("first", "second", "third"))
    run.parts.loc[(run.parts["part"] == "second") & (run.parts["window"] == 1), "beta_long"] = np.nan
    left, right = panels_of(of_run.layers(RunData(run)))[:2]
    table = run.parts.set_index(["kind", "part"])
    keys = [("whole", "whole"), ("group", "first"), ("group", "second"), ("group", "third")]
    np.testing.assert_array_equal(mesh_of(left), [table.loc[key, "beta_long"] for key in keys])
    np.testing.assert_array_equal(mesh_of(right)[1:], [100 * table.loc[key, "msd_share_long"] for key in keys[1:]])
    assert np.isnan(mesh_of(right)[0]).all()
    assert np.isnan(mesh_of(left)[2, 1])
    assert left.get_ylim() == (4, 0)
    assert [label.get_text() for label in left.get_yticklabels()] == ["whole path", "first", "second", "third"]
    assert left.patch.get_hatch() == right.patch.get_hatch() == "////"
    dots = lines(left)["undecided"]
    contains = (table["beta_long_low"] <= 1) & (table["beta_long_high"] >= 1) & table["beta_long"].notna()
    assert len(dots.get_xdata()) == contains[table.index.get_level_values("kind") != "walk"].sum()


def test_white_is_at_1_and_the_colours_reach_equally_far_to_both_sides():
    maps = layer_map([one_run()])
    norm = exponent_norm([maps])
    assert norm(1.0) == 0.5
    assert norm.vmax - 1 == pytest.approx(1 - norm.vmin)
    assert norm.vmax >= min(np.nanmax(maps.beta), 2)


def test_of_more_groups_than_have_room_evenly_spaced_ones_are_named():
    figure = of_run.layers(RunData(one_run([0], groups=[f"g{number}" for number in range(400)])))
    left = panels_of(figure)[0]
    assert len(left.get_yticks()) == MOST_NAMES
    assert mesh_of(left).shape == (401, 1)


def test_long_names_keep_what_tells_them_apart():
    names = [f"model.transformer.blocks.{number}.attention.projection" for number in range(30)]
    shown = short_names(["head", *names])
    assert shown[0] == "head"
    assert len(set(shown)) == 31
    assert max(map(len, shown)) <= MOST_LETTERS
    assert all(f".{number}." in f".{name.removeprefix('…')}." for number, name in enumerate(shown[1:]))
    for name in short_names([*HOSTILE, "\N{PILE OF POO}\x07", "", "…" * 300]):
        assert "\n" not in name
        assert len(name) <= MOST_LETTERS


def test_runs_of_a_configuration_are_averaged_and_each_configuration_has_its_maps():
    runs = [add_parts(run, groups=("a", "b")) for run in sweep(["mlp3"], [64, 128])]
    figure = of_sweep.layers(runs)
    refuse_collisions(figure)
    maps = [panel for panel in panels_of(figure) if panel.collections and panel.collections[0].get_gid() == "beta"]
    assert [panel.get_title("left") for panel in maps] == ["mlp3 · batch 64 · lr 0.1", "mlp3 · batch 128 · lr 0.1"]
    tables = [run.parts[run.parts["kind"] != "walk"].set_index(["kind", "part", "window"])["beta_long"] for run in runs[:2]]
    np.testing.assert_allclose(mesh_of(maps[0]).ravel(), (tables[0] + tables[1]) / 2)


def test_more_configurations_than_fit_are_said_to_be_left_out():
    runs = [add_parts(run, groups=[f"g{n}" for n in range(90)]) for run in sweep(["mlp3"], [16, 32, 64, 128], seeds=[0])]
    figure = of_sweep.layers(runs)
    refuse_collisions(figure)
    texts = [row._supxlabel.get_text() for row in figure.subfigs if row._supxlabel]
    assert texts == ["2 of 4 configurations; to draw the others, give their runs to: anodiff figures"]


def test_the_walks_of_a_run_are_drawn_in_its_first_and_last_window_and_over_waiting_time():
    run = one_run()
    figure = of_run.walks(RunData(run))
    refuse_collisions(figure)
    first, last, early, late, below = panels_of(figure)
    assert [panel.get_title("left") for panel in (first, last)] == ["window from step 0", "window from step 4,000"]
    walks = ["whole", "preconditioned", "gradient", "decay"]
    for panel, name, number in ((first, "msd", 0), (last, "msd", 4), (early, "beta", 0), (late, "beta", 4)):
        drawn = lines(panel)
        assert set(drawn) == {f"{walk}:{name}:{number}" for walk in walks}
        curve = run.part_curves[name].isel(window=number).values[run.part_curves["part"].values == "gradient"][0]
        np.testing.assert_array_equal(drawn[f"gradient:{name}:{number}"].get_ydata(), curve)
    table = run.parts[(run.parts["kind"] == "walk") & (run.parts["part"] == "gradient")]
    np.testing.assert_array_equal(lines(below)["gradient:beta_long"].get_ydata(), table["beta_long"])
    assert early.get_ylim() == late.get_ylim()


def test_a_run_of_one_window_has_its_walks_drawn_once():
    figure = of_run.walks(RunData(one_run([0], walks=("gradient",))))
    refuse_collisions(figure)
    assert len(panels_of(figure)) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["path", "null: same gradients, no momentum"]


def test_the_walks_of_a_sweep_have_a_panel_for_each_configuration_with_means_over_seeds():
    runs = [add_parts(run) for run in sweep(["mlp3"], [64, 128])]
    figure = of_sweep.walks(runs)
    refuse_collisions(figure)
    panels = panels_of(figure)
    assert len(panels) == 2
    mean = lines(panels[0], ":mean")["mlp3-bs64-lr0.1:gradient:mean"]
    tables = [run.parts[(run.parts["part"] == "gradient")]["beta_long"].to_numpy() for run in runs[:2]]
    np.testing.assert_allclose(mean.get_ydata(), np.mean(tables, axis=0))


def test_figures_without_data_are_left_out_or_refused_in_one_line():
    (bare,) = sweep(["mlp3"], [64], seeds=[0])
    bare.__dict__["parts"] = one_run(groups=(), walks=()).parts
    for function in (of_run.layers, of_run.walks):
        assert function(RunData(bare)) is None
    with pytest.raises(ConfigError, match=r"recording\.groups"):
        of_sweep.layers([bare])
    with pytest.raises(ConfigError, match=r"recording\.walks"):
        of_sweep.walks([bare])
    diverged = sweep(["mlp3"], [64], seeds=[0], diverged_at={"mlp3-bs64-lr0.1-seed0": 10})[0]
    add_parts(diverged)
    assert of_run.walks(RunData(diverged)) is None
    refuse_collisions(of_run.layers(RunData(diverged)))
    refuse_collisions(of_sweep.walks([diverged]))


def test_a_measured_run_has_its_figures_drawn_and_its_table_read(run_folder, tmp_path):
    with_parts(run_folder, {"NA": ["p0"], "": ["p1"], 'a\rb\n,"c': ["p2"]})
    run = read_run(run_folder)
    assert run.has_parts
    assert run.parts["part"].unique().tolist() == ["whole", "NA", "", 'a\rb\n,"c', "gradient"]
    assert draw_run(run_folder, kinds=["layers", "walks"]) == ["layers", "walks"]
    files = draw(["layers", "walks"], [run_folder], tmp_path / "figures")
    assert [file.name for file in files] == ["layers.svg", "walks.svg"]
