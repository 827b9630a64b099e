"""Schedules at their exact values, optimisers against torch's own."""

import math

import pytest
import torch

from anodiff.settings.run import OptimiserSettings, ScheduleSettings
from anodiff.training.optimisers import build_optimiser, rate_factor
from anodiff.training.seeding import STREAMS, stream_seed


def test_a_constant_rate_is_constant():
    assert {rate_factor(ScheduleSettings(), 100)(step) for step in range(100)} == {1.0}


def test_a_step_schedule_multiplies_at_its_milestones():
    factor = rate_factor(ScheduleSettings(name="step", milestones=[0.5, 0.75], factor=0.1), 100)
    assert [factor(step) for step in (0, 49, 50, 74, 75, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_cosine_falls_from_one_to_zero():
    factor = rate_factor(ScheduleSettings(name="cosine"), 100)
    assert [factor(step) for step in (0, 25, 50, 100)] == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, 0], abs=1e-12)


def test_a_warm_up_rises_linearly_and_then_hands_over():
    factor = rate_factor(ScheduleSettings(name="cosine", warmup=10), 110)
    assert [factor(step) for step in (0, 4, 9, 10, 60)] == pytest.approx([0.1, 0.5, 1, 1, 0.5])


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}, torch.optim.SGD),
        ({"name": "adam", "betas": (0.8, 0.99)}, torch.optim.Adam),
        ({"name": "adamw", "weight_decay": 0.1}, torch.optim.AdamW),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_settings_reach_torchs_optimiser(settings, kind):
    optimiser = build_optimiser(OptimiserSettings(learning_rate=0.3, **settings), [torch.nn.Parameter(torch.ones(2))])
    assert type(optimiser) is kind
    expected = {key: value for key, value in settings.items() if key != "name"} | {"lr": 0.3}
    assert {key: optimiser.defaults[key] for key in expected} == expected


def test_streams_of_a_seed_and_seeds_of_a_stream_differ():
    seeds = [stream_seed(seed, stream) for seed in range(50) for stream in STREAMS]
    assert len(set(seeds)) == len(seeds)
