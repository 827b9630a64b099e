"""Curvature: against dense Hessians, known spectra, curvlinops, and the points of a path."""

import warnings

import numpy as np
import pytest
import reference
import torch
from torch import nn

from anodiff.errors import ConfigError
from anodiff.geometry import path_geometry
from anodiff.landscape import products
from anodiff.landscape.products import gauss_newton_product, hessian_product
from anodiff.landscape.spectrum import SPARE_VECTORS, density_and_top_eigenpairs, spectral_density, top_eigenpairs, trace
from anodiff.landscape.surface import LossSurface
from anodiff.landscape.top_subspace import stability_threshold, subspace_msd
from anodiff.settings.run import OptimiserSettings
from anodiff.trajectory import open_trajectory


@pytest.fixture(scope="module")
def surface():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))
    images, labels = torch.randn(50, 1, 2, 2), torch.randint(3, (50,))
    return LossSurface(model, images, labels, nn.functional.cross_entropy, dtype=torch.float64, batch_size=16)


def dense(surface, outputs_only=False):
    """The Hessian, or the Gauss–Newton matrix, entry by entry."""
    sizes = [int(np.prod(shape)) for shape in surface.shapes.values()]
    images, labels = (torch.cat(parts) for parts in zip(*surface.batches, strict=True))
    buffers = dict(surface.network.named_buffers())

    def outputs(flat):
        parts = flat.split(sizes)
        parameters = {name: part.view(shape) for (name, shape), part in zip(surface.shapes.items(), parts, strict=True)}
        return torch.func.functional_call(surface.network, (parameters, buffers), (images,))

    centre = torch.from_numpy(surface.centre)
    if not outputs_only:
        return torch.func.jacrev(torch.func.jacrev(lambda flat: surface.criterion(outputs(flat), labels)))(centre).numpy()
    jacobian = torch.func.jacrev(outputs)(centre)  # (N, C, P)
    inner = torch.func.jacrev(torch.func.jacrev(lambda f: surface.criterion(f, labels)))(outputs(centre))  # (N, C, N, C)
    return torch.einsum("ncp,ncmd,mdq->pq", jacobian, inner, jacobian).numpy()


@pytest.mark.parametrize(("product", "gauss_newton"), [(hessian_product, False), (gauss_newton_product, True)])
def test_products_and_eigenvalues_are_those_of_the_dense_matrix(surface, product, gauss_newton):
    matrix = dense(surface, gauss_newton)
    vector = np.random.default_rng(0).normal(size=surface.size)
    np.testing.assert_allclose(product(surface)(vector), matrix @ vector, atol=1e-12)
    values, vectors = np.linalg.eigh(matrix)
    found = top_eigenpairs(product(surface), surface.size, 5, seed=0, tolerance=1e-12)
    np.testing.assert_allclose(found.values, values[::-1][:5], rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * vectors.T[::-1][:5], 1)), 1, rtol=1e-8)


@pytest.mark.parametrize(("product", "peer"), [(hessian_product, "Hessian"), (gauss_newton_product, "GGN")])
def test_products_are_those_of_curvlinops(surface, product, peer):
    vector = np.random.default_rng(1).normal(size=surface.size)
    loss, parameters = nn.CrossEntropyLoss(), list(surface.network.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import curvlinops

        operator = getattr(curvlinops, f"{peer}LinearOperator")(surface.network, loss, parameters, surface.batches)
        theirs = (operator @ torch.from_numpy(vector)).detach().numpy()
    np.testing.assert_allclose(product(surface)(vector), theirs, atol=1e-12)


@pytest.mark.parametrize("make", [hessian_product, gauss_newton_product])
def test_products_with_kept_graphs_have_the_bits_of_those_without(surface, make, monkeypatch):
    vectors = np.random.default_rng(1).normal(size=(3, surface.size))
    product = make(surface)
    keeping = [product(vector) for vector in vectors]
    monkeypatch.setattr(products, "KEPT", 0)
    product = make(surface)
    np.testing.assert_array_equal([product(vector) for vector in vectors], keeping)


@pytest.mark.parametrize("make", [hessian_product, gauss_newton_product])
def test_a_product_stays_at_its_point_when_the_surface_is_evaluated_elsewhere(surface, make):
    vector, elsewhere = np.random.default_rng(1).normal(size=(2, surface.size))
    product = make(surface)
    first = product(vector)
    surface(elsewhere)
    np.testing.assert_array_equal(product(vector), first)
    assert not np.allclose(make(surface, elsewhere)(vector), first)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm])
def test_the_hessian_is_that_of_the_gradients(norm):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), norm(6), nn.Tanh(), nn.Linear(6, 3))
    images, labels = torch.randn(50, 1, 2, 2), torch.randint(3, (50,))
    surface = LossSurface(model, images, labels, nn.functional.cross_entropy, dtype=torch.float64, batch_size=16)
    direction = np.random.default_rng(2).normal(size=surface.size)
    slope = (surface.gradient(surface.centre + 1e-5 * direction) - surface.gradient(surface.centre - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose(hessian_product(surface)(direction), slope, atol=1e-6)


def diagonal(values):
    return lambda vector: values * np.asarray(vector).reshape(-1)


def test_the_eigenvalues_of_a_quadratic_are_found_and_repeat_to_the_bit():
    values = np.concatenate([[7.0, 3.0, -9.0], np.linspace(0, 1, 97)])
    found, again = (top_eigenpairs(diagonal(values), 100, 3, seed=0) for _ in range(2))
    np.testing.assert_allclose(found.values, [7, 3, 1], rtol=1e-6)  # the largest, not those of largest modulus
    np.testing.assert_array_equal(found.vectors, again.vectors)
    assert np.argmax(np.abs(found.vectors), axis=1).tolist() == [0, 1, 99]


def spread_matrix(values):
    """A full matrix of known eigenvalues."""
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values), len(values))))[0]
    return vectors @ np.diag(values) @ vectors.T


@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_largest_eigenvalues_are_found_however_often_the_space_restarts(count):
    values = np.sort(np.concatenate([[9.0, 7.0, -12.0], np.random.default_rng(1).normal(size=397)]))[::-1]
    matrix = spread_matrix(values)
    counted = []
    found = top_eigenpairs(lambda vector: counted.append(1) or matrix @ vector, 400, count, seed=0)
    np.testing.assert_allclose(found.values, values[:count], rtol=1e-6)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(count), atol=1e-10)
    np.testing.assert_allclose(matrix @ found.vectors.T, found.values * found.vectors.T, atol=2e-3)
    assert count < 20 or len(counted) > 2 * count + SPARE_VECTORS


def test_multiple_eigenvalues_are_counted_as_often_as_they_occur():
    values = np.repeat([5.0, 3.0, 0.0], [3, 2, 35])
    found = top_eigenpairs(diagonal(values), 40, 7, seed=0)
    np.testing.assert_allclose(found.values, [5, 5, 5, 3, 3, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(7), atol=1e-10)


@pytest.mark.parametrize("steps", [4, 60])
def test_density_and_eigenvalues_from_one_space_are_those_from_two_for_fewer_products(steps):
    matrix = spread_matrix(np.concatenate([[9.0, 7.0, 5.0], np.linspace(-1, 1, 197)]))
    together, apart = [], []
    density, top = density_and_top_eigenpairs(
        lambda vector: together.append(1) or matrix @ vector, 200, 3, probes=2, steps=steps, seed=4
    )

    def product(vector):
        apart.append(1)
        return matrix @ vector

    alone = spectral_density(product, 200, probes=2, steps=steps, seed=4)
    np.testing.assert_array_equal(density.nodes, alone.nodes)
    np.testing.assert_array_equal(density.weights, alone.weights)
    np.testing.assert_allclose(top.values, top_eigenpairs(product, 200, 3, seed=4).values, rtol=1e-7)
    assert len(together) < len(apart)


def test_quadrature_integrates_polynomials_exactly_for_its_probe():
    values = np.random.default_rng(0).normal(size=50)
    density = spectral_density(diagonal(values), 50, probes=1, steps=4, seed=5)
    start = np.random.default_rng(5).normal(size=50)
    share = start**2 / np.sum(start**2)
    for power in range(8):
        assert np.sum(density.weights * density.nodes**power) == pytest.approx(np.sum(share * values**power))


def test_the_density_of_few_eigenvalues_is_complete_and_integrates_to_one():
    values = np.repeat([1.0, 4.0], 20)
    density = spectral_density(diagonal(values), 40, probes=30, steps=6, seed=0)
    assert np.isfinite(density.nodes).sum() == 60
    np.testing.assert_allclose(density.nodes[:, :2], [[1, 4]] * 30)
    at = np.linspace(-1, 6, 2001)
    assert np.trapezoid(density.smoothed(at, 0.1), at) == pytest.approx(1)
    assert density.moment(1, 40) == pytest.approx(values.sum(), rel=0.1)


def test_the_trace_is_within_its_error_and_exact_if_the_sketch_holds_the_whole_range():
    values = 1 / np.arange(1, 301)
    matrix = spread_matrix(values)
    found = trace(lambda vector: matrix @ vector, 300, products=60, seed=0)
    assert 0 < found.error < 0.05 * values.sum()
    assert abs(found.value - values.sum()) < 4 * found.error
    assert trace(diagonal(values[:8]), 8, products=60, seed=0).value == pytest.approx(values[:8].sum())


def test_impossible_matrices_are_refused_in_one_line():
    with pytest.raises(ConfigError, match="ask for 1 to 3"):
        top_eigenpairs(diagonal(np.ones(3)), 3, 4, seed=0)
    with pytest.raises(ConfigError, match="not finite"):
        top_eigenpairs(diagonal(np.full(9, np.nan)), 9, 2, seed=0)


def test_the_msd_within_and_outside_a_subspace_add_up_to_the_total(record_path):
    random = np.random.default_rng(3)
    points = np.cumsum(random.normal(size=(51, 12)) * np.linspace(3, 0.5, 12), axis=0).astype(np.float32)
    vectors = np.linalg.qr(random.normal(size=(12, 4)))[0].T
    lags = np.array([1, 2, 5, 20, 49])
    found = subspace_msd(open_trajectory(record_path(points)), path_geometry(points), vectors, lags)
    exact = points.astype(float)
    inside = exact @ vectors.T
    np.testing.assert_allclose(found.within, reference.mean_squared_displacement(inside)[lags], rtol=1e-5)
    outside = exact - inside @ vectors
    np.testing.assert_allclose(found.outside, reference.mean_squared_displacement(outside)[lags], rtol=1e-5)
    np.testing.assert_allclose(found.within + found.outside, found.total, rtol=1e-12)
    assert (found.dimensions, found.parameters) == (4, 12)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.8, False), (0.8, True)])
def test_descent_on_a_parabola_is_stable_just_below_the_threshold_and_not_above(momentum, nesterov):
    rate = 0.05
    edge = float(stability_threshold(OptimiserSettings(momentum=momentum, nesterov=nesterov), rate))
    for factor, stable in ((0.99, True), (1.01, False)):
        weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.SGD([weight], rate, momentum=momentum, nesterov=nesterov)
        for _ in range(2000):
            weight.grad = factor * edge * weight.detach()
            optimiser.step()
        assert (abs(weight.item()) < 1) == stable


def test_adaptive_optimisers_have_no_such_threshold():
    assert np.isnan(stability_threshold(OptimiserSettings(name="adam"), [0.1])).all()
