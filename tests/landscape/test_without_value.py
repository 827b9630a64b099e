"""Paths and networks that have no answer to some question: it is missing with its reason, and every other answer is there."""

import numpy as np
import pytest
import torch
from matplotlib.text import Text

from anodiff.data import Augmentation, load
from anodiff.diffusion.analysis import analyse
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.landscape.curvature import measure_curvature
from anodiff.landscape.planes import slice_planes
from anodiff.landscape.roughness import measure_roughness
from anodiff.landscape.slice_store import open_slice, planes_left_out
from anodiff.report.figures.landscape.sweep import hessian, planes, roughness
from anodiff.settings.base import dotted
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import AnalysisSettings, CurvatureSettings, LandscapeSettings, RoughnessSettings
from anodiff.sweep.results import RunResult
from anodiff.trajectory import Window

#: Of networks without a matrix, whose filters could point somewhere, there is no random plane.
PLANES = ["path_first", "path_last", "random", "hessian", "gradient"]


def settings(network="walking", **options):
    return RunSettings.model_validate(
        {
            "data": {"name": "gaussian_clusters", "clusters": {"samples": 60, "image_size": 4, "classes": 3}},
            "model": {"name": f"families:{network}", "options": options},
            "training": {"batch_size": 12, "steps": 12},
        }
    )


@pytest.fixture
def measured(record_path, tmp_path):
    """Return a function that measures everything along points (T+1, P), at the beginning, the middle and the end."""

    def measure(points, run, windows):
        path = record_path(points, windows, tmp_path / "trajectory.zarr", attributes={"settings": run.model_dump(mode="json")})
        landscape = LandscapeSettings(samples=None, points=3, planes=PLANES)
        compute_geometry(path, tmp_path / "geometry.zarr", device="cpu")
        slice_planes(path, tmp_path / "geometry.zarr", tmp_path / "landscape" / "slices", landscape, device="cpu")
        of_roughness = RoughnessSettings(at=[0, 0.5, 1], directions=3, decades=1, radii_per_decade=4)
        store, table = (tmp_path / "landscape" / name for name in ("roughness.zarr", "roughness.csv"))
        rough = measure_roughness(path, store, table, landscape, of_roughness, device="cpu")
        of_curvature = CurvatureSettings(at=[0, 0.5, 1], eigenvalues=2, probes=1, lanczos_steps=4, trace_products=48 * 3)
        curved = measure_curvature(path, tmp_path / "landscape" / "curvature.zarr", landscape, of_curvature, device="cpu")
        analysed = analyse(open_geometry(tmp_path / "geometry.zarr"), AnalysisSettings(null_draws=4))
        return tmp_path / "landscape" / "slices", rough, curved, analysed.exponents

    return measure


def dense_hessian(run, point):
    data = load(run.data, "data")
    images = Augmentation(run.data, data).normalise(data.train_images).double().flatten(1)

    def loss(at):
        outputs = at * images[:, :3] if len(at) == 1 else images @ at.view(16, 3)
        return torch.nn.functional.cross_entropy(outputs, data.train_labels)

    return torch.func.jacrev(torch.func.jacrev(loss))(torch.as_tensor(np.float32(point)).double()).numpy()


def drawn(folder):
    return sorted(store.stem for store in folder.glob("*.zarr"))


def walk(steps, parameters=48):
    return np.cumsum(0.1 * np.random.default_rng(0).normal(size=(steps + 1, parameters)), axis=0)


def test_a_window_in_which_the_path_stands_still_takes_nothing_from_the_others(measured):
    points = walk(12)
    points[6:] = points[6]
    slices, rough, curved, exponents = measured(points, settings(), [Window(0, 6), Window(6, 6)])
    assert drawn(slices) == ["path_first"]
    reasons = planes_left_out(slices)
    assert "stands still" in reasons["path_last"]
    assert "no natural extent" in reasons["hessian"] == reasons["gradient"]
    assert np.isfinite(open_slice(slices / "path_first.zarr").loss).all()
    moving, still = rough[rough["step"] < 6], rough[rough["step"] >= 6]
    assert moving["roughness_exponent"].notna().all()
    assert still["note"].str.contains("stands still").all()
    assert not curved.notes
    for point, step in enumerate(curved["step"]):
        values = np.linalg.eigvalsh(dense_hessian(settings(), points[step]))[::-1]
        np.testing.assert_allclose(curved["hessian_eigenvalue"][point], values[:2], rtol=1e-3)
        assert curved["trace"][point] == pytest.approx(values.sum(), rel=1e-4)
    assert exponents["note"].tolist()[1] == "the path does not move"
    assert np.isfinite(exponents["beta_max"][0])


def test_a_network_of_one_parameter_has_its_curvature_and_no_planes(measured):
    run = settings(parameters=1)
    points = 1 + walk(12, 1)
    slices, rough, curved, _ = measured(points, run, [Window(0, 12)])
    assert drawn(slices) == []
    assert set(planes_left_out(slices)) == set(PLANES)
    assert rough["roughness_exponent"].notna().all()
    for point, step in enumerate(curved["step"]):
        expected = dense_hessian(run, points[step])[0, 0]
        assert curved["hessian_eigenvalue"][point] == pytest.approx(expected, rel=1e-4)
        assert curved["gauss_newton_eigenvalue"][point] == pytest.approx(expected, rel=1e-4)  # the network is linear
        assert curved["trace"][point] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("last", [1, 2])
def test_a_last_window_of_few_updates_takes_nothing_from_the_others(measured, last):
    slices, rough, curved, exponents = measured(walk(6 + last), settings(), [Window(0, 6), Window(6, last)])
    assert set(drawn(slices)) | set(planes_left_out(slices)) == set(PLANES)
    assert ("path_last" in planes_left_out(slices)) == (last == 1)
    assert rough["roughness_exponent"][:2].notna().all()
    assert np.isfinite(curved["hessian_eigenvalue"]).all()
    assert np.isfinite(exponents["beta_max"][0])


def test_a_zero_hessian_has_eigenvalues_of_zero_and_no_plane(measured):
    slices, _, curved, _ = measured(walk(12), settings("deaf"), [Window(0, 12)])
    assert "the Hessian is zero" in planes_left_out(slices)["hessian"]
    assert "leads nowhere" in planes_left_out(slices)["gradient"]
    assert not curved["hessian_eigenvalue"].any()
    assert not curved["gauss_newton_eigenvalue"].any()
    assert not curved["trace"].any()
    assert not curved.notes


def test_a_point_that_is_not_finite_takes_nothing_from_the_others(measured):
    points = walk(12)
    points[12, 3] = np.nan
    slices, rough, curved, exponents = measured(points, settings(), [Window(0, 6), Window(6, 6)])
    assert drawn(slices) == sorted({*PLANES} - {"random"})  # all in the first window, the only one that has a geometry
    assert "not finite" in curved.notes["step 12: trace"]
    assert np.isnan(curved["hessian_eigenvalue"][-1]).all()
    assert np.isfinite(curved["hessian_eigenvalue"][:-1]).all()
    assert rough[rough["step"] == 12]["note"].str.contains(r"position\[3\] is not finite").all()
    assert rough[rough["step"] == 0]["roughness_exponent"].notna().all()
    assert "not finite" in exponents["note"][1]


def test_a_path_that_comes_back_leaves_out_the_directions_that_lead_nowhere(measured):
    points = walk(12)
    points[1::2] = points[0]  # after every other update it is back
    _, rough, _, _ = measured(points, settings(), [Window(0, 12)])
    first = rough[rough["step"] == 0].set_index("directions")
    assert first["roughness_exponent"].notna().all()
    assert first.loc["path", "non_finite"] > 0 == first.loc["random", "non_finite"]


@pytest.mark.parametrize(
    ("network", "still", "text"),
    [("walking", 6, "no natural extent"), ("walking", 0, "stands still"), ("deaf", 13, "the Hessian is zero")],
)
def test_figures_are_drawn_without_the_values_that_do_not_exist(measured, tmp_path, network, still, text):
    points, run = walk(12), settings(network)
    points[still:] = points[min(still, 12)]
    measured(points, run, [Window(0, 6), Window(6, 6)])
    result = RunResult(tmp_path, "walk-seed0", None, None, None, dotted(run.model_dump(mode="json")))
    texts = [found.get_text().replace("\n", " ") for found in planes([result]).findobj(Text)]
    assert any(text in found for found in texts)
    for draw in (roughness, hessian):
        draw([result]).canvas.draw()
