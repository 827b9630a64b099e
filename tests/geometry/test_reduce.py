"""From a stored path to its geometry: every window, complete or not at all."""

import numpy as np
import pytest
import reference

from anodiff.errors import OutputExistsError, StoreFormatError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.trajectory import Window, format


@pytest.fixture
def walk():
    return np.cumsum(np.random.default_rng(0).normal(size=(40, 23)), axis=0).astype(np.float32)


WINDOWS = [Window(0, 39), Window(3, 36, 4), Window(20, 10)]


@pytest.mark.parametrize("memory", [1, 30_000, 2**29])
def test_the_store_holds_each_windows_gram_matrix_for_any_memory_bound(walk, record_path, tmp_path, monkeypatch, memory):
    monkeypatch.setattr(format, "CHUNK_PARAMETERS", 8)
    compute_geometry(record_path(walk, WINDOWS), tmp_path / "geometry.zarr", memory=memory)
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert stored.windows == tuple(WINDOWS)
    for number, window in enumerate(WINDOWS):
        expected = reference.gram(walk[window.steps])
        np.testing.assert_allclose(stored.read(number).gram, expected, rtol=1e-6, atol=1e-5)
    assert np.isnan(stored.group["gram"][2, 10:]).all()
    np.testing.assert_array_equal(stored.group["point_step"][2], [*range(20, 31), *[-1] * 29])
    losses = 1 / (1.0 + np.arange(20, 31))
    np.testing.assert_allclose(stored.group["point_loss"][2], [*losses, *[np.nan] * 29], rtol=1e-6)
    assert np.isnan(stored.group["point_loss"][0, 39])  # the run's last point has no batch
    np.testing.assert_allclose(stored.point_series("loss", 2), losses, rtol=1e-6)


def test_windows_that_the_run_did_not_finish_stay_nan(walk, record_path, tmp_path):
    path = record_path(walk[:31], WINDOWS, steps=39, status="diverged", diverged_at=30)
    compute_geometry(path, tmp_path / "geometry.zarr")
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert (stored.status, stored.steps_completed) == ("diverged", 30)
    assert [stored.reached(window) for window in WINDOWS] == [False, False, True]
    assert np.isnan(stored.group["gram"][:2]).all()
    assert np.isfinite(stored.read(2).gram).all()


def test_progress_counts_the_parameters_of_all_windows(walk, record_path, tmp_path):
    seen = []
    compute_geometry(
        record_path(walk, WINDOWS), tmp_path / "g.zarr", report=lambda done, total, message: seen.append((done, total))
    )
    assert seen == [(23, 69), (46, 69), (69, 69)]


def test_an_existing_geometry_is_replaced_only_with_overwrite(walk, record_path, tmp_path):
    path, output = record_path(walk), tmp_path / "geometry.zarr"
    compute_geometry(path, output)
    before = open_geometry(output).read(0).gram
    with pytest.raises(OutputExistsError, match="--overwrite"):
        compute_geometry(path, output)
    np.testing.assert_array_equal(open_geometry(output).read(0).gram, before)
    compute_geometry(record_path(2 * walk, path=tmp_path / "other.zarr"), output, overwrite=True)
    np.testing.assert_array_equal(open_geometry(output).read(0).gram, 4 * before)


def test_a_damaged_path_leaves_no_geometry(walk, record_path, tmp_path):
    path = record_path(walk)
    shard = path / "weights/c/0/0"
    shard.write_bytes(shard.read_bytes()[:-100] + bytes(100))
    with pytest.raises(StoreFormatError, match="weights/c/0/0 is damaged"):
        compute_geometry(path, tmp_path / "geometry.zarr")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["trajectory.zarr"]


def test_a_trajectory_is_no_geometry(walk, record_path):
    with pytest.raises(StoreFormatError, match="holds an anodiff trajectory; expected an anodiff geometry"):
        open_geometry(record_path(walk))


def test_a_weight_that_is_not_finite_is_named_by_step_and_parameter(walk, record_path, tmp_path):
    points = walk.copy()
    points[25, 4] = np.nan
    compute_geometry(record_path(points, WINDOWS), tmp_path / "geometry.zarr", memory=0)
    stored = open_geometry(tmp_path / "geometry.zarr")
    assert [stored.problem(number) for number in range(3)] == [
        "the weights are not finite: nan at step 25 in position[4]",
        "",  # this window holds only every fourth step
        "the weights are not finite: nan at step 25 in position[4]",
    ]
    assert np.isfinite(stored.read(1).gram).all()


def test_a_path_that_changes_while_being_read_leaves_no_geometry(walk, record_path, tmp_path):
    path = record_path(walk)

    def retrained(*_):
        (path / "zarr.json").write_text((path / "zarr.json").read_text() + " ")

    with pytest.raises(StoreFormatError, match="changed while it was being read"):
        compute_geometry(path, tmp_path / "geometry.zarr", report=retrained)
    assert [entry.name for entry in tmp_path.iterdir()] == ["trajectory.zarr"]


def test_a_missing_chunk_of_the_geometry_is_reported(walk, record_path, tmp_path):
    compute_geometry(record_path(walk), tmp_path / "geometry.zarr")
    (tmp_path / "geometry.zarr/gram/c/0/0/0").unlink()
    with pytest.raises(StoreFormatError, match="gram/c/0/0/0 is damaged: it is missing"):
        open_geometry(tmp_path / "geometry.zarr").read(0)


def test_a_damaged_chunk_of_the_geometry_is_reported(walk, record_path, tmp_path):
    compute_geometry(record_path(walk), tmp_path / "geometry.zarr")
    chunk = tmp_path / "geometry.zarr/gram/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-4] + bytes(4))
    with pytest.raises(StoreFormatError, match="gram/c/0/0/0 is damaged: its checksum"):
        open_geometry(tmp_path / "geometry.zarr").read(0)


def test_large_windows_are_stored_in_float32(walk, record_path, tmp_path, monkeypatch):
    path = record_path(walk)
    compute_geometry(path, tmp_path / "double.zarr")
    monkeypatch.setattr("anodiff.trajectory.format.FLOAT32_FROM", 39)
    compute_geometry(path, tmp_path / "single.zarr")
    double, single = (open_geometry(tmp_path / f"{name}.zarr") for name in ("double", "single"))
    assert [str(stored.group["gram"].dtype) for stored in (double, single)] == ["float64", "float32"]
    np.testing.assert_array_equal(single.read(0).gram, double.read(0).gram.astype(np.float32))


def test_the_gradients_of_plain_sgd_are_the_updates_over_the_learning_rate(walk, record_path, tmp_path):
    settings = {"training": {"steps": 39}, "recording": {"gradient_coordinates": 5}, "optimiser": {"learning_rate": 0.5}}
    path = record_path(walk, attributes={"settings": settings}, learning_rate=0.5)
    compute_geometry(path, tmp_path / "geometry.zarr", memory=0)
    stored = open_geometry(tmp_path / "geometry.zarr")
    chosen = stored.group["coordinate"][:]
    assert stored.group["gradient_sample"].attrs["source"] == "updates"
    assert len(set(chosen)) == 5
    np.testing.assert_allclose(stored.gradients(0), -np.diff(walk[:, chosen], axis=0) / 0.5, rtol=1e-6)


def test_without_settings_or_recorded_gradients_there_are_no_gradients(walk, record_path, tmp_path):
    compute_geometry(record_path(walk), tmp_path / "geometry.zarr")
    assert open_geometry(tmp_path / "geometry.zarr").gradients(0) is None
