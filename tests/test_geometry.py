"""Everything follows from the update Gram matrix; here it is held against the points themselves."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anodiff.diffusion.msd import time_averaged_msd
from anodiff.errors import OutputExistsError, StoreFormatError
from anodiff.geometry import PathGeometry, columns_at_once, geometry, open_geometry, update_gram
from anodiff.trajectory import Window, format

#: Integer coordinates: float32 differences and products are exact, so that laws hold to the last bit or nearly so.
paths = st.tuples(st.integers(2, 12), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.integers(-100, 100).map(np.float32))
)


def measure(points, *, block=7):
    points = np.asarray(points, np.float32)
    gram = update_gram(lambda columns: points[:, columns], len(points) - 1, points.shape[1], block=block)
    return PathGeometry(gram, Window(0, len(points) - 1))


def msd(points):
    return time_averaged_msd(measure(points).squared_displacements)


@pytest.fixture
def walk():
    return np.cumsum(np.random.default_rng(0).normal(size=(40, 23)), axis=0).astype(np.float32)


def test_the_gram_matrix_holds_the_inner_products_of_the_updates(walk):
    np.testing.assert_allclose(measure(walk).gram, reference.gram(walk), rtol=1e-5, atol=1e-5)


@given(paths, st.integers(1, 10))
def test_the_gram_matrix_is_exact_and_symmetric_for_whole_numbers(points, block):
    gram = measure(points, block=block).gram
    np.testing.assert_array_equal(gram, reference.gram(points))
    np.testing.assert_array_equal(gram, gram.T)


def test_the_gram_matrix_is_exactly_symmetric(monkeypatch):
    monkeypatch.setattr("anodiff.geometry.PRODUCT_COLUMNS", 300)
    gram = measure(np.random.default_rng(1).normal(size=(200, 1000)), block=700).gram
    assert gram.dtype == np.float64
    np.testing.assert_array_equal(gram, gram.T)


@pytest.mark.parametrize("product_columns", [1, 5, 8192])
@pytest.mark.parametrize("block", [1, 8, 22, 23, 1000])
def test_the_gram_matrix_does_not_depend_on_blocks(walk, block, product_columns, monkeypatch):
    monkeypatch.setattr("anodiff.geometry.PRODUCT_COLUMNS", product_columns)
    np.testing.assert_allclose(measure(walk, block=block).gram, reference.gram(walk), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("updates", [1, 100, 5000])
def test_the_columns_at_once_are_whole_chunks_within_the_memory(updates):
    held = columns_at_once(updates, 64, 2**24)
    assert held % 64 == 0
    assert held == 64 or 8 * (updates + 1) * held <= 2**24 < 8 * (updates + 1) * (held + 64)


def test_squared_displacements_are_squared_distances_between_points(walk):
    np.testing.assert_allclose(measure(walk).squared_displacements, reference.squared_displacements(walk), rtol=1e-5, atol=1e-5)


def test_short_lags_keep_their_accuracy_far_from_the_origin():
    # |a|² + |b|² − 2ab, or a Fourier transform, in float32 has a relative error of 10 here.
    steps = np.random.default_rng(2).choice([-1, 1], (300, 500)) * 2.0**-12
    points = (100 + np.cumsum(steps, axis=0)).astype(np.float32)
    expected = reference.squared_displacements(points)
    np.testing.assert_allclose(np.diagonal(measure(points).squared_displacements, 1), np.diagonal(expected, 1), rtol=1e-4)
    np.testing.assert_allclose(msd(points)[1:], reference.mean_squared_displacement(points)[1:], rtol=1e-4)


def test_the_contour_length_is_the_sum_of_the_step_lengths_from_zero(walk):
    measured = measure(walk)
    assert measured.contour_length[0] == 0
    assert measured.contour_length[1] == pytest.approx(np.linalg.norm(walk[1] - walk[0]))  # once, it was doubled here
    np.testing.assert_allclose(measured.contour_length, reference.contour_length(walk), rtol=1e-6)
    np.testing.assert_allclose(measured.step_lengths, np.diff(reference.contour_length(walk)), rtol=1e-6)


def test_gradient_descent_in_a_bowl_has_the_gram_matrix_in_closed_form():
    curvatures, rate, start = np.array([0.5, 1.0, 3.0]), 0.1, np.array([1.0, -2.0, 0.5])
    steps = np.arange(30)
    decay = (1 - rate * curvatures) ** steps[:, None]
    # Δw_k = −η h (1 − η h)^k w_0 in each direction of curvature h
    expected = np.einsum("d,kd,ld->kl", (rate * curvatures * start) ** 2, decay, decay)
    points = [start]
    for _ in steps:
        points.append(points[-1] - rate * curvatures * points[-1])
    np.testing.assert_allclose(measure(points).gram, expected, rtol=1e-3, atol=1e-7)


@given(paths, st.integers(-1000, 1000))
def test_the_msd_does_not_change_under_translation(points, shift):
    np.testing.assert_array_equal(msd(points + np.float32(shift)), msd(points))


@given(paths, st.integers(0, 2**32 - 1))
def test_the_msd_does_not_change_under_rotation_and_reflection(points, seed):
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(points.shape[1],) * 2))
    np.testing.assert_allclose(msd(points @ rotation), msd(points), rtol=1e-4, atol=1e-6 * (1 + np.square(points).max()))


@given(paths, st.randoms(use_true_random=False))
def test_the_msd_does_not_depend_on_the_order_of_parameters(points, random):
    order = random.sample(range(points.shape[1]), points.shape[1])
    np.testing.assert_array_equal(msd(points[:, order]), msd(points))


@given(paths, st.integers(-6, 6))
def test_the_msd_scales_with_the_square_of_the_path(points, power):
    scale = np.float32(2.0**power)
    np.testing.assert_array_equal(msd(points * scale), msd(points) * scale**2)


@given(paths)
def test_the_msd_does_not_depend_on_the_direction_of_time(points):
    np.testing.assert_array_equal(msd(points[::-1]), msd(points))


WINDOWS = [Window(0, 39), Window(3, 36, 4), Window(20, 10)]


@pytest.mark.parametrize("memory", [1, 30_000, 2**29])
def test_the_store_holds_each_windows_gram_matrix_whatever_the_memory(walk, record_path, tmp_path, monkeypatch, memory):
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 8)
    geometry(record_path(walk, WINDOWS), tmp_path / "geometry.zarr", memory=memory)
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert stored.windows == tuple(WINDOWS)
    for number, window in enumerate(WINDOWS):
        expected = reference.gram(walk[window.steps])
        np.testing.assert_allclose(stored.read(number).gram, expected, rtol=1e-6, atol=1e-5)
    assert np.isnan(stored.group["gram"][2, 10:]).all()
    np.testing.assert_array_equal(stored.group["point_step"][2], [*range(20, 31), *[-1] * 29])
    losses = 1 / (1.0 + np.arange(20, 31))
    np.testing.assert_allclose(stored.group["point_loss"][2], [*losses, *[np.nan] * 29], rtol=1e-6)
    assert np.isnan(stored.group["point_loss"][0, 39])  # no batch is seen at the run's last point


def test_windows_that_the_run_did_not_finish_stay_nan(walk, record_path, tmp_path):
    path = record_path(walk[:31], WINDOWS, steps=39, status="diverged", diverged_at=30)
    geometry(path, tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert (stored.status, stored.steps_completed) == ("diverged", 30)
    assert [stored.reached(window) for window in WINDOWS] == [False, False, True]
    assert np.isnan(stored.group["gram"][:2]).all()
    assert np.isfinite(stored.read(2).gram).all()


def test_progress_counts_the_windows(walk, record_path, tmp_path):
    seen = []
    geometry(record_path(walk, WINDOWS), tmp_path / "g.zarr", report=lambda done, total, message: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_an_existing_geometry_is_replaced_only_when_told_to(walk, record_path, tmp_path):
    path, output = record_path(walk), tmp_path / "geometry.zarr"
    geometry(path, output)
    before = open_geometry(output).read(0).gram
    with pytest.raises(OutputExistsError, match="--overwrite"):
        geometry(path, output)
    np.testing.assert_array_equal(open_geometry(output).read(0).gram, before)
    geometry(record_path(2 * walk), output, overwrite=True)
    np.testing.assert_array_equal(open_geometry(output).read(0).gram, 4 * before)


def test_a_damaged_path_leaves_no_geometry(walk, record_path, tmp_path):
    path = record_path(walk)
    shard = path / "weights/c/0/0"
    shard.write_bytes(shard.read_bytes()[:-100] + bytes(100))
    with pytest.raises(ValueError, match=r"(?i)checksum|crc"):
        geometry(path, tmp_path / "geometry.zarr")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["trajectory.zarr"]


def test_a_trajectory_is_no_geometry(walk, record_path):
    with pytest.raises(StoreFormatError, match="holds an anodiff trajectory; expected an anodiff geometry"):
        open_geometry(record_path(walk))
