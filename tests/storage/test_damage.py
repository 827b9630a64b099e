"""Whatever happens to a file of a finished run: one line names it, or nothing changes.

The campaign draws files and damage at random; its seed is printed at the end of the tests, and
ANODIFF_TEST_SEED repeats it.
"""

import hashlib
import itertools
import os
import random
import shutil
import threading
import time

import numpy as np
import pytest
import zarr

from anodiff.diffusion.analysis import compute_diffusion, open_diffusion
from anodiff.diffusion.parts.analysis import compute_parts
from anodiff.diffusion.parts.store import open_parts
from anodiff.errors import AnodiffError, RunLockedError, StoreDamagedError
from anodiff.geometry import compute_geometry, open_geometry
from anodiff.geometry.store import POINT_SERIES
from anodiff.landscape.curvature import measure_curvature
from anodiff.landscape.curvature_store import open_curvature
from anodiff.landscape.planes import slice_planes
from anodiff.landscape.roughness import measure_roughness
from anodiff.landscape.roughness_store import open_roughness
from anodiff.landscape.slice_store import open_slice
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import (
    AnalysisSettings,
    CurvatureSettings,
    LandscapeSettings,
    RoughnessSettings,
    SimplifiedModelSettings,
)
from anodiff.simulation.surfaces.store import open_model, write_model
from anodiff.storage.stores import writing
from anodiff.storage.tables import read_table
from anodiff.sweep.tables import write_tables
from anodiff.training.run import train_run
from anodiff.trajectory import open_trajectory
from anodiff.trajectory.format import EPOCH_SERIES, STEP_SERIES

MODEL = {"points": 33, "surfaces": 2, "walkers": 60, "steps": 200, "hurst": [0.4, 0.8], "beside": []}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run with all its stores and tables."""
    folder = tmp_path_factory.mktemp("made")
    settings = RunSettings.model_validate(
        {"data": {"name": "digits", "train_samples": 200}, "model": {"name": "mlp3", "width": 8}}
        | {"training": {"steps": 40, "batch_size": 50}, "optimiser": {"learning_rate": 0.1, "momentum": 0.5}}
        | {"recording": {"window_length": 20, "gradient_coordinates": 20, "groups": "layer", "walks": ["gradient"]}}
    )
    trajectory, geometry, landscape = folder / "trajectory.zarr", folder / "geometry.zarr", folder / "landscape"
    train_run(settings, trajectory, scratch=folder.parent / "scratch", device="cpu")
    compute_geometry(trajectory, geometry)
    outputs = [folder / name for name in ("diffusion.zarr", "exponents.csv", "tails.csv")]
    compute_diffusion(geometry, *outputs, AnalysisSettings(long_lags=(5, 18)))
    compute_parts(geometry, folder / "parts.zarr", folder / "parts.csv", AnalysisSettings(long_lags=(5, 18)))
    around = LandscapeSettings(samples=64, points=5, planes=["path_first", "random"])
    slice_planes(trajectory, geometry, landscape / "slices", around, device="cpu")
    rough = RoughnessSettings(at=[0, 1], directions=3, radii_per_decade=2)
    measure_roughness(trajectory, landscape / "roughness.zarr", landscape / "roughness.csv", around, rough, device="cpu")
    curved = CurvatureSettings(at=[1], eigenvalues=2, lanczos_steps=6, trace_products=0)
    measure_curvature(trajectory, landscape / "curvature.zarr", around, curved, device="cpu")
    write_model(SimplifiedModelSettings(**MODEL), folder / "simplified_model.zarr", folder / "simplified_model.csv")
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def read_trajectory(path):
    trajectory = open_trajectory(path)
    arrays = [trajectory.points(window) for window in trajectory.windows]
    arrays += [trajectory.gradient_sample(window) for window in trajectory.windows]
    arrays += [array[...] for _, array in sorted(trajectory.group.arrays())]
    return [trajectory.steps, trajectory.windows, *arrays, *map(trajectory.series, (*STEP_SERIES, *EPOCH_SERIES))]


def read_geometry(path):
    stored = open_geometry(path)
    found = [stored.windows, stored.steps_completed, dict(stored.group.attrs)]
    for number in range(len(stored.windows)):
        found += [stored.read(number).gram, stored.gradients(number)]
        found += [stored.read_part(number, part).gram for part in (*stored.groups, *stored.walks)]
        found += [stored.point_series(name, number) for name in POINT_SERIES]
    return found + [array[...] for _, array in sorted(stored.group.arrays())]


def read_curves(read):
    def values(path):
        curves = read(path)
        return [curves.attrs, *(variable.values for _, variable in sorted(curves.variables.items()))]

    return values


def read_slice(path):
    return list(vars(open_slice(path)).values())


def read_stored(read):
    return lambda path: [read(path).attributes, *read(path).arrays.values()]


def read_model(path):
    found = open_model(path)
    return [[one.rows.to_numpy(), one.ageing_msd, one.time_averaged_msd, one.gradients, one.paths] for one in found]


READERS = {
    "trajectory.zarr": read_trajectory,
    "geometry.zarr": read_geometry,
    "diffusion.zarr": read_curves(open_diffusion),
    "parts.zarr": read_curves(open_parts),
    "landscape/slices/path_first.zarr": read_slice,
    "landscape/slices/random.zarr": read_slice,
    "landscape/roughness.zarr": read_stored(open_roughness),
    "landscape/curvature.zarr": read_stored(open_curvature),
    "simplified_model.zarr": read_model,
} | dict.fromkeys(
    ("exponents.csv", "tails.csv", "parts.csv", "landscape/roughness.csv", "simplified_model.csv"),
    lambda path: [read_table(path).to_csv()],
)


def digest(values):
    """Return a digest of nested lists, arrays and plain values."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, list):
            found.update(digest(value).encode())
        else:
            found.update(value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else repr(value).encode())
    return found.hexdigest()


def outcome_of(read, path):
    """Return a digest of what is read, or the error."""
    try:
        return digest(read(path))
    except Exception as error:
        return error


def flip(draw, file, others):
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


def cut(draw, file, others):
    file.write_bytes(file.read_bytes()[: draw.randrange(file.stat().st_size)])


def delete(draw, file, others):
    file.unlink()


def lengthen(draw, file, others):
    file.write_bytes(file.read_bytes() + draw.randbytes(draw.randint(1, 9)))


def replace(draw, file, others):
    file.write_bytes(draw.choice(others).read_bytes())


def become_a_folder(draw, file, others):
    file.unlink()
    file.mkdir()


DAMAGE = [flip, flip, flip, cut, delete, lengthen, replace, become_a_folder]


def test_damage_to_any_file_is_one_line_that_names_it_or_changes_nothing(run):
    seed, end = int(os.environ["ANODIFF_TEST_SEED"]), time.monotonic() + float(os.environ["ANODIFF_TEST_SECONDS"])
    draw = random.Random(seed)
    expected = {name: digest(read(run / name)) for name, read in READERS.items()}
    files = {name: [run / name, run / f"{name}.sha256"] for name in READERS if name.endswith(".csv")}
    files |= {name: sorted(file for file in (run / name).rglob("*") if file.is_file()) for name in READERS if name not in files}
    noticed = 0
    for number in itertools.count(1):
        name = draw.choice(list(READERS))
        file, damage = draw.choice(files[name]), draw.choice(DAMAGE)
        case = f"seed {seed}, case {number}: {damage.__name__} of {file.relative_to(run)}"
        content = file.read_bytes()
        damage(draw, file, files[name])
        changed = not file.is_file() or file.read_bytes() != content
        outcome = outcome_of(READERS[name], run / name)
        if isinstance(outcome, AnodiffError):
            said = f"{case}: {outcome}"
            assert changed, said
            assert "\n" not in str(outcome), said
            assert str(run / name) in str(outcome), said
            assert not isinstance(outcome, StoreDamagedError) or file.name in str(outcome), said
            noticed += 1
        else:
            assert outcome == expected[name], f"{case}: {outcome!r}"
            assert not changed or file.suffix in (".json", ".sha256"), f"{case}: it was not noticed"
        if file.is_dir():
            file.rmdir()
        file.write_bytes(content)
        if number >= 20 and time.monotonic() > end:
            break
    assert noticed > number // 3
    assert {name: digest(read(run / name)) for name, read in READERS.items()} == expected


@pytest.mark.parametrize("name", ["geometry.zarr", "diffusion.zarr", "landscape/curvature.zarr"])
def test_every_chunk_of_every_array_is_missed(run, name):
    """Each is removed alone, and named."""
    chunks = sorted(file for file in (run / name).rglob("*") if file.is_file() and file.name != "zarr.json")
    assert len(chunks) > 10
    for file in chunks:
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(StoreDamagedError) as refused:
            READERS[name](run / name)
        assert f"{run / name}: {file.relative_to(run / name)} is damaged: it is missing" in str(refused.value)
        file.write_bytes(content)


def test_no_value_that_was_not_written_is_a_number(run):
    for name in READERS:
        if name.endswith(".zarr"):
            for _, array in zarr.open_group(run / name, mode="r").members(max_depth=None):
                if isinstance(array, zarr.Array):
                    assert np.isnan(array.fill_value) if array.dtype.kind == "f" else array.fill_value == -1


def test_tables_are_not_made_from_a_table_that_was_edited(run, tmp_path):
    (run / "run.yaml").write_text("{}")
    table = run / "exponents.csv"
    table.write_text(table.read_text().replace("0", "1", 1))
    with pytest.raises(StoreDamagedError, match=r"exponents\.csv is damaged: it is not what was written") as refused:
        write_tables([run], tmp_path / "exponents.csv")
    assert str(table) in str(refused.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run"]


def test_a_file_that_may_not_be_read_is_named(run, monkeypatch):
    if os.getuid() == 0:
        monkeypatch.setattr("zarr.storage._local._get", forbidden)
    else:
        (run / "geometry.zarr/point_loss/c/0/0").chmod(0)
    with pytest.raises(StoreDamagedError, match="Permission denied"):
        READERS["geometry.zarr"](run / "geometry.zarr")


def forbidden(path, *arguments):
    raise PermissionError(13, "Permission denied", str(path))


class TestTwoAtOnce:
    def test_the_second_writer_of_an_output_is_refused_and_the_first_is_whole(self, tmp_path):
        with writing(tmp_path / "table.csv") as temporary:
            temporary.write_text("a\n1\n")
            with (
                pytest.raises(RunLockedError, match=r"table\.csv is in use: process") as refused,
                writing(tmp_path / "table.csv"),
            ):
                pass
            assert "\n" not in str(refused.value)
            assert temporary.exists()
        assert read_table(tmp_path / "table.csv")["a"].tolist() == [1]
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["table.csv", "table.csv.sha256"]

    def test_two_analyses_of_a_run_leave_what_one_would(self, run):
        outputs = [run / name for name in ("diffusion.zarr", "exponents.csv", "tails.csv")]
        before = digest(read_curves(open_diffusion)(outputs[0])), outputs[1].read_bytes(), outputs[2].read_bytes()
        refused = []

        def analyse():
            try:
                compute_diffusion(run / "geometry.zarr", *outputs, AnalysisSettings(long_lags=(5, 18)), overwrite=True)
            except RunLockedError as error:
                refused.append(error)

        threads = [threading.Thread(target=analyse) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) < 3
        assert (digest(read_curves(open_diffusion)(outputs[0])), outputs[1].read_bytes(), outputs[2].read_bytes()) == before
        assert not [entry.name for entry in run.iterdir() if entry.name.startswith(".")]
