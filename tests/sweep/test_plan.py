"""What a sweep will take: the sum over its runs, the passes that its stages really make, and the bytes of real stores."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from anodiff.cli.app import app
from anodiff.cli.plan_text import print_plan
from anodiff.errors import ConfigError
from anodiff.landscape import curvature as curvature_module
from anodiff.landscape import planes as planes_module
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import CurvatureSettings, LandscapeSettings, RoughnessSettings
from anodiff.settings.sweep import Config
from anodiff.sweep import costs, run_size
from anodiff.sweep import plan as planning
from anodiff.sweep.learning_costs import learning_seconds
from anodiff.sweep.parts_costs import PART_WINDOW
from anodiff.sweep.plan import plan_sweep
from anodiff.sweep.runs import sweep_runs


def config(tmp_path, **changes):
    defaults = {
        "data": {"name": "gaussian_clusters", "clusters": {"samples": 100}},
        "model": {"name": "mlp", "depth": 2, "width": 8},
        "training": {"batch_size": 20, "steps": 300},
        "recording": {"window_length": 100},
    }
    sweep = {"name": "s", "defaults": defaults, "grid": [{"seed": [0, 1], "optimiser.learning_rate": [0.1, 0.2]}]}
    paths = {"results": str(tmp_path / "results"), "scratch": str(tmp_path / "scratch"), "data": str(tmp_path / "data")}
    return Config.model_validate({"sweep": sweep | changes.pop("sweep", {}), "paths": paths} | changes)


def test_without_measuring_a_plan_is_the_sum_of_the_estimates(tmp_path):
    settings = config(tmp_path)
    plan = plan_sweep(settings, measuring=False)
    runs = [run.settings for run in sweep_runs(settings).values()]
    stages = {stage.stage: stage for stage in plan.stages}
    assert (plan.runs, plan.steps, plan.device) == (4, 1200, "")
    train = sum(map(costs.training_seconds, runs)) + 4 * planning.START_TORCH
    assert stages["train"].seconds == pytest.approx(train)
    assert stages["train"].longest == pytest.approx(train / 4)
    assert stages["landscape"].jobs == 2  # the first seed of each configuration
    learning = sum(learning_seconds(run, settings.learning) + planning.START_TORCH for run in runs)
    assert (stages["learning"].jobs, stages["learning"].seconds) == (4, pytest.approx(learning))
    assert stages["train"].memory == costs.training_memory(runs[0])
    assert plan.seconds == pytest.approx(sum(stage.seconds for stage in plan.stages))
    assert plan.values()["seconds"] == plan.seconds


def test_what_is_left_out_of_the_sweep_is_left_out_of_the_plan(tmp_path):
    without = {name: {"enabled": False} for name in ("simplified_model", "characters")}
    without |= {name: {"seeds": "none"} for name in ("landscape", "learning")}
    plan = plan_sweep(config(tmp_path, **without), measuring=False)
    assert [stage.stage for stage in plan.stages] == ["train", "geometry", "diffusion", "run_figure", "tables, figures, page"]


def test_runs_without_figures_of_their_own_are_not_drawn(tmp_path):
    def drawn(seeds):
        stages = plan_sweep(config(tmp_path, figures={"seeds": seeds}), measuring=False).stages
        return [stage.jobs for stage in stages if stage.stage == "run_figure"]

    assert [drawn(seeds) for seeds in ("all", "first", "none")] == [[4], [2], []]


def test_each_kind_of_run_is_measured_once_and_leaves_nothing(tmp_path):
    seen = []
    settings = config(tmp_path, sweep={"runs": [{"model.width": 9, "seed": 5}]})
    plan = plan_sweep(settings, device="cpu", seconds=0.05, report=lambda done, total, name: seen.append((done, total, name)))
    assert [(done, total) for done, total, _ in seen] == [(0, 2), (1, 2), (2, 2)]
    assert plan.device.startswith("cpu")
    (train,) = (stage for stage in plan.stages if stage.stage == "train")
    assert train.known == "measured"
    assert 5 * planning.START_TORCH < train.seconds < 5 * planning.START_TORCH + 300
    assert list(tmp_path.rglob("*")) == []


def test_a_run_that_would_diverge_is_still_measured(tmp_path):
    plan = plan_sweep(config(tmp_path, sweep={"grid": [{"optimiser.learning_rate": [1e30]}]}), device="cpu", seconds=0.05)
    assert plan.stages[0].seconds < 300


def test_a_run_twice_as_long_takes_twice_the_measured_steps(tmp_path):
    from anodiff.training.timing import Measurement

    short, long = (
        next(iter(sweep_runs(config(tmp_path, sweep={"grid": [{"training.steps": [n]}]})).values())).settings
        for n in (1000, 2000)
    )
    measured = Measurement("cpu", 100, 0.01, 0.0, 20, 0.0)
    times = [planning._training_seconds(settings, measured) - planning.START_TORCH for settings in (short, long)]
    assert times == pytest.approx([10, 20])
    assert planning._kind(short) == planning._kind(long)


def test_runs_without_their_data_set_are_estimated_with_a_note(tmp_path):
    plan = plan_sweep(config(tmp_path, sweep={"defaults": {"data": "cifar10", "training": {"steps": 10}}}), seconds=0.05)
    assert plan.device == ""
    assert any("estimated, not measured: cifar10" in note for note in plan.notes)


def test_a_training_beyond_the_longest_job_has_a_note(tmp_path):
    plan = plan_sweep(
        config(
            tmp_path,
            longest_job=10,
            sweep={
                "defaults": {"data": "digits", "training": {"steps": 10**6}, "recording": {"windows": "log"}},
                "grid": [{"seed": [0]}],
            },
        ),
        measuring=False,
    )
    assert any("continues over" in note and "longest_job = 10" in note for note in plan.notes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The trajectory of a small run; its samples fit in one batch, so that a forward pass is one call of the network."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.yaml").write_text(
        "data: {name: gaussian_clusters, clusters: {samples: 200}}\nmodel: {name: mlp, depth: 2, width: 8}\n"
        "training: {batch_size: 20, steps: 30}\nrecording: {window_length: 30}\n"
    )
    for line in (f"train {folder}/run.yaml --device cpu", f"geometry {folder}/trajectory.zarr --device cpu"):
        app(line.split(), standalone_mode=False)
    return folder / "trajectory.zarr"


def forward_passes(*command):
    """How many forward passes a command takes: each calls the network's first layer, which flattens the images, once."""
    calls = []
    hook = register_module_forward_hook(lambda module, inputs, output: calls.append(isinstance(module, torch.nn.Flatten)))
    try:
        app([*map(str, command), "--device", "cpu"], standalone_mode=False)
    finally:
        hook.remove()
    return sum(calls)


def count_products(monkeypatch, module):
    """A list to which every product of a module with a Hessian or a Gauss–Newton matrix adds an entry."""
    products = []

    def counting(make, surface):
        product = make(surface)
        return replace(product, product=lambda vector: products.append(len(vector)) or product(vector))

    for name in {"hessian_product", "gauss_newton_product"} & set(vars(module)):
        monkeypatch.setattr(module, name, partial(counting, getattr(module, name)))
    return products


def options(**settings):
    """Settings as options of a command, landscape's with few samples."""
    given = {"landscape": LandscapeSettings(samples=100)} | settings
    return [word for name, value in given.items() for word in (f"--{name}", json.dumps(value.model_dump(mode="json")))]


@pytest.mark.parametrize("planes", [None, ["random"], ["gradient", "path_last"]], ids=["default", "no products", "gradient"])
def test_slices_take_the_planned_passes(trained, tmp_path, monkeypatch, planes):
    """Each plane takes two passes more, which time it, and two that try a copy of the network. A plane of curvature takes one
    for its graph and one for the graph's memory, and one with a gradient another one for that. A dozen passes of a few samples
    try its products."""
    monkeypatch.setattr(costs, "PRODUCT_PASSES", 1)
    settings = LandscapeSettings(points=9, samples=100, **({"planes": planes} if planes else {}))
    products = count_products(monkeypatch, planes_module)
    counted = forward_passes("landscape", trained, "-o", tmp_path / "slices", *options(landscape=settings))
    grids, curved = len(settings.planes) * 81, len({"hessian", "gradient"} & set(settings.planes))
    assert grids + 4 * len(settings.planes) <= counted <= grids + 7 * len(settings.planes) + 12 * curved
    planned = costs.slice_passes(settings) - grids
    assert (len(products) == planned == 0) or 0.5 * len(products) < planned < 1.2 * len(products)


def test_roughness_takes_the_planned_passes(trained, tmp_path):
    """Each point takes some passes more, for the loss there and for its rounding error."""
    settings = RoughnessSettings(at=[0, 1], directions=20, decades=2, radii_per_decade=4)
    counted = forward_passes("roughness", trained, "-o", tmp_path / "roughness.zarr", *options(settings=settings))
    assert 0.9 * counted < costs.roughness_passes(settings) < counted


@pytest.mark.parametrize("changes", [{}, {"gauss_newton": False, "probes": 0}], ids=["default", "Hessian alone"])
def test_curvature_takes_the_planned_products(trained, tmp_path, monkeypatch, changes):
    monkeypatch.setattr(costs, "PRODUCT_PASSES", 1)
    settings = CurvatureSettings(**changes)
    products = count_products(monkeypatch, curvature_module)
    forward_passes("curvature", trained, "-o", tmp_path / "curvature.zarr", *options(settings=settings))
    assert 0.5 * len(products) < costs.curvature_passes(settings) < 1.2 * len(products)


@pytest.mark.parametrize("weights", ["full", "sketch", "none"])
def test_bytes_are_near_those_of_a_real_store(weights, tmp_path):
    """Random walks hardly compress: a store is at most what an estimate without compression says, and not far below."""
    import numpy as np

    from anodiff.cli.inspection import bytes_on_disk
    from anodiff.trajectory import TrajectoryRecorder, Window

    values = {"data": "digits", "model": {"name": "mlp", "depth": 2, "width": 16}, "training": {"steps": 400}}
    recording = {"weights": weights, "window_length": 200} | ({"sketch_size": 256} if weights == "sketch" else {})
    settings = RunSettings.model_validate(values | {"recording": recording})
    parameters = run_size.network_size(settings)[0]
    model = torch.nn.Linear(parameters, 1, bias=False)
    windows = [Window(0, 200), Window(200, 200)]
    options = {"sketch_size": 256} if weights == "sketch" else {}
    random = np.random.default_rng(0)
    with TrajectoryRecorder(model, tmp_path / "t.zarr", steps=400, windows=windows, weights=weights, **options) as recorder:
        for _ in range(400):
            model.weight.data += torch.from_numpy(0.01 * random.standard_normal((1, parameters))).float()
            recorder.record(loss=1.0)
    stored = bytes_on_disk(tmp_path / "t.zarr")
    assert 0.5 * stored < costs.trajectory_bytes(settings) < 1.5 * stored


def test_the_printed_plan_has_every_stage_and_says_whether_the_disk_is_enough(tmp_path, capsys, monkeypatch):
    plan = plan_sweep(config(tmp_path), measuring=False)
    print_plan(plan)
    printed = capsys.readouterr().out
    assert "s: 4 runs, 1,200 optimiser steps; nothing measured" in printed
    for stage in plan.stages:
        assert f"\n{stage.stage}" in printed
    assert "free: enough" in printed
    monkeypatch.setattr(costs, "WEIGHTS_COMPRESSION", 1e-12)
    print_plan(plan_sweep(config(tmp_path), measuring=False))
    assert "free: not enough" in capsys.readouterr().out
    json.dumps(plan.values())


def test_runs_with_parts_have_a_stage_larger_stores_and_more_memory_for_each_group_and_walk(tmp_path):
    def planned(**recording):
        return plan_sweep(config(tmp_path, sweep={"runs": [{"recording": recording}], "grid": []}), measuring=False)

    none, some = planned(weights="none"), planned(weights="none", groups="layer", walks=["gradient", "decay"])
    stages = {stage.stage: stage for stage in some.stages}
    assert "parts" not in {stage.stage for stage in none.stages}
    groups, walks = 2, 2  # of an MLP of two layers
    windows = 3
    expected = planning.START + (1 + groups + walks) * windows * PART_WINDOW
    assert (stages["parts"].jobs, stages["parts"].seconds) == (1, pytest.approx(expected))
    matrices = 8 * windows * 100**2 / costs.GRAM_COMPRESSION
    assert some.disk - none.disk == pytest.approx(2 * (groups + walks) * matrices)  # in both stores
    assert stages["train"].memory > next(each for each in none.stages if each.stage == "train").memory


def test_groups_are_counted_on_the_network_and_patterns_that_fit_nothing_are_refused():
    def groups(value):
        run = {"data": "digits", "model": {"name": "mlp", "depth": 3, "width": 8}, "training": {"steps": 10}}
        return run_size.part_counts(RunSettings.model_validate(run | {"recording": {"groups": value, "walks": ["gradient"]}}))

    assert [groups(value) for value in ("layer", "kind", {"biases": "*.bias"})] == [(3, 1), (2, 1), (2, 1)]
    with pytest.raises(ConfigError, match="'attention' fits no parameter"):
        groups({"a": "attention"})


@pytest.mark.parametrize(
    "recording", [{"groups": {"a": "attention"}}, {"weights": "sketch", "parameters": ["attention"]}], ids=str
)
def test_patterns_that_fit_nothing_are_refused_before_the_first_job(recording):
    run = {"data": "digits", "model": "mlp3", "training": {"steps": 10}, "recording": recording}
    with pytest.raises(ConfigError, match="'attention' fits no parameter"):
        run_size.check_networks([RunSettings.model_validate(run)])
