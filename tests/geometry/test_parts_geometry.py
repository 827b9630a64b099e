"""Groups of parameters have matrices of their own that add up to the whole's; walks are kept as they were recorded."""

import numpy as np
import pytest
import reference
from parted import HOSTILE, edited, groups_of, table_of, with_groups, without_weights

from anodiff.errors import ConfigError, StoreDamagedError, StoreFormatError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.geometry.gram import part_grams, update_gram
from anodiff.geometry.parts import WHOLE, stored_parts
from anodiff.trajectory import Window, format

SIZES = (7, 1, 9, 4, 2)
NAMED = {"layer, 1": ["p0", "p3"], "": ["p1"], "rest": ["p4", "p2"]}
COLUMNS = {"layer, 1": [*range(7), *range(17, 21)], "": [7], "rest": [*range(8, 17), 21, 22]}
WINDOWS = [Window(0, 39), Window(3, 36, 4), Window(20, 10)]


@pytest.fixture
def walk():
    return np.cumsum(np.random.default_rng(0).normal(size=(40, 23)), axis=0).astype(np.float32)


def summed(stored, number):
    window = stored.windows[number]
    total = np.zeros((window.updates, window.updates))
    for place in range(len(stored.groups)):
        total += stored.group["group_gram"][place, number, : window.updates, : window.updates]
    return total


@pytest.mark.parametrize("memory", [1, 2**29])
def test_a_groups_matrix_is_that_of_its_columns_and_the_whole_is_their_sum_to_the_bit(
    walk, record_path, tmp_path, monkeypatch, memory
):
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 8)
    path = with_groups(record_path(walk, WINDOWS), SIZES, NAMED)
    compute_geometry(path, tmp_path / "geometry.zarr", memory=memory)
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert [(part.name, part.parameters) for part in stored.groups] == [("layer, 1", 11), ("", 1), ("rest", 11)]
    assert stored.whole.kind == WHOLE
    assert stored.whole.parameters == 23
    for number, window in enumerate(WINDOWS):
        for place, (name, columns) in enumerate(COLUMNS.items()):
            expected = reference.gram(walk[window.steps][:, columns])
            for asked in (name, place):
                np.testing.assert_allclose(stored.read_group(number, asked).gram, expected, rtol=1e-6, atol=1e-5)
        np.testing.assert_array_equal(stored.read(number).gram, summed(stored, number))
        np.testing.assert_allclose(stored.read(number).gram, reference.gram(walk[window.steps]), rtol=1e-6, atol=1e-5)
    assert np.isnan(stored.group["group_gram"][:, 2, 10:]).all()


def test_one_group_of_everything_is_the_path_to_the_bit(walk, record_path, tmp_path):
    path = record_path(walk, WINDOWS)
    compute_geometry(path, tmp_path / "without.zarr")
    compute_geometry(with_groups(path, SIZES, {"all": ["p4", "p1", "p0", "p2", "p3"]}), tmp_path / "with.zarr")
    without, grouped = (open_geometry(tmp_path / f"{name}.zarr") for name in ("without", "with"))
    for number in range(len(WINDOWS)):
        np.testing.assert_array_equal(grouped.read_group(number, "all").gram, without.read(number).gram)
        np.testing.assert_array_equal(grouped.read(number).gram, without.read(number).gram)


def test_each_column_is_read_once_whatever_the_groups(walk):
    read = []

    class Counted:
        shape, dtype = walk.shape, walk.dtype

        def __getitem__(self, index):
            columns = walk[index]
            read.append(columns.shape[1])
            return columns

    parts = [[slice(0, 3), slice(9, 11)], [slice(3, 9)], [slice(11, 23)]]
    seen = []
    grams = part_grams(Counted(), parts, memory=0, report=lambda done, total, _: seen.append((done, total)))
    assert sum(read) == walk.shape[1]
    assert seen[-1] == (23, 23)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    for gram, columns in zip(grams, parts, strict=True):
        own = np.concatenate([walk[:, each] for each in columns], axis=1)
        np.testing.assert_allclose(gram, update_gram(own), rtol=1e-6, atol=1e-5)


def test_groups_and_walks_of_a_path_without_weights_are_copied_to_the_bit(walk, record_path, tmp_path):
    walks = {"gradient": 0.5 * walk, "decay": walk[:, :2]}
    path = without_weights(record_path(walk, WINDOWS), SIZES, NAMED, walks)
    compute_geometry(path, tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert [part.name for part in stored.walks] == ["gradient", "decay"]
    assert [part.parameters for part in stored.walks] == [23, 23]
    for number, window in enumerate(WINDOWS):
        np.testing.assert_array_equal(stored.read(number).gram, summed(stored, number))
        np.testing.assert_allclose(stored.read_walk(number, "gradient").gram, 0.25 * stored.read(number).gram, rtol=1e-5)
        np.testing.assert_allclose(stored.read_walk(number, 1).gram, reference.gram(walk[window.steps, :2]), rtol=1e-5)


def test_walks_beside_full_weights_and_groups_are_copied(walk, record_path, tmp_path):
    path = with_groups(without_weights(record_path(walk), walks={"gradient": walk}, keep=True), SIZES, NAMED)
    compute_geometry(path, tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert (len(stored.groups), len(stored.walks)) == (3, 1)
    np.testing.assert_allclose(stored.read_walk(0, 0).gram, stored.read(0).gram, rtol=1e-5, atol=1e-5)


def test_windows_that_the_run_did_not_finish_have_no_parts_and_say_why(walk, record_path, tmp_path):
    path = record_path(walk[:31], WINDOWS, steps=39, status="diverged", diverged_at=30)
    compute_geometry(with_groups(path, SIZES, NAMED), tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert np.isnan(stored.group["group_gram"][:, :2]).all()
    assert stored.moving_part(0, stored.groups[0]) == (None, "the run diverged at step 30, before the window's end")
    assert stored.moving_part(2, stored.groups[0])[1] == ""


def test_a_group_that_stands_still_and_a_walk_that_is_not_finite_say_so(walk, record_path, tmp_path):
    walk[:, COLUMNS["rest"]] = 1.0
    broken = walk.copy()
    broken[25] = np.inf
    with np.errstate(invalid="ignore"):
        path = without_weights(record_path(walk, WINDOWS), SIZES, NAMED, {"gradient": broken})
    compute_geometry(path, tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert stored.moving_part(0, stored.groups[2]) == (None, "the group does not move")
    path, why = stored.moving_part(0, stored.walks[0])
    assert path is None
    assert why == "the walk is not finite at step 25, or the squares of the updates overflow"
    assert stored.problem(0) == ""
    assert stored.moving_part(1, stored.walks[0])[1] == ""  # this window holds only every fourth step
    assert stored.moving_path(0)[1] == ""


def test_a_weight_that_is_not_finite_is_the_problem_of_all_groups(walk, record_path, tmp_path):
    walk[25, 4] = np.nan
    compute_geometry(with_groups(record_path(walk), SIZES, NAMED), tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    for group in stored.groups:
        assert stored.moving_part(0, group) == (None, "the weights are not finite: nan at step 25 in p0[4]")


def test_a_missing_chunk_of_a_group_is_reported(walk, record_path, tmp_path):
    compute_geometry(with_groups(record_path(walk), SIZES, NAMED), tmp_path / "geometry.zarr")
    (tmp_path / "geometry.zarr/group_gram/c/1/0/0/0").unlink()
    stored = open_geometry(tmp_path / "geometry.zarr")
    stored.read_group(0, 0)
    with pytest.raises(StoreFormatError, match="group_gram/c/1/0/0/0 is damaged: it is missing"):
        stored.read_group(0, 1)


def test_a_part_that_was_never_written_is_reported(walk, record_path, tmp_path):
    path = without_weights(record_path(walk), SIZES, NAMED)
    compute_geometry(path, tmp_path / "geometry.zarr")
    import zarr

    group = zarr.open_group(tmp_path / "geometry.zarr", mode="r+")
    group["group_gram"][1] = np.nan
    edited(tmp_path / "geometry.zarr")
    with pytest.raises(StoreDamagedError, match="window 0 of the group '' is not in it, although the run reached it"):
        open_geometry(tmp_path / "geometry.zarr").read_group(0, 1)


def test_an_unknown_part_is_refused_in_one_line(walk, record_path, tmp_path):
    compute_geometry(with_groups(record_path(walk), SIZES, NAMED), tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    with pytest.raises(ConfigError, match=r"no group 'rset'.*rest"):
        stored.read_group(0, "rset")
    with pytest.raises(ConfigError, match="no group 3"):
        stored.read_group(0, 3)
    with pytest.raises(ConfigError, match="no walk 'gradient'; the run has none"):
        stored.read_walk(0, "gradient")


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"a": ["p0", "p1", "p2", "p3"]}, "0 groups have the parameter 'p4'"),
        ({"a": ["p0", "p1"], "b": ["p1", "p2", "p3", "p4"]}, "2 groups have the parameter 'p1'"),
    ],
)
def test_groups_that_do_not_add_up_to_the_path_are_refused(walk, record_path, tmp_path, named, why):
    with pytest.raises(StoreFormatError, match=why):
        compute_geometry(with_groups(record_path(walk), SIZES, named), tmp_path / "geometry.zarr")
    assert [entry.name for entry in tmp_path.iterdir()] == ["trajectory.zarr"]


def test_a_group_of_a_parameter_that_is_not_there_is_refused(walk, record_path, tmp_path):
    table = table_of(SIZES)
    groups = groups_of(NAMED, table)
    groups[0]["parameters"].append("lost")
    with pytest.raises(StoreFormatError, match="'lost', which the path does not have"):
        compute_geometry(edited(record_path(walk), parameters=table, groups=groups), tmp_path / "geometry.zarr")


def test_any_name_of_a_group_is_kept(walk, record_path, tmp_path):
    named = {name: [f"p{number}"] for number, name in enumerate(HOSTILE)}
    compute_geometry(with_groups(record_path(walk), (3, 2, 1, 1, 1, 1, 1, 1, 12), named), tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert [part.name for part in stored.groups] == list(HOSTILE)
    for name in HOSTILE:
        assert stored.read_group(0, name).gram.any()


def test_a_store_without_groups_has_no_parts():
    assert stored_parts({"parameters": table_of(SIZES)}, "group") == stored_parts({}, "walk") == ()


def recorded(path, weights, momentum=0.0, steps=60):
    """A small network, trained and recorded in layers, with the walk of its gradients; its geometry."""
    import torch

    from anodiff.trajectory import TrajectoryRecorder

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 2))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=momentum)
    options = {"weights": weights, "groups": "layer", "walks": ["gradient"], "optimiser": optimiser}
    windows = [Window(0, 40), Window(20, 40, 2)]
    with TrajectoryRecorder(model, path / f"{weights}.zarr", steps=steps, windows=windows, **options) as recorder:
        for _ in range(steps):
            batch = torch.randn(8, 6)
            loss = ((model(batch) - batch[:, :2]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            recorder.record(loss=loss)
    compute_geometry(path / f"{weights}.zarr", path / f"{weights}-geometry.zarr")
    return open_geometry(path / f"{weights}-geometry.zarr")


def test_what_the_recorder_sums_of_each_group_is_what_the_geometry_computes_of_full_weights(tmp_path):
    full, none = (recorded(tmp_path, weights, momentum=0.9) for weights in ("full", "none"))
    assert [(part.name, part.parameters) for part in full.groups] == [(part.name, part.parameters) for part in none.groups]
    assert [part.parameters for part in full.groups] == [63, 20]
    for number in range(2):
        for group in range(2):
            summed_up, computed = none.read_group(number, group).gram, full.read_group(number, group).gram
            np.testing.assert_allclose(summed_up, computed, atol=1e-6 * np.diagonal(computed).max())
        for stored in (full, none):
            np.testing.assert_array_equal(stored.read(number).gram, summed(stored, number))
        np.testing.assert_array_equal(full.read_walk(number, 0).gram, none.read_walk(number, 0).gram)


def test_the_gradient_walk_of_plain_sgd_is_the_path_and_with_momentum_it_is_not(tmp_path):
    plain = recorded(tmp_path, "none")
    for number in range(2):
        path, walk = plain.read(number).gram, plain.read_walk(number, "gradient").gram
        np.testing.assert_allclose(walk, path, atol=1e-5 * np.diagonal(path).max())
    (tmp_path / "heavy").mkdir()
    heavy = recorded(tmp_path / "heavy", "none", momentum=0.9)
    assert np.diagonal(heavy.read(0).gram).sum() > 2 * np.diagonal(heavy.read_walk(0, "gradient").gram).sum()


def test_a_torch_device_multiplies_the_same_parts(walk, monkeypatch):
    from anodiff.geometry import gram

    parts = [[slice(0, 3), slice(9, 11)], [slice(3, 9), slice(11, 23)]]
    expected = part_grams(walk, parts)
    by_torch = gram._sum_with_torch
    monkeypatch.setattr(gram, "_sum_with_torch", lambda *given: by_torch(*given[:3], "cpu", given[4]))
    found = part_grams(walk, parts, device="cuda", memory=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
