"""A sketch keeps squared distances, within the error that it states."""

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.trajectory import sketch as module
from anodiff.trajectory.sketch import NONZEROS, Sketch, chunk_length

PARAMETERS, SIZE = 300, 32
ROWS = SIZE // NONZEROS


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 64)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def matrix(sketch):
    """Return S, column by column."""
    return torch.stack([sketch(unit) for unit in torch.eye(sketch.parameters)], dim=1)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("parameters", [33, 64, 65, 300, 320], ids="P={}".format)
def test_every_column_has_one_entry_of_random_sign_in_each_block(parameters):
    dense = matrix(Sketch(parameters, SIZE, seed=3)).view(NONZEROS, ROWS, parameters)
    assert ((dense != 0).sum(1) == 1).all()
    assert set(dense.unique().tolist()) == {-0.5, 0.0, 0.5}
    assert 0.3 < float((dense > 0).sum() / (dense != 0).sum()) < 0.7
    assert (dense != 0).sum(2).max() <= 2 * parameters / ROWS + 8  # no row takes more than its share


@pytest.mark.usefixtures("small_chunks")
def test_a_sketch_is_the_product_with_its_matrix():
    sketch = Sketch(PARAMETERS, SIZE, seed=5)
    points = normal(10, PARAMETERS)
    torch.testing.assert_close(torch.stack([sketch(point) for point in points]), points @ matrix(sketch).T)


def test_the_sketch_is_linear():
    sketch = Sketch(200_000, 64, seed=1)  # four chunks
    one, other = normal(2, 200_000)
    torch.testing.assert_close(sketch(2 * one - 3 * other), 2 * sketch(one) - 3 * sketch(other), rtol=0, atol=1e-9)


SHAPES = {
    "spread out": np.random.default_rng(0).normal(size=PARAMETERS),
    "constant": np.ones(PARAMETERS),
    "periodic in the rows": np.tile(np.eye(ROWS)[0], PARAMETERS)[:PARAMETERS],
    "periodic in the chunks": np.tile(np.eye(64)[5], PARAMETERS)[:PARAMETERS],
    "neighbours": np.eye(PARAMETERS)[:2].sum(0),
    "a few large entries": np.eye(PARAMETERS)[::50].sum(0) + 0.01,
    "heavy-tailed": np.random.default_rng(1).standard_cauchy(size=PARAMETERS),
}


@pytest.mark.long
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("x", SHAPES.values(), ids=SHAPES)
def test_a_sketched_squared_length_is_unbiased_and_right_within_its_stated_error(x):
    x = torch.from_numpy(x / np.linalg.norm(x))
    draws = 1500
    lengths = np.array([float(Sketch(PARAMETERS, SIZE, seed=seed)(x).square().sum()) for seed in range(draws)])
    bound = np.sqrt(2 / SIZE * (1 - float((x**4).sum())))
    stated = Sketch(PARAMETERS, SIZE).relative_error
    assert stated == np.sqrt(2 / SIZE) >= bound
    assert abs(lengths.mean() - 1) < 4 * bound / np.sqrt(draws)
    error = lengths.std() * np.sqrt(max(1, np.mean((lengths - lengths.mean()) ** 4) / lengths.var() ** 2 - 1) / draws) / 2
    assert lengths.std() < bound + 4 * error
    assert lengths.std() > 0.6 * bound  # the bound is not far above


@pytest.mark.usefixtures("small_chunks")
def test_an_inner_product_is_unbiased_and_right_within_the_product_of_lengths_over_the_root_of_the_size():
    one, other = normal(2, PARAMETERS)
    one, other = one / one.norm(), other / other.norm()
    exact = float(one @ other)
    sketches = [Sketch(PARAMETERS, SIZE, seed=seed) for seed in range(1000)]
    products = np.array([float(sketch(one) @ sketch(other)) for sketch in sketches])
    bound = np.sqrt((1 + exact**2) / SIZE)
    assert abs(products.mean() - exact) < 4 * bound / np.sqrt(1000)
    assert products.std() < 1.1 * bound


def training_path(steps):
    """Points of a small network that learns, shape (steps + 1, P), float32."""
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(512, 64, generator=generator), torch.randint(10, (512,), generator=generator)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.ReLU(), torch.nn.Linear(96, 10))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    points = []
    for step in range(steps + 1):
        points.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone())
        batch = torch.arange(step * 32, step * 32 + 32) % 512
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimiser.step()
    return torch.stack(points)


def test_distances_along_a_training_path_are_right_within_the_stated_error():
    points = training_path(60)
    exact = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    pairs = torch.triu_indices(61, 61, 1)
    exact = exact[pairs[0], pairs[1]]
    errors = []
    for seed in range(40):
        sketch = Sketch(points.shape[1], 256, seed=seed)
        sketched = torch.stack([sketch(point) for point in points])
        errors.append((sketched[pairs[0]] - sketched[pairs[1]]).square().sum(1) / exact - 1)
    errors = torch.stack(errors)  # (draw, pair)
    stated = Sketch(points.shape[1], 256).relative_error
    assert float(errors.square().mean().sqrt()) < 1.1 * stated
    assert float(errors.abs().max()) < 6 * stated
    assert (errors.mean(0).abs() < 4.5 * stated / np.sqrt(40)).all()


@pytest.mark.parametrize("relative", [1e-2, 1e-4, 1e-6])
def test_a_small_update_of_large_weights_keeps_its_digits(relative):
    sketch = Sketch(100_000, 128, seed=2)
    point, update = normal(2, 100_000)
    update *= relative
    measured = (sketch(point + update) - sketch(point)).square().sum()
    assert float(measured / sketch(update).square().sum()) == pytest.approx(1, abs=1e-13 / relative)


def test_the_seed_determines_the_sketch_and_no_global_generator_is_touched():
    point = normal(2000).float()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = (Sketch(2000, 64, seed=seed)(point) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("at_once", [2, 3, 100])
def test_several_chunks_at_once_as_on_a_gpu_give_the_same_sketch(at_once):
    sketch, point = Sketch(PARAMETERS, SIZE, seed=1), normal(PARAMETERS)
    one_by_one = sketch(point)
    sketch._chunks_at_once = at_once
    torch.testing.assert_close(sketch(point), one_by_one, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("parameters", "size", "reason"),
    [
        (1000, 1024, "sketch_size 1024 is not below the model's 1000 parameters"),
        (1000, 1000, "1000 is not below"),
        (100, 30, "30"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_both_numbers(parameters, size, reason):
    with pytest.raises(ConfigError, match=reason) as refused:
        Sketch(parameters, size)
    assert "\n" not in str(refused.value)


def test_a_point_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"expected shape \(100,\), got \(99,\)"):
        Sketch(100, 32)(torch.zeros(99))


@pytest.mark.parametrize(("parameters", "size"), [(300, 16), (200_003, 36), (1_000_003, 68), (300_001, 512)])
@pytest.mark.parametrize("seed", range(3))
def test_sketches_of_a_points_chunks_add_up_to_its_own(parameters, size, seed):
    """The signs of a few chunks are drawn without those before them, wherever a word of random bits begins."""
    point = torch.randn(parameters, generator=torch.Generator().manual_seed(0))
    length = chunk_length(parameters, size)
    chunks = torch.nn.functional.pad(point, (0, -parameters % length)).view(-1, length)
    numbers = np.arange(len(chunks))
    total = 0
    for kept in (numbers[::2], numbers[1::2]):
        total += Sketch(parameters, size, seed=seed, chunks=kept)(chunks[torch.from_numpy(kept)].reshape(-1))
    expected = Sketch(parameters, size, seed=seed)(point)
    np.testing.assert_allclose(total, expected, rtol=1e-12, atol=1e-12)


def test_the_bits_do_not_depend_on_the_number_of_threads():
    point = torch.randn(5 * 2**16, generator=torch.Generator().manual_seed(3))
    before, found = torch.get_num_threads(), set()
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            sketch = Sketch(len(point), 64, seed=2)
            found |= {sketch(point).numpy().tobytes() for _ in range(3)}
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1
