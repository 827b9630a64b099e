"""The update Gram matrix and what follows from it, compared with the points."""

import warnings

import numpy as np
import pytest
import reference
import tidynamics
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anodiff.errors import ConfigError
from anodiff.geometry import PathGeometry, fourier_msd, path_geometry, update_gram
from anodiff.geometry.gram import choose_device, column_blocks, columns_per_block
from anodiff.geometry.msd import time_averaged_msd
from anodiff.trajectory import Window

#: Integer coordinates: float32 differences and products are exact, so laws hold to the bit or nearly.
paths = st.tuples(st.integers(2, 12), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.integers(-100, 100).map(np.float32))
)


def measure(points, *, memory=2**20):
    gram = update_gram(np.asarray(points, np.float32), memory=memory)
    return PathGeometry(gram, Window(0, len(points) - 1))


def msd(points):
    return time_averaged_msd(measure(points).squared_displacements)


@pytest.fixture
def walk():
    return np.cumsum(np.random.default_rng(0).normal(size=(40, 23)), axis=0).astype(np.float32)


def test_the_gram_matrix_holds_the_inner_products_of_the_updates(walk):
    np.testing.assert_allclose(measure(walk).gram, reference.gram(walk), rtol=1e-5, atol=1e-5)


@given(paths)
def test_the_gram_matrix_is_exact_and_symmetric_for_whole_numbers(points):
    gram = measure(points).gram
    np.testing.assert_array_equal(gram, reference.gram(points))
    np.testing.assert_array_equal(gram, gram.T)


def test_the_gram_matrix_is_exactly_symmetric(monkeypatch):
    monkeypatch.setattr("anodiff.geometry.gram.PRODUCT_COLUMNS", 300)
    gram = measure(np.random.default_rng(1).normal(size=(200, 1000)), memory=0).gram
    assert gram.dtype == np.float64
    np.testing.assert_array_equal(gram, gram.T)


@pytest.mark.parametrize("product_columns", [1, 5, 8192])
@pytest.mark.parametrize("memory", [0, 4000, 8000, 2**20])
def test_the_gram_matrix_does_not_depend_on_blocks(walk, memory, product_columns, monkeypatch):
    monkeypatch.setattr("anodiff.geometry.gram.PRODUCT_COLUMNS", product_columns)
    np.testing.assert_allclose(measure(walk, memory=memory).gram, reference.gram(walk), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("rows", [101, 1001, 10_001])
@pytest.mark.parametrize("itemsize", [4, 8])
def test_the_blocks_in_memory_fit_its_bound(rows, itemsize):
    memory = 2**30
    columns = columns_per_block(rows, memory, itemsize)
    assert columns == 8192 or memory * 0.99 <= itemsize * 2 * rows * columns * 3
    assert itemsize * 2 * rows * columns * 3 <= memory


def test_the_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr("anodiff.geometry.gram.PRODUCT_COLUMNS", 128)
    points = np.random.default_rng(1).normal(size=(200, 5000)).astype(np.float32)
    grams = []
    for threads in (1, 2, 16):
        monkeypatch.setattr("anodiff.geometry.gram.blas_threads", lambda threads=threads: threads)
        grams += [update_gram(points), update_gram(points, memory=2**19)]  # with enough memory, and with little
    assert columns_per_block(200, 2**19) < 128
    for plenty, short in zip(grams[2::2], grams[3::2], strict=True):
        np.testing.assert_array_equal(grams[0], plenty)
        np.testing.assert_array_equal(grams[1], short)


@given(st.integers(1, 50), st.integers(2, 5), st.integers(0, 2000))
def test_every_column_is_read_once_and_in_order(parameters, rows, memory):
    points = np.arange(rows * parameters, dtype=np.float32).reshape(rows, parameters)
    blocks = list(column_blocks(points, memory))
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks], axis=1), points)
    assert [start for start, _ in blocks] == list(np.cumsum([0, *(block.shape[1] for _, block in blocks[:-1])]))


def test_an_error_while_reading_ahead_reaches_the_caller(walk):
    class Broken:
        shape, dtype = (40, 30_000), np.dtype(np.float32)

        def __getitem__(self, index):
            if index[1].start:
                raise OSError("no such block")
            return np.zeros((40, index[1].stop), np.float32)

    with pytest.raises(OSError, match="no such block"):
        update_gram(Broken(), memory=0)


def test_points_in_float64_are_multiplied_in_float64():
    points = np.random.default_rng(4).normal(size=(20, 50))
    np.testing.assert_allclose(path_geometry(points).gram, reference.gram(points), rtol=1e-12, atol=1e-12)


def test_products_by_torch_equal_those_by_numpy(walk):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # the process allows less, but the digits must be there
    try:
        gram = update_gram(walk, device="cpu:0", memory=0)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_allclose(gram, reference.gram(walk), rtol=1e-5, atol=1e-5)


def test_a_missing_device_gives_one_line(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="use cpu or auto"):
        choose_device("cuda")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_coordinate_that_is_not_finite_is_named(value):
    points = np.zeros((30, 20_000), np.float32)
    points[7, 12_345] = value
    points[9, 3] = np.nan
    with pytest.raises(ConfigError, match=rf"{value} at point 7, parameter 12345;"):
        path_geometry(points, memory=0)


def test_overflowing_squares_are_distinguished_from_weights_that_are_not_finite():
    points = np.array([[0.0], [1e30]], np.float32)
    with pytest.raises(ConfigError, match="overflow float32"):
        path_geometry(points)
    assert path_geometry(points.astype(np.float64)).gram[0, 0] == pytest.approx(1e60)


@pytest.mark.parametrize("shape", [(5,), (1, 3), (4, 0), (2, 2, 2)])
def test_an_array_that_is_not_a_path_is_refused(shape):
    with pytest.raises(ConfigError, match=r"expected \(points, parameters\)"):
        path_geometry(np.zeros(shape))


def test_the_fourier_msd_equals_that_of_the_gram_matrix(walk):
    expected = msd(walk)
    for memory in (0, 10_000, 2**29):
        np.testing.assert_allclose(fourier_msd(walk, memory=memory), expected, rtol=1e-5)


@given(paths)
def test_the_fourier_msd_equals_that_of_slow_loops(points):
    expected = reference.mean_squared_displacement(points)
    np.testing.assert_allclose(fourier_msd(points), expected, atol=1e-9 * (1 + np.square(points).max()))


def test_the_fourier_msd_keeps_short_lags_far_from_the_origin():
    steps = np.random.default_rng(2).choice([-1, 1], (300, 50)) * 2.0**-12
    points = (100 + np.cumsum(steps, axis=0)).astype(np.float32)
    np.testing.assert_allclose(fourier_msd(points), reference.mean_squared_displacement(points), rtol=1e-9)


def test_the_msd_equals_that_of_mdanalysis():
    # Many particles in three dimensions: MDAnalysis averages over particles, we sum over coordinates.
    points = np.cumsum(np.random.default_rng(2).normal(size=(60, 20, 3)), axis=0).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MDAnalysis itself warns
        import MDAnalysis
        from MDAnalysis.analysis.msd import EinsteinMSD

        universe = MDAnalysis.Universe.empty(20, trajectory=True)
        universe.load_new(points)
        theirs = EinsteinMSD(universe, select="all", msd_type="xyz", fft=False).run().results.timeseries
    ours = time_averaged_msd(path_geometry(points.reshape(60, 60)).squared_displacements)
    np.testing.assert_allclose(ours / 20, theirs, rtol=1e-5, atol=1e-5)


def test_the_msd_equals_that_of_tidynamics(walk):
    expected = tidynamics.msd(walk.astype(np.float64))
    np.testing.assert_allclose(fourier_msd(walk), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(msd(walk), expected, rtol=1e-5, atol=1e-9)


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
    assert measured.contour_length[1] == pytest.approx(np.linalg.norm(walk[1] - walk[0]))  # not doubled
    np.testing.assert_allclose(measured.contour_length, reference.contour_length(walk), rtol=1e-6)
    np.testing.assert_allclose(measured.step_lengths, np.diff(reference.contour_length(walk)), rtol=1e-6)


def test_gradient_descent_in_a_bowl_has_the_gram_matrix_in_closed_form():
    curvatures, rate, start = np.array([0.5, 1.0, 3.0]), 0.1, np.array([1.0, -2.0, 0.5])
    steps = np.arange(30)
    decay = (1 - rate * curvatures) ** steps[:, None]
    # Δw_k = −η h (1 − η h)^k w_0 in a direction of curvature h
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
