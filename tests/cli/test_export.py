"""What colleagues read with h5py or MATLAB is what the store holds, bit for bit; half a file is never seen."""

import json

import h5py
import numpy as np
import pytest
import zarr
from parted import with_parts
from scipy.io import loadmat

from anodiff.cli import export as module
from anodiff.cli import export_arrays
from anodiff.cli.export import CONTENTS, export
from anodiff.errors import ConfigError, IncompleteStoreError, OutputExistsError, StoreFormatError, StoreMissingError
from anodiff.trajectory import Window


def same_bits(found, expected):
    assert found.dtype == expected.dtype
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.fixture
def parted_folder(run_folder):
    return with_parts(run_folder)


@pytest.mark.parametrize("content", CONTENTS)
def test_hdf5_holds_every_array_bit_for_bit_with_dimensions_and_units(parted_folder, tmp_path, content):
    store = zarr.open_group(parted_folder / CONTENTS[content], mode="r")
    export(parted_folder, tmp_path / "x.h5", content=content)
    with h5py.File(tmp_path / "x.h5") as file:
        assert set(file) == set(store.array_keys())
        for name, array in store.arrays():
            same_bits(file[name][()], array[...])
            assert [dimension.label for dimension in file[name].dims] == list(array.metadata.dimension_names)
            for key in ("units", "long_name"):
                assert file[name].attrs.get(key) == array.attrs.get(key)
        assert file.attrs["kind"] == store.attrs["kind"]
        assert json.loads(file.attrs["settings"]) == store.attrs["settings"]


@pytest.mark.parametrize("content", CONTENTS)
def test_matlab_holds_every_array_bit_for_bit(parted_folder, tmp_path, content):
    store = zarr.open_group(parted_folder / CONTENTS[content], mode="r")
    export(parted_folder / CONTENTS[content], tmp_path / "x.mat", content=content)
    file = loadmat(tmp_path / "x.mat", simplify_cells=True)
    for name, array in store.arrays():
        same_bits(np.asarray(file[name]).reshape(array.shape), array[...])
        assert ", ".join(array.metadata.dimension_names) in file["about"]["arrays"][name]
    assert json.loads(file["about"]["attributes"]["settings"]) == store.attrs["settings"]


def test_blocks_of_any_size_give_the_same_file(record_path, tmp_path, monkeypatch):
    points = np.random.default_rng(0).normal(size=(601, 9001))  # several shards of rows and chunks of columns
    path = record_path(points, [Window(0, 300), Window(400, 200, 2)])
    stored = zarr.open_group(path, mode="r")["weights"][...]
    for block_bytes in (1, 10**6, 10**9):
        monkeypatch.setattr(export_arrays, "BLOCK_BYTES", block_bytes)
        export(path, tmp_path / "x.h5", overwrite=True)
        with h5py.File(tmp_path / "x.h5") as file:
            same_bits(file["weights"][()], stored)


def test_of_selected_windows_their_points_and_no_others_are_kept(record_path, tmp_path):
    points = np.random.default_rng(0).normal(size=(601, 5)).astype(np.float32)
    path = record_path(points, [Window(0, 300), Window(290, 60), Window(400, 200, 2)])
    for windows, steps in (([1], np.arange(290, 351)), ([2, 0], np.r_[0:301, 400:601:2])):
        export(path, tmp_path / "x.h5", windows=windows, overwrite=True)
        with h5py.File(tmp_path / "x.h5") as file:
            assert (file["step"][()] == steps).all()
            same_bits(file["weights"][()], points[steps])
            assert len(file["windows"]) == len(windows)
            assert len(file["loss"]) == 600  # the series are of every step
    with pytest.raises(ConfigError, match="--window 3: the run has the windows 0 to 2"):
        export(path, tmp_path / "y.h5", windows=[3])


def test_of_selected_windows_their_matrices_and_curves_are_kept(run_folder, tmp_path):
    gram = zarr.open_group(run_folder / "geometry.zarr", mode="r")["gram"][...]
    beta = zarr.open_group(run_folder / "diffusion.zarr", mode="r")["beta"][...]
    export(run_folder, tmp_path / "g.h5", content="geometry", windows=[2, 0])
    export(run_folder, tmp_path / "c.h5", content="curves", windows=[1])
    with h5py.File(tmp_path / "g.h5") as file:
        same_bits(file["gram"][()], gram[[0, 2]])
    with h5py.File(tmp_path / "c.h5") as file:
        same_bits(file["beta"][()], beta[[1]])


def test_of_selected_windows_the_matrices_and_curves_of_parts_are_kept_whatever_the_size_of_blocks(
    parted_folder, tmp_path, monkeypatch
):
    gram = zarr.open_group(parted_folder / "geometry.zarr", mode="r")["group_gram"][...]
    beta = zarr.open_group(parted_folder / "parts.zarr", mode="r")["beta"][...]
    for block_bytes in (1, 10**9):
        monkeypatch.setattr(export_arrays, "BLOCK_BYTES", block_bytes)
        export(parted_folder, tmp_path / "g.h5", content="geometry", windows=[2, 0], overwrite=True)
        export(parted_folder, tmp_path / "p.h5", content="parts", windows=[1], overwrite=True)
        with h5py.File(tmp_path / "g.h5") as file:
            same_bits(file["group_gram"][()], gram[:, [0, 2]])
        with h5py.File(tmp_path / "p.h5") as file:
            same_bits(file["beta"][()], beta[:, [1]])


def test_a_variable_too_large_for_matlab_is_refused_with_what_to_write_instead(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MATLAB_BYTES", 61 * 30 * 4)
    with pytest.raises(ConfigError, match=r"weights takes .* GB.*write x\.h5.*--window"):
        export(run_folder, tmp_path / "x.mat")
    assert not list(tmp_path.glob("*x.mat*"))
    export(run_folder, tmp_path / "x.mat", windows=[0])  # a third of it fits


def test_damage_is_one_line_and_leaves_no_file(run_folder, tmp_path):
    chunk = run_folder / "trajectory.zarr/weights/c/0/0"
    chunk.write_bytes(chunk.read_bytes()[:40] + b"\xff" * 8 + chunk.read_bytes()[48:])
    with pytest.raises(StoreFormatError, match=r"trajectory\.zarr") as refused:
        export(run_folder, tmp_path / "x.h5")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("*x.h5*"))


def test_what_cannot_be_exported_is_refused(run_folder, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'curves'"):
        export(run_folder, tmp_path / "x.h5", content="curve")
    with pytest.raises(ConfigError, match=r"must end in \.h5"):
        export(run_folder, tmp_path / "x.csv")
    with pytest.raises(StoreMissingError):
        export(tmp_path / "none", tmp_path / "x.h5")
    with pytest.raises(StoreFormatError, match="expected an anodiff trajectory"):
        export(run_folder / "geometry.zarr", tmp_path / "x.h5")
    (tmp_path / "x.h5").touch()
    with pytest.raises(OutputExistsError):
        export(run_folder, tmp_path / "x.h5")
    zarr.open_group(run_folder / "geometry.zarr").attrs["status"] = "running"
    with pytest.raises(IncompleteStoreError):
        export(run_folder, tmp_path / "y.h5", content="geometry")


def test_progress_ends_with_all_bytes(run_folder, tmp_path):
    seen = []
    export(run_folder, tmp_path / "x.h5", report=lambda done, total, name: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
