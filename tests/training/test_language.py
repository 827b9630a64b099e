"""Language models in training: losses and accuracies are of tokens, a batch in parts is the batch, and a resumed run is the
same bit for bit with every optimiser."""

import math
import os
import signal
from contextlib import suppress

import numpy as np
import pytest
import torch
from sameness import same_store
from torch import nn

from anodiff import models
from anodiff.data import load
from anodiff.errors import ConfigError, Interrupted
from anodiff.settings.optimiser import OptimiserSettings
from anodiff.settings.run import RunSettings, TrainingSettings
from anodiff.training import run as module
from anodiff.training import train_run
from anodiff.training.gradients import clip
from anodiff.training.losses import build_loss
from anodiff.training.muon import build_muon, hidden_matrices
from anodiff.training.recorded.network import stored_point
from anodiff.trajectory import open_trajectory

BASE = {
    "data": {"name": "text", "train_samples": 90},
    "model": {"name": "gpt", "depth": 1, "width": 16, "heads": 2, "context": 12},
    "optimiser": {"name": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
    "training": {"batch_size": 20, "steps": 15, "evaluate_every": 100},
    "recording": {"window_length": 5},
}

CASES = {
    "adamw, clipped": {"optimiser": {"clip": 0.5, "schedule": {"name": "cosine", "warmup": 4}}},
    "accumulated, dropout": {"training": {"accumulation": 3}, "model": {"options": {"dropout": 0.1}}},
    "muon": {"optimiser": {"name": "muon", "clip": 1.0}},
}

has_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")


def settings_of(changes):
    values = {key: BASE[key] | changes.get(key, {}) for key in BASE}
    if "name" in changes.get("model", {}):
        values["model"] = changes["model"]
    return RunSettings.model_validate(values)


@pytest.fixture
def train(tmp_path):
    """Return a function that trains, with a signal after each of ``stops``, and resumes until the run is done."""

    def run(name, changes=None, stops=()):
        output, scratch, left = tmp_path / name / "trajectory.zarr", tmp_path / "scratch" / name, list(stops)

        def report(step, steps, message):
            if left and step == left[0]:
                left.pop(0)
                os.kill(os.getpid(), signal.SIGTERM)

        while not output.exists():
            with suppress(Interrupted):
                train_run(settings_of(changes or {}), output, scratch=scratch, report=report, notify=lambda line: None)
        return output

    return run


@pytest.mark.parametrize(
    "changes", [pytest.param(each, marks=has_muon if key == "muon" else (), id=key) for key, each in CASES.items()]
)
def test_interrupted_is_uninterrupted(train, changes):
    same_store(train("whole", changes), train("interrupted", changes, [1, 7, 14]))


def test_loss_and_accuracy_are_means_over_tokens(train):
    trajectory = open_trajectory(train("run", {"training": {"steps": 5, "batch_size": 90}}))
    settings = settings_of({})
    dataset = load(settings.data, "nowhere", context=12)
    model = models.build("gpt", vocabulary=256, context=12, depth=1, width=16, heads=2)
    for step in (0, 5):
        torch.nn.utils.vector_to_parameters(torch.from_numpy(stored_point(trajectory, step)).float(), model.parameters())
        with torch.no_grad():
            inputs, labels = (
                (dataset.train_inputs, dataset.train_labels) if step == 0 else (dataset.test_inputs, dataset.test_labels)
            )
            logits = model(inputs.long()).double()
        likely = logits.log_softmax(1).gather(1, labels[:, None])[:, 0]
        if step == 0:
            assert trajectory.series("loss")[0] == pytest.approx(-likely.mean().item(), rel=1e-5)
        else:
            assert trajectory.series("test_loss")[-1] == pytest.approx(-likely.mean().item(), rel=1e-5)
            assert trajectory.series("test_accuracy")[-1] == pytest.approx((logits.argmax(1) == labels).double().mean().item())


def test_the_text_is_learned(train):
    trajectory = open_trajectory(
        train("run", {"training": {"steps": 60}, "recording": {"weights": "none", "window_length": 60}})
    )
    assert trajectory.series("loss")[0] == pytest.approx(math.log(256), abs=0.1)
    assert trajectory.series("loss")[-5:].mean() < 3.8
    assert trajectory.group.attrs["provenance"]["data"]["text"] == "pydoc_data.topics"


def test_cross_entropy_of_tokens_is_torchs():
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 7, 5), torch.randint(7, (3, 5))
    loss = build_loss(TrainingSettings(steps=2), 7)
    torch.testing.assert_close(loss(logits, labels), nn.functional.cross_entropy(logits, labels))
    decoupled = build_loss(TrainingSettings(steps=2, decoupling=0.5), 7)
    torch.testing.assert_close(decoupled(logits, labels) - loss(logits, labels), 0.5 * logits.square().sum(1).mean())


# A batch in parts


@pytest.mark.parametrize("model", [{}, {"name": "mlp", "depth": 2, "width": 8}], ids=["text", "images"])
@pytest.mark.parametrize("accumulation", [3, 7, 20])
def test_micro_batches_give_the_step_of_the_whole_batch(train, model, accumulation):
    other = {"model": model, "data": {"name": "digits"}} if model else {}
    options = {"optimiser": {"name": "sgd", "weight_decay": 0, "momentum": 0.9}, **other}
    whole = open_trajectory(train("whole", options))
    parts = open_trajectory(train("parts", options | {"training": {"accumulation": accumulation}}))
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(whole.series(name), parts.series(name), rtol=2e-4)
    np.testing.assert_allclose(stored_point(whole, 15), stored_point(parts, 15), atol=2e-6)
    np.testing.assert_allclose(whole.series("train_accuracy"), parts.series("train_accuracy"), atol=0.02)


def test_the_last_batch_of_an_epoch_may_have_fewer_samples_than_micro_batches(train):
    options = {"data": {"train_samples": 81}, "optimiser": {"name": "sgd", "weight_decay": 0}}  # the fifth batch has one
    whole, parts = (open_trajectory(train(f"run{n}", options | {"training": {"accumulation": n}})) for n in (1, 4))
    np.testing.assert_allclose(whole.series("loss"), parts.series("loss"), rtol=1e-4)


def test_micro_batches_of_one_sample_are_refused_for_batch_normalisation(train):
    training = {"batch_size": 4, "accumulation": 4, "drop_last": True}
    options = {"data": {"name": "digits"}, "model": {"name": "mlp", "batch_norm": True}, "training": training}
    with pytest.raises(ConfigError, match=r"training\.accumulation 4 leaves micro-batches of one sample"):
        train("run", options)


# Clipping


@pytest.mark.parametrize("largest", [1e-3, 1.0, 1e3])
def test_clipping_is_torchs(largest):
    torch.manual_seed(0)
    ours, theirs = (nn.Linear(4, 3) for _ in range(2))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        mine.grad = torch.randn_like(mine)
        other.grad = mine.grad.clone()
    norm = nn.utils.clip_grad_norm_(theirs.parameters(), largest)
    clip(list(ours.parameters()), norm.item(), largest)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_a_gradient_that_is_no_number_stays_none():
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([math.nan, 1.0])
    clip([weight], math.nan, 1.0)
    assert weight.grad.isnan().all()


def test_the_recorded_norm_is_before_clipping_and_no_step_is_longer_than_the_rate_times_the_bound(train):
    options = {"optimiser": {"name": "sgd", "weight_decay": 0, "learning_rate": 0.5}}
    free = open_trajectory(train("free", options))
    clipped = open_trajectory(train("clipped", {"optimiser": options["optimiser"] | {"clip": 0.01}}))
    assert free.series("gradient_norm")[0] == clipped.series("gradient_norm")[0] > 0.1
    lengths = [np.linalg.norm(stored_point(clipped, k + 1) - stored_point(clipped, k)) for k in range(15)]
    np.testing.assert_allclose(lengths, 0.5 * 0.01, rtol=1e-3)
    sampled = clipped.array("gradient_sample")
    assert sampled.shape[1] == 256  # the updates are not those of the gradients, so these are kept


# Muon


def gpt(**options):
    torch.manual_seed(0)
    return models.build("gpt", vocabulary=11, context=6, depth=2, width=8, heads=2, **options)


@pytest.mark.parametrize("tied", [True, False])
def test_hidden_matrices_are_those_within_the_blocks(tied):
    model = gpt(tied=tied)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kinds = ("attention.queries_keys_values", "attention.output", "mlp.hidden", "mlp.output")
    expected = {f"blocks.{block}.{kind}.weight" for block in range(2) for kind in kinds}
    assert {names[id(matrix)] for matrix in hidden_matrices(model)} == expected


def test_the_hidden_matrices_of_an_mlp_are_all_but_the_last():
    model = models.build("mlp4", channels=1, size=4, classes=3, width=5)
    assert [tuple(matrix.shape) for matrix in hidden_matrices(model)] == [(5, 16), (5, 5), (5, 5)]


@has_muon
def test_steps_are_those_of_torchs_two_optimisers():
    settings = OptimiserSettings(name="muon", learning_rate=0.02, weight_decay=0.1, betas=(0.8, 0.95))
    ours, theirs = gpt(), gpt()
    own = build_muon(settings, ours)
    matrices = hidden_matrices(theirs)
    others = [each for each in theirs.parameters() if all(each is not matrix for matrix in matrices)]
    muon = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=0.02, weight_decay=0.1, betas=(0.8, 0.95), fused=True)
    given = torch.randint(11, (4, 7), generator=torch.Generator().manual_seed(1))
    for step in range(4):
        for model in (ours, theirs):
            model.zero_grad()
            nn.functional.cross_entropy(model(given[:, :-1]), given[:, 1:]).backward()
        if step == 2:  # its state goes through a checkpoint
            saved = own.state_dict()
            own = build_muon(settings, ours)
            own.load_state_dict(saved)
        for group in (*own.param_groups, *muon.param_groups, *adamw.param_groups):
            group["lr"] = 0.02 / (step + 1)
        for optimiser in (own, muon, adamw):
            optimiser.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_muon_is_refused_in_one_line_where_torch_lacks_it(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(ConfigError, match=r"has no Muon; install torch 2\.9 or later, or set optimiser: adamw"):
        build_muon(OptimiserSettings(name="muon"), gpt())


@has_muon
def test_muon_is_refused_for_a_network_without_hidden_matrices():
    with pytest.raises(ConfigError, match="Linear has none; set optimiser: adamw"):
        build_muon(OptimiserSettings(name="muon"), nn.Linear(3, 2))


@has_muon
def test_the_walks_of_muon_add_up_to_its_path(train):
    recording = {"weights": "none", "groups": "layer", "walks": ["gradient", "preconditioned", "decay"]}
    trajectory = open_trajectory(train("run", {"optimiser": {"name": "muon"}, "recording": recording}))
    full = open_trajectory(train("full", {"optimiser": {"name": "muon"}}))
    names = [group["name"] for group in trajectory.group.attrs["groups"]]
    assert names == ["positions", "embedding", "blocks.0", "norm"]
    decay = np.asarray(trajectory.array("walk_gram")[2, 0], np.float64)
    points = np.array([stored_point(full, step) for step in range(5)])
    rates = full.series("learning_rate")[:5]
    steps = -0.1 * rates[:, None] * points
    np.testing.assert_allclose(decay, steps @ steps.T, rtol=1e-4)


# Another text than at the beginning


def test_a_run_does_not_resume_on_another_text(tmp_path):
    settings = RunSettings.model_validate({**BASE, "data": {"name": "text", "files": "notes.txt"}})
    notes = tmp_path / "notes.txt"
    notes.write_text("To be, or not to be. " * 200)

    def stop(step, steps, message):
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"scratch": tmp_path / "scratch", "data_root": tmp_path, "notify": lambda line: None}
    with suppress(Interrupted):
        module.train_run(settings, tmp_path / "trajectory.zarr", report=stop, **options)
    notes.write_text("That is the question. " * 200)
    with pytest.raises(ConfigError, match=r"the text is not the one that the run was trained on: notes\.txt of 4,200 tokens"):
        module.train_run(settings, tmp_path / "trajectory.zarr", **options)
