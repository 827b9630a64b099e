"""Every family of networks, in every precision, with every optimiser and every way to record, goes from training to its
landscape; what can be computed in another way is."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from families import FAMILIES, in_double
from torch import nn

from anodiff.data import Augmentation, load
from anodiff.diffusion.analysis import analyse
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.landscape.curvature import measure_curvature
from anodiff.landscape.planes import slice_planes
from anodiff.landscape.roughness import measure_roughness
from anodiff.landscape.slice_store import open_slice
from anodiff.learning.measure import measure_learning
from anodiff.learning.store import open_learning
from anodiff.settings.learning import LearningSettings
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import AnalysisSettings, CurvatureSettings, LandscapeSettings, RoughnessSettings
from anodiff.training import run as training
from anodiff.training.loop import build_model
from anodiff.trajectory import open_trajectory

STEPS = 12

BUILT_IN = {
    "mlp": {"name": "mlp", "depth": 2, "width": 6},
    "vit": {"name": "vit", "width": 4, "depth": 1, "options": {"patch": 2, "heads": 2, "mlp_width": 4}},
}
MODELS = BUILT_IN | {name: {"name": f"families:{name}"} for name in FAMILIES}
PRECISIONS, OPTIMISERS, WEIGHTS = ("float32", "float64", "bf16"), ("sgd", "adam"), ("full", "sketch", "none")


@dataclass(frozen=True)
class Case:
    """A cell of the matrix."""

    model: str
    precision: str
    optimiser: str
    weights: str

    def settings(self):
        model = MODELS[self.model]
        if self.precision == "float64":
            model = model | {"options": {"double": True}}
        recording = {"window_length": STEPS, "weights": self.weights, "gradient_coordinates": 8}
        return RunSettings.model_validate(
            {
                "data": {"name": "gaussian_clusters", "clusters": {"samples": 60, "image_size": 4, "classes": 3}},
                "model": model,
                "optimiser": {"name": self.optimiser, "learning_rate": 0.02},
                "training": {"batch_size": 12, "steps": STEPS, "precision": "bf16" if self.precision == "bf16" else "float32"},
                "recording": recording | ({"sketch_size": 8} if self.weights == "sketch" else {}),
            }
        )


def all_cases():
    return [
        Case(*cell)
        for cell in product(MODELS, PRECISIONS, OPTIMISERS, WEIGHTS)
        if not (cell[0] in BUILT_IN and cell[1] == "float64")  # which they do not have
    ]


def some_cases():
    """Every family with full weights in float32; other settings take turns."""
    for number, name in enumerate(MODELS):
        yield Case(name, "float32", OPTIMISERS[number % 2], "full")
        precision = ("float64", "bf16", "float32")[number // 3 % 3]
        if precision != "float32" and not (name in BUILT_IN and precision == "float64"):
            yield Case(name, precision, OPTIMISERS[(number + 1) % 2], WEIGHTS[number % 3])


def check(case, folder, monkeypatch, whole=False):
    """Losses and curvature are finite, and what can be had in another way is that; ``whole``: all stages of the landscape."""
    settings, trained = case.settings(), []

    def kept(*arguments):
        trained.append(build_model(*arguments))
        return trained[0]

    monkeypatch.setattr(training, "build_model", kept)
    training.train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu", notify=lambda line: None)
    trajectory = open_trajectory(folder / "trajectory.zarr")
    assert trajectory.steps_completed == STEPS
    assert np.isfinite(trajectory.series("loss")).all()
    compute_geometry(folder / "trajectory.zarr", folder / "geometry.zarr", device="cpu")
    geometries = open_geometry(folder / "geometry.zarr")
    gram = geometries.read(0).gram
    assert gram.any()
    found = analyse(geometries, AnalysisSettings(null_draws=4))
    assert np.isfinite(found.curves["msd"].values).all()
    if case.weights == "full":
        updates = np.diff(trajectory.points(trajectory.windows[0]).astype(np.float64), axis=0)
        assert trajectory.weights.dtype == ("float64" if case.precision == "float64" else "float32")
        rounding = 1e-12 if case.precision == "float64" else 1e-5
        np.testing.assert_allclose(gram, updates @ updates.T, atol=rounding * np.diagonal(gram).max())
        curvature = check_landscape(trajectory.path, folder, whole or case.precision == "float64")
        if case.precision == "float64" and not whole:
            check_learning(trajectory.path, folder)
        assert curvature.attributes["dtype"] == ("float64" if case.precision == "float64" else "float32")
        assert curvature["loss"][0] == pytest.approx(loss_of(trained[0], settings), rel=1e-4)


def check_landscape(path, folder, whole):
    """Losses and curvature are finite. Return the curvature at the last point."""
    landscape = LandscapeSettings(samples=None, points=3, planes=["path_last"])
    if whole:
        slice_planes(path, folder / "geometry.zarr", folder / "slices", landscape, device="cpu")
        assert np.isfinite(open_slice(folder / "slices" / "path_last.zarr").loss).all()
        roughness = RoughnessSettings(at=[1], directions=3, decades=1, radii_per_decade=2)
        table = measure_roughness(path, folder / "r.zarr", folder / "r.csv", landscape, roughness, device="cpu")
        assert (table["non_finite"] == 0).all()
    curvature = CurvatureSettings(at=[1], eigenvalues=1, probes=0, trace_products=0)
    found = measure_curvature(path, folder / "c.zarr", landscape, curvature, device="cpu")
    assert np.isfinite(found["hessian_eigenvalue"]).all()
    assert found["gauss_newton_eigenvalue"] >= 0
    return found


def check_learning(path, folder):
    """Margins and losses are finite at all points, and every window has its row."""
    measure_learning(path, folder / "l.zarr", LearningSettings(points=8, samples=16, draws=20), device="cpu")
    learned = open_learning(folder / "l.zarr")
    assert learned.attributes["dtype"] == "float64"
    assert np.isfinite(learned["train_margin"]).all()
    assert np.isfinite(learned["test_loss"]).all()


def loss_of(network, settings):
    """The mean loss over the training set of a network, in float64 with torch alone, its running statistics taken anew."""
    data = load(settings.data, Path("data"))
    images = Augmentation(settings.data, data).normalise(data.train_images).double()
    norms = [layer for layer in in_double(network).eval().modules() if getattr(layer, "track_running_stats", False)]
    with torch.no_grad():
        for layer in norms:
            layer.train()
            layer.momentum = 1.0
        network(images)
        return nn.functional.cross_entropy(network.eval()(images), data.train_labels).item()


@pytest.mark.parametrize("case", some_cases(), ids=lambda case: "-".join(vars(case).values()))
def test_any_network_goes_from_training_to_its_landscape(case, tmp_path, monkeypatch):
    check(case, tmp_path, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: "-".join(vars(case).values()))
def test_every_cell_of_the_matrix_goes_from_training_to_its_landscape(case, tmp_path, monkeypatch):
    check(case, tmp_path, monkeypatch, whole=True)
