import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import zarr
from parted import with_parts
from rich.console import Console
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.cli.console import with_interval
from anodiff.cli.inspection import inspect_path
from anodiff.cli.inspection_text import print_inspection
from anodiff.diffusion.analysis import VERSION as DIFFUSION_VERSION
from anodiff.errors import StoreDamagedError, StoreFormatError, StoreMissingError
from anodiff.geometry.store import VERSION as GEOMETRY_VERSION
from anodiff.trajectory import Window


def printed(path):
    """The lines that are printed for a path, with single blanks between columns."""
    text = io.StringIO()
    print_inspection(path, Console(file=text, width=1000, highlight=False))
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_a_complete_trajectory_is_printed_with_its_arrays_and_windows(record_path):
    provenance = {"versions": {"torch": "2.9", "zarr": "3.1"}, "commit": "abc", "device": "cpu: x86", "host": "node7"}
    path = record_path(np.ones((41, 30)), [Window(0, 20), Window(20, 20)], attributes={"provenance": provenance})
    lines = printed(path)
    assert lines[:5] == [
        f"{path}: anodiff trajectory, format version 2",
        "complete",
        "steps 40 of 40 taken",
        "windows 2 of 20 steps, stride 1, from steps 0, 20",
        "made with torch 2.9, zarr 3.1; commit abc; cpu: x86 on node7",
    ]
    (weights,) = (line for line in lines if line.startswith("weights"))
    assert weights.startswith("weights sample, parameter 41 × 30 float32 41 × 30 4.9 kB ")
    stored = sum(file.stat().st_size for file in path.glob("weights/**/*") if file.is_file())
    assert weights.endswith(f" {41 * 30 * 4 / stored:.2f}")


def test_unequal_windows_are_printed_one_by_one(record_path):
    lines = printed(record_path(np.ones((41, 3)), [Window(0, 10), Window(20, 20, 4)]))
    assert "windows 0–10, stride 1; 20–40, stride 4" in lines


def test_a_diverged_run_is_printed_with_the_step(record_path):
    lines = printed(record_path(np.ones((11, 3)), [Window(0, 40)], steps=40, status="diverged", diverged_at=10))
    assert lines[1:3] == ["diverged at step 10", "steps 10 of 40 taken"]


def test_a_store_that_is_being_written_is_unfinished(record_path):
    path = record_path(np.ones((11, 3)))
    zarr.open_group(path).attrs["status"] = "running"
    assert printed(path)[1] == "unfinished: its writer was interrupted or is still running"


def test_a_damaged_store_is_printed_with_the_missing_file(record_path):
    path = record_path(np.ones((11, 3)))
    (path / "weights/c/0/0").unlink()
    assert printed(path)[1].startswith("damaged: ")
    assert "weights/c/0/0 is damaged: it is missing or cut" in printed(path)[1]


def test_a_foreign_group_is_printed_with_its_arrays(tmp_path):
    zarr.create_group(tmp_path / "z").create_array("numbers", data=np.zeros((3, 4)))
    lines = printed(tmp_path / "z")
    assert lines[0].endswith("z: Zarr group, not written by anodiff, format version -")
    assert lines[1] == "unknown: it has no attribute 'status'"
    assert any(line.startswith("numbers 3 × 4 float64") for line in lines)


@pytest.mark.parametrize("store", ["geometry.zarr", "diffusion.zarr"])
def test_the_other_stores_of_a_run_are_printed(run_folder, store):
    lines = printed(run_folder / store)
    version = {"geometry.zarr": GEOMETRY_VERSION, "diffusion.zarr": DIFFUSION_VERSION}[store]
    assert lines[0].endswith(f"{store}: anodiff {store.removesuffix('.zarr')}, format version {version}")
    assert lines[1:3] == ["complete", "steps 60 of 60 taken"]


def test_a_folder_of_runs_is_printed_with_the_state_of_each_run(make_run, tmp_path):
    whole, diverged = make_run({"seed": 0}), make_run({"seed": 1}, taken=25, status="diverged", diverged_at=25)
    unfinished, untrained = make_run({"seed": 2}), make_run({"seed": 3})
    zarr.open_group(unfinished / "trajectory.zarr").attrs["status"] = "running"
    shutil.rmtree(unfinished / "diffusion.zarr")
    for store in untrained.glob("*.zarr"):
        shutil.rmtree(store)
    title, header, *rows = printed(tmp_path / "results")
    assert title.startswith(f"{tmp_path / 'results'}: 4 runs, 1 of them complete, ")
    assert header == "run state windows parameters on disk ratio first beta_max last beta_long test accuracy"
    assert [row.split(" 3 30 ")[0] for row in rows[:3]] == [
        f"{whole.name} complete",
        f"{diverged.name} diverged at step 25",
        f"{unfinished.name} unfinished: its writer was interrupted or is still running; no diffusion.zarr",
    ]
    first, last = pd.read_csv(whole / "exponents.csv").iloc[[0, -1]].to_dict("records")
    assert rows[0].endswith(f" {with_interval(first, 'beta_max')} {with_interval(last, 'beta_long')} 0.200")
    assert rows[3].startswith(f"{untrained.name} missing - - ")


def test_a_run_is_printed_with_its_stores_exponents_and_last_accuracy(run_folder):
    lines = printed(run_folder)
    assert lines[:2] == [f"{run_folder}: a run", "complete"]
    assert "windows 3 of 20 steps, stride 1, from steps 0, 20, 40" in lines
    assert "settings mlp3, on digits, sgd, learning rate 0.1, batch size 64, 60 steps, weights full, seed 0" in lines
    assert any(line.startswith("at the end train loss 0.3333, test accuracy 0.2") for line in lines)
    for store in ("trajectory.zarr", "geometry.zarr", "diffusion.zarr"):
        assert any(line.startswith(f"{store} complete ") for line in lines)
    for row in pd.read_csv(run_folder / "exponents.csv").to_dict("records"):
        assert any(line.startswith(f"{row['waiting_time']} 20 1 {with_interval(row, 'beta_max')} ") for line in lines)


def test_json_has_the_same_content_and_no_nan(make_run, tmp_path):
    whole = make_run({"seed": 0})
    make_run({"seed": 1}, taken=25, status="diverged", diverged_at=25)

    def read(*paths):
        text = CliRunner().invoke(app, ["inspect", "--json", *map(str, paths)]).stdout
        return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))

    sweep, run, store = read(tmp_path / "results"), read(whole), read(whole / "geometry.zarr")
    assert [found["holds"] for found in (sweep, run, store)] == ["sweep", "run", "store"]
    assert [found["state"] for found in sweep["runs"]] == ["complete", "diverged at step 25"]
    assert sweep["runs"][0] | {"path": ""} == run | {"path": ""}
    assert run["settings"]["training"]["batch_size"] == 64
    assert run["exponents"][1]["beta_max"] == pd.read_csv(whole / "exponents.csv")["beta_max"][1]
    (gram,) = (array for array in store["arrays"] if array["name"] == "gram")
    assert (gram["shape"], gram["bytes"]) == ([3, 20, 20], 3 * 20 * 20 * 8)
    assert gram["bytes_on_disk"] == sum(file.stat().st_size for file in whole.glob("geometry.zarr/gram/**/*") if file.is_file())
    assert [found["holds"] for found in read(whole, whole)] == ["run", "run"]


@pytest.mark.parametrize("name", ["sweep[bold]", "[red]"])
def test_brackets_in_a_path_are_printed_unchanged(tmp_path, name):
    zarr.create_group(tmp_path / name)
    assert printed(tmp_path / name)[0].startswith(f"{tmp_path / name}: ")


def a_zarr_array(path):
    zarr.create_array(path, data=np.zeros(3))


def damaged_metadata(path):
    zarr.create_group(path)
    (path / "zarr.json").write_text("{")


def nothing(path):
    pass


def an_empty_folder(path):
    path.mkdir()


def a_file(path):
    path.touch()


@pytest.mark.parametrize(
    ("make", "kind", "reason"),
    [
        (nothing, StoreMissingError, "no such file or folder"),
        (an_empty_folder, StoreMissingError, "neither a Zarr store nor a folder with runs"),
        (a_file, StoreMissingError, "neither a Zarr store nor a folder with runs"),
        (a_zarr_array, StoreFormatError, "not a Zarr group"),
        (damaged_metadata, StoreDamagedError, "zarr.json is damaged: it is not the metadata of a Zarr group"),
    ],
)
def test_a_path_that_cannot_be_inspected_is_refused_in_one_line(tmp_path, make, kind, reason):
    make(tmp_path / "x")
    with pytest.raises(kind, match=reason) as refused:
        printed(tmp_path / "x")
    assert "\n" not in str(refused.value)


def test_a_damaged_store_among_the_runs_does_not_hide_the_others(make_run, tmp_path):
    make_run({"seed": 0})
    broken = make_run({"seed": 1})
    (broken / "trajectory.zarr" / "zarr.json").unlink()
    rows = printed(tmp_path / "results")[2:]
    assert len(rows) == 2
    assert "complete" in rows[0]
    assert "not a Zarr group" in rows[1]


def test_nothing_is_cut_off_without_a_terminal(make_run, capsys):
    folder = make_run({"optimiser": {"momentum": 0.9, "weight_decay": 0.001}, "data.label_noise": 0.25, "training.loss": "mse"})
    print_inspection(folder)
    text = capsys.readouterr().out
    assert f"{folder}: a run\n" in text
    assert "momentum0.9" in folder.name
    assert "\ndiffusion.zarr   complete " in text


def test_groups_and_walks_are_counted_and_named_each_in_one_line(run_folder):
    with_parts(run_folder, {"two\nlines": ["p0"], "[bold]x": ["p1", "p2"]})
    for store in ("geometry.zarr", "parts.zarr"):
        found = inspect_path(run_folder / store)
        assert (found["groups"], found["walks"]) == (["two\nlines", "[bold]x"], ["gradient"])
        lines = printed(run_folder / store)
        assert r"groups 2: two\nlines, [bold]x" in lines
        assert "walks 1: gradient" in lines
    assert "parts.zarr" in inspect_path(run_folder)["stores"]
