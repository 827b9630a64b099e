"""Maps, long lags, ageing, pairs and dependence over a sweep show the data. Everybody can distinguish the colours."""

import itertools

import numpy as np
import pytest
from invented import LAGS, invented_sweep, sweep
from matplotlib.colors import to_rgb

from anodiff.diffusion.ergodicity import ageing_ratio, ergodicity_breaking
from anodiff.diffusion.pairs import displacement_by_contour, loss_difference_by_distance
from anodiff.geometry import open_geometry
from anodiff.inference.cells import KINDS
from anodiff.report.figures.drawing import save
from anodiff.report.figures.panels import MOST_PANELS
from anodiff.report.figures.style import CONFIGURATIONS, DIVERGING, MARKERS
from anodiff.report.figures.sweep import ageing, characters, columns, dependence, maps, overview, pairs
from anodiff.report.figures.sweep.seeds import WindowKey, mean_curve, windows
from anodiff.sweep.results import read_runs

#: Machado, Oliveira & Fernandes (2009), full severity: linear RGB as seen by colour-blind eyes.
COLOUR_BLIND = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def lab(colours, eyes=None):
    """CIELAB of colours as some eyes see them, shape (colours, 3); the first column is the lightness, 0 to 100."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if eyes is not None:
        linear = np.clip(linear @ np.array(COLOUR_BLIND[eyes]).T, 0, 1)
    ratio = linear @ TO_XYZ.T / [0.95047, 1.0, 1.08883]
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def named(panel, name):
    (found,) = [artist for artist in (*panel.lines, *panel.collections) if artist.get_gid() == name]
    return found


def visible(figure):
    return [panel for panel in figure.get_axes() if panel.get_visible() and panel.axison and panel.get_label() != "<colorbar>"]


def test_the_colours_of_configurations_differ_in_lightness_and_to_colour_blind_eyes():
    assert np.diff(np.sort(lab(CONFIGURATIONS)[:, 0])).min() > 7
    for eyes in (None, *COLOUR_BLIND):
        seen = lab(CONFIGURATIONS, eyes)
        assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 17, eyes
    assert lab(["#808080"])[0, 0] == pytest.approx(53.585, abs=1e-3)  # the published lightness of middle grey


def test_colour_blind_eyes_distinguish_both_sides_of_the_diverging_map_which_darken_from_the_middle():
    low, high = (lab([DIVERGING(0.5 + side * step) for step in np.linspace(0, 0.5, 6)]) for side in (-1, 1))
    for side in (low, high):
        assert (np.diff(side[:, 0]) < 0).all()
    for eyes in COLOUR_BLIND:
        below, above = (lab([DIVERGING(0.5 + side * 0.2)], eyes)[0] for side in (-1, 1))
        assert np.linalg.norm(below - above) > 30, eyes


def test_configurations_differ_in_colour_and_marker_at_once():
    (column,) = columns.model_columns(sweep(["mlp3"], range(1, 8), seeds=[0]), "", "", "")[1]
    assert [each.marker for each in column.configurations] == list(MARKERS[:7])
    assert [each.colour for each in column.configurations] == list(CONFIGURATIONS)


def test_the_map_is_the_mean_over_seeds_with_hatches_where_the_interval_contains_1_or_overlaps_the_null():
    runs = sweep(["mlp3"], [64], seeds=[0, 1])
    (panel,) = visible(maps.beta_map(runs))
    drawn = named(panel, "beta").get_array()
    mean = np.mean([run.curves["beta"].values for run in runs], axis=0)
    np.testing.assert_allclose(drawn, mean)
    half = 0.05 / np.sqrt(2)  # each seed's interval is ±0.05
    for name, marked in (
        ("interval", np.abs(mean - 1) <= half),
        ("null", (mean - half <= 0.95) & (mean + half >= 0.85)),  # the invented null's band
    ):
        boxes = [path.get_extents() for path in named(panel, name).get_paths()]
        edges = np.concatenate([[LAGS[0] / 1.1], np.sqrt(LAGS[1:] * LAGS[:-1]), [LAGS[-1] * 1.1]])
        covered = np.zeros(mean.shape, bool)
        for box in boxes:
            first, last = (int(np.abs(edges - edge).argmin()) for edge in (box.x0, box.x1))
            covered[round(box.y0), first:last] = True
        np.testing.assert_array_equal(covered, marked)
        assert 0 < marked.sum() < marked.size
    assert panel.get_xscale() == "log"
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "1,000", "2,000", "3,000", "4,000"]


def test_the_line_of_the_map_runs_where_the_exponent_is_1():
    run = sweep(["mlp3"], [64], seeds=[0])[0]
    run.curves["beta"].values[:] = 1 + 0.2 * np.log(LAGS / 30)  # 1 at lag 30 in every window
    (panel,) = visible(maps.beta_map([run]))
    (segment,) = named(panel, "line at 1").get_paths()
    np.testing.assert_allclose(segment.vertices[:, 0], 30, rtol=0.03)


def test_windows_that_a_configuration_lacks_are_not_coloured():
    runs = sweep(["mlp3"], [64], seeds=[0]) + sweep(["vgg9"], [64], seeds=[0], starts=range(0, 3000, 1000))
    _, shorter = visible(maps.beta_map(runs))
    assert np.ma.getmaskarray(named(shorter, "beta").get_array()).all(axis=1).tolist() == [False] * 3 + [True] * 2


def test_long_lags_are_drawn_from_the_setting_on_and_windows_with_a_stride_whole():
    runs = sweep(["mlp3"], [64], starts=[0, 0, 1000], seeds=[0, 1])
    for run in runs:
        run.exponents["stride"] = [1, 100, 1]
    (panel,) = visible(ageing.long_lags(runs))
    plain, strided = named(panel, "0"), named(panel, "0 (every 100)")
    np.testing.assert_array_equal(plain.get_xdata(), LAGS[LAGS >= 200])
    mean = np.mean([run.curves["beta"].values for run in runs], axis=0)
    np.testing.assert_allclose(plain.get_ydata(), mean[0][LAGS >= 200])
    np.testing.assert_allclose(strided.get_ydata(), mean[1])
    assert (plain.get_marker(), strided.get_marker()) == ("", "o")


def test_ageing_and_ergodicity_are_those_of_the_ensemble_table():
    runs = sweep(["mlp3"], [64], seeds=[0, 1, 2])
    for number, run in enumerate(runs):
        run.curves["ageing_msd"] = run.curves["msd"] * (2 + number)
    msd = np.array([run.curves["msd"].values for run in runs])
    single = np.array([run.curves["ageing_msd"].values for run in runs])
    for function, expected in (
        (ageing.ageing, lambda window, lag: ageing_ratio(single[:, window, lag], msd[:, window, lag])),
        (ageing.ergodicity, lambda window, lag: ergodicity_breaking(msd[:, window, lag])),
    ):
        (panel,) = visible(function(runs))
        for window, time in enumerate(("0", "1,000", "2,000")):
            drawn = named(panel, time)
            values = [expected(window, lag).value for lag in range(len(LAGS))]
            np.testing.assert_allclose(drawn.get_ydata(), values)


def test_one_seed_has_no_ergodicity_and_the_panel_says_so():
    (panel,) = visible(ageing.ergodicity(sweep(["mlp3"], [64], seeds=[0])))
    assert [text.get_text() for text in panel.texts] == ["one seed has no scatter"]


def test_pairs_are_those_of_the_geometry_with_the_exponents_of_the_table(make_run):
    runs = read_runs([make_run()])
    geometries = open_geometry(runs[0].folder / "geometry.zarr")
    for function, column, symbol in (
        (pairs.contour, "path_dimension", "$D_f$"),
        (pairs.loss_difference, "loss_roughness", "H"),
    ):
        (panel,) = visible(function(runs))
        for number, key in enumerate(windows(runs)):
            path = geometries.read(number)
            if column == "path_dimension":
                binned = displacement_by_contour(path.squared_displacements, path.contour_length)
            else:
                losses = geometries.point_series("loss", number)
                binned = loss_difference_by_distance(path.squared_displacements, losses)
            drawn = named(panel, f"{runs[0].name}:{key}")
            np.testing.assert_array_equal(drawn.get_xdata(), binned.centres)
            np.testing.assert_array_equal(drawn.get_ydata(), binned.means)
        known = runs[0].exponents.dropna(subset=column)
        texts = [f"$t_w$ = {row.waiting_time}: {symbol} = {getattr(row, column):.2f}" for row in known.itertuples()]
        assert [text.get_text() for text in panel.texts] == texts


def test_dependence_joins_configurations_that_differ_only_in_one_axis():
    runs = invented_sweep(
        {
            "model": ["resnet14", "resnet20", {"name": "mlp", "depth": 3}],
            "training.batch_size": [64, 128],
            "seed": [0, 1],
        }
    )
    found = {axis.name: dependence.series_of(axis, runs) for axis in dependence.AXES}
    assert [(series.text, list(series.groups)) for series in found["depth"]] == [
        ("resnet · batch 64 · lr 0.1", [14, 20]),
        ("resnet · batch 128 · lr 0.1", [14, 20]),
    ]
    assert [series.text for series in found["batch size"]] == ["resnet14 · lr 0.1", "resnet20 · lr 0.1", "mlp · lr 0.1"]
    assert found["learning rate"] == []
    figure = dependence.dependence(runs)
    assert "learning rate: no two configurations differ only in this" in figure._supxlabel.get_text()
    assert [panel.get_xlabel() for panel in visible(figure) if panel.get_xlabel()] == ["depth (layers)", "batch size (samples)"]
    for panel, column, window in ((visible(figure)[1], "beta_max", 0), (visible(figure)[3], "beta_long", -1)):
        drawn = named(panel, "mlp · lr 0.1")
        for height, batch in zip(drawn.get_ydata(), (64, 128), strict=True):
            own = [run for run in runs if run.settings["model.name"] == "mlp" and run.settings["training.batch_size"] == batch]
            assert height == pytest.approx(np.mean([run.exponents[column].iloc[window] for run in own]))


def test_a_sweep_without_an_axis_says_so_in_a_line():
    figure = dependence.dependence(sweep(["mlp3"], [64], seeds=[0]))
    assert figure.get_axes() == []
    assert "depth · batch size · learning rate" in figure.texts[0].get_text()


def test_some_of_very_many_configurations_are_drawn_and_the_figure_says_how_many(tmp_path):
    runs = sweep(["mlp3", "vgg9", "resnet14"], range(1, 33), seeds=[0], starts=[0, 1000])
    figure = maps.beta_map(runs)
    panels = visible(figure)
    assert len(panels) == MOST_PANELS
    models = [panel.get_title("left").split(" · ")[0] for panel in panels]
    assert {model: models.count(model) for model in models} == {"mlp3": 8, "vgg9": 8, "resnet14": 8}
    assert figure._supxlabel.get_text().startswith("24 of 96 configurations")
    legends = [each.get_legend() for each in overview.exponents(runs).get_axes() if each.get_legend()]
    assert {len(legend.get_texts()) for legend in legends} == {columns.MOST_LISTED + 1}
    assert legends[0].get_texts()[-1].get_text() == "and 8 more, see the table"


@pytest.mark.parametrize("which", ["one run", "all diverged", "one window", "twelve windows"])
def test_every_figure_is_drawn_without_a_warning(which, tmp_path):
    lost = {f"mlp3-bs64-lr0.1-seed{seed}": 12 for seed in (0, 1)}
    runs = {
        "one run": lambda: sweep(["mlp3"], [64], seeds=[0]),
        "all diverged": lambda: sweep(["mlp3"], [64], diverged_at=lost),
        "one window": lambda: sweep(["mlp3"], [64], starts=[0]),
        "twelve windows": lambda: sweep(["mlp3"], [64], starts=range(0, 12000, 1000)),
    }[which]()
    for function in (maps.beta_map, ageing.long_lags, ageing.ageing, ageing.ergodicity, dependence.dependence):
        save(function(runs), tmp_path / "figure.svg", ".svg")


def test_the_interval_of_a_mean_is_that_of_independent_seeds():
    runs = sweep(["mlp3"], [64], seeds=[0, 1, 2, 3])
    curve = mean_curve(runs, "beta", WindowKey(0, 1, 1000))
    np.testing.assert_allclose(curve.high - curve.mean, 0.05 / 2)
    np.testing.assert_allclose(curve.mean - curve.low, 0.05 / 2)
    assert curve.seeds == 4


def test_probabilities_of_the_kinds_are_means_over_seeds_that_fill_the_panel():
    runs = sweep(["mlp3"], [64], seeds=[0, 1])
    (panel,) = visible(characters.kinds(runs))
    rows = [run.characters[run.characters["coordinate"] == "random"] for run in runs]
    mean = {kind: np.mean([own[kind] for own in rows], axis=0) for kind in (*KINDS, "unfamiliar")}
    np.testing.assert_allclose(named(panel, runs[0].group).get_ydata(), mean["unfamiliar"])
    upper = sum(mean[kind] for kind in KINDS[:3])
    edge = named(panel, KINDS[2]).get_paths()[0].vertices
    assert {round(height, 6) for height in upper} <= {round(height, 6) for height in edge[:, 1]}
    top = named(panel, KINDS[-1]).get_paths()[0].vertices
    assert top[:, 1].max() == pytest.approx(1)


def test_a_principal_coordinate_is_drawn_above_its_null_and_filled_beyond_all_draws():
    (run,) = sweep(["mlp3"], [64], seeds=[0], starts=[0, 1000, 2000])
    rows = run.characters["coordinate"] == "principal_1"
    run.characters.loc[rows, "exponent_p_shuffled"] = [0.05, 0.5, 1.0]
    _, below = visible(characters.characters([run]))
    points = [line for line in below.lines if line.get_gid() == run.name]
    filled, open_ = (line.get_xdata().tolist() for line in points)
    assert (filled, open_) == ([0, 2000], [1000])
    heights = run.characters.loc[rows, "exponent"] - 1.1
    np.testing.assert_allclose(points[1].get_ydata(), heights.iloc[[1]])


def test_random_coordinates_are_drawn_beside_the_exponent_of_the_path():
    (run,) = sweep(["mlp3"], [64], seeds=[0])
    above, _ = visible(characters.characters([run]))
    random = run.characters[run.characters["coordinate"] == "random"]
    np.testing.assert_allclose(named(above, run.name).get_ydata(), random["exponent"])
    np.testing.assert_allclose(named(above, f"{run.name}:path").get_ydata(), run.exponents["beta_long"])
