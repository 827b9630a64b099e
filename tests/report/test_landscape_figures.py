"""Figures of the landscape and of the simplified model, drawn from data that are known."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from invented import sweep
from matplotlib.figure import Figure

from anodiff.errors import StoreMissingError
from anodiff.landscape.curvature_store import Curvature
from anodiff.landscape.roughness_store import RoughnessStore
from anodiff.landscape.slice_store import Slice
from anodiff.landscape.structure import ABOVE_FLOOR, FLOORS
from anodiff.report.figures.drawing import save
from anodiff.report.figures.landscape import sweep as landscapes
from anodiff.report.figures.landscape.panels import draw_plane
from anodiff.report.figures.model import walkers as surfaces
from anodiff.report.figures.style import styled
from anodiff.settings.stages import SimplifiedModelSettings
from anodiff.simulation.surfaces.ensemble import measure_ensembles
from anodiff.sweep.connections import rank_correlation

RADII = np.geomspace(1e-3, 1, 13)


@pytest.fixture(autouse=True)
def without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def rough(slope=1.0, rounding=1e-16, points=2):
    """Losses with a constant slope, so that S(r) = (slope r)²."""
    loss = 1 + slope * RADII * np.array([1, -1])[:, None] * np.ones((points, 2, 4, 1, 1))
    arrays = {"step": np.arange(points) * 100, "loss_centre": np.ones(points), "loss": loss}
    arrays |= {"radius": np.tile(RADII, (points, 1)), "rounding": np.full(points, rounding)}
    return RoughnessStore(arrays, {"kinds": ["random", "path"], "seed": 0})


def curved():
    """A curvature with a positive and a negative eigenvalue at three points."""
    arrays = {"step": np.arange(3) * 10, "threshold": np.full(3, 20.0), "hessian_eigenvalue": np.array([[4.0, -1.0]] * 3)}
    return Curvature(arrays | {"gauss_newton_eigenvalue": np.full((3, 2), 3.0)}, {"parameters": 100})


def drawn(monkeypatch, name, *stores):
    """A figure over runs with these stores."""
    runs = sweep([f"mlp{3 + number}" for number in range(len(stores))], [64], seeds=[0])
    given = iter(stores)
    opener = {"roughness": "open_roughness", "hessian": "open_curvature"}[name]
    monkeypatch.setattr(landscapes, opener, lambda path: next(given))
    return getattr(landscapes, name)(runs)


def lines(panel, name):
    return [line for line in panel.lines if line.get_gid() == name]


def test_structure_functions_of_all_runs_lie_within_the_shared_axis(monkeypatch):
    figure = drawn(monkeypatch, "roughness", rough(), rough(slope=1000, rounding=1e-20))
    for panel, slope in zip(figure.get_axes(), (1, 1000), strict=False):
        low, high = panel.get_ylim()
        for kind in ("random", "path"):
            assert len(lines(panel, kind)) == 2
            for line in lines(panel, kind):
                np.testing.assert_allclose(line.get_ydata(), (slope * RADII) ** 2, rtol=1e-6)
                assert low < line.get_ydata().min() <= line.get_ydata().max() < high
    assert low <= FLOORS["difference"] * 1e-20 < high


def test_only_values_outside_the_shaded_part_are_fitted(monkeypatch):
    store = rough(rounding=1e-6)
    panel = drawn(monkeypatch, "roughness", store).get_axes()[0]
    (shaded,) = panel.patches
    top = shaded.get_extents().transformed(panel.transData.inverted()).y1
    assert top == pytest.approx(ABOVE_FLOOR * FLOORS["difference"] * 1e-6)
    assert (store.fit(0, "random").fitted == (store.structure(0, "random") > top)).all()


def test_points_without_a_finite_loss_leave_the_others(monkeypatch, tmp_path):
    store = rough()
    store["loss"][0] = np.nan
    figure = drawn(monkeypatch, "roughness", store)
    assert [len(line.get_xdata()) for line in lines(figure.get_axes()[0], "random")] == [0, 13]
    save(figure, tmp_path / "some.png", ".png")
    figure = drawn(monkeypatch, "roughness", rough(points=0))
    assert "no finished window" in [text.get_text() for text in figure.get_axes()[0].texts]
    save(figure, tmp_path / "none.png", ".png")


@pytest.mark.parametrize("runs", [1, 2, 3, 5])
def test_the_legend_of_the_curvature_is_not_cut_off(monkeypatch, runs, tmp_path):
    figure = drawn(monkeypatch, "hessian", *[curved() for _ in range(runs)])
    save(figure, tmp_path / "hessian.png", ".png")
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
    assert [text.get_text() for text in legend.get_texts()][-1] == "edge of stability, 2/η"
    (edge,) = lines(figure.get_axes()[0], "edge")
    assert edge.get_ydata().tolist() == [20.0] * 3
    assert np.isnan(lines(figure.get_axes()[0], "rank 2")[0].get_ydata()).all()  # negative: not drawn


def test_the_path_is_drawn_on_the_plane(tmp_path):
    path = np.array([[-0.5, 0.2], [0.0, 0.1], [0.5, 0.4]])
    grid = np.linspace(-1, 1, 9)
    loss = grid[:, None] ** 2 + grid**2 + 0.1
    loss[0, 3] = np.nan
    found = Slice(
        loss, grid, grid, "path", ("first", "second"), "weight unit", path, np.array([0, 5, 10]), np.array([0.7, 0.2]), 1, {}
    )
    with styled():
        figure = Figure()
        panel = figure.subplots()
        draw_plane(figure, panel, found)
    (line,) = lines(panel, "path")
    np.testing.assert_array_equal(line.get_xydata(), path)
    shown = panel.collections[0].get_array()
    assert shown.mask.sum() == 1
    assert shown[2, 5] == pytest.approx(loss[2, 5])
    assert "1 points without a finite loss" in panel.get_title(loc="left")
    assert "70% of the variance (random walk: 61%)" in panel.get_xlabel()
    save(figure, tmp_path / "plane.png", ".png")


def cut(path, kind, unit, labels, loss):
    """A slice of 5 x 5 points with these losses; that of a path has one on it."""
    grid = np.linspace(-1, 1, 5)
    steps = np.array([[-0.5, 0.2], [0.0, 0.1], [0.5, 0.4]])
    on_it = (steps, np.array([0, 5, 10]), np.array([0.7, 0.2])) if kind == "path" else (None, None, None)
    return path, Slice(loss, grid, grid, kind, labels, unit, *on_it, 0, {})


def test_each_slice_of_a_run_has_a_panel_of_its_losses(monkeypatch, tmp_path):
    runs = [replace(run, folder=tmp_path / run.name) for run in sweep(["mlp3", "vgg9", "alexnet"], [64], seeds=[0])]
    random, loss = np.random.default_rng(0), {}
    stores = {}
    (runs[2].folder / "landscape" / "slices").mkdir(parents=True)
    (runs[2].folder / "landscape" / "slices" / ".snakemake_timestamp").touch()
    for run, names in zip(runs, (("path_last", "hessian"), ("path_last",)), strict=False):
        for name in names:
            store = run.folder / "landscape" / "slices" / f"{name}.zarr"
            store.mkdir(parents=True)
            loss[store] = 1 + random.uniform(size=(5, 5))
            kind, labels = ("path", ("first", "second")) if name == "path_last" else ("hessian", ("largest", "next"))
            stores |= dict([cut(store, kind, "weight unit", labels, loss[store])])
    monkeypatch.setattr(landscapes, "open_slice", stores.__getitem__)
    figure = landscapes.planes(runs)
    panels = [panel for panel in figure.get_axes() if panel.get_label() != "<colorbar>"]
    assert len(panels) == 6
    for panel, store in zip([panels[0], panels[1], panels[2]], stores, strict=True):
        np.testing.assert_allclose(panel.collections[0].get_array(), loss[store])
        assert "weight units" in panel.get_xlabel()
        assert "weight units" in panel.get_ylabel()
        assert len(lines(panel, "path")) == ("path" in str(store.name))
    assert [panel.texts[0].get_text() for panel in panels[3:]] == ["not measured", "no finished window", "no finished window"]
    assert "largest curvature at the end" in panels[1].get_title(loc="left")
    with pytest.raises(StoreMissingError, match="anodiff landscape"):
        landscapes.planes([replace(runs[0], folder=tmp_path / "nowhere")])


def test_the_connection_shows_the_rows_of_the_table_and_their_rank_correlation(monkeypatch):
    random = np.random.default_rng(0)
    rows = [(run, model, kind) for run, model in enumerate(["mlp3"] * 4 + ["vgg9"] * 3) for kind in ("random", "path")]
    table = pd.DataFrame(rows, columns=["run", "model", "directions"]).assign(group=lambda rows: rows["run"])
    for column in (*landscapes.AGAINST, "roughness_exponent"):
        table[column] = random.uniform(1, 2, len(table))
    monkeypatch.setattr(landscapes, "landscape_table", lambda runs: table)
    monkeypatch.setattr("anodiff.sweep.connections.DRAWS", 50)
    panels = landscapes.connection([]).get_axes()
    assert panels[0].get_ylabel() == "roughness exponent 2H"
    for panel, column in zip(panels, landscapes.AGAINST, strict=True):
        shown = [line.get_xydata() for line in panel.lines if line.get_marker() not in ("", "None", None)]
        wanted = [
            table.loc[(table["directions"] == kind) & (table["model"] == model), [column, "roughness_exponent"]]
            for kind in ("random", "path")
            for model in ("mlp3", "vgg9")
        ]
        for one, other in zip(shown, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
        found, count = rank_correlation(table[table["directions"] == "random"], "roughness_exponent", column)
        said = f"random: ρ = {found.value:.2f} [{found.low:.2f}, {found.high:.2f}], n = {count}"
        assert said in panel.get_title(loc="left").splitlines()


@pytest.fixture(scope="module")
def ensembles():
    small = {"points": 17, "surfaces": 2, "walkers": 30, "steps": 100, "hurst": [0.4, 0.8], "beside_surfaces": 2}
    return measure_ensembles(SimplifiedModelSettings(**small))


def test_each_setting_of_the_walkers_has_a_row_of_its_own_numbers(ensembles):
    names = list(dict.fromkeys(ensemble.setting for ensemble in ensembles))
    assert names == ["chen2021", "ly2025", "levy"]
    panels = np.reshape(surfaces.walkers(ensembles).get_axes(), (3, 3))
    for name, (msd, against, arrival) in zip(names, panels, strict=True):
        own = [ensemble for ensemble in ensembles if ensemble.setting == name]
        assert name in msd.get_title(loc="left")
        assert (msd.get_xlabel(), against.get_ylabel()) == ("lag τ from the start (steps)", "exponent of Δr²")
        for ensemble, bar in zip(own, arrival.patches, strict=True):
            (curve,) = lines(msd, ensemble.kind)
            np.testing.assert_allclose(np.log(curve.get_ydata()), np.log(ensemble.ageing_msd[:, 0]).mean(axis=0))
            assert bar.get_width() == pytest.approx(ensemble.rows["reached"].mean())
        points = {f"{x:.3f} {y:.6f}" for bars in against.containers for x, y in [bars.lines[0].get_xydata()[0]]}
        for hurst in (0.4, 0.8):
            ensemble = next(one for one in own if one.kind == f"fractional, H = {hurst}")
            for shift, column in zip((-0.014, 0, 0.014), surfaces.EXPONENTS, strict=True):
                assert f"{hurst + shift:.3f} {ensemble.rows[column].mean():.6f}" in points


def test_the_gradients_are_drawn_with_the_tail_exponent_of_the_table(ensembles):
    own = [ensemble for ensemble in ensembles if ensemble.setting == "chen2021"][:2]
    panels = surfaces.gradients([*own, ensembles[-1]]).get_axes()
    for panel, ensemble in zip(panels, own, strict=False):
        heights = [bar.get_height() for bar in panel.patches]
        assert np.mean(np.abs(ensemble.gradients) <= 6) == pytest.approx(1, abs=0.01)
        assert np.sum(heights) * 0.2 == pytest.approx(1)
        assert f"α = {ensemble.rows['gradient_alpha'].mean():.2f}" in panel.get_title(loc="left")
