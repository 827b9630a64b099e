"""Normalised curves and their bootstrap, against loops and known values; modes against the covariance of all samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anodiff.learning.curves import bootstrap_weights, learning_curve, normalised
from anodiff.learning.modes import group_means, singular_modes
from anodiff.learning.times import learning_times, time_intervals, values_at

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128])


def rising(samples, seed=0):
    """Values of samples that rise at times of their own, (S, N)."""
    random = np.random.default_rng(seed)
    times = random.lognormal(2, 0.5, samples)
    return 0.1 + 0.8 / (1 + np.exp(-(STEPS[:, None] - times) / times * 3)) + random.normal(0, 0.02, (len(STEPS), samples))


def test_a_bootstrap_by_weights_is_one_that_draws_samples():
    values, target = rising(30), np.random.default_rng(1).uniform(0.8, 1, 30)
    weights = bootstrap_weights(30, 60, seed=5)
    curve = learning_curve(STEPS, values, target, weights)
    curves = []
    for counts in weights.astype(int):
        drawn = np.repeat(np.arange(30), counts)
        assert len(drawn) == 30
        mean, goal = values[:, drawn].mean(axis=1), target[drawn].mean()
        curves.append((mean - mean[0]) / (goal - mean[0]))
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(curve.low, low, atol=1e-12)
    np.testing.assert_allclose(curve.high, high, atol=1e-12)
    np.testing.assert_allclose(curve.error, np.std(curves, axis=0, ddof=1), atol=1e-12)
    mean = values.mean(axis=1)
    np.testing.assert_allclose(curve.values, (mean - mean[0]) / (target.mean() - mean[0]))
    times = [float(learning_times(STEPS, each)) for each in curves]
    expected = time_intervals(np.array(curve.learning_time), np.array(times))
    assert (curve.learning_time_low, curve.learning_time_high) == pytest.approx(tuple(map(float, expected)))


def test_the_interval_of_a_learning_time_covers_that_of_all_samples():
    population = rising(4000)
    truth = float(learning_times(STEPS, normalised(population.mean(axis=1), 1.0)))
    inside = 0
    for seed in range(100):
        chosen = np.random.default_rng([1, seed]).integers(0, 4000, 60)
        curve = learning_curve(STEPS, population[:, chosen], 1.0, bootstrap_weights(60, 100, seed))
        inside += curve.learning_time_low <= truth <= curve.learning_time_high
    assert 88 <= inside <= 99


def test_a_draw_without_the_samples_of_a_class_is_left_out():
    values = rising(12)
    weights = bootstrap_weights(12, 200, seed=2)
    alone = learning_curve(STEPS, values[:, :1], 1.0, weights[:, :1])
    np.testing.assert_allclose(alone.low, alone.values)  # every other draw has the one sample, however often
    np.testing.assert_allclose(alone.high, alone.values)
    np.testing.assert_allclose(alone.error, 0, atol=1e-12)


def test_what_is_known_at_the_first_point_leaves_nothing_to_learn():
    curve = learning_curve(STEPS, np.ones((len(STEPS), 5)), 1.0, bootstrap_weights(5, 20, seed=0))
    assert np.isnan(curve.values).all()
    assert np.isnan([curve.learning_time, curve.learning_time_low, curve.width]).all()


def test_a_point_that_is_not_finite_is_missing_and_no_other():
    values = rising(20)
    values[5, 3] = np.nan
    curve = learning_curve(STEPS, values, 1.0, bootstrap_weights(20, 40, seed=0))
    assert np.flatnonzero(np.isnan(curve.values)).tolist() == [5]
    assert np.flatnonzero(np.isnan(curve.low)).tolist() == [5]


def test_a_curve_between_points_is_linear_in_the_logarithm_of_the_step():
    curves = np.stack([np.log2(np.maximum(STEPS, 1)), STEPS], axis=1)
    assert values_at(STEPS, curves, 11.3137085)[0] == pytest.approx(3.5)
    for step in STEPS:
        np.testing.assert_allclose(values_at(STEPS, curves, step), curves[step == STEPS][0])
    assert values_at(STEPS, curves, 0.5)[1] == 0.5


def images(samples=200, classes=4, seed=3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    pixels = random.integers(0, 200, (samples, 2, 3, 3)) + 10 * labels[:, None, None, None]
    return torch.from_numpy(pixels.astype(np.uint8)), labels


def test_modes_are_the_singular_vectors_of_the_covariance_of_all_samples(monkeypatch):
    monkeypatch.setattr("anodiff.learning.modes.BLOCK", 37)
    stored, labels = images()
    x = (stored.double() / 255 - 0.3).flatten(1).numpy()
    y = np.eye(4)[labels]
    covariance = (y - y.mean(axis=0)).T @ (x - x.mean(axis=0)) / len(x)
    means = group_means(stored, labels, 4, lambda block: block / 255 - 0.3)
    modes = singular_modes(means, 10)
    assert len(modes.values) == 3  # classes minus 1
    np.testing.assert_allclose(modes.values, np.linalg.svd(covariance)[1][:3], rtol=1e-5)
    np.testing.assert_allclose((modes.outputs.T * modes.values) @ modes.inputs, covariance, atol=1e-6)
    np.testing.assert_allclose(modes.outputs @ modes.outputs.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(modes.inputs @ modes.inputs.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(modes.outputs.sum(axis=1), 0, atol=1e-12)
    largest = np.abs(modes.outputs).argmax(axis=1)
    assert (modes.outputs[np.arange(3), largest] > 0).all()
    np.testing.assert_allclose(means.centre, x.mean(axis=0), rtol=1e-5)
    for label in range(4):
        own = x[labels == label].mean(axis=0)
        np.testing.assert_allclose(means.strength[label], np.linalg.norm(own - x.mean(axis=0)), rtol=1e-5)
        assert means.frequency[label] == (labels == label).mean()
    assert len(singular_modes(means, 2).values) == 2


def test_of_two_equal_entries_the_first_is_positive():
    stored, labels = images(classes=2)
    (mode,) = singular_modes(group_means(stored, labels, 2, torch.Tensor.float), 5).outputs
    np.testing.assert_allclose(mode, [np.sqrt(0.5), -np.sqrt(0.5)])


def test_one_class_and_classes_without_samples_have_no_modes():
    stored, labels = images(classes=1)
    assert len(singular_modes(group_means(stored, labels, 1, torch.Tensor.float), 5).values) == 0
    means = group_means(stored, labels, 3, torch.Tensor.float)
    assert len(singular_modes(means, 5).values) == 0
    assert np.isnan(means.strength[1:]).all()


def test_samples_in_no_group_count_for_the_whole():
    stored, labels = images()
    means = group_means(stored, np.where(labels == 3, -1, labels), 3, torch.Tensor.float)
    np.testing.assert_allclose(means.centre, stored.double().flatten(1).mean(0))
    assert means.count.sum() + (labels == 3).sum() == len(labels) == means.samples
