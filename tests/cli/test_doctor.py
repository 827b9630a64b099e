"""What the doctor says about a machine that is well, and about one that lacks something: each with how to fix it."""

import os
import stat

import pytest
import yaml

from anodiff.cli import doctor
from anodiff.cli.doctor import OK, PROBLEM, WARN, check_all, has_problem
from anodiff.cli.results_check import check_results
from anodiff.errors import StoreMissingError
from anodiff.settings.sweep import Config


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that checks this machine with folders of the test; it returns the findings by name."""
    monkeypatch.setattr(doctor, "LOW_DISK", 0)

    def look(**folders):
        places = {"data_root": tmp_path / "data", "results": tmp_path / "results", "scratch": tmp_path / "scratch"}
        found = check_all(**(places | folders))
        assert all(finding.fix for finding in found if finding.status != OK)
        return {finding.name: finding for finding in found}

    return look


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_machine_that_runs_the_tests_is_not_broken_and_nothing_is_left_behind(machine, tmp_path):
    found = machine()
    assert not has_problem(list(found.values()))
    assert found["packages"].status == OK
    assert "writable" in found["results: folder"].found
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_refuses_is_a_problem(machine, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.os, "open", refuse)
    found = machine()
    assert found["results"].status == PROBLEM
    assert "Permission denied" in found["results"].found
    assert "paths.results" in found["results"].fix
    assert has_problem(list(found.values()))


def test_files_that_cannot_be_locked_are_a_warning(machine, monkeypatch):
    def refuse(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(doctor.fcntl, "flock", refuse)
    found = machine()["scratch: locks"]
    assert (found.status, "No locks available" in found.found) == (WARN, True)


def test_a_full_disk_is_a_warning(machine, monkeypatch):
    monkeypatch.setattr(doctor, "LOW_DISK", 1e30)
    assert machine()["results: folder"].status == WARN


def test_missing_and_old_packages_are_a_problem(machine, monkeypatch):
    asked = ["numpy>=2.0", "zarr>=999", "no-such-package>=1", "never; python_version < '3'", "other; extra == 'test'"]
    monkeypatch.setattr(doctor, "requires", lambda name: asked)
    found = machine()["packages"]
    assert found.status == PROBLEM
    assert "no-such-package is missing" in found.found
    assert "needed: >=999" in found.found
    assert "never" not in found.found
    assert "pip install" in found.fix


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("echo 'gpu up 12'; echo 'cpu down 3'", OK, "gpu (12 nodes), cpu (3 nodes, down)"),
        ("echo 'slurm_load_partitions: Unable to contact' >&2; exit 1", WARN, "Unable to contact"),
        ("sleep 5", WARN, "does not answer"),
    ],
)
def test_slurm_is_asked_and_not_waited_for(machine, tmp_path, monkeypatch, answer, status, said):
    program(tmp_path / "bin", "sinfo", answer)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "SLURM_TIMEOUT", 0.5)
    found = machine()["slurm"]
    assert (found.status, said in found.found) == (status, True)


def test_data_sets_are_found_where_torchvision_has_them(machine, tmp_path):
    file = tmp_path / "data/cifar-10-batches-py/data_batch_1"
    file.parent.mkdir(parents=True)
    file.touch()
    found = [finding for finding in check_all(data_root=tmp_path / "data") if finding.name == "data: files"]
    assert [finding.status for finding in found] == [OK, WARN]
    assert found[0].found.startswith("cifar10 in ")
    assert found[1].found.startswith("cifar100, mnist, fashion_mnist not in ")


def test_the_files_looked_for_are_those_that_the_reader_reads(tmp_path):
    import torchvision

    from anodiff.data.files import TORCHVISION, _expected_files

    for name, file in doctor.DATASET_FILES.items():
        assert tmp_path / file in _expected_files(getattr(torchvision.datasets, TORCHVISION[name]), tmp_path)


def warnings(results, config=None):
    found = check_results(results, config)
    assert all(finding.fix for finding in found if finding.status != OK)
    return {finding.name: finding.found for finding in found if finding.status == WARN}


@pytest.fixture
def two_runs(make_run):
    """The results of two runs, all of one age, and their config."""
    folders = [make_run({"seed": seed}) for seed in (0, 1)]
    for folder in folders:
        for path in folder.iterdir():
            os.utime(path, (10**9, 10**9))
    values = yaml.safe_load((folders[0] / "run.yaml").read_text())
    config = {"sweep": {"name": "sweep", "defaults": values, "grid": [{"seed": [0, 1]}]}}
    config["analysis"] = {"long_lags": [5, 18]}
    return folders, config


def test_of_a_finished_sweep_nothing_would_be_made_again(two_runs):
    folders, config = two_runs
    assert warnings(folders[0].parents[1]) == warnings(folders[0].parents[1], Config.model_validate(config)) == {}


def test_what_would_be_made_again_is_said_with_its_reason(two_runs):
    (first, second), config = two_runs
    results = first.parents[1]
    (results / "tables").mkdir()
    (results / "tables" / "exponents.csv").write_text(f"run\n{first.name}\n{second.name}\n")
    os.utime(second / "geometry.zarr")
    assert warnings(results) == {
        "diffusion": f"would be done again for {second.name}: diffusion.zarr is older than geometry.zarr"
    }
    config["analysis"] = {"long_lags": [5, 17]}
    config["sweep"]["grid"][0]["seed"] = [0]
    assert warnings(results, Config.model_validate(config)) == {
        "diffusion": f"would be done again for {first.name}: analysis.long_lags is [5, 18] there and [5, 17] here",
        "other runs": f"not in the config: {second.name}; tables, figures and page leave them out",
        "tables": f"would be made again, and with them figures and page: 1 run no longer in the config, such as {second.name}",
    }
    config["sweep"]["defaults"]["training"]["steps"] = 61
    assert warnings(results, Config.model_validate(config))["train"] == (
        f"would be done again, with all later stages, for {first.name}: other settings: training.steps is 60 there and 61 here"
    )


def test_a_folder_without_runs_has_no_results_to_check(tmp_path):
    with pytest.raises(StoreMissingError, match="no runs in it"):
        check_results(tmp_path)
