"""The published numbers as they stand in the study's scripts, and which runs repeat them."""

import math

import pytest
from published_runs import settings_of

from anodiff.sweep.published.rows import PUBLISHED_COLUMNS, SET_UP, published_row, published_rows, published_table


def test_the_rows_are_those_of_the_scripts():
    rows = {(row.depth, row.shortcut, row.batch_size, row.learning_rate): row for row in published_rows()}
    assert len(rows) == 24 + 4
    row = rows[14, True, 128, 0.1]
    assert (row.exponent_first, row.exponent_second, row.crossover_lag) == (1.315, 0.727, 180)
    row = rows[110, False, 256, 0.1]
    assert (row.exponent_first, row.exponent_second, row.crossover_lag) == (1.172, 0.746, 400)
    row = rows[20, True, 1024, 0.1]
    assert (row.exponent_first, row.exponent_second, row.crossover_lag) == (1.36, 0.6, 45)
    row = rows[14, None, 1024, 0.01]
    assert (row.exponent_first, row.exponent_second) == (1.833, 1.7)
    assert math.isnan(row.crossover_lag)
    assert rows[14, False, 1024, 0.1].exponent_first == 1.388  # also the learning rate .1 of the second script
    assert {depth: {key[2] for key in rows if key[0] == depth} for depth in (56, 110)} == {
        56: {128, 512, 1024},
        110: {128, 256, 512},
    }
    assert list(published_table()) == list(PUBLISHED_COLUMNS)
    assert published_table()["source"].str.contains("274bf5e").all()


def test_all_rows_of_the_published_sweep_are_repeated_by_a_run_with_its_set_up():
    for row in published_rows():
        entry = {
            "model.name": f"resnet{row.depth}",
            "model.options": {"projection": True},
            "training.batch_size": row.batch_size,
        }
        entry["optimiser.learning_rate"] = row.learning_rate
        for shortcut in (True, False) if row.shortcut is None else (row.shortcut,):
            assert published_row(settings_of(entry | {"model.shortcut": shortcut})) == (row, "")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"data.label_noise": 0.2}, "data.label_noise is 0.2, published: 0"),
        ({"training.loss": "mse"}, "training.loss is mse, published: cross_entropy"),
        ({"model.batch_norm": False}, "model.batch_norm is false, published: true"),
        ({"optimiser.momentum": 0.9}, "optimiser.momentum is 0.9, published: 0"),
        ({"data.cue": {"strength": 1.0, "fraction": 0.9}}, "data.cue is set, published: not set"),
        ({"model.options": {"projection": False}}, "model.options.projection is false, published: true"),
        ({"training.batch_size": 64}, "no published row for resnet14 with shortcuts, batch size 64, learning rate 0.1"),
        ({"model": "vgg9"}, "model.name is vgg9, published: resnet<depth>"),
    ],
)
def test_a_run_that_differs_in_something_else_repeats_no_row_and_it_is_said_why(entry, why):
    row, said = published_row(settings_of(entry))
    assert row is None
    assert why in said


def test_length_windows_and_seed_may_differ_and_a_setting_that_was_not_stored_has_its_default():
    settings = settings_of({"training.steps": 100, "recording.window_length": 50, "seed": 3})
    del settings["training"]["decoupling"]
    assert published_row(settings)[0].crossover_lag == 180
    assert all(len(values) for values in SET_UP.values())
